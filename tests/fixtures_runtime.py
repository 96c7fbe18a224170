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
Function = Callable[[np.ndarray], np.ndarray]


def tiny_layers(
    *,
    ids: int = 8,
    features: int = 3,
    units: tuple[int, ...] = (4,),
    sequences: bool = False,
    mask_zero: bool = False,
    normalized: bool = False,
    cell: str = "lstm",
    cell_activation: str | None = None,
    reset_after: bool = True,
    outputs: int = 1,
    activation: str = "sigmoid",
    seed: int = 0,
) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """The layers of `model.json` and the arrays of `weights.npz` of a recurrent network."""
    random = _random(seed)
    layers: list[dict[str, Any]] = [{"type": "embedding", "name": "embedding", "mask_zero": mask_zero}]
    weights = {"embedding/embeddings": random(ids, features)}
    gates = {"simple_rnn": 1, "gru": 3, "lstm": 4}[cell]
    keys: dict[str, Any] = {} if cell_activation is None else {"activation": cell_activation}
    keys |= {} if reset_after else {"reset_after": False}
    if normalized:
        layers.append({"type": "batch_normalization", "name": "normal", "epsilon": 0.001})
        weights |= {f"normal/{weight}": random(features) for weight in ("gamma", "beta", "moving_mean")}
        weights["normal/moving_variance"] = np.abs(random(features))
    for number, size in enumerate(units):
        last = number == len(units) - 1
        name = f"{cell}_{number}"
        own = {"units": size, "return_sequences": sequences or not last, "stateful": sequences}
        layers.append({"type": cell, "name": name, **own, **keys})
        weights |= {
            f"{name}/kernel": random(features, gates * size),
            f"{name}/recurrent_kernel": random(size, gates * size),
            f"{name}/bias": random(2, gates * size) if cell == "gru" and reset_after else random(gates * size),
        }
        features = size
    layers.append({"type": "dense", "name": "output", "units": outputs, "activation": activation})
    return layers, weights | {"output/kernel": random(features, outputs), "output/bias": random(outputs)}


def tiny_convolution(
    *,
    ids: int = 8,
    features: int = 3,
    units: int = 4,
    size: int = 3,
    more: tuple[int, ...] = (),
    pooling: str = "global_max_pooling1d",
    steps: int = 6,
    mask_zero: bool = False,
    activation: str = "relu",
    seed: int = 0,
) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """The layers and arrays of a convolution, or of several side by side, whose outputs are brought together."""
    random = _random(seed)
    names = {"conv": size, **{f"conv_{position}": other for position, other in enumerate(more)}}
    members = [
        {"type": "conv1d", "name": name, "units": units, "kernel_size": one, "activation": activation} for name, one in names.items()
    ]
    layers: list[dict[str, Any]] = [
        {"type": "embedding", "name": "embedding", "mask_zero": mask_zero},
        {"type": "parallel", "name": "filters", "layers": members} if more else members[0],
        _brought_together(pooling, steps),
        {"type": "dense", "name": "output", "units": 1, "activation": "sigmoid"},
    ]
    weights = {"embedding/embeddings": random(ids, features)}
    for name, one in names.items():
        weights |= {f"{name}/kernel": random(one, features, units), f"{name}/bias": random(units)}
    units *= len(names)
    if pooling == "attention_pooling":
        weights["pooling/kernel"] = random(units, 1)
    units *= steps if pooling == "flatten" else 1
    return layers, weights | {"output/kernel": random(units, 1), "output/bias": random(1)}


def _brought_together(pooling: str, steps: int) -> dict[str, Any]:
    """What stands behind layers that give every step; only a flatten is for so many steps."""
    return {"type": pooling, "name": "pooling", **({"steps": steps} if pooling == "flatten" else {})}


