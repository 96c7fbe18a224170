"""What recurrent layers have in common: they go from step to step, carry a state, and skip what a mask takes out.

Whatever the inputs contribute is looked up, not computed: `run` reads rows that `project` has made, one for each distinct input.

Source: masking of keras.layers.RNN.
"""

from abc import abstractmethod

import numpy as np
import numpy.typing as npt

from distrnn.runtime.form import FloatArray
from distrnn.runtime.reader import LayerState, Reader


class Recurrent(Reader):
    """A recurrent layer.

    Shapes: F input features, U units, G gates (4 of an LSTM), T steps, B rows, K distinct inputs.

    Attributes:
        units: U.
        columns: G·U, what an input contributes.
        states: arrays [B, U] that are carried; the first is the output too.

    Args:
        kernel: float32 [F, G·U].
        recurrent_kernel: float32 [U, G·U].
        bias: float32 [G·U], added to what an input contributes.
        return_sequences: give the output of every step, not of the last alone.
    """

    states = 1

    def __init__(self, kernel: FloatArray, recurrent_kernel: FloatArray, bias: FloatArray, *, return_sequences: bool) -> None:
        self.units, self.columns = recurrent_kernel.shape
        self.returns_sequences = return_sequences
        self.floats_per_step = self.units * return_sequences
        self._kernel, self._recurrent, self._bias = kernel, recurrent_kernel, bias

    @abstractmethod
    def _advance(self, gates: FloatArray, inputs: FloatArray, state: LayerState) -> None:
        """Turn the old state into the new one, in place.

        Args:
            gates: float32 [B, G·U], the product of the output and the recurrent kernel; used up.
            inputs: float32 [B, G·U], projected; not changed.
            state: float32 [B, U] each.
        """

    def initial_state(self, batch: int) -> LayerState:
        """Zeros: float32 [B, U] each."""
        return (np.zeros((batch, self.units), np.float32),) * self.states

    def project(self, inputs: FloatArray) -> FloatArray:
        """What inputs contribute to the gates, in this layer's own order: float32 [K, F] -> float32 [K, G·U]."""
        gates: FloatArray = inputs @ self._kernel
        gates += self._bias
        return gates

    def step(self, inputs: FloatArray, state: LayerState) -> LayerState:
        """One step for every row.

        Args:
            inputs: float32 [B, G·U], projected.
            state: float32 [B, U] each.
        Returns:
            the new state, new arrays.
        """
        new = tuple(array.copy() for array in state)
        self._advance(state[0] @ self._recurrent, inputs, new)
        return new

    def run(
        self, rows: FloatArray, index: npt.NDArray[np.integer], state: LayerState, keep: npt.NDArray[np.bool_] | None
    ) -> tuple[FloatArray, LayerState]:
        """All steps for every row.

        Args:
            rows: float32 [K, G·U], projected inputs.
            index: int [T, B], which of `rows` each step reads.
            state: float32 [B, U] each; it is not changed.
            keep: bool [T, B], false where a step is skipped and state and output stay as they are; None skips nothing.
        Returns:
            outputs float32 [T, B, U] or, of the last step, [B, U]; the new state.
        """
        steps, batch = index.shape
        state = tuple(array.copy() for array in state)
        hidden = state[0]
        gates, inputs = np.empty((2, batch, self.columns), np.float32)
        outputs = np.empty((steps, batch, self.units), np.float32) if self.returns_sequences else hidden
        for step in range(steps):
            skipped = None if keep is None or keep[step].all() else ~keep[step]
            kept = [array[skipped] for array in state] if skipped is not None else []
            np.matmul(hidden, self._recurrent, out=gates)
            rows.take(index[step], axis=0, out=inputs, mode="clip")
            self._advance(gates, inputs, state)
            for array, values in zip(state, kept, strict=False):
                array[skipped] = values
            if self.returns_sequences:
                outputs[step] = hidden
        if keep is not None:
            outputs = outputs * _begun(keep, self.returns_sequences)
        return outputs, state


def _begun(keep: npt.NDArray[np.bool_], sequences: bool) -> npt.NDArray[np.bool_]:
    """Where a row has had a step that counts: bool [T, B, 1], or [B, 1] at the end.

    Until then Keras gives zeros, even where a state was carried in.
    """
    begun: npt.NDArray[np.bool_] = np.logical_or.accumulate(keep, axis=0)
    return np.expand_dims(begun if sequences else begun[-1], -1)
