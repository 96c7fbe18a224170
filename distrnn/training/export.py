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


def export(model: keras.Model, folder: Path) -> None:
    """Write `model` in every form into `folder`.

    Args:
        model: giving probabilities; sequential.
        folder: exists.
    """
    (folder / NUMPY_FORM).mkdir()
    (folder / KERAS_FORM).mkdir()
    layers = [(layer, _describe(layer)) for layer in model.layers]
    document = {"format": 1, "layers": [description for _, description in layers]}
    (folder / NUMPY_FORM / "model.json").write_text(json.dumps(document, indent=1), encoding="utf-8")
    weights = {
        f"{layer.name}/{weight.path.rpartition('/')[2]}": np.asarray(weight, np.float32) for layer, _ in layers for weight in layer.weights
    }
    np.savez(folder / NUMPY_FORM / "weights.npz", allow_pickle=False, **weights)
    archive = folder / KERAS_FORM / "model.keras"
    model.save(archive)
    make_reproducible(archive)


def _describe(layer: keras.layers.Layer) -> dict[str, Any]:
    match layer:
        case keras.layers.Embedding():
            own = {"type": "embedding", "mask_zero": bool(layer.mask_zero)}
        case keras.layers.BatchNormalization():
            own = {"type": "batch_normalization", "epsilon": float(layer.epsilon)}
        case keras.layers.LSTM():
            own = {"type": "lstm", "units": layer.units, "return_sequences": layer.return_sequences, "stateful": layer.stateful}
        case keras.layers.Dense():
            own = {"type": "dense", "units": layer.units, "activation": layer.activation.__name__}
        case _:
            raise TypeError(f"no NumPy form for the layer {type(layer).__name__}")
    return {"name": layer.name, **own}