def tiny_reader(
    *,
    ids: int = 8,
    features: int = 3,
    units: tuple[int, ...] = (4,),
    cell: str = "lstm",
    both: bool = True,
    pooling: str | None = None,
    steps: int = 6,
    normalized: bool = False,
    mask_zero: bool = False,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
    reset_after: bool = True,
    seed: int = 0,
) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """The layers and arrays of recurrent layers that read whole documents, in both directions or in one."""
    random, gates = _random(seed), {"simple_rnn": 1, "gru": 3, "lstm": 4}[cell]
    layers: list[dict[str, Any]] = [{"type": "embedding", "name": "embedding", "mask_zero": mask_zero}]
    weights = {"embedding/embeddings": random(ids, features)}
    if normalized:
        layers.append({"type": "layer_normalization", "name": "normal", "epsilon": 0.001})
        weights |= {"normal/gamma": random(features), "normal/beta": random(features)}
    for number, size in enumerate(units):
        name, sequences = f"{cell}_{number}", pooling is not None or number < len(units) - 1
        spec = {"type": cell, "units": size, "return_sequences": sequences, "stateful": False, "activation": activation}
        spec |= {} if cell == "simple_rnn" else {"recurrent_activation": recurrent_activation}
        spec |= {"reset_after": False} if cell == "gru" and not reset_after else {}
        layers.append({"type": "bidirectional", "name": name, "cell": spec} if both else {**spec, "name": name})
        for own in (f"{name}/forward", f"{name}/backward") if both else (name,):
            weights |= {
                f"{own}/kernel": random(features, gates * size),
                f"{own}/recurrent_kernel": random(size, gates * size),
                f"{own}/bias": random(2, gates * size) if cell == "gru" and reset_after else random(gates * size),
            }
        features = size * (1 + both)
    if pooling is not None:
        layers.append(_brought_together(pooling, steps))
    if pooling == "attention_pooling":
        weights["pooling/kernel"] = random(features, 1)
    features *= steps if pooling == "flatten" else 1
    layers.append({"type": "dense", "name": "output", "units": 1, "activation": "sigmoid"})
    return layers, weights | {"output/kernel": random(features, 1), "output/bias": random(1)}


def tiny_bag(
    *, ids: int = 8, units: int = 4, activation: str = "relu", seed: int = 0
) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """The layers and arrays of a dense layer over multi-hot words."""
    random = _random(seed)
    layers: list[dict[str, Any]] = [
        {"type": "embedding", "name": "words", "mask_zero": True},
        {"type": "bag", "name": "words_bias", "units": units, "activation": activation},
        {"type": "dense", "name": "output", "units": 1, "activation": "sigmoid"},
    ]
    weights = {"words/embeddings": random(ids, units), "words_bias/bias": random(units)}
    return layers, weights | {"output/kernel": random(units, 1), "output/bias": random(1)}


def tiny_mlp(
    *, ids: int = 8, features: int = 3, units: int = 4, steps: int = 6, mask_zero: bool = False, activation: str = "relu", seed: int = 0
) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """The layers and arrays of a network that sees all tokens side by side."""
    random = _random(seed)
    layers: list[dict[str, Any]] = [
        {"type": "embedding", "name": "embedding", "mask_zero": mask_zero},
        {"type": "flatten", "name": "flatten", "steps": steps},
        {"type": "dense", "name": "hidden", "units": units, "activation": activation},
        {"type": "dense", "name": "output", "units": 1, "activation": "sigmoid"},
    ]
    weights = {
        "embedding/embeddings": random(ids, features),
        "hidden/kernel": random(steps * features, units),
        "hidden/bias": random(units),
    }
    return layers, weights | {"output/kernel": random(units, 1), "output/bias": random(1)}


def _random(seed: int) -> Callable[..., np.ndarray]:
    generator = np.random.default_rng(seed)
    return lambda *shape: generator.normal(0.0, 0.7, shape).astype(np.float32)


def write_form(folder: Path, layers: list[dict[str, Any]], weights: dict[str, np.ndarray], window: int | None = None) -> Path:
    """Write the NumPy form."""
    folder.mkdir(parents=True, exist_ok=True)
    document = {"format": 1, "layers": layers} | ({} if window is None else {"window": window})
    (folder / "model.json").write_text(json.dumps(document), encoding="utf-8")
    np.savez(folder / "weights.npz", **weights)
    return folder


