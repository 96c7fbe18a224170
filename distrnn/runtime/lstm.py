"""The LSTM layer.

    z = x·K + h·R + b                     Keras orders the columns i f c o
    c' = sigmoid(f)·c + sigmoid(i)·a(g)   a: the activation, mostly tanh
    h' = sigmoid(o)·a(c')

Two things make a step cheap. sigmoid(z) = (tanh(z/2) + 1) / 2, so with the columns of the three gates halved once, which is exact in
floating point, one tanh serves all four; and the columns are put in the order i f o g, so that the three gates are finished by one
addition and one product.

Source: Hochreiter and Schmidhuber (1997), Long short-term memory; gate order of keras.layers.LSTM.
"""

import numpy as np

from distrnn.runtime.form import FloatArray
from distrnn.runtime.layers import INTO
from distrnn.runtime.recurrent import HALF, ONE, LayerState, Recurrent


class LSTM(Recurrent):
    """A recurrent layer that carries its output and a cell.

    Shapes: F input features, U units, B rows.

    Args:
        kernel: float32 [F, 4U], columns i f c o.
        recurrent_kernel: float32 [U, 4U].
        bias: float32 [4U].
        activation: `tanh` or `relu`.
        return_sequences: give the output of every step, not of the last alone.
    """

    states = 2

    def __init__(
        self, kernel: FloatArray, recurrent_kernel: FloatArray, bias: FloatArray, *, activation: str, return_sequences: bool
    ) -> None:
        units = recurrent_kernel.shape[0]
        i, f, g, o = np.split(np.arange(4 * units), 4)
        order = np.concatenate([i, f, o, g])
        scale = np.where(np.arange(4 * units) < 3 * units, HALF, ONE)
        super().__init__(
            kernel[:, order] * scale, recurrent_kernel[:, order] * scale, bias[order] * scale, return_sequences=return_sequences
        )
        self._activate = INTO[activation]
        self._through_tanh = 4 * units if activation == "tanh" else 3 * units

    def _advance(self, gates: FloatArray, inputs: FloatArray, state: LayerState) -> None:
        units, (hidden, cell) = self.units, state
        gates += inputs
        with_tanh = gates[:, : self._through_tanh]
        np.tanh(with_tanh, out=with_tanh)
        candidate = gates[:, 3 * units :]
        if self._through_tanh == 3 * units:
            self._activate(candidate, candidate)
        switches = gates[:, : 3 * units]
        switches += ONE
        switches *= HALF
        gain = gates[:, :units]
        gain *= candidate
        cell *= gates[:, units : 2 * units]
        cell += gain
        self._activate(cell, hidden)
        hidden *= gates[:, 2 * units : 3 * units]
