"""The published folder: one model in several loadable forms.

preprocessing.json          how text becomes ids, the vocabulary, the labels
numpy/model.json            the layers in order
numpy/weights.npz           their weights, float32
keras/model.keras           for Keras, loadable with `safe_mode`
"""

import json
from pathlib import Path

import keras
import numpy as np

from distrnn.training.archive import make_reproducible
from distrnn.training.numpy_form import numpy_form

NUMPY_FORM, KERAS_FORM = "numpy", "keras"


def export(model: keras.Model, folder: Path) -> None:
    """Write `model` in every form into `folder`.

    Args:
        model: giving probabilities.
        folder: exists.
    Raises:
        TypeError: the NumPy form has no such layer.
    """
    (folder / NUMPY_FORM).mkdir()
    (folder / KERAS_FORM).mkdir()
    layers, weights = numpy_form(model)
    (folder / NUMPY_FORM / "model.json").write_text(json.dumps({"format": 1, "layers": layers}, indent=1), encoding="utf-8")
    np.savez(folder / NUMPY_FORM / "weights.npz", allow_pickle=False, **weights)
    archive = folder / KERAS_FORM / "model.keras"
    model.save(archive)
    make_reproducible(archive)
