"""Layers that read the steps of a document side by side: convolutions, flattening, a bag of words. They carry no state.

Padding counts as zeros under a mask, and in a bag it adds nothing. So does the network that was trained (`distrnn.models.readers`).

Source: padding "same" of keras.layers.Conv1D; keras.layers.Flatten; keras.layers.Dense over multi-hot words.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from distrnn.errors import DataError
from distrnn.runtime.form import FloatArray
from distrnn.runtime.layers import ACTIVATIONS, INTO
from distrnn.runtime.reader import LayerState, Reader


class Convolutions(Reader):
    """Convolutions of different widths over the same steps, filled with zeros at both ends; their filters stand side by side.

    Shapes: F input features, M convolutions, of each U filters and a width W, T steps, B rows, K distinct inputs.

    Args:
        kernels: float32 [W, F, U], M of them.
        biases: float32 [U], M of them.
        activation: `tanh` or `relu`.
    """

    returns_sequences = True

    def __init__(self, kernels: Sequence[FloatArray], biases: Sequence[FloatArray], *, activation: str) -> None:
        features = kernels[0].shape[1]
        # [W, F, U] -> [F, W·U], of all widths in one matrix
        self._kernel: FloatArray = np.concatenate([kernel.swapaxes(0, 1).reshape(features, -1) for kernel in kernels], axis=1)
        self._shapes = [(kernel.shape[0], kernel.shape[2]) for kernel in kernels]
        self._bias: FloatArray = np.concatenate(list(biases))
        self._activate = INTO[activation]
        self.columns, self.units = self._kernel.shape[1], self._bias.size
        self.floats_per_step = self.columns + self.units

    def project(self, inputs: FloatArray) -> FloatArray:
        """What inputs contribute to the windows around them: float32 [K, F] -> float32 [K, sum of W·U]."""
        contributions: FloatArray = inputs @ self._kernel
        return contributions

    def run(
        self, rows: FloatArray, index: npt.NDArray[np.integer], state: LayerState, keep: npt.NDArray[np.bool_] | None
    ) -> tuple[FloatArray, LayerState]:
        """The filters at every step: float32 [T, B, M·U], and nothing."""
        steps, batch = index.shape
        contributions = rows[index]  # [T, B, sum of W·U]
        if keep is not None:
            contributions *= keep[:, :, None]
        outputs = np.empty((steps, batch, self.units), np.float32)
        outputs[:] = self._bias
        column = unit = 0
        for size, units in self._shapes:
            own = outputs[:, :, unit : unit + units]
            for place in range(size):
                shift = place - (size - 1) // 2
                first, last = max(0, -shift), min(steps, steps - shift)
                if first < last:
                    own[first:last] += contributions[first + shift : last + shift, :, column : column + units]
                column += units
            unit += units
        self._activate(outputs, outputs)
        return outputs, ()


class Flatten(Reader):
    """The features of all steps in one row.

    Shapes: F features, T steps, B rows, K distinct inputs.

    Args:
        steps: T, the only number of steps that fits.
        features: F.
    """

    returns_sequences = False

    def __init__(self, steps: int, features: int) -> None:
        self._steps = steps
        self.columns = self.floats_per_step = features
        self.units = steps * features

    def project(self, inputs: FloatArray) -> FloatArray:
        """The inputs themselves: float32 [K, F]."""
        return inputs

    def run(
        self, rows: FloatArray, index: npt.NDArray[np.integer], state: LayerState, keep: npt.NDArray[np.bool_] | None
    ) -> tuple[FloatArray, LayerState]:
        """All steps side by side: float32 [B, T·F], and nothing.

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


class Bag(Reader):
    """A function of the sum of what the words of a row contribute, and of a bias: a dense layer over multi-hot words.

    Shapes: U units, T steps, B rows, K distinct inputs.

    Args:
        bias: float32 [U].
        activation: a name in `ACTIVATIONS`.
    """

    returns_sequences = False

    def __init__(self, bias: FloatArray, *, activation: str) -> None:
        self._bias, self._activation = bias, ACTIVATIONS[activation]
        self.units = self.columns = self.floats_per_step = bias.size

    def project(self, inputs: FloatArray) -> FloatArray:
        """The inputs themselves: float32 [K, U]."""
        return inputs

    def run(
        self, rows: FloatArray, index: npt.NDArray[np.integer], state: LayerState, keep: npt.NDArray[np.bool_] | None
    ) -> tuple[FloatArray, LayerState]:
        """From the sum over the steps that count: float32 [B, U], and nothing."""
        contributions = rows[index]  # [T, B, U]
        if keep is not None:
            contributions *= keep[:, :, None]
        outputs: FloatArray = contributions.sum(axis=0)
        outputs += self._bias
        return self._activation(outputs), ()
