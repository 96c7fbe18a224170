"""All steps of a sequence forward, and then all of them back.

Every step uses the same weights, so on the way back each of them adds its share to their derivatives. What comes back into the state has
two sources: the outputs of this step, and the step after it. A masked row keeps its state, and on the way back what is told about the state
after it holds for the state before it as it stands.

Source: Werbos (1990), Backpropagation through time: what it does and how to do it; masks as keras.layers.RNN has them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from distrnn.runtime.lesson.cells import Array, Cell, Memory, State, Weights
from distrnn.runtime.lesson.scan import scan

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Forward:
    """What the way forward leaves behind.

    Attributes:
        outputs: [T, B, U], the first of the states after each step.
        state: after the last step, [B, U] each.
        memories: of each step.
    """

    outputs: Array
    state: State
    memories: Sequence[Memory]


def forward(cell: Cell, weights: Weights, inputs: Array, state: State, keep: Mask | None = None) -> Forward:
    """From the first step to the last.

    Args:
        cell: what a step is.
        weights: its kernel [F, G·U], recurrent_kernel [U, G·U] and bias [G·U] (of `GRU` [2, G·U]).
        inputs: [T, B, F].
        state: before the first step, [B, U] each.
        keep: [T, B], false where a row's step is skipped; None skips nothing.
    """

    def step(before: tuple[State, Memory], item: tuple[Array, Any]) -> tuple[State, Memory]:
        old, (x, kept) = before[0], item
        new, memory = cell.forward(weights, x, old)
        return _where(kept, new, old), memory

    begin: tuple[State, Memory] = state, ()
    states, memories = zip(*scan(step, begin, zip(inputs, _kept(keep, inputs), strict=True)), strict=True)
    return Forward(np.stack([each[0] for each in states]), states[-1], memories)


def backward(
    cell: Cell, weights: Weights, memories: Sequence[Memory], d_outputs: Array, keep: Mask | None = None
) -> tuple[Array, State, Weights]:
    """From the last step to the first.

    Args:
        cell: as in `forward`.
        weights: as in `forward`.
        memories: of `forward`.
        d_outputs: how much the loss changes with each output, [T, B, U]; 0 where an output is not used.
        keep: as in `forward`.
    Returns:
        how much it changes with the inputs [T, B, F], with the state before the first step, and with each of the weights.
    """
    d_state: State = tuple(np.zeros_like(d_outputs[0]) for _ in range(cell.states))
    d_weights: Weights = {name: np.zeros_like(weight) for name, weight in weights.items()}
    d_inputs = []
    for memory, d_output, kept in reversed(list(zip(memories, d_outputs, _kept(keep, d_outputs), strict=True))):
        d_after = (d_state[0] + d_output, *d_state[1:])
        nothing = tuple(np.zeros_like(each) for each in d_after)
        # What a skipped row's step computed has gone nowhere, so nothing comes back into it
        d_x, d_before, d_step = cell.back(weights, _where(kept, d_after, nothing), memory)
        d_state = _where(kept, d_before, d_after)
        d_inputs.append(d_x)
        for name, share in d_step.items():
            d_weights[name] += share
    return np.stack(d_inputs[::-1]), d_state, d_weights


def _kept(keep: Mask | None, steps: Array) -> Sequence[Any]:
    """For each step which rows count: [B, 1]; None: all of them."""
    return [None] * len(steps) if keep is None else list(keep[:, :, None])


def _where(kept: Mask | None, state: State, other: State) -> State:
    """Row by row `state` where it is kept, else `other`."""
    return state if kept is None else tuple(np.where(kept, new, old) for new, old in zip(state, other, strict=True))