def reference(layers: list[dict[str, Any]], weights: dict[str, np.ndarray], tokens: np.ndarray) -> np.ndarray:
    """What the layers mean, one row and one step after the other, in float64."""
    return np.stack([_reference_row(layers, weights, row) for row in tokens])


def _reference_row(layers: list[dict[str, Any]], weights: dict[str, np.ndarray], row: np.ndarray) -> np.ndarray:
    w = {key: value.astype(np.float64) for key, value in weights.items()}
    keep = row != 0 if layers[0]["mask_zero"] else np.ones(len(row), bool)
    x = w[f"{layers[0]['name']}/embeddings"][row]
    lowest = 0.0
    for layer in layers[1:]:
        name = layer["name"]
        if layer["type"] == "batch_normalization":
            deviation = np.sqrt(w[f"{name}/moving_variance"] + layer["epsilon"])
            x = w[f"{name}/gamma"] * (x - w[f"{name}/moving_mean"]) / deviation + w[f"{name}/beta"]
        elif layer["type"] == "layer_normalization":
            deviation = np.sqrt(x.var(axis=-1, keepdims=True) + layer["epsilon"])
            x = w[f"{name}/gamma"] * (x - x.mean(axis=-1, keepdims=True)) / deviation + w[f"{name}/beta"]
        elif layer["type"] in CELLS:
            lowest = LOWEST[layer.get("activation", "tanh")]
            x = _reference_cell(layer, w, name, x, keep)
        elif layer["type"] == "bidirectional":
            cell = layer["cell"]
            lowest = LOWEST[cell["activation"]]
            back = _reference_cell(cell, w, f"{name}/backward", x[::-1], keep[::-1])
            back = back[::-1] if cell["return_sequences"] else back
            x = np.concatenate([_reference_cell(cell, w, f"{name}/forward", x, keep), back], axis=-1)
        elif layer["type"] in ("conv1d", "parallel"):
            members = layer.get("layers", [layer])
            lowest = LOWEST[members[0]["activation"]]
            x = np.concatenate([_reference_convolution(x * keep[:, None], w, member) for member in members], axis=-1)
        elif layer["type"] == "global_max_pooling1d":
            x = x[keep].max(axis=0, initial=lowest)
        elif layer["type"] == "global_average_pooling1d":
            x = x[keep].sum(axis=0) / max(1, keep.sum())
        elif layer["type"] == "attention_pooling":
            x = (_softmax(x[keep] @ w[f"{name}/kernel"][:, 0])[:, None] * x[keep]).sum(axis=0) if keep.any() else np.zeros(x.shape[1])
        elif layer["type"] == "bag":
            x = ACTIVATIONS[layer["activation"]](x[keep].sum(axis=0) + w[f"{name}/bias"])
        elif layer["type"] == "flatten":
            x = (x * keep[:, None]).ravel()
        else:
            x = ACTIVATIONS[layer["activation"]](x @ w[f"{name}/kernel"] + w[f"{name}/bias"])
    return x


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-x))


def _softmax(x: np.ndarray) -> np.ndarray:
    return np.exp(x) / np.exp(x).sum(-1, keepdims=True)


def _relu(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0.0, x, 0.0)


LOWEST = {"relu": 0.0, "tanh": -1.0}
GATES = {"sigmoid": _sigmoid, "hard_sigmoid": lambda x: np.clip(x / 6.0 + 0.5, 0.0, 1.0)}
ACTIVATIONS = {"linear": lambda x: x, "sigmoid": _sigmoid, "softmax": _softmax, "tanh": np.tanh, "relu": _relu}


def _reference_cell(layer: dict[str, Any], w: dict[str, np.ndarray], name: str, x: np.ndarray, keep: np.ndarray) -> np.ndarray:
    arrays = (w[f"{name}/{weight}"] for weight in ("kernel", "recurrent_kernel", "bias"))
    gate = GATES[layer.get("recurrent_activation", "sigmoid")]
    advance = CELLS[layer["type"]](*arrays, ACTIVATIONS[layer.get("activation", "tanh")], gate)
    steps = _reference_steps(advance, layer["units"], x, keep)
    return steps if layer["return_sequences"] else steps[-1]


