"""The LSTM layer.

    z = x·K + h·R + b                     Keras orders the columns i f c o
    c' = s(f)·c + s(i)·a(g)               s: sigmoid, or hard_sigmoid; a: the activation, mostly tanh
    h' = s(o)·a(c')

Two things make a step cheap. The columns of the three gates are scaled once (see `gates`), so that one tanh serves all four where s is the
sigmoid and a is tanh; and the columns are put in the order i f o g, so that the three gates are finished at once.

Source: Hochreiter and Schmidhuber (1997), Long short-term memory; gate order of keras.layers.LSTM.
"""

import numpy as np

from distrnn.runtime.form import FloatArray
from distrnn.runtime.gates import ONE, OPEN, SCALES, finish_sigmoid
from distrnn.runtime.layers import INTO
from distrnn.runtime.reader import LayerState
from distrnn.runtime.recurrent import Recurrent


class LSTM(Recurrent):
    """A recurrent layer that carries its output and a cell.

    Shapes: F input features, U units, B rows.

    Args:
        kernel: float32 [F, 4U], columns i f c o.
        recurrent_kernel: float32 [U, 4U].
        bias: float32 [4U].
        activation: `tanh` or `relu`.
        recurrent_activation: `sigmoid` or `hard_sigmoid`.
        return_sequences: give the output of every step, not of the last alone.
    """

    states = 2

    def __init__(
        self,
        kernel: FloatArray,
        recurrent_kernel: FloatArray,
        bias: FloatArray,
        *,
        activation: str,
        recurrent_activation: str,
        return_sequences: bool,
    ) -> None:
        units = recurrent_kernel.shape[0]
        i, f, g, o = np.split(np.arange(4 * units), 4)
        order = np.concatenate([i, f, o, g])
        scale = np.where(np.arange(4 * units) < 3 * units, SCALES[recurrent_activation], ONE)
        super().__init__(
            kernel[:, order] * scale, recurrent_kernel[:, order] * scale, bias[order] * scale, return_sequences=return_sequences
        )
        self._activate, self._open = INTO[activation], OPEN[recurrent_activation]
        self._one_tanh = (activation, recurrent_activation) == ("tanh", "sigmoid")

    def _advance(self, gates: FloatArray, inputs: FloatArray, state: LayerState) -> None:
        units, (hidden, cell) = self.units, state
        gates += inputs
        switches, candidate = gates[:, : 3 * units], gates[:, 3 * units :]
        if self._one_tanh:
            np.tanh(gates, out=gates)
            finish_sigmoid(switches)
        else:
            self._open(switches)
            self._activate(candidate, candidate)
        gain = gates[:, :units]
        gain *= candidate
        cell *= gates[:, units : 2 * units]
        cell += gain
        self._activate(cell, hidden)
        hidden *= gates[:, 2 * units : 3 * units]
