"""What becomes of the steps of a row: one row of features. Steps that a mask takes out do not count.

A row without any step that counts gives zeros, or where the largest counts, the lowest value that there is. So does the network that was
trained (`distrnn.models.pooling`).

Source: keras.layers.GlobalMaxPooling1D, keras.layers.GlobalAveragePooling1D, keras.layers.Softmax.
"""

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt

from distrnn.runtime.form import FloatArray

Keep = npt.NDArray[np.bool_] | None
LOWEST = {"relu": np.float32(0.0), "tanh": np.float32(-1.0)}


class Pooling(ABC):
    """Brings steps together; shapes: T steps, B rows, F features."""

    @abstractmethod
    def __call__(self, inputs: FloatArray, keep: Keep) -> FloatArray:
        """Float32 [T, B, F], the caller's no longer; keep bool [T, B] or None -> float32 [B, F]."""


class MaxPooling(Pooling):
    """Of each feature the largest value.

    Args:
        activation: that the inputs come from; what it never falls below is the value of no step at all.
    """

    def __init__(self, activation: str) -> None:
        self._lowest = LOWEST[activation]

    def __call__(self, inputs: FloatArray, keep: Keep) -> FloatArray:
        """Float32 [T, B, F] -> float32 [B, F]."""
        if keep is not None:
            inputs[~keep] = self._lowest
        largest: FloatArray = inputs.max(axis=0)
        return largest


class MeanPooling(Pooling):
    """Of each feature the mean."""

    def __call__(self, inputs: FloatArray, keep: Keep) -> FloatArray:
        """Float32 [T, B, F] -> float32 [B, F]."""
        if keep is None:
            mean: FloatArray = inputs.mean(axis=0)
            return mean
        share = keep / np.maximum(keep.sum(axis=0, dtype=np.float32), np.float32(1.0))  # [T, B]
        return _weighted(inputs, share)


class AttentionPooling(Pooling):
    """A mean whose weights are the softmax over the steps of a weighted sum of each step's features.

    Args:
        kernel: float32 [F, 1].
    """

    def __init__(self, kernel: FloatArray) -> None:
        self._kernel = kernel

    def __call__(self, inputs: FloatArray, keep: Keep) -> FloatArray:
        """Float32 [T, B, F] -> float32 [B, F]."""
        scores = (inputs @ self._kernel)[:, :, 0]  # [T, B]
        if keep is not None:
            scores[~keep] = -np.inf
        highest = scores.max(axis=0)
        weights = np.exp(scores - np.where(np.isfinite(highest), highest, np.float32(0.0)))
        weights /= np.maximum(weights.sum(axis=0), np.finfo(np.float32).tiny)  # 1 at least where any step counts
        return _weighted(inputs, weights)


def _weighted(inputs: FloatArray, weights: FloatArray) -> FloatArray:
    """Float32 [T, B, F], used up, and [T, B] -> float32 [B, F], summed over the steps."""
    inputs *= weights[:, :, None]
    summed: FloatArray = inputs.sum(axis=0)
    return summed
