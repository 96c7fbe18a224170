"""Two recurrent layers over the same steps, one from each end; their outputs stand side by side.

What is masked gives zeros where there is an output for every step, as Keras has it.

Source: Schuster and Paliwal (1997), Bidirectional recurrent neural networks; keras.layers.Bidirectional with merge_mode "concat".
"""

import numpy as np
import numpy.typing as npt

from distrnn.runtime.form import FloatArray
from distrnn.runtime.reader import LayerState, Reader
from distrnn.runtime.recurrent import Recurrent


class Bidirectional(Reader):
    """A recurrent layer for each direction; nothing is carried from call to call, because the second one begins at the end.

    Shapes: T steps, B rows, K distinct inputs, G·U columns of each direction.

    Args:
        forward: reads from the first step on.
        backward: reads from the last step on; of the same units, and gives sequences where `forward` does.
    """

    def __init__(self, forward: Recurrent, backward: Recurrent) -> None:
        self._forward, self._backward = forward, backward
        self.units, self.columns = 2 * forward.units, 2 * forward.columns
        self.returns_sequences = forward.returns_sequences
        self.floats_per_step = 2 * self.units * self.returns_sequences  # of both, and of both side by side

    def project(self, inputs: FloatArray) -> FloatArray:
        """Float32 [K, F] -> float32 [2, K, G·U]."""
        return np.stack([self._forward.project(inputs), self._backward.project(inputs)])

    def run(
        self, rows: FloatArray, index: npt.NDArray[np.integer], state: LayerState, keep: npt.NDArray[np.bool_] | None
    ) -> tuple[FloatArray, LayerState]:
        """All steps for every row: outputs float32 [T, B, 2U] or, of the last step of each direction, [B, 2U]; nothing is carried."""
        batch = index.shape[1]
        reversed_keep = None if keep is None else keep[::-1]
        first, _ = self._forward.run(rows[0], index, self._forward.initial_state(batch), keep)
        second, _ = self._backward.run(rows[1], index[::-1], self._backward.initial_state(batch), reversed_keep)
        outputs = np.concatenate([first, second[::-1] if self.returns_sequences else second], axis=-1)
        if keep is not None and self.returns_sequences:
            outputs *= keep[:, :, None]
        return outputs, ()
