"""A character model that learns: one-hot characters ► cell ► softmax over the next character, by stochastic gradient descent.

    forward     h₁ … h_T from the cell, and logits h·W + w of each
    loss        -ln of the probability that each next character was given, summed over the steps, mean over the rows
    back        softmax and logarithm together have a derivative that needs no rule: the probabilities, less 1 at what came next
    descent     every weight goes a small step against its derivative

The hidden weights begin as the identity (the state is handed on as it is until something is learned), all others as
normal(0, sqrt(2 / fan_in)), the biases as zeros.

Source: the lesson's notebook, which this follows (loss summed over eight steps, SGD 0.01, one sequence at a time); Le, Jaitly and Hinton
(2015), A simple way to initialize recurrent networks of rectified linear units; He et al. (2015), Delving deep into rectifiers.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from distrnn.runtime.lesson.cells import BIAS, KERNEL, LSTM, RECURRENT, Array, Cell, SimpleRNN, State, Weights
from distrnn.runtime.lesson.through_time import Mask, backward, forward

OUTPUT_KERNEL, OUTPUT_BIAS = "output_kernel", "output_bias"
CELLS: dict[str, Cell] = {"rnn": SimpleRNN("relu"), "lstm": LSTM()}

Ids = npt.NDArray[np.integer[Any]]


def first_weights(cell: Cell, *, characters: int, units: int, seed: int, dtype: type[np.floating[Any]] = np.float32) -> Weights:
    """The weights before anything is learned; of several gates each has the identity. A cell of one bias, so not `GRU`."""
    generator = np.random.default_rng(seed)

    def drawn(rows: int, columns: int) -> Array:
        return generator.normal(0.0, np.sqrt(2.0 / rows), (rows, columns)).astype(dtype)

    return {
        KERNEL: drawn(characters, cell.gates * units),
        RECURRENT: np.tile(np.eye(units, dtype=dtype), cell.gates),
        BIAS: np.zeros(cell.gates * units, dtype),
        OUTPUT_KERNEL: drawn(units, characters),
        OUTPUT_BIAS: np.zeros(characters, dtype),
    }


def one_hot(ids: Ids, characters: int, dtype: Any = np.float32) -> Array:
    """Ids as rows of zeros with a 1 at the id: int […] -> […, V]."""
    return np.eye(characters, dtype=dtype)[ids]


def zeros(cell: Cell, weights: Weights, rows: int) -> State:
    """The state before the first step, [B, U] each."""
    recurrent = weights[RECURRENT]
    return tuple(np.zeros((rows, len(recurrent)), recurrent.dtype) for _ in range(cell.states))


def loss_and_derivatives(cell: Cell, weights: Weights, ids: Ids, following: Ids, keep: Mask | None = None) -> tuple[float, Weights]:
    """The loss of a mini-batch, and how it changes with every weight.

    Args:
        cell: of the network.
        weights: all of them.
        ids: int [T, B].
        following: the characters that come next, int [T, B].
        keep: bool [T, B], false where a step is skipped and not counted; None counts all.
    Returns:
        nats, summed over the steps, mean over the rows; a derivative for each of the weights.
    """
    (steps, rows), characters = ids.shape, len(weights[OUTPUT_BIAS])
    inputs = one_hot(ids, characters, weights[KERNEL].dtype)
    of_cell = {name: weights[name] for name in (KERNEL, RECURRENT, BIAS)}

    through = forward(cell, of_cell, inputs, zeros(cell, weights, rows), keep)
    logits = through.outputs @ weights[OUTPUT_KERNEL] + weights[OUTPUT_BIAS]  # [T, B, V]
    logits -= logits.max(axis=-1, keepdims=True)
    log_shares = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    given = np.take_along_axis(log_shares, following[:, :, None], axis=-1)[:, :, 0]  # [T, B]
    counted = np.ones((steps, rows), bool) if keep is None else keep
    loss = -given[counted].sum() / rows

    shares = np.exp(log_shares)
    d_logits = (shares - one_hot(following, characters, shares.dtype)) * counted[:, :, None] / rows
    d_outputs = d_logits @ weights[OUTPUT_KERNEL].T
    _, _, derivatives = backward(cell, of_cell, through.memories, d_outputs, keep)
    derivatives[OUTPUT_KERNEL] = np.einsum("tbu,tbv->uv", through.outputs, d_logits)
    derivatives[OUTPUT_BIAS] = d_logits.sum(axis=(0, 1))
    return float(loss), derivatives


def descend(weights: Weights, derivatives: Weights, learning_rate: float) -> None:
    """One step of gradient descent, in place."""
    for name, derivative in derivatives.items():
        weights[name] -= (learning_rate * derivative).astype(weights[name].dtype)


def windows(ids: Ids, steps: int) -> Iterator[tuple[Ids, Ids]]:
    """A text in sequences that do not overlap, each with the characters that come next: int [T, 1] twice."""
    for start in range(0, len(ids) - steps, steps):
        yield ids[start : start + steps, None], ids[start + 1 : start + steps + 1, None]


def learn(cell: Cell, weights: Weights, sequences: Iterable[tuple[Ids, Ids]], learning_rate: float = 0.01) -> Iterator[float]:
    """Go through sequences one after the other; the weights change in place. Yields the loss of each before it is learned from."""
    for ids, following in sequences:
        loss, derivatives = loss_and_derivatives(cell, weights, ids, following)
        descend(weights, derivatives, learning_rate)
        yield loss
