"""Matrix products of a recurrent cell, with Keras' dropout masks.

A mask holds for all steps of a call. Keras draws one for all gates of a layer without recurrent dropout, and one a gate with it, so there
are no masks, one, or G of them; the product and its two gradients are written for all three cases here, for inputs and for states alike.

Shapes: T steps, b rows, F features, U units, G gates. Anything before the last axis may be [b] or [T, b]; a mask is [b, F].
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf


def _flat(array: Any) -> Any:
    """[…, F] -> [rows, F]."""
    return tf.reshape(array, [-1, array.shape[-1]])


def _times(array: Any, weights: Any) -> Any:
    """[…, F] and [F, U] -> […, U], as one product."""
    return tf.reshape(tf.matmul(_flat(array), weights), [*array.shape[:-1], weights.shape[-1]])


def product(inputs: Any, weights: Any, masks: Sequence[Any]) -> Any:
    """[…, F] with [F, GU] -> […, GU]; each gate sees the inputs through its own mask."""
    if len(masks) < 2:
        return _times(inputs * masks[0] if masks else inputs, weights)
    gates = tf.split(weights, len(masks), axis=1)
    return tf.concat([_times(inputs * mask, gate) for mask, gate in zip(masks, gates, strict=True)], axis=-1)


def product_gradient(gradient: Any, transposed: Any, masks: Sequence[Any]) -> Any:
    """Of the inputs: […, GU] with the transposed weights [GU, F] -> […, F]."""
    if len(masks) < 2:
        found = _times(gradient, transposed)
        return found * masks[0] if masks else found
    parts = zip(tf.split(gradient, len(masks), axis=-1), tf.split(transposed, len(masks), axis=0), masks, strict=True)
    return tf.add_n([_times(part, gate) * mask for part, gate, mask in parts])


def weights_gradient(inputs: Any, gradient: Any, masks: Sequence[Any]) -> Any:
    """[T, b, F] and [T, b, GU] -> [F, GU], summed over all steps in one product."""
    if len(masks) < 2:
        return tf.matmul(_flat(inputs * masks[0] if masks else inputs), _flat(gradient), transpose_a=True)
    parts = zip(tf.split(gradient, len(masks), axis=-1), masks, strict=True)
    return tf.concat([tf.matmul(_flat(inputs * mask), _flat(part), transpose_a=True) for part, mask in parts], axis=1)
