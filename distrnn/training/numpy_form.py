"""A Keras model as the layers and weights of its NumPy form.

Each layer takes what the one before gives, but for three shapes that `distrnn.models` makes of several Keras layers and operations:
convolutions side by side, an attention (scores ► softmax ► weighted sum), and a bag (sum of words + bias ► activation). Operations alone
say nothing: they are those of a mask, of an attention or of a bag, and any other is refused.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from distrnn.runtime.form import FloatArray

Spec = dict[str, Any]
Weights = dict[str, FloatArray]
Described = tuple[Spec, Weights]

SILENT = keras.layers.InputLayer | keras.layers.Dropout | keras.layers.SpatialDropout1D
# The operations by which networks leave padding out; in the NumPy form `mask_zero` says so.
MASKING = {"NotEqual", "ExpandDims", "Where", "Any", "LogicalNot", "LogicalOr"}
OF_ATTENTION = {"Multiply", "Sum"}
OF_BAG = {"Sum", "GetItem", "ZerosLike", "Add"}
CELLS = {"simple_rnn": keras.layers.SimpleRNN, "gru": keras.layers.GRU, "lstm": keras.layers.LSTM}
RECURRENT_ACTIVATIONS = {keras.activations.sigmoid: "sigmoid", keras.activations.hard_sigmoid: "hard_sigmoid"}


def numpy_form(model: keras.Model) -> tuple[list[Spec], Weights]:
    """What `model.json` says of each layer that does something when it predicts, and what `weights.npz` holds.

    Raises:
        TypeError: the NumPy form has no such layer or operation.
    """
    described = _described([layer for layer in model.layers if not isinstance(layer, SILENT)])
    specs = [spec for spec, _ in described]
    kinds = {spec["type"] for spec in specs}
    operations = {type(one).__name__ for one in getattr(model, "operations", ()) if not isinstance(one, keras.layers.Layer)}
    known = MASKING | (OF_ATTENTION if "attention_pooling" in kinds else set()) | (OF_BAG if "bag" in kinds else set())
    if unknown := operations - known:
        raise TypeError(f"no NumPy form for the operation {', '.join(sorted(unknown))}")
    if "NotEqual" in operations:
        specs[0]["mask_zero"] = True
    return specs, {key: array for _, weights in described for key, array in weights.items()}


def _described(layers: Sequence[keras.layers.Layer]) -> list[Described]:
    described: list[Described] = []
    for position, layer in enumerate(layers):
        match layer:
            case keras.layers.Softmax(axis=1) if position and _is_scoring(layers[position - 1]):
                spec, weights = described.pop()
                described.append(({"type": "attention_pooling", "name": spec["name"]}, weights))
            case keras.layers.Concatenate(axis=-1):
                members = [described.pop() for _ in layer.input][::-1]
                together = {"type": "parallel", "name": layer.name, "layers": [spec for spec, _ in members]}
                described.append((together, {key: array for _, weights in members for key, array in weights.items()}))
            case keras.layers.Embedding(input_dim=1) if position:
                bias = {f"{layer.name}/bias": np.asarray(layer.embeddings, np.float32)[0]}
                described.append(({"type": "bag", "name": layer.name, "units": layer.output_dim, "activation": "linear"}, bias))
            case keras.layers.Activation() if described[-1][0]["type"] == "bag":
                described[-1][0]["activation"] = layer.activation.__name__
            case keras.layers.Bidirectional(merge_mode="concat"):
                described.append(_both_directions(layer))
            case _ if _is_scoring(layer) and position + 1 < len(layers) and isinstance(layers[position + 1], keras.layers.Softmax):
                described.append(({"type": "dense", "name": layer.name}, _weights(layer)))
            case _:
                described.append(({"type": "", "name": layer.name, **_describe(layer)}, _weights(layer)))
    return described


def _is_scoring(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, keras.layers.Dense) and layer.units == 1 and not layer.use_bias


def _describe(layer: keras.layers.Layer) -> Spec:
    """Type and settings of a layer."""
    match layer:
        case keras.layers.Embedding():
            return {"type": "embedding", "mask_zero": bool(layer.mask_zero)}
        case keras.layers.BatchNormalization():
            return {"type": "batch_normalization", "epsilon": float(layer.epsilon)}
        case keras.layers.LayerNormalization(center=True, scale=True, rms_scaling=False) if list(layer.axis) in ([-1], [2]):
            return {"type": "layer_normalization", "epsilon": float(layer.epsilon)}
        case keras.layers.SimpleRNN(go_backwards=False) | keras.layers.GRU(go_backwards=False) | keras.layers.LSTM(go_backwards=False):
            return _describe_cell(layer)
        case keras.layers.Conv1D(padding="same", strides=(1,), dilation_rate=(1,), groups=1):
            activation = layer.activation.__name__
            return {"type": "conv1d", "units": layer.filters, "kernel_size": layer.kernel_size[0], "activation": activation}
        case keras.layers.GlobalMaxPooling1D(keepdims=False):
            return {"type": "global_max_pooling1d"}
        case keras.layers.GlobalAveragePooling1D(keepdims=False):
            return {"type": "global_average_pooling1d"}
        case keras.layers.Flatten():
            return {"type": "flatten", "steps": layer.input.shape[1]}
        case keras.layers.Dense(use_bias=True):
            return {"type": "dense", "units": layer.units, "activation": layer.activation.__name__}
        case keras.layers.TimeDistributed(layer=keras.layers.Dense(use_bias=True)):
            return _describe(layer.layer)  # a dense layer acts on each step by itself anyway
        case _:
            raise TypeError(f"no NumPy form for the layer {type(layer).__name__}")


def _describe_cell(layer: keras.layers.RNN) -> Spec:
    kind = next(name for name, cell in CELLS.items() if isinstance(layer, cell))
    spec = {"type": kind, "units": layer.units, "return_sequences": layer.return_sequences, "stateful": layer.stateful}
    gates = RECURRENT_ACTIVATIONS.get(getattr(layer, "recurrent_activation", keras.activations.sigmoid))
    if gates is None:
        raise TypeError(f"no NumPy form for the layer {type(layer).__name__}")
    # An older distrnn reads an lstm of tanh with sigmoid gates and a gru that resets behind the product, and knows no such keys.
    if not getattr(layer, "reset_after", True):
        spec["reset_after"] = False
    if (kind, layer.activation) != ("lstm", keras.activations.tanh):
        spec["activation"] = layer.activation.__name__
    return spec if gates == "sigmoid" else {**spec, "activation": layer.activation.__name__, "recurrent_activation": gates}


def _both_directions(layer: keras.layers.Bidirectional) -> Described:
    cell, other = (_describe_cell(one) for one in (layer.forward_layer, layer.backward_layer))
    if cell != other or cell["stateful"]:
        raise TypeError("no NumPy form for a Bidirectional of different or stateful layers")
    return {"type": "bidirectional", "name": layer.name, "cell": cell}, _weights(layer)


def named_weights(model: keras.Model) -> dict[str, keras.Variable]:
    """The weights of all layers by `layer/weight`, as the NumPy form calls them; random generators and carried state are none."""
    return {key: variable for layer in model.layers for key, variable in _named(layer).items()}


def _named(layer: keras.layers.Layer) -> dict[str, keras.Variable]:
    if isinstance(layer, keras.layers.Bidirectional):
        both = ((layer.forward_layer, "forward"), (layer.backward_layer, "backward"))
        return {f"{layer.name}/{name}/{_last(weight)}": weight for cell, name in both for weight in cell.weights}
    return {f"{layer.name}/{_last(weight)}": weight for weight in layer.weights}


def _last(weight: keras.Variable) -> str:
    last: str = weight.path.rpartition("/")[2]
    return last


def _weights(layer: keras.layers.Layer) -> Weights:
    return {key: np.asarray(weight, np.float32) for key, weight in _named(layer).items()}
