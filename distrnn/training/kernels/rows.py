"""A recurrence whose rows are cut into parts that run at the same time.

XLA on a CPU runs the steps of a loop on one core. Rows do not depend on each other, so each part of them is compiled for itself, forwards
and backwards, and TensorFlow's executor runs the parts on as many cores. What comes out is the same but for the order in which the
gradients of the weights are summed.
"""

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from distrnn.training.kernels.cells import Tensors
from distrnn.training.kernels.recurrence import Call, Form, backward, forward


@functools.cache
def compiled(passes: Callable[..., Any], form: Form) -> Any:
    """A pass compiled by XLA: once for each form, and within that for each shape."""
    return tf.function(functools.partial(passes, form), jit_compile=True, autograph=False)


def run(form: Form, call: Call, parts: int) -> tuple[Any, Tensors]:
    """Run a layer of B rows in `parts` parts.

    Returns:
        outputs [B, T, U], or [B, U] of the last step; final states [B, U] each.
    """
    weights_count = len(call.weights)

    @tf.custom_gradient
    def recurrence(inputs: Any, *rest: Any) -> Any:
        weights, states = rest[:weights_count], rest[weights_count:]
        calls = split(Call(inputs, weights, states, *call[3:]), parts)
        done = [compiled(forward, form)(one) for one in calls]
        joined = tf.nest.map_structure(lambda *pieces: tf.concat(pieces, axis=0), *[(outputs, final) for outputs, final, _ in done])

        def gradient(outputs_gradient: Any, *states_gradient: Any) -> Tensors:
            above = _cut((outputs_gradient, states_gradient), sizes(inputs.shape[0], parts))
            found = [
                compiled(backward, form)(one, saved, *gradients) for one, (_, _, saved), gradients in zip(calls, done, above, strict=True)
            ]
            of_inputs, of_weights, of_states = zip(*found, strict=True)
            return (
                tf.concat(of_inputs, axis=0),
                *[tf.add_n(pieces) for pieces in zip(*of_weights, strict=True)],
                *[tf.concat(pieces, axis=0) for pieces in zip(*of_states, strict=True)],
            )

        return (joined[0], *joined[1]), gradient

    outputs, *final = recurrence(call.inputs, *call.weights, *call.states)
    return outputs, tuple(final)


def split(call: Call, parts: int) -> list[Call]:
    """The same call for each part of its rows."""
    by_row = call._replace(weights=())
    return [Call(*piece)._replace(weights=call.weights) for piece in _cut(by_row, sizes(call.inputs.shape[0], parts))]


def sizes(rows: int, parts: int) -> list[int]:
    """Rows of each part, as equal as can be."""
    return [rows // parts + (part < rows % parts) for part in range(parts)]


def _cut(arrays: Any, sizes: list[int]) -> list[Any]:
    """A structure of [B, …], once for each part."""
    pieces = [tf.split(array, sizes, axis=0) for array in tf.nest.flatten(arrays)]
    return [tf.nest.pack_sequence_as(arrays, [piece[part] for piece in pieces]) for part in range(len(sizes))]
