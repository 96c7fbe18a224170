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
        """One step; nothing but the state is saved."""
        return (activate(activation, inputs + recurrent),), None

    def coefficients(self, activation: str, saved: Any, new: Tensors, old: Tensors) -> Tensors:
        """Act'."""
        return (slope(activation, new[0]),)

    def retreat(self, coefficients: Tensors, gradients: Tensors) -> tuple[Any, Any, Tensors]:
        """Through act."""
        return gradients[0] * coefficients[0], None, (None,)

    def inputs_gradient(self, coefficients: Tensors, recurrent: Any, kept: Any) -> Any:
        """The two sums are one."""
        return recurrent


class LSTMCell:
    """c' = f·c + i·act(g), h' = o·act(c'); columns i f g o, sigmoid but for g."""

    gates = 4

    def advance(self, activation: str, inputs: Any, recurrent: Any, states: Tensors) -> tuple[Tensors, Any]:
        """One step; i, f, g and o are saved: [b, 4U]."""
        i, f, g, o = tf.split(inputs + recurrent, 4, axis=1)
        i, f, g, o = tf.sigmoid(i), tf.sigmoid(f), activate(activation, g), tf.sigmoid(o)
        cell = f * states[1] + i * g
        return (o * activate(activation, cell), cell), tf.concat([i, f, g, o], axis=1)

    def coefficients(self, activation: str, saved: Any, new: Tensors, old: Tensors) -> Tensors:
        """Of i, f, g and o after their activations [T, b, 4U]; from h' to c' and from c' to c, [T, b, U] each."""
        i, f, g, o = tf.split(saved, 4, axis=2)
        activated = activate(activation, new[1])
        gates = [g * _sigmoid_slope(i), old[1] * _sigmoid_slope(f), i * slope(activation, g), activated * _sigmoid_slope(o)]
        return tf.concat(gates, axis=2), o * slope(activation, activated), f

    def retreat(self, coefficients: Tensors, gradients: Tensors) -> tuple[Any, Any, Tensors]:
        """Through o and c'."""
        gates, to_cell, forget = coefficients
        hidden = gradients[0]
        cell = gradients[1] + hidden * to_cell
        return tf.concat([cell, cell, cell, hidden], axis=1) * gates, None, (None, cell * forget)

    def inputs_gradient(self, coefficients: Tensors, recurrent: Any, kept: Any) -> Any:
        """The two sums are one."""
        return recurrent


class GRUCell:
    """h' = z·h + (1 - z)·act(x_h + r·r_h), where z, r are sigmoids of both sums; columns z r h; the reset gate after the product."""

    gates = 3

    def advance(self, activation: str, inputs: Any, recurrent: Any, states: Tensors) -> tuple[Tensors, Any]:
        """One step; z, r, the candidate and r_h are saved: [b, 4U]."""
        units = states[0].shape[1]
        z, r = tf.split(tf.sigmoid(inputs[:, : 2 * units] + recurrent[:, : 2 * units]), 2, axis=1)
        before = recurrent[:, 2 * units :]
        candidate = activate(activation, inputs[:, 2 * units :] + r * before)
        return (z * states[0] + (1.0 - z) * candidate,), tf.concat([z, r, candidate, before], axis=1)

    def coefficients(self, activation: str, saved: Any, new: Tensors, old: Tensors) -> Tensors:
        """Of z, r and r_h [T, b, 3U]; from h' to h and to x_h, [T, b, U] each."""
        z, r, candidate, before = tf.split(saved, 4, axis=2)
        to_candidate = (1.0 - z) * slope(activation, candidate)
        gates = [(old[0] - candidate) * _sigmoid_slope(z), to_candidate * before * _sigmoid_slope(r), to_candidate * r]
        return tf.concat(gates, axis=2), z, to_candidate

    def retreat(self, coefficients: Tensors, gradients: Tensors) -> tuple[Any, Any, Tensors]:
        """All three gates from the gradient of h', which is kept."""
        hidden = gradients[0]
        return tf.tile(hidden, [1, 3]) * coefficients[0], hidden, (hidden * coefficients[1],)

    def inputs_gradient(self, coefficients: Tensors, recurrent: Any, kept: Any) -> Any:
        """The candidate's inputs are not behind the reset gate."""
        units = kept.shape[2]
        return tf.concat([recurrent[:, :, : 2 * units], kept * coefficients[2]], axis=2)
