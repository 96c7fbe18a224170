"""From the files of the NumPy form to layers that fit each other.

A stray key could mean something this version does not know, and ignoring it would give wrong predictions in silence; so every key, every
type and every shape is checked, and the first that is wrong is named.
"""

from pathlib import Path
from typing import Any

from distrnn.runtime.document_layers import Conv1D, Flatten, GlobalMaxPooling1D
from distrnn.runtime.form import MODEL_FILE, WEIGHTS_FILE, FloatArray, damaged, read_layers, read_weights
from distrnn.runtime.gru import GRU
from distrnn.runtime.layers import ACTIVATIONS, INTO, BatchNormalization, Dense, Embedding
from distrnn.runtime.lstm import LSTM
from distrnn.runtime.simple_rnn import SimpleRNN

Cell = SimpleRNN | GRU | LSTM
Layer = Embedding | BatchNormalization | Dense | Cell | Conv1D | GlobalMaxPooling1D | Flatten

CELLS: dict[str, tuple[type[SimpleRNN] | type[GRU] | type[LSTM], int]] = {"simple_rnn": (SimpleRNN, 1), "gru": (GRU, 3), "lstm": (LSTM, 4)}
KEYS: dict[str, dict[str, type]] = {
    "embedding": {"mask_zero": bool},
    "batch_normalization": {"epsilon": float},
    **{cell: {"units": int, "return_sequences": bool, "stateful": bool, "activation": str} for cell in CELLS},
    "conv1d": {"units": int, "kernel_size": int, "activation": str},
    "global_max_pooling1d": {},
    "flatten": {"steps": int},
    "dense": {"units": int, "activation": str},
}
# An lstm without the key is one of tanh: all were before there was a choice, and an older distrnn can read it.
DEFAULTS: dict[str, dict[str, Any]] = {"lstm": {"activation": "tanh"}}
WEIGHTS = {
    "embedding": ("embeddings",),
    "batch_normalization": ("gamma", "beta", "moving_mean", "moving_variance"),
    **dict.fromkeys(CELLS, ("kernel", "recurrent_kernel", "bias")),
    "conv1d": ("kernel", "bias"),
    "global_max_pooling1d": (),
    "flatten": (),
    "dense": ("kernel", "bias"),
}
STEPWISE = ("batch_normalization", "dense")
MAX_SIZES = {"units": 1 << 20, "kernel_size": 1 << 20, "steps": 1 << 20}


def load_layers(folder: Path) -> list[Layer]:
    """Read, check and build the layers of a published model.

    Args:
        folder: holds `model.json` and `weights.npz`.
    Returns:
        an embedding, then layers each of which takes what the one before gives; recurrent ones, a convolution with its pooling, or a
        flattening are among them.
    Raises:
        NotFoundError: a file is missing.
        IntegrityError: an unknown layer, a key that is missing, unknown or of the wrong type, a shape that does not fit.
    """
    specs = [_checked(spec) for spec in read_layers(folder)]
    _check_order(specs)
    weights = read_weights(folder, [f"{spec['name']}/{weight}" for spec in specs for weight in WEIGHTS[spec["type"]]])
    layers: list[Layer] = []
    features = 0
    for spec in specs:
        own = {weight: weights[f"{spec['name']}/{weight}"] for weight in WEIGHTS[spec["type"]]}
        layer, features = _build(spec, own, features)
        layers.append(layer)
    return layers


def _checked(spec: dict[str, Any]) -> dict[str, Any]:
    """The layer with its defaults, if every key of it makes sense."""
    kind, where = spec["type"], f"{MODEL_FILE} layer {spec['name']!r}"
    if kind not in KEYS:
        raise damaged(where, f"a type out of {', '.join(KEYS)}", repr(kind))
    wanted = {"type": str, "name": str, **KEYS[kind]}
    full = {**DEFAULTS.get(kind, {}), **spec}
    if set(full) != set(wanted):
        raise damaged(where, f"the keys {', '.join(wanted)}", ", ".join(spec))
    for key, of_type in wanted.items():
        if type(full[key]) is not of_type:
            raise damaged(where, f"{key!r} of type {of_type.__name__}", repr(full[key]))
    for key, largest in MAX_SIZES.items():
        if not 1 <= full.get(key, 1) <= largest:
            raise damaged(where, f"{key!r} from 1 to {largest}", full[key])
    activations = ACTIVATIONS if kind == "dense" else INTO
    if "activation" in full and full["activation"] not in activations:
        raise damaged(where, f"an activation out of {', '.join(activations)}", repr(full["activation"]))
    if not 0.0 < full.get("epsilon", 1.0) <= 1.0:
        raise damaged(where, "'epsilon' above 0 and at most 1", full["epsilon"])
    return full


def _check_order(specs: list[dict[str, Any]]) -> None:
    kinds = [spec["type"] for spec in specs]
    reading = [kind for kind in kinds[1:] if kind not in STEPWISE]
    recurrent = [spec for spec in specs if spec["type"] in CELLS]
    whole = reading in (["conv1d", "global_max_pooling1d"], ["flatten"])
    if kinds[0] != "embedding" or not reading or not (whole or len(recurrent) == len(reading)):
        expected = "an embedding, then recurrent layers, a conv1d and a global_max_pooling1d, or a flatten, with other layers among them"
        raise damaged(MODEL_FILE, expected, ", ".join(kinds))
    for spec in recurrent[:-1]:
        if not spec["return_sequences"]:
            raise damaged(f"{MODEL_FILE} layer {spec['name']!r}", "return_sequences true before another recurrent layer", "false")


def _build(spec: dict[str, Any], own: dict[str, FloatArray], features: int) -> tuple[Layer, int]:
    """The layer and the number of features that it gives, where the layer before gives `features`."""
    name, units = spec["name"], spec.get("units", 0)
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
        case "conv1d":
            _check_shapes(name, own, {"kernel": (spec["kernel_size"], features, units), "bias": (units,)})
            return Conv1D(**own, activation=spec["activation"]), units
        case "global_max_pooling1d":
            return GlobalMaxPooling1D(), features
        case "flatten":
            return Flatten(spec["steps"], features), spec["steps"] * features
        case "dense":
            _check_shapes(name, own, {"kernel": (features, units), "bias": (units,)})
            return Dense(**own, activation=spec["activation"]), units
        case kind:
            cell, gates = CELLS[kind]
            bias = (2, gates * units) if cell is GRU else (gates * units,)
            _check_shapes(name, own, {"kernel": (features, gates * units), "recurrent_kernel": (units, gates * units), "bias": bias})
            return cell(**own, activation=spec["activation"], return_sequences=spec["return_sequences"]), units


def _check_shapes(name: str, own: dict[str, FloatArray], shapes: dict[str, tuple[int, ...]]) -> None:
    for weight, shape in shapes.items():
        if own[weight].shape != shape:
            raise damaged(f"{WEIGHTS_FILE} {name}/{weight}", f"the shape {list(shape)}", list(own[weight].shape))
