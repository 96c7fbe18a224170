"""From the files of the NumPy form to layers that fit each other.

A stray key could mean something this version does not know, and ignoring it would give wrong predictions in silence; so every key, every
type and every shape is checked, and the first that is wrong is named.
"""

from pathlib import Path
from typing import Any

from distrnn.runtime.form import MODEL_FILE, WEIGHTS_FILE, FloatArray, damaged, read_layers, read_weights
from distrnn.runtime.layers import ACTIVATIONS, BatchNormalization, Dense, Embedding
from distrnn.runtime.lstm import LSTM

Layer = Embedding | BatchNormalization | LSTM | Dense

KEYS: dict[str, dict[str, type]] = {
    "embedding": {"mask_zero": bool},
    "batch_normalization": {"epsilon": float},
    "lstm": {"units": int, "return_sequences": bool, "stateful": bool},
    "dense": {"units": int, "activation": str},
}
WEIGHTS = {
    "embedding": ("embeddings",),
    "batch_normalization": ("gamma", "beta", "moving_mean", "moving_variance"),
    "lstm": ("kernel", "recurrent_kernel", "bias"),
    "dense": ("kernel", "bias"),
}
MAX_UNITS = 1 << 20


def load_layers(folder: Path) -> list[Layer]:
    """Read, check and build the layers of a published model.

    Args:
        folder: holds `model.json` and `weights.npz`.
    Returns:
        an embedding, then layers each of which takes what the one before gives; at least one is recurrent.
    Raises:
        NotFoundError: a file is missing.
        IntegrityError: an unknown layer, a key that is missing, unknown or of the wrong type, a shape that does not fit.
    """
    specs = read_layers(folder)
    for spec in specs:
        _check_keys(spec)
    _check_order(specs)
    weights = read_weights(folder, [f"{spec['name']}/{weight}" for spec in specs for weight in WEIGHTS[spec["type"]]])
    layers: list[Layer] = []
    features = 0
    for spec in specs:
        own = {weight: weights[f"{spec['name']}/{weight}"] for weight in WEIGHTS[spec["type"]]}
        layer, features = _build(spec, own, features)
        layers.append(layer)
    return layers


def _check_keys(spec: dict[str, Any]) -> None:
    kind, where = spec["type"], f"{MODEL_FILE} layer {spec['name']!r}"
    if kind not in KEYS:
        raise damaged(where, f"a type out of {', '.join(KEYS)}", repr(kind))
    wanted = {"type": str, "name": str, **KEYS[kind]}
    if set(spec) != set(wanted):
        raise damaged(where, f"the keys {', '.join(wanted)}", ", ".join(spec))
    for key, of_type in wanted.items():
        if type(spec[key]) is not of_type:
            raise damaged(where, f"{key!r} of type {of_type.__name__}", repr(spec[key]))
    if not 1 <= spec.get("units", 1) <= MAX_UNITS:
        raise damaged(where, f"'units' from 1 to {MAX_UNITS}", spec["units"])
    if spec.get("activation", "linear") not in ACTIVATIONS:
        raise damaged(where, f"an activation out of {', '.join(ACTIVATIONS)}", repr(spec["activation"]))
    if not 0.0 < spec.get("epsilon", 1.0) <= 1.0:
        raise damaged(where, "'epsilon' above 0 and at most 1", spec["epsilon"])


def _check_order(specs: list[dict[str, Any]]) -> None:
    kinds = [spec["type"] for spec in specs]
    if kinds[0] != "embedding" or "embedding" in kinds[1:] or "lstm" not in kinds:
        raise damaged(MODEL_FILE, "an embedding, then other layers, one lstm at least", ", ".join(kinds))
    recurrent = [spec for spec in specs if spec["type"] == "lstm"]
    for spec in recurrent[:-1]:
        if not spec["return_sequences"]:
            raise damaged(f"{MODEL_FILE} layer {spec['name']!r}", "return_sequences true before another lstm", "false")


def _build(spec: dict[str, Any], own: dict[str, FloatArray], features: int) -> tuple[Layer, int]:
    """The layer and the number of features that it gives, where the layer before gives `features`."""
    name = spec["name"]
    match spec["type"]:
        case "embedding":
            table = own["embeddings"]
            if table.ndim != 2 or 0 in table.shape:
                raise damaged(f"{WEIGHTS_FILE} {name}/embeddings", "the shape [ids, features]", list(table.shape))
            return Embedding(table, spec["mask_zero"]), table.shape[1]
        case "batch_normalization":
            _check_shapes(name, own, dict.fromkeys(own, (features,)))
            if (own["moving_variance"] < 0.0).any():
                raise damaged(f"{WEIGHTS_FILE} {name}/moving_variance", "no negative numbers", "some")
            return BatchNormalization(**own, epsilon=spec["epsilon"]), features
        case "lstm":
            units = spec["units"]
            _check_shapes(name, own, {"kernel": (features, 4 * units), "recurrent_kernel": (units, 4 * units), "bias": (4 * units,)})
            return LSTM(**own, return_sequences=spec["return_sequences"]), units
        case _:
            _check_shapes(name, own, {"kernel": (features, spec["units"]), "bias": (spec["units"],)})
            return Dense(**own, activation=spec["activation"]), spec["units"]


def _check_shapes(name: str, own: dict[str, FloatArray], shapes: dict[str, tuple[int, ...]]) -> None:
    for weight, shape in shapes.items():
        if own[weight].shape != shape:
            raise damaged(f"{WEIGHTS_FILE} {name}/{weight}", f"the shape {list(shape)}", list(own[weight].shape))
