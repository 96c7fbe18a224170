"""The GRU layer, its reset gate behind the product (Keras' `reset_after`, cuDNN's form) or before it.

    x·K + b    and    h·R + d             both with the columns z r g
    z, r = s(sum of both)                 s: sigmoid, or hard_sigmoid
    g = a(x's + r·h's)                    a: the activation, mostly tanh; before the product: a(x's + (r·h)·R's), and there is no d
    h' = z·h + (1 - z)·g

The columns of the two gates are scaled once (see `gates`); what of d belongs to the gates is added to b.

Source: Cho et al. (2014), Learning phrase representations using RNN encoder-decoder, whose first version has the gate behind the product
and whose third has it before; gate order of keras.layers.GRU.
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
        bias: float32 [2, 3U], of the inputs and of the output before; [3U] where the reset gate comes before the product.
        activation: `tanh` or `relu`.
        recurrent_activation: `sigmoid` or `hard_sigmoid`.
        reset_after: the reset gate comes behind the product.
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
        reset_after: bool,
        return_sequences: bool,
    ) -> None:
        units = recurrent_kernel.shape[0]
        is_gate = np.arange(3 * units) < 2 * units
        scale = np.where(is_gate, SCALES[recurrent_activation], ONE)
        of_inputs, of_output = bias if reset_after else (bias, np.zeros_like(bias))
        summed = (of_inputs + np.where(is_gate, of_output, np.float32(0.0))) * scale
        super().__init__(kernel * scale, recurrent_kernel * scale, summed, return_sequences=return_sequences)
        self._bias_after: FloatArray = of_output[2 * units :]
        self._of_reset = None if reset_after else np.ascontiguousarray(recurrent_kernel[:, 2 * units :])
        self._activate, self._open = INTO[activation], OPEN[recurrent_activation]

    def _advance(self, gates: FloatArray, inputs: FloatArray, state: LayerState) -> None:
        units, (hidden,) = self.units, state
        switches, candidate = gates[:, : 2 * units], gates[:, 2 * units :]
        switches += inputs[:, : 2 * units]
        self._open(switches)
        reset = gates[:, units : 2 * units]
        if self._of_reset is None:
            candidate += self._bias_after
            candidate *= reset
        else:
            np.matmul(reset * hidden, self._of_reset, out=candidate)
        candidate += inputs[:, 2 * units :]
        self._activate(candidate, candidate)
        hidden -= candidate
        hidden *= gates[:, :units]
        hidden += candidate