def _reference_steps(advance: Callable[..., Any], units: int, x: np.ndarray, keep: np.ndarray) -> np.ndarray:
    h = c = np.zeros(units)
    outputs = []
    for step, kept in zip(x, keep, strict=True):
        if kept:
            h, c = advance(step, h, c)
        outputs.append(h)
    return np.stack(outputs)


def _lstm(kernel: np.ndarray, recurrent: np.ndarray, bias: np.ndarray, activation: Function, gate: Function) -> Callable[..., Any]:
    def advance(x: np.ndarray, h: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        i, f, g, o = np.split(x @ kernel + h @ recurrent + bias, 4)
        c = c * gate(f) + activation(g) * gate(i)
        return activation(c) * gate(o), c

    return advance


def _gru(kernel: np.ndarray, recurrent: np.ndarray, bias: np.ndarray, activation: Function, gate: Function) -> Callable[..., Any]:
    def advance(x: np.ndarray, h: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        xz, xr, xg = np.split(x @ kernel + bias[0], 3)
        hz, hr, hg = np.split(h @ recurrent + bias[1], 3)
        z = gate(xz + hz)
        return z * h + (1.0 - z) * activation(xg + gate(xr + hr) * hg), c

    def reset_before(x: np.ndarray, h: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        xz, xr, xg = np.split(x @ kernel + bias, 3)
        rz, rr, rg = np.split(recurrent, 3, axis=1)
        z, r = gate(xz + h @ rz), gate(xr + h @ rr)
        return z * h + (1.0 - z) * activation(xg + (r * h) @ rg), c

    return advance if bias.ndim == 2 else reset_before


def _simple_rnn(kernel: np.ndarray, recurrent: np.ndarray, bias: np.ndarray, activation: Function, gate: Function) -> Callable[..., Any]:
    return lambda x, h, c: (activation(x @ kernel + h @ recurrent + bias), c)


CELLS = {"lstm": _lstm, "gru": _gru, "simple_rnn": _simple_rnn}


def _reference_convolution(x: np.ndarray, w: dict[str, np.ndarray], layer: dict[str, Any]) -> np.ndarray:
    kernel, bias, activation = w[f"{layer['name']}/kernel"], w[f"{layer['name']}/bias"], ACTIVATIONS[layer["activation"]]
    size = len(kernel)
    before = (size - 1) // 2
    filled = np.pad(x, ((before, size - 1 - before), (0, 0)))
    windows = [filled[step : step + size] for step in range(len(x))]
    return np.stack([activation(np.einsum("wf,wfu->u", window, kernel) + bias) for window in windows])


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

    def write(
        name: str = "language", level: str = "char", tokens: tuple[str, ...] | str = CHARACTERS, window: int | None = None, **keys: Any
    ) -> Path:
        case, html = ("keep", "keep") if level == "char" else ("fold", "strip")
        vocabulary = Vocabulary(tuple(tokens), TokenizerSpec(level, case, html))
        sizes = {"ids": vocabulary.size, "outputs": vocabulary.size, "activation": "softmax", "sequences": True, "normalized": True}
        write_form(tmp_path / name / "numpy", *tiny_layers(**{**sizes, **keys}), window=window)
        Preprocessing("language-model", vocabulary, sample_prompt="a cab").write(tmp_path / name)
        return tmp_path / name

    return write


@pytest.fixture
def tiny_vectors(tmp_path: Path) -> Callable[..., Path]:
    """Writes published vectors of five words and gives its folder."""

    def write(name: str = "vectors", dimension: int = 3) -> Path:
        vocabulary = Vocabulary(WORDS, TokenizerSpec("word", "fold", "strip"))
        layers, weights = tiny_bag(ids=vocabulary.size, units=dimension, activation="linear")
        kept = {key: array for key, array in weights.items() if not key.startswith("output/")}
        write_form(tmp_path / name / "numpy", layers[:2], kept)
        Preprocessing("embedding", vocabulary).write(tmp_path / name)
        return tmp_path / name

    return write
