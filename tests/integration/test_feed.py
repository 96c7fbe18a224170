"""What tf.data hands on is what the batches hold."""

import numpy as np
import pytest

from distrnn.data.batches import ClassifierBatches
from distrnn.data.buckets import BucketBatches
from distrnn.data.streams import StreamBatches
from distrnn.training.feed import to_tf_data
from fixtures_batches import numbered, of_lengths, stream

# Whoever lets TensorFlow look for devices first decides how many there are for the whole session
pytestmark = pytest.mark.usefixtures("two_devices")
COMMON = {"padding": "pre", "truncating": "pre", "seed": 7}


@pytest.mark.parametrize(
    ("batches", "length"),
    [
        (ClassifierBatches(numbered(700), sequence_length=3, batch=8, shuffle=True, **COMMON), 3),
        (BucketBatches(of_lengths(np.arange(99) % 30), sequence_length=None, batch=8, **COMMON), None),
        (StreamBatches(stream(np.arange(2000)), batch=8, window=3), 3),
    ],
    ids=["classifier", "buckets", "stream"],
)
def test_tf_data_hands_on_every_batch_from_a_step_on(batches, length):
    dataset = to_tf_data(batches, epoch=1, start_step=2)
    handed_on = list(dataset.as_numpy_iterator())
    assert dataset.element_spec[0].shape.as_list() == [8, length]
    for batch, arrays in zip(batches.epoch(1, 2), handed_on, strict=True):
        assert all(np.array_equal(one, other) and one.dtype == other.dtype for one, other in zip(batch, arrays, strict=True))
