"""The character model of `distrnn.runtime.lesson` once more, without a derivative by hand: a scan, and automatic differentiation.

Same weights, same sequences, same descent; so the losses are the same one after the other, and whoever reads the lesson can believe its
derivatives.

Shapes: N sequences, T steps, V characters, U units, G gates.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from distrnn.runtime.lesson.cells import BIAS, KERNEL, RECURRENT, Weights
from distrnn.runtime.lesson.network import OUTPUT_BIAS, OUTPUT_KERNEL

Tensors = dict[str, Any]


def rnn(weights: Tensors, state: Any, x: Any) -> Any:
    """A step of the simple cell with relu: state [1, B, U], x [B, V] -> the state after."""
    return ops.relu(x @ weights[KERNEL] + state[0] @ weights[RECURRENT] + weights[BIAS])[None]


def lstm(weights: Tensors, state: Any, x: Any) -> Any:
    """A step of the LSTM: state [2, B, U], output and cell, x [B, V] -> the state after."""
    i, f, g, o = ops.split(x @ weights[KERNEL] + state[0] @ weights[RECURRENT] + weights[BIAS], 4, axis=1)
    cell = ops.sigmoid(f) * state[1] + ops.sigmoid(i) * ops.tanh(g)
    return ops.stack([ops.sigmoid(o) * ops.tanh(cell), cell])


STEPS = {"rnn": (rnn, 1), "lstm": (lstm, 2)}


class ScanLearner:
    """A model that learns from one sequence after the other.

    Args:
        cell: a name in `STEPS`.
        weights: the first ones, of `lesson.network.first_weights`; they are copied, and their type is computed with.
        learning_rate: of the descent.
    """

    def __init__(self, cell: str, weights: Weights, learning_rate: float = 0.01) -> None:
        self._step, self._states = STEPS[cell]
        self._variables = {name: keras.Variable(weight, dtype=weight.dtype.name, name=name) for name, weight in weights.items()}
        self._dtype = weights[KERNEL].dtype.name
        self._rate = learning_rate
        self._compiled = tf.function(self._learn, reduce_retracing=True)

    @property
    def weights(self) -> Weights:
        """The weights as they are now."""
        return {name: np.asarray(variable) for name, variable in self._variables.items()}

    def learn(self, ids: np.ndarray, following: np.ndarray) -> np.ndarray:
        """Learn from sequences in their order.

        Args:
            ids: int [N, T].
            following: the characters that come next, int [N, T].
        Returns:
            [N], the loss of each before it was learned from: nats, summed over the steps.
        """
        losses: np.ndarray = self._compiled(tf.constant(ids, tf.int32), tf.constant(following, tf.int32)).numpy()
        return losses

    def _learn(self, ids: Any, following: Any) -> Any:
        variables = [variable.value for variable in self._variables.values()]

        def one(_before: Any, sequence: tuple[Any, Any]) -> Any:
            with tf.GradientTape() as tape:
                loss = self._loss(*sequence)
            for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
                variable.assign_sub(self._rate * gradient)
            return loss

        return tf.scan(one, (ids, following), tf.constant(0.0, self._dtype))

    def _loss(self, ids: Any, following: Any) -> Any:
        weights = dict(self._variables)
        units, characters = weights[OUTPUT_KERNEL].shape
        inputs = ops.one_hot(ids, characters, dtype=self._dtype)[:, None]  # [T] -> [T, B = 1, V]

        def step(state: Any, x: Any) -> tuple[Any, Any]:
            after = self._step(weights, state, x)
            return after, after  # with TensorFlow what a scan gives must have the shape of what it carries

        _, states = ops.scan(step, ops.zeros((self._states, 1, units), dtype=self._dtype), inputs)  # [T, 1 or 2, B = 1, U]
        logits = states[:, 0, 0] @ weights[OUTPUT_KERNEL] + weights[OUTPUT_BIAS]  # [T, V]
        return ops.sum(ops.sparse_categorical_crossentropy(following, logits, from_logits=True))
