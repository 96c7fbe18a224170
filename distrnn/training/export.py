"""The published folder: one model in several loadable forms.

preprocessing.json          how text becomes ids, the vocabulary, the labels
numpy/model.json            the layers in order
numpy/weights.npz           their weights, float32
keras/model.keras           for Keras, loadable with `safe_mode`
"""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np

from distrnn.training.archive import make_reproducible

NUMPY_FORM, KERAS_FORM = "numpy", "keras"
# The operations by which networks without recurrence leave padding out; in the NumPy form `mask_zero` says so.
MASKING = {"NotEqual", "ExpandDims", "Where"}


def export(model: keras.Model, folder: Path) -> None:
    """Write `model` in every form into `folder`.

    Args:
        model: giving probabilities; each layer takes what the one before gives.
        folder: exists.
    Raises:
        TypeError: the NumPy form has no such layer.
    """
    (folder / NUMPY_FORM).mkdir()
    (folder / KERAS_FORM).mkdir()
    document = {"format": 1, "layers": _describe_all(model)}
    (folder / NUMPY_FORM / "model.json").write_text(json.dumps(document, indent=1), encoding="utf-8")
    weights = {
        f"{layer.name}/{weight.path.rpartition('/')[2]}": np.asarray(weight, np.float32)
        for layer in model.layers
        for weight in layer.weights
    }
    np.savez(folder / NUMPY_FORM / "weights.npz", allow_pickle=False, **weights)
    archive = folder / KERAS_FORM / "model.keras"
    model.save(archive)
    make_reproducible(archive)


def _describe_all(model: keras.Model) -> list[dict[str, Any]]:
    """What `model.json` says of each layer that does something when it predicts."""
    others = [operation for operation in getattr(model, "operations", ()) if not isinstance(operation, keras.layers.Layer)]
    if unknown := {type(operation).__name__ for operation in others} - MASKING:
        raise TypeError(f"no NumPy form for the operation {', '.join(sorted(unknown))}")
    layers = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer | keras.layers.Dropout)]
    described = [{"name": layer.name, **_describe(layer)} for layer in layers]
    if others:
        described[0]["mask_zero"] = True
    return described


def _describe(layer: keras.layers.Layer) -> dict[str, Any]:
    match layer:
        case keras.layers.Embedding():
            return {"type": "embedding", "mask_zero": bool(layer.mask_zero)}
        case keras.layers.BatchNormalization():
            return {"type": "batch_normalization", "epsilon": float(layer.epsilon)}
        case keras.layers.SimpleRNN(go_backwards=False):
            return _describe_cell("simple_rnn", layer)
        case keras.layers.GRU(go_backwards=False, reset_after=True) if layer.recurrent_activation is keras.activations.sigmoid:
            return _describe_cell("gru", layer)
        case keras.layers.LSTM(go_backwards=False) if layer.recurrent_activation is keras.activations.sigmoid:
            return _describe_cell("lstm", layer)
        case keras.layers.Conv1D(padding="same", strides=(1,), dilation_rate=(1,), groups=1):
            activation = layer.activation.__name__
            return {"type": "conv1d", "units": layer.filters, "kernel_size": layer.kernel_size[0], "activation": activation}
        case keras.layers.GlobalMaxPooling1D():
            return {"type": "global_max_pooling1d"}
        case keras.layers.Flatten():
            return {"type": "flatten", "steps": layer.input.shape[1]}
        case keras.layers.Dense():
            return {"type": "dense", "units": layer.units, "activation": layer.activation.__name__}
        case _:
            raise TypeError(f"no NumPy form for the layer {type(layer).__name__}")


def _describe_cell(kind: str, layer: keras.layers.RNN) -> dict[str, Any]:
    own = {"type": kind, "units": layer.units, "return_sequences": layer.return_sequences, "stateful": layer.stateful}
    activation = layer.activation.__name__
    # An older distrnn reads an lstm of tanh, and knows no such key.
    return own if (kind, activation) == ("lstm", "tanh") else {**own, "activation": activation}
