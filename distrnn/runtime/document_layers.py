"""Layers that read the steps of a document side by side: convolution, pooling, flattening. They carry no state.

Under a mask padding counts as zeros, and a convolution gives nothing where there is no token: the lowest that its activation can give,
which no maximum takes unless there is no token at all. So does the network that was trained (`distrnn.models.classifiers`).

Source: padding "same" of keras.layers.Conv1D; keras.layers.GlobalMaxPooling1D; keras.layers.Flatten.
"""

import numpy as np
import numpy.typing as npt

from distrnn.errors import DataError
from distrnn.runtime.form import FloatArray
from distrnn.runtime.layers import INTO

LOWEST = {"relu": np.float32(0.0), "tanh": np.float32(-1.0)}


class Conv1D:
    """A convolution over the steps, filled with zeros at both ends.

    Shapes: F input features, U filters, W kernel size, T steps, B rows, K distinct inputs.

    Attributes:
        units: U.
        columns: W·U, what an input contributes, by its place in the window.
        floats_per_step: memory of `run` for each row and step.

    Args:
        kernel: float32 [W, F, U].
        bias: float32 [U].
        activation: `tanh` or `relu`.
    """

    def __init__(self, kernel: FloatArray, bias: FloatArray, *, activation: str) -> None:
        self._size, features, self.units = kernel.shape
        self.columns = self._size * self.units
        self.floats_per_step = self.columns + self.units
        # [W, F, U] -> [F, W·U]
        self._kernel: FloatArray = np.ascontiguousarray(kernel.swapaxes(0, 1)).reshape(features, self.columns)
        self._bias = bias
        self._activate, self._lowest = INTO[activation], LOWEST[activation]

    def initial_state(self, batch: int) -> tuple[FloatArray, ...]:
        """Nothing."""
        return ()

    def project(self, inputs: FloatArray) -> FloatArray:
        """What inputs contribute to the windows around them: float32 […, F] -> float32 […, W·U]."""
        contributions: FloatArray = inputs @ self._kernel
        return contributions

    def run(
        self, rows: FloatArray, index: npt.NDArray[np.integer], state: tuple[FloatArray, ...], keep: npt.NDArray[np.bool_] | None
    ) -> tuple[FloatArray, tuple[FloatArray, ...]]:
        """The filters at every step.

        Args:
            rows: float32 [K, W·U], projected inputs.
            index: int [T, B], which of `rows` each step reads.
            state: nothing.
            keep: bool [T, B], false where there is padding; None masks nothing.
        Returns:
            float32 [T, B, U], and nothing.
        """
        steps, batch = index.shape
        contributions = rows[index]  # [T, B, W·U]
        if keep is not None:
            contributions *= keep[:, :, None]
        outputs = np.empty((steps, batch, self.units), np.float32)
        outputs[:] = self._bias
        for place in range(self._size):
            shift = place - (self._size - 1) // 2
            first, last = max(0, -shift), min(steps, steps - shift)
            if first < last:
                columns = slice(place * self.units, (place + 1) * self.units)
                outputs[first:last] += contributions[first + shift : last + shift, :, columns]
        self._activate(outputs, outputs)
        if keep is not None:
            outputs[~keep] = self._lowest
        return outputs, ()


class GlobalMaxPooling1D:
    """Of each feature the largest value over all steps."""

    def __call__(self, inputs: FloatArray) -> FloatArray:
        """Float32 [T, B, F] -> float32 [B, F]."""
        largest: FloatArray = inputs.max(axis=0)
        return largest


class Flatten:
    """The features of all steps in one row.

    Shapes: F features, T steps, B rows, K distinct inputs.

    Attributes:
        units: T·F.
        columns: F.
        floats_per_step: memory of `run` for each row and step.

    Args:
        steps: T, the only number of steps that fits.
        features: F.
    """

    def __init__(self, steps: int, features: int) -> None:
        self._steps = steps
        self.columns = self.floats_per_step = features
        self.units = steps * features

    def initial_state(self, batch: int) -> tuple[FloatArray, ...]:
        """Nothing."""
        return ()

    def project(self, inputs: FloatArray) -> FloatArray:
        """The inputs themselves: float32 […, F]."""
        return inputs

    def run(
        self, rows: FloatArray, index: npt.NDArray[np.integer], state: tuple[FloatArray, ...], keep: npt.NDArray[np.bool_] | None
    ) -> tuple[FloatArray, tuple[FloatArray, ...]]:
        """All steps side by side.

        Args:
            rows: float32 [K, F].
            index: int [T, B], which of `rows` each step reads.
            state: nothing.
            keep: bool [T, B], false where there is padding; None masks nothing.
        Returns:
            float32 [B, T·F], and nothing.
        Raises:
            DataError: another number of steps.
        """
        steps, batch = index.shape
        if steps != self._steps:
            raise DataError(f"this network reads rows of {self._steps} tokens. Received: {steps}")
        outputs: FloatArray = rows[index.T]  # [B, T, F]
        if keep is not None:
            outputs *= keep.T[:, :, None]
        return outputs.reshape(batch, self.units), ()
