"""The GRU layer, its reset gate behind the product (Keras' `reset_after`, cuDNN's form).

    x·K + b    and    h·R + d             both with the columns z r g
    z, r = s(sum of both)                 s: sigmoid, or hard_sigmoid
    g = a(x's + r·h's)                    a: the activation, mostly tanh
    h' = z·h + (1 - z)·g

The columns of the two gates are scaled once (see `gates`); what of d belongs to the gates is added to b.

Source: Cho et al. (2014), Learning phrase representations using RNN encoder-decoder; gate order of keras.layers.GRU.
"""

import numpy as np

from distrnn.runtime.form import FloatArray
from distrnn.runtime.gates import ONE, OPEN, SCALES
from distrnn.runtime.layers import INTO
from distrnn.runtime.reader import LayerState
from distrnn.runtime.recurrent import Recurrent


class GRU(Recurrent):
    """A recurrent layer that carries its output.

    Shapes: F input features, U units, B rows.

    Args:
        kernel: float32 [F, 3U], columns z r g.
        recurrent_kernel: float32 [U, 3U].
        bias: float32 [2, 3U], of the inputs and of the output before.
        activation: `tanh` or `relu`.
        recurrent_activation: `sigmoid` or `hard_sigmoid`.
        return_sequences: give the output of every step, not of the last alone.
    """

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
        is_gate = np.arange(3 * units) < 2 * units
        scale = np.where(is_gate, SCALES[recurrent_activation], ONE)
        of_inputs = (bias[0] + np.where(is_gate, bias[1], np.float32(0.0))) * scale
        super().__init__(kernel * scale, recurrent_kernel * scale, of_inputs, return_sequences=return_sequences)
        self._bias_after: FloatArray = bias[1, 2 * units :]
        self._activate, self._open = INTO[activation], OPEN[recurrent_activation]

    def _advance(self, gates: FloatArray, inputs: FloatArray, state: LayerState) -> None:
        units, (hidden,) = self.units, state
        switches, candidate = gates[:, : 2 * units], gates[:, 2 * units :]
        switches += inputs[:, : 2 * units]
        self._open(switches)
        candidate += self._bias_after
        candidate *= gates[:, units : 2 * units]
        candidate += inputs[:, 2 * units :]
        self._activate(candidate, candidate)
        hidden -= candidate
        hidden *= gates[:, :units]
        hidden += candidate
