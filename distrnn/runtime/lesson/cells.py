"""One step of a cell, forward and back.

Forward, a cell makes its new state from an input and the old state, and remembers what the way back will need. Back, it is told how much
the loss changes with the new state, and says how much it changes with the input, with the old state, and with each of the weights. That is
the chain rule and nothing else; each line of `back` undoes the line of `forward` that it stands across from, the last one first.

`d_x` is read "how much the loss changes with x", and has the shape of x. Three rules are enough:

    y = x·K       d_x = d_y·Kᵀ     d_K = xᵀ·d_y        a matrix product
    y = x + b     d_x = d_y        d_b = d_y, summed over the rows
    y = tanh(x)   d_x = d_y·(1 - y²)                   and for sigmoid: d_y·y·(1 - y); both by what came out, so x need not be kept

Source: keras.layers.SimpleRNN, GRU (`reset_after` true and false) and LSTM, their order of gates included; Hochreiter and Schmidhuber
(1997); Cho et al. (2014).
"""

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]
State = tuple[Array, ...]
Memory = tuple[Array, ...]
Weights = dict[str, Array]

KERNEL, RECURRENT, BIAS = "kernel", "recurrent_kernel", "bias"


class Cell(Protocol):
    """What `through_time` asks of a cell.

    Attributes:
        gates: G; the kernels have G·U columns.
        states: arrays [B, U] that are carried; the first is the output.
    """

    gates: int
    states: int

    def forward(self, weights: Weights, x: Array, state: State) -> tuple[State, Memory]:
        """One step: x [B, F] and the state before give the state after, and what `back` needs."""

    def back(self, weights: Weights, d_state: State, memory: Memory) -> tuple[Array, State, Weights]:
        """How much the loss changes with x [B, F], with the state before, and with each of the weights, given that of the state after."""


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), by the hyperbolic tangent, which cannot overflow."""
    opened: Array = (np.tanh(x / 2) + 1) / 2
    return opened


class SimpleRNN:
    """The state is the output: h' = a(x·K + h·R + b), a being tanh or relu.

    Args:
        activation: `tanh` or `relu`.
    """

    gates, states = 1, 1

    def __init__(self, activation: str = "tanh") -> None:
        self._is_relu = activation == "relu"

    def forward(self, weights: Weights, x: Array, state: State) -> tuple[State, Memory]:
        """See `Cell`."""
        (h,) = state
        summed = x @ weights[KERNEL] + h @ weights[RECURRENT] + weights[BIAS]
        after = np.maximum(summed, 0) if self._is_relu else np.tanh(summed)
        return (after,), (x, h, after)

    def back(self, weights: Weights, d_state: State, memory: Memory) -> tuple[Array, State, Weights]:
        """See `Cell`."""
        (d_after,), (x, h, after) = d_state, memory
        d_summed = d_after * (after > 0) if self._is_relu else d_after * (1 - after**2)
        d_weights = {KERNEL: x.T @ d_summed, RECURRENT: h.T @ d_summed, BIAS: d_summed.sum(axis=0)}
        return d_summed @ weights[KERNEL].T, (d_summed @ weights[RECURRENT].T,), d_weights


class GRU:
    """Two gates: z says how much of the state is kept, r how much of it the candidate g sees.

    x·K + b₀ and h·R + b₁ have the columns z r g; the reset gate acts on the product (Keras' reset_after), so each has a bias of its own.
    `ResetBeforeGRU` is the other form.
    """

    gates, states = 3, 1

    def forward(self, weights: Weights, x: Array, state: State) -> tuple[State, Memory]:
        """See `Cell`."""
        (h,) = state
        x_z, x_r, x_g = np.split(x @ weights[KERNEL] + weights[BIAS][0], 3, axis=1)
        h_z, h_r, h_g = np.split(h @ weights[RECURRENT] + weights[BIAS][1], 3, axis=1)
        z, r = sigmoid(x_z + h_z), sigmoid(x_r + h_r)
        g = np.tanh(x_g + r * h_g)
        after = z * h + (1 - z) * g
        return (after,), (x, h, z, r, g, h_g)

    def back(self, weights: Weights, d_state: State, memory: Memory) -> tuple[Array, State, Weights]:
        """See `Cell`."""
        (d_after,), (x, h, z, r, g, h_g) = d_state, memory
        d_z, d_g = d_after * (h - g), d_after * (1 - z)
        d_x_g = d_g * (1 - g**2)
        d_r, d_h_g = d_x_g * h_g, d_x_g * r
        d_both = [d_z * z * (1 - z), d_r * r * (1 - r)]  # of the gates, where what comes from x and from h is only added
        d_from_x, d_from_h = np.concatenate([*d_both, d_x_g], axis=1), np.concatenate([*d_both, d_h_g], axis=1)
        d_bias = np.stack([d_from_x.sum(axis=0), d_from_h.sum(axis=0)])
        d_weights = {KERNEL: x.T @ d_from_x, RECURRENT: h.T @ d_from_h, BIAS: d_bias}
        return d_from_x @ weights[KERNEL].T, (d_after * z + d_from_h @ weights[RECURRENT].T,), d_weights


class ResetBeforeGRU:
    """The GRU whose reset gate acts on the state before the product (Keras' reset_after=False).

    x·K + b has the columns z r g; R has those of the gates, which are multiplied by h, and then those of g, which are multiplied by r·h.
    """

    gates, states = 3, 1

    def forward(self, weights: Weights, x: Array, state: State) -> tuple[State, Memory]:
        """See `Cell`."""
        (h,) = state
        of_gates, of_candidate = np.split(weights[RECURRENT], [2 * h.shape[1]], axis=1)
        x_z, x_r, x_g = np.split(x @ weights[KERNEL] + weights[BIAS], 3, axis=1)
        h_z, h_r = np.split(h @ of_gates, 2, axis=1)
        z, r = sigmoid(x_z + h_z), sigmoid(x_r + h_r)
        seen = r * h
        g = np.tanh(x_g + seen @ of_candidate)
        after = z * h + (1 - z) * g
        return (after,), (x, h, z, r, seen, g)

    def back(self, weights: Weights, d_state: State, memory: Memory) -> tuple[Array, State, Weights]:
        """See `Cell`."""
        (d_after,), (x, h, z, r, seen, g) = d_state, memory
        of_gates, of_candidate = np.split(weights[RECURRENT], [2 * h.shape[1]], axis=1)
        d_z, d_g = d_after * (h - g), d_after * (1 - z)
        d_x_g = d_g * (1 - g**2)
        d_seen = d_x_g @ of_candidate.T
        d_r = d_seen * h
        d_gates = np.concatenate([d_z * z * (1 - z), d_r * r * (1 - r)], axis=1)
        d_summed = np.concatenate([d_gates, d_x_g], axis=1)
        d_recurrent = np.concatenate([h.T @ d_gates, seen.T @ d_x_g], axis=1)
        d_weights = {KERNEL: x.T @ d_summed, RECURRENT: d_recurrent, BIAS: d_summed.sum(axis=0)}
        return d_summed @ weights[KERNEL].T, (d_after * z + d_seen * r + d_gates @ of_gates.T,), d_weights


class LSTM:
    """Two states: the cell c, which gates only scale and add to, and the output h, which shows as much of it as o lets through.

    x·K + h·R + b has the columns i f g o. On the way back d_c is only multiplied by f, step after step; where f is near 1 it does not fade.
    That is what the cell is for.
    """

    gates, states = 4, 2

    def forward(self, weights: Weights, x: Array, state: State) -> tuple[State, Memory]:
        """See `Cell`."""
        h, c = state
        z_i, z_f, z_g, z_o = np.split(x @ weights[KERNEL] + h @ weights[RECURRENT] + weights[BIAS], 4, axis=1)
        i, f, g, o = sigmoid(z_i), sigmoid(z_f), np.tanh(z_g), sigmoid(z_o)
        c_after = f * c + i * g
        shown = np.tanh(c_after)
        return (o * shown, c_after), (x, h, c, i, f, g, o, shown)

    def back(self, weights: Weights, d_state: State, memory: Memory) -> tuple[Array, State, Weights]:
        """See `Cell`."""
        (d_h_after, d_c_after), (x, h, c, i, f, g, o, shown) = d_state, memory
        d_o, d_shown = d_h_after * shown, d_h_after * o
        d_c_after = d_c_after + d_shown * (1 - shown**2)
        d_f, d_c, d_i, d_g = d_c_after * c, d_c_after * f, d_c_after * g, d_c_after * i
        d_summed = np.concatenate([d_i * i * (1 - i), d_f * f * (1 - f), d_g * (1 - g**2), d_o * o * (1 - o)], axis=1)
        d_weights = {KERNEL: x.T @ d_summed, RECURRENT: h.T @ d_summed, BIAS: d_summed.sum(axis=0)}
        return d_summed @ weights[KERNEL].T, (d_summed @ weights[RECURRENT].T, d_c), d_weights
