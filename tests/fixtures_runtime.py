"""Small published models in their NumPy form, and a plain reference for what they compute."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distrnn.runtime import Preprocessing
from distrnn.text import TokenizerSpec, Vocabulary

CHARACTERS = " abcdefgh\n"
WORDS = ("the", "good", "bad", "film", "not")


def tiny_layers(
    *,
    ids: int = 8,
    features: int = 3,
    units: tuple[int, ...] = (4,),
    sequences: bool = False,
    mask_zero: bool = False,
    normalized: bool = False,
    outputs: int = 1,
    activation: str = "sigmoid",
    seed: int = 0,
) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """The layers of `model.json` and the arrays of `weights.npz`."""
    generator = np.random.default_rng(seed)

    def random(*shape: int) -> np.ndarray:
        return generator.normal(0.0, 0.7, shape).astype(np.float32)

    layers: list[dict[str, Any]] = [{"type": "embedding", "name": "embedding", "mask_zero": mask_zero}]
    weights = {"embedding/embeddings": random(ids, features)}
    if normalized:
        layers.append({"type": "batch_normalization", "name": "normal", "epsilon": 0.001})
        weights |= {f"normal/{weight}": random(features) for weight in ("gamma", "beta", "moving_mean")}
        weights["normal/moving_variance"] = np.abs(random(features))
    for number, size in enumerate(units):
        last = number == len(units) - 1
        name = f"lstm_{number}"
        layers.append({"type": "lstm", "name": name, "units": size, "return_sequences": sequences or not last, "stateful": sequences})
        weights |= {
            f"{name}/kernel": random(features, 4 * size),
            f"{name}/recurrent_kernel": random(size, 4 * size),
            f"{name}/bias": random(4 * size),
        }
        features = size
    layers.append({"type": "dense", "name": "output", "units": outputs, "activation": activation})
    return layers, weights | {"output/kernel": random(features, outputs), "output/bias": random(outputs)}


def write_form(folder: Path, layers: list[dict[str, Any]], weights: dict[str, np.ndarray]) -> Path:
    """Write the NumPy form."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.json").write_text(json.dumps({"format": 1, "layers": layers}), encoding="utf-8")
    np.savez(folder / "weights.npz", **weights)
    return folder


def reference(layers: list[dict[str, Any]], weights: dict[str, np.ndarray], tokens: np.ndarray) -> np.ndarray:
    """What the layers mean, one row and one step after the other, in float64."""
    return np.stack([_reference_row(layers, weights, row) for row in tokens])


def _reference_row(layers: list[dict[str, Any]], weights: dict[str, np.ndarray], row: np.ndarray) -> np.ndarray:
    w = {key: value.astype(np.float64) for key, value in weights.items()}
    keep = row != 0 if layers[0]["mask_zero"] else np.ones(len(row), bool)
    x = w["embedding/embeddings"][row]
    for layer in layers[1:]:
        name = layer["name"]
        if layer["type"] == "batch_normalization":
            deviation = np.sqrt(w[f"{name}/moving_variance"] + layer["epsilon"])
            x = w[f"{name}/gamma"] * (x - w[f"{name}/moving_mean"]) / deviation + w[f"{name}/beta"]
        elif layer["type"] == "lstm":
            x = _reference_lstm(x, keep, w[f"{name}/kernel"], w[f"{name}/recurrent_kernel"], w[f"{name}/bias"])
            x = x if layer["return_sequences"] else x[-1]
        else:
            z = x @ w[f"{name}/kernel"] + w[f"{name}/bias"]
            shares = np.exp(z)
            x = {"linear": z, "sigmoid": 1.0 / (1.0 + 1.0 / shares), "softmax": shares / shares.sum(-1, keepdims=True)}[layer["activation"]]
    return x


def _reference_lstm(x: np.ndarray, keep: np.ndarray, kernel: np.ndarray, recurrent: np.ndarray, bias: np.ndarray) -> np.ndarray:
    h = c = np.zeros(recurrent.shape[0])
    outputs = []
    for step, kept in zip(x, keep, strict=True):
        if kept:
            i, f, g, o = np.split(step @ kernel + h @ recurrent + bias, 4)
            c = c / (1.0 + np.exp(-f)) + np.tanh(g) / (1.0 + np.exp(-i))
            h = np.tanh(c) / (1.0 + np.exp(-o))
        outputs.append(h)
    return np.stack(outputs)


@pytest.fixture
def tiny_classifier(tmp_path: Path) -> Callable[..., Path]:
    """Writes a published classifier of five words and gives its folder."""

    def write(name: str = "classifier", labels: tuple[str, ...] = ("negative", "positive"), **keys: Any) -> Path:
        outputs = 1 if len(labels) == 2 else len(labels)
        write_form(tmp_path / name / "numpy", *tiny_layers(**{"outputs": outputs, **keys}))
        vocabulary = Vocabulary(WORDS, TokenizerSpec("word", "fold", "strip"))
        Preprocessing("classifier", vocabulary, labels, sequence_length=6).write(tmp_path / name)
        return tmp_path / name

    return write


@pytest.fixture
def tiny_language_model(tmp_path: Path) -> Callable[..., Path]:
    """Writes a published language model of ten characters (or five words) and gives its folder."""

    def write(name: str = "language", level: str = "char", tokens: tuple[str, ...] | str = CHARACTERS, **keys: Any) -> Path:
        case, html = ("keep", "keep") if level == "char" else ("fold", "strip")
        vocabulary = Vocabulary(tuple(tokens), TokenizerSpec(level, case, html))
        sizes = {"ids": vocabulary.size, "outputs": vocabulary.size, "activation": "softmax", "sequences": True, "normalized": True}
        write_form(tmp_path / name / "numpy", *tiny_layers(**{**sizes, **keys}))
        Preprocessing("language-model", vocabulary, sample_prompt="a cab").write(tmp_path / name)
        return tmp_path / name

    return write
