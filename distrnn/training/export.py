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
        window: of a language model that learned from windows by themselves, the tokens of one. The NumPy form then gives what follows from
            the last so many tokens at every place; the Keras form reads the last so many alone, and gives what follows from those.
    Raises:
        TypeError: the NumPy form has no such layer.
    """
    write_numpy(model, folder, window=window)
    (folder / KERAS_FORM).mkdir()
    archive = folder / KERAS_FORM / "model.keras"
    (model if window is None else _of_last_tokens(model, window)).save(archive)
    make_reproducible(archive)


def _of_last_tokens(model: keras.Model, window: int) -> keras.Model:
    """The model behind a cut: int32 [B, T] -> float32 [B, W, V], or [B, T, V] of fewer tokens than W."""
    tokens = keras.Input(batch_shape=model.input_shape, dtype="int32", name="tokens")
    return keras.Model(tokens, model(tokens[:, -window:]), name=model.name)


def write_numpy(model: keras.Model, folder: Path, *, window: int | None = None) -> None:
    """Write the NumPy form alone; see `export`."""
    (folder / NUMPY_FORM).mkdir()
    layers, weights = numpy_form(model)
    document = {"format": 1, "layers": layers} | ({} if window is None else {"window": window})
    (folder / NUMPY_FORM / "model.json").write_text(json.dumps(document, indent=1), encoding="utf-8")
    np.savez(folder / NUMPY_FORM / "weights.npz", allow_pickle=False, **weights)
