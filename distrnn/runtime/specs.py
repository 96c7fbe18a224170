"""The layers that `model.json` lists, checked before any of them is built.

A stray key could mean something this version does not know, and ignoring it would give wrong predictions in silence; so every key and every
type is checked, and the first that is wrong is named.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from distrnn.runtime.form import MAX_LAYERS, MODEL_FILE, brief, damaged, read_layers
from distrnn.runtime.gates import OPEN
from distrnn.runtime.layers import ACTIVATIONS, INTO

Spec = dict[str, Any]

CELLS = ("simple_rnn", "gru", "lstm")
STEPWISE = ("batch_normalization", "layer_normalization", "dense")
POOLING = ("global_max_pooling1d", "global_average_pooling1d", "attention_pooling")
FAMILIES = {
    **dict.fromkeys((*CELLS, "bidirectional"), "recurrent"),
    **dict.fromkeys(("conv1d", "parallel"), "convolution"),
    **dict.fromkeys(("flatten", "bag"), "whole"),
}
CELL_KEYS: dict[str, type] = {"units": int, "return_sequences": bool, "stateful": bool, "activation": str}
GATED_KEYS = {**CELL_KEYS, "recurrent_activation": str}
KEYS: dict[str, dict[str, type]] = {
    "embedding": {"mask_zero": bool},
    "batch_normalization": {"epsilon": float},
    "layer_normalization": {"epsilon": float},
    "simple_rnn": CELL_KEYS,
    "gru": {**GATED_KEYS, "reset_after": bool},
    "lstm": GATED_KEYS,
    "bidirectional": {"cell": dict},
    "conv1d": {"units": int, "kernel_size": int, "activation": str},
    "parallel": {"layers": list},
    **{kind: {} for kind in POOLING},
    "flatten": {"steps": int},
    "bag": {"units": int, "activation": str},
    "dense": {"units": int, "activation": str},
}
# What a layer without the key is: all were before there was a choice, and an older distrnn can read it.
DEFAULTS: dict[str, Spec] = {
    "gru": {"recurrent_activation": "sigmoid", "reset_after": True},
    "lstm": {"activation": "tanh", "recurrent_activation": "sigmoid"},
}
MAX_SIZES = {"units": 1 << 20, "kernel_size": 1 << 20, "steps": 1 << 20}
ORDER = (
    "an embedding, then recurrent layers with or without a pooling or a flatten, convolutions with one of them, a flatten or a bag, with "
    "other layers among them"
)


def read_specs(folder: Path) -> list[Spec]:
    """The layers of a published model, their defaults written out.

    Args:
        folder: holds `model.json`.
    Returns:
        an embedding, then layers each of which takes what the one before gives.
    Raises:
        NotFoundError: there is no such file.
        IntegrityError: an unknown layer, a key that is missing, unknown or of the wrong type, or an order that makes no sense.
    """
    specs = [_checked(spec) for spec in read_layers(folder)]
    _check_names(specs)
    _check_order(specs)
    return specs


def members(spec: Spec) -> list[Spec]:
    """The convolutions of a `parallel`, or the one that stands alone."""
    return list(spec["layers"]) if spec["type"] == "parallel" else [spec]


def _checked(spec: Spec) -> Spec:
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
    _check_values(full, where)
    if kind == "bidirectional":
        return {**full, "cell": _cell(full, where)}
    if kind == "parallel":
        if not 2 <= len(full["layers"]) <= MAX_LAYERS:
            raise damaged(where, f"'layers', a list of 2 to {MAX_LAYERS} layers", len(full["layers"]))
        inner = [_convolution(layer, where, position) for position, layer in enumerate(full["layers"])]
        if len({layer["activation"] for layer in inner}) > 1:
            raise damaged(where, "layers of one activation", ", ".join(layer["activation"] for layer in inner))
        return {**full, "layers": inner}
    return full


def _cell(spec: Spec, where: str) -> Spec:
    """What both directions of a bidirectional layer are; its name is that of the layer."""
    cell = spec["cell"]
    if cell.get("type") not in CELLS:
        raise damaged(where, f"'cell' with a 'type' out of {', '.join(CELLS)}", brief(cell))
    if "name" in cell:
        raise damaged(where, "'cell' without a 'name' of its own", brief(cell["name"]))
    return _checked({**cell, "name": spec["name"]})


def _convolution(spec: object, where: str, position: int) -> Spec:
    if not isinstance(spec, dict) or spec.get("type") != "conv1d" or not isinstance(spec.get("name"), str):
        raise damaged(where, f"layer {position} with a 'name' and a 'type' out of conv1d", brief(spec))
    return _checked(spec)


def _check_values(full: Spec, where: str) -> None:
    for key, largest in MAX_SIZES.items():
        if not 1 <= full.get(key, 1) <= largest:
            raise damaged(where, f"{key!r} from 1 to {largest}", full[key])
    activations = ACTIVATIONS if full["type"] in ("dense", "bag") else INTO
    if "activation" in full and full["activation"] not in activations:
        raise damaged(where, f"an activation out of {', '.join(activations)}", repr(full["activation"]))
    if full.get("recurrent_activation", "sigmoid") not in OPEN:
        raise damaged(where, f"a recurrent_activation out of {', '.join(OPEN)}", repr(full["recurrent_activation"]))
    if not 0.0 < full.get("epsilon", 1.0) <= 1.0:
        raise damaged(where, "'epsilon' above 0 and at most 1", full["epsilon"])


def _check_names(specs: list[Spec]) -> None:
    """All names differ, those of layers within others too: weights are found by them."""
    names: set[str] = set()
    for name in (layer["name"] for spec in specs for layer in _named(spec)):
        if name in names:
            raise damaged(MODEL_FILE, "layers with different names", f"{name!r} twice")
        names.add(name)


def _named(spec: Spec) -> Iterator[Spec]:
    yield spec
    if spec["type"] == "parallel":
        yield from spec["layers"]


def _check_order(specs: list[Spec]) -> None:
    """One family of layers that read several steps, and what brings those together that they give."""
    kinds = [spec["type"] for spec in specs]
    places = [place for place, kind in enumerate(kinds) if place > 0 and kind not in STEPWISE]
    pooled = len(places) > 1 and kinds[places[-1]] in (*POOLING, "flatten")
    readers = places[:-1] if pooled else places
    families = {FAMILIES.get(kinds[place]) for place in readers}
    recurrent = families == {"recurrent"}
    alone = len(readers) == 1 and families == {"convolution" if pooled else "whole"}
    if kinds[0] != "embedding" or not (recurrent or alone) or (pooled and places[-1] != readers[-1] + 1):
        raise damaged(MODEL_FILE, ORDER, ", ".join(kinds))
    for place in readers if recurrent and pooled else readers[:-1]:
        spec = specs[place]
        if not spec.get("cell", spec)["return_sequences"]:
            before = "a pooling or a flatten" if place == readers[-1] else "another recurrent layer"
            raise damaged(f"{MODEL_FILE} layer {spec['name']!r}", f"return_sequences true before {before}", "false")
