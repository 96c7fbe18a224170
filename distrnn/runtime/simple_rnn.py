"""The simple recurrent layer: h' = a(x·K + h·R + b), a the activation.

Source: Elman (1990), Finding structure in time; keras.layers.SimpleRNN.
"""

from distrnn.runtime.form import FloatArray
from distrnn.runtime.layers import INTO
from distrnn.runtime.reader import LayerState
from distrnn.runtime.recurrent import Recurrent


class SimpleRNN(Recurrent):
    """A recurrent layer that carries its output.

    Shapes: F input features, U units, B rows.

    Args:
        kernel: float32 [F, U].
        recurrent_kernel: float32 [U, U].
        bias: float32 [U].
        activation: `tanh` or `relu`.
        return_sequences: give the output of every step, not of the last alone.
    """

    def __init__(
        self, kernel: FloatArray, recurrent_kernel: FloatArray, bias: FloatArray, *, activation: str, return_sequences: bool
    ) -> None:
        super().__init__(kernel, recurrent_kernel, bias, return_sequences=return_sequences)
        self._activate = INTO[activation]

    def _advance(self, gates: FloatArray, inputs: FloatArray, state: LayerState) -> None:
        gates += inputs
        self._activate(gates, state[0])
