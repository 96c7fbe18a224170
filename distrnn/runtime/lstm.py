"""The LSTM layer.

    z = x·K + h·R + b                     Keras orders the columns i f c o
    c' = sigmoid(f)·c + sigmoid(i)·tanh(g)
    h' = sigmoid(o)·tanh(c')

Two things make a step cheap. sigmoid(z) = (tanh(z/2) + 1) / 2, so with the columns of the three gates halved once, which is exact in
floating point, one tanh serves all four; and the columns are put in the order i f o g, so that the three gates are finished by one
addition and one product. Whatever the inputs contribute is looked up, not computed: `run` reads rows of x·K + b.

Source: Hochreiter and Schmidhuber (1997), Long short-term memory; gate order and masking of keras.layers.LSTM.
"""

import numpy as np
import numpy.typing as npt

from distrnn.runtime.form import FloatArray

HALF, ONE = np.float32(0.5), np.float32(1.0)


class LSTM:
    """A recurrent layer.

    Shapes: F input features, U units, T steps, B rows, K distinct inputs.

    Args:
        kernel: float32 [F, 4U], columns i f c o.
        recurrent_kernel: float32 [U, 4U].
        bias: float32 [4U].
        return_sequences: give the output of every step, not of the last alone.
    """

    def __init__(self, kernel: FloatArray, recurrent_kernel: FloatArray, bias: FloatArray, *, return_sequences: bool) -> None:
        self.units: int = recurrent_kernel.shape[0]
        self.return_sequences = return_sequences
        i, f, g, o = np.split(np.arange(4 * self.units), 4)
        order = np.concatenate([i, f, o, g])
        scale = np.where(np.arange(4 * self.units) < 3 * self.units, HALF, ONE)
        self._kernel: FloatArray = kernel[:, order] * scale
        self._recurrent: FloatArray = recurrent_kernel[:, order] * scale
        self._bias: FloatArray = bias[order] * scale

    def project(self, inputs: FloatArray) -> FloatArray:
        """What inputs contribute to the gates, in this layer's own order: float32 […, F] -> float32 […, 4U]."""
        gates: FloatArray = inputs @ self._kernel
        gates += self._bias
        return gates

    def step(self, inputs: FloatArray, hidden: FloatArray, cell: FloatArray) -> tuple[FloatArray, FloatArray]:
        """One step for every row.

        Args:
            inputs: float32 [B, 4U], projected.
            hidden: float32 [B, U].
            cell: float32 [B, U].
        Returns:
            hidden and cell, float32 [B, U] each, new arrays.
        """
        gates = hidden @ self._recurrent
        gates += inputs
        new_hidden, new_cell = np.empty_like(hidden), cell.copy()
        self._advance(gates, new_hidden, new_cell)
        return new_hidden, new_cell

    def run(
        self,
        rows: FloatArray,
        index: npt.NDArray[np.integer],
        hidden: FloatArray,
        cell: FloatArray,
        keep: npt.NDArray[np.bool_] | None,
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """All steps for every row.

        Args:
            rows: float32 [K, 4U], projected inputs.
            index: int [T, B], which of `rows` each step reads.
            hidden: float32 [B, U].
            cell: float32 [B, U].
            keep: bool [T, B], false where a step is skipped and state and output stay as they are; None skips nothing.
        Returns:
            outputs float32 [T, B, U] or, of the last step, [B, U]; hidden and cell, float32 [B, U].
        """
        steps, batch = index.shape
        hidden, cell = hidden.copy(), cell.copy()
        gates, inputs = np.empty((2, batch, 4 * self.units), np.float32)
        outputs = np.empty((steps, batch, self.units), np.float32) if self.return_sequences else hidden
        for step in range(steps):
            skipped = None if keep is None or keep[step].all() else ~keep[step]
            kept = (hidden[skipped], cell[skipped]) if skipped is not None else None
            np.matmul(hidden, self._recurrent, out=gates)
            gates += np.take(rows, index[step], axis=0, out=inputs, mode="clip")
            self._advance(gates, hidden, cell)
            if kept is not None:
                hidden[skipped], cell[skipped] = kept
            if self.return_sequences:
                outputs[step] = hidden
        if keep is not None:
            outputs = outputs * _begun(keep, self.return_sequences)
        return outputs, hidden, cell

    def _advance(self, gates: FloatArray, hidden: FloatArray, cell: FloatArray) -> None:
        """Turn gates [B, 4U] (used up) and the old cell into the new hidden and cell, in place."""
        units = self.units
        np.tanh(gates, out=gates)
        switches = gates[:, : 3 * units]
        switches += ONE
        switches *= HALF
        gain = gates[:, :units]
        gain *= gates[:, 3 * units :]
        cell *= gates[:, units : 2 * units]
        cell += gain
        np.tanh(cell, out=hidden)
        hidden *= gates[:, 2 * units : 3 * units]


def _begun(keep: npt.NDArray[np.bool_], sequences: bool) -> npt.NDArray[np.bool_]:
    """Where a row has had a step that counts: bool [T, B, 1], or [B, 1] at the end.

    Until then Keras gives zeros, even where a state was carried in.
    """
    begun: npt.NDArray[np.bool_] = np.logical_or.accumulate(keep, axis=0)
    return np.expand_dims(begun if sequences else begun[-1], -1)
