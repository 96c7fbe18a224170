"""Batches as a tf.data.Dataset, for a Keras `fit` or an input pipeline of one's own.

Batches cross over in groups that tf.data takes apart again: a call into Python costs the same for one batch as for many.
"""

from collections.abc import Iterator
from itertools import groupby, islice

import numpy as np
import tensorflow as tf

from distrnn.data.batches import Batch, Batches
from distrnn.data.buckets import BucketBatches

BATCHES_TOGETHER = 64


def to_tf_data(batches: Batches, epoch: int = 0, start_step: int = 0) -> tf.data.Dataset:
    """Batches of one epoch as a dataset of (tokens, labels, weights), which is what `keras.Model.fit` takes.

    Shapes: B batch, L sequence length or window; L is unknown to TensorFlow where batches are bucketed.

    Args:
        batches: classifiers', bucketed, mixed or streams.
        epoch: from 0.
        start_step: of the epoch, so that a run goes on where it stopped; at least one step must be left.

    Returns:
        elements int32 [B, L], and labels and weights as in `Batch`.
    """
    first = next(batches.epoch(epoch, start_step))
    shapes = [list(array.shape) for array in first]
    if isinstance(batches, BucketBatches):
        shapes[0][1] = None
    signature = tuple(tf.TensorSpec([None, *shape], array.dtype) for shape, array in zip(shapes, first, strict=True))
    groups = tf.data.Dataset.from_generator(lambda: _groups(batches.epoch(epoch, start_step)), output_signature=signature)
    return groups.unbatch()


def _groups(batches: Iterator[Batch]) -> Iterator[tuple[np.ndarray, ...]]:
    """Neighbouring batches of one shape, stacked."""
    for _, same in groupby(batches, key=lambda batch: batch.tokens.shape):
        while group := list(islice(same, BATCHES_TOGETHER)):
            yield tuple(np.stack(arrays) for arrays in zip(*group, strict=True))
