"""The GRU layer, its reset gate behind the product (Keras' `reset_after`, cuDNN's form).

    x·K + b    and    h·R + d             both with the columns z r g
    z, r = sigmoid(sum of both)
    g = a(x's + r·h's)                    a: the activation, mostly tanh
    h' = z·h + (1 - z)·g

As in the LSTM, the columns of the two gates are halved, so that a tanh gives their sigmoid; what of d belongs to the gates is added to b.

Source: Cho et al. (2014), Learning phrase representations using RNN encoder-decoder; gate order of keras.layers.GRU.
"""

import numpy as np

from distrnn.runtime.form import FloatArray
from distrnn.runtime.layers import INTO
from distrnn.runtime.recurrent import HALF, ONE, LayerState, Recurrent


class GRU(Recurrent):
    """A recurrent layer that carries its output.

    Shapes: F input features, U units, B rows.

    Args:
        kernel: float32 [F, 3U], columns z r g.
        recurrent_kernel: float32 [U, 3U].
        bias: float32 [2, 3U], of the inputs and of the output before.
        activation: `tanh` or `relu`.
        return_sequences: give the output of every step, not of the last alone.
    """

    def __init__(
        self, kernel: FloatArray, recurrent_kernel: FloatArray, bias: FloatArray, *, activation: str, return_sequences: bool
    ) -> None:
        units = recurrent_kernel.shape[0]
        is_gate = np.arange(3 * units) < 2 * units
        scale = np.where(is_gate, HALF, ONE)
        of_inputs = (bias[0] + np.where(is_gate, bias[1], np.float32(0.0))) * scale
        super().__init__(kernel * scale, recurrent_kernel * scale, of_inputs, return_sequences=return_sequences)
        self._bias_after: FloatArray = bias[1, 2 * units :]
        self._activate = INTO[activation]

    def _advance(self, gates: FloatArray, inputs: FloatArray, state: LayerState) -> None:
        units, (hidden,) = self.units, state
        switches, candidate = gates[:, : 2 * units], gates[:, 2 * units :]
        switches += inputs[:, : 2 * units]
        np.tanh(switches, out=switches)
        switches += ONE
        switches *= HALF
        candidate += self._bias_after
        candidate *= gates[:, units : 2 * units]
        candidate += inputs[:, 2 * units :]
        self._activate(candidate, candidate)
        hidden -= candidate
        hidden *= gates[:, :units]
        hidden += candidate
