"""Convert a pulled model to ONNX, and make sure that it says what it said before."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx

from distrnn.client import FORM, Classifier, LanguageModel, LoadedModel
from distrnn.conversion.checks import random_rows
from distrnn.conversion.onnx_form import FILE, PROBABILITIES, TOKENS, onnx_model
from distrnn.errors import IntegrityError, UsageError
from distrnn.runtime.form import read_window

TOLERANCE = 1e-4


def write_onnx(model: LoadedModel, pulled: Path, folder: Path) -> float:
    """Write `model.onnx`, and beside it the preprocessing.

    Args:
        model: loaded from `pulled`.
        pulled: the folder of its NumPy form.
        folder: exists.
    Returns:
        how far its probabilities are from the model's own at most, on random rows of tokens.
    Raises:
        UsageError: it is no network that predicts.
        IntegrityError: they are further away than `TOLERANCE`; nothing is kept then.
    """
    if not isinstance(model, Classifier | LanguageModel):
        raise UsageError(f"--to onnx takes a classifier or a language model. This is {model.what}; use --to npz.")
    window = read_window(pulled / FORM)
    carries_state = isinstance(model, LanguageModel) and window is None
    target = folder / FILE
    onnx.save(onnx_model(pulled / FORM, carries_state=carries_state), target)
    apart = _apart(model, target, random_rows(model, window))
    if not apart <= TOLERANCE:
        target.unlink()
        raise IntegrityError(f"{FILE}: expected probabilities within {TOLERANCE} of the model's own. Received: {apart:.3g} apart.")
    model.preprocessing.write(folder)
    return apart


def _apart(model: LoadedModel, file: Path, tokens: npt.NDArray[np.int64]) -> float:
    """How far the graph is from the model at most; where it carries a state, the steps are given in two pieces."""
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    rows, steps = tokens.shape
    state = {one.name: np.zeros((rows, one.shape[1]), np.float32) for one in session.get_inputs() if one.name != TOKENS}
    names, parts = [one.name for one in session.get_outputs()], []
    for piece in np.split(tokens, [steps // 3], axis=1) if state else [tokens]:
        found = dict(zip(names, session.run(None, {TOKENS: piece, **state}), strict=True))
        parts.append(found.pop(PROBABILITIES))
        state = {name.replace("/next_", "/state_"): values for name, values in found.items()}
    apart = np.concatenate(parts, axis=1) - model.network.predict(tokens)
    return float(np.abs(apart).max())
