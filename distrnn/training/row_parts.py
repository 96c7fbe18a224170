"""The gradient of a batch whose rows are cut into parts that are computed at the same time.

XLA on a CPU runs the steps of a recurrence on one core. Where rows do not meet, each part of them is a compiled gradient of its own, which
TensorFlow's executor runs on as many cores, and the sum of the parts is the gradient of the batch.

A function that assigns a variable waits for every other one that does, so the parts must assign none: the states of the random generators
are handed in and out. Each part draws masks of its own.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from distrnn.training.kernels.rows import sizes
from distrnn.training.variables import SEED_STEP, is_random

PART_STEP = SEED_STEP >> 1
"""Between the seeds of two parts: half of what is between two replicas."""


class RowParts:
    """A gradient in parts.

    Shapes: b rows, P parts.

    Args:
        gradient: of rows: arrays [rows, ...] -> tensors that add up over rows.
        model: that it reads; none of its layers looks at several rows, or leaves state behind that belongs to a row.
        parts: P.
    """

    def __init__(self, gradient: Callable[..., Any], model: keras.Model, parts: int) -> None:
        self._gradient, self._parts = gradient, parts
        self._random = [variable for variable in model.non_trainable_variables if is_random(variable)]
        self._part = tf.function(self._of_part, jit_compile=True, autograph=False)

    def __call__(self, *arrays: Any) -> list[Any]:
        """What `gradient` says of all rows.

        Args:
            arrays: [b, ...].
        """
        rows_of_parts = sizes(arrays[0].shape[0], self._parts)
        states = [variable.value for variable in self._random]
        pieces = zip(*[tf.split(array, rows_of_parts) for array in arrays], strict=True)
        done = [self._part(_moved(states, part), *piece) for part, piece in enumerate(pieces)]
        for variable, state in zip(self._random, done[0][1], strict=True):
            variable.assign(state)
        return [tf.add_n(values) for values in zip(*[found for found, _ in done], strict=True)]

    def _of_part(self, states: list[Any], *arrays: Any) -> tuple[list[Any], list[Any]]:
        with keras.StatelessScope(state_mapping=list(zip(self._random, states, strict=True))) as scope:
            found = self._gradient(*arrays)
        return found, [scope.get_current_value(variable) for variable in self._random]


def _moved(states: list[Any], part: int) -> list[Any]:
    """States of random generators, int [2] each, with another seed for each part."""
    return [state + tf.constant([part * PART_STEP % 2**32, 0], state.dtype) for state in states]
