"""One step of each recurrent cell forwards, and its derivative backwards, as Keras computes them.

What a backward step multiplies by depends on the saved activations alone, not on the gradient that comes from later steps. So the
coefficients of all steps are computed at once before the backward loop, and the loop is left with one matrix product and a few products
of elements.

Shapes: T steps, b rows, U units, G gates. States, gates and coefficients of one step are [b, …], of all steps [T, b, …]. An activation
is `tanh` or `relu`: both have a derivative that can be told from their value.

Source: Hochreiter and Schmidhuber (1997), Long short-term memory; Cho et al. (2014), Learning phrase representations; Elman (1990), Finding
structure in time; the equations and the order of gates of keras.layers.
"""

from typing import Any, Protocol

import tensorflow as tf

Tensors = tuple[Any, ...]


def activate(name: str, values: Any) -> Any:
    """The activation of values before it."""
    return tf.tanh(values) if name == "tanh" else tf.nn.relu(values)


def slope(name: str, activated: Any) -> Any:
    """The derivative of an activation where its value is `activated`."""
    return 1.0 - tf.square(activated) if name == "tanh" else tf.cast(activated > 0.0, activated.dtype)


def _sigmoid_slope(activated: Any) -> Any:
    return activated * (1.0 - activated)


class Cell(Protocol):
    """What the loops ask of a kind of cell."""

    gates: int
    """G, blocks of U columns in the weights."""

    def advance(self, activation: str, inputs: Any, recurrent: Any, states: Tensors) -> tuple[Tensors, Any]:
        """One step.

        Args:
            activation: its name.
            inputs: [b, GU], what the step's inputs give to the gates, bias included.
            recurrent: [b, GU], what the state gives.
            states: [b, U] each, hidden state first.
        Returns:
            the new states, and what the backward pass needs of this step, [b, any] or None.
        """

    def coefficients(self, activation: str, saved: Any, new: Tensors, old: Tensors) -> Tensors:
        """What `retreat` multiplies by, for all steps at once: `saved` [T, b, any], `new` and `old` states [T, b, U]."""

    def retreat(self, coefficients: Tensors, gradients: Tensors) -> tuple[Any, Any, Tensors]:
        """One step backwards.

        Args:
            coefficients: [b, any] each.
            gradients: [b, U] each, of the step's new states.
        Returns:
            gradient of `recurrent` [b, GU]; what `inputs_gradient` needs [b, any]; gradients of the old states [b, U] but for what
            reaches the hidden one through `recurrent`, None where that is all.
        """

    def inputs_gradient(self, coefficients: Tensors, recurrent: Any, kept: Any) -> Any:
        """Gradient of `inputs` for all steps [T, b, GU], from that of `recurrent` and from what `retreat` kept, [T, b, any] each."""


class SimpleRNNCell:
    """h' = act(x + r)."""

    gates = 1

    def advance(self, activation: str, inputs: Any, recurrent: Any, states: Tensors) -> tuple[Tensors, Any]:
        return (activate(activation, inputs + recurrent),), None

    def coefficients(self, activation: str, saved: Any, new: Tensors, old: Tensors) -> Tensors:
        return (slope(activation, new[0]),)

    def retreat(self, coefficients: Tensors, gradients: Tensors) -> tuple[Any, Any, Tensors]:
        return gradients[0] * coefficients[0], None, (None,)

    def inputs_gradient(self, coefficients: Tensors, recurrent: Any, kept: Any) -> Any:
        return recurrent
