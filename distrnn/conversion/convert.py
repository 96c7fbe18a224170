"""Convert a pulled model to ONNX, and make sure that it says what it said before."""

from pathlib import Path

import numpy as np
import onnx

from distrnn.client import FORM, Classifier, LanguageModel, LoadedModel
from distrnn.conversion.onnx_form import FILE, PROBABILITIES, TOKENS, onnx_model
from distrnn.errors import IntegrityError, UsageError
from distrnn.runtime.form import read_window

TOLERANCE = 1e-4
ROWS, STEPS = 8, 24


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
    steps = model.preprocessing.sequence_length or min(STEPS, window or STEPS)
    apart = _apart(model, target, steps, carries_state=carries_state)
    if not apart <= TOLERANCE:
        target.unlink()
        raise IntegrityError(f"{FILE}: expected probabilities within {TOLERANCE} of the model's own. Received: {apart:.3g} apart.")
    model.preprocessing.write(folder)
    return apart


def _apart(model: LoadedModel, file: Path, steps: int, *, carries_state: bool) -> float:
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    tokens = np.random.default_rng(0).integers(0, model.preprocessing.vocabulary.size, (ROWS, steps))
    tokens[0] = 0
    given = {TOKENS: tokens}
    if carries_state:
        given |= {one.name: np.zeros((ROWS, one.shape[1]), np.float32) for one in session.get_inputs() if one.name != TOKENS}
    return float(np.abs(session.run([PROBABILITIES], given)[0] - model.network.predict(tokens)).max())
