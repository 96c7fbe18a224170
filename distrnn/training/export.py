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


def export(model: keras.Model, folder: Path, *, window: int | None = None) -> None:
    """Write `model` in every form into `folder`.

    Args:
        model: giving probabilities.
        folder: exists.
        window: of a language model that learned from windows by themselves, the tokens of one; the NumPy form is then given no more.
    Raises:
        TypeError: the NumPy form has no such layer.
    """
    write_numpy(model, folder, window=window)
    (folder / KERAS_FORM).mkdir()
    archive = folder / KERAS_FORM / "model.keras"
    model.save(archive)
    make_reproducible(archive)


def write_numpy(model: keras.Model, folder: Path, *, window: int | None = None) -> None:
    """Write the NumPy form alone; see `export`."""
    (folder / NUMPY_FORM).mkdir()
    layers, weights = numpy_form(model)
    document = {"format": 1, "layers": layers} | ({} if window is None else {"window": window})
    (folder / NUMPY_FORM / "model.json").write_text(json.dumps(document, indent=1), encoding="utf-8")
    np.savez(folder / NUMPY_FORM / "weights.npz", allow_pickle=False, **weights)
