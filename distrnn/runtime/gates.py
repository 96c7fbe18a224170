"""What opens and closes the gates of a recurrent cell, in place and cheap.

sigmoid(z) = (tanh(z/2) + 1) / 2, and hard_sigmoid(z) = min(max(z/6 + 1/2, 0), 1). So the columns of the gates are scaled once, when a
cell is made (by 1/2, which is exact in floating point, or by 1/6), and a step is left with what follows.

Source: keras.activations.sigmoid, keras.activations.hard_sigmoid.
"""

from collections.abc import Callable

import numpy as np

from distrnn.runtime.form import FloatArray

HALF, ONE, ZERO = np.float32(0.5), np.float32(1.0), np.float32(0.0)
SCALES = {"sigmoid": HALF, "hard_sigmoid": np.float32(1.0 / 6.0)}


def _sigmoid(gates: FloatArray) -> None:
    np.tanh(gates, out=gates)
    finish_sigmoid(gates)


def finish_sigmoid(gates: FloatArray) -> None:
    """From tanh(z/2) to sigmoid(z)."""
    gates += ONE
    gates *= HALF


def _hard_sigmoid(gates: FloatArray) -> None:
    gates += HALF
    np.clip(gates, ZERO, ONE, out=gates)


OPEN: dict[str, Callable[[FloatArray], None]] = {"sigmoid": _sigmoid, "hard_sigmoid": _hard_sigmoid}
