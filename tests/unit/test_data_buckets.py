"""Buckets by length: every row once, little padding, the same for any number of workers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.data.buckets import BucketBatches, bucketed, padding_share, widths_of
from distrnn.data.parts import Part
from distrnn.data.reader import ShardReader
from distrnn.errors import DataError
from fixtures_batches import Noted, of_lengths, shard

LENGTHS = np.random.default_rng(3).gamma(2, 30, 500).astype(int) + 1


def buckets(reader, **changes):
    settings = {"sequence_length": None, "padding": "pre", "truncating": "pre", "batch": 8, "seed": 7} | changes
    return BucketBatches(reader, **settings)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=120), st.integers(1, 9), st.integers(1, 6), st.integers(0, 3))
def test_an_epoch_has_every_row_once(lengths, batch, window, epoch):
    plan = bucketed(np.array(lengths), batch, window * batch, 7, epoch)
    assert plan.shape == (-(-len(lengths) // batch), batch)
    assert sorted(plan[plan >= 0].tolist()) == list(range(len(lengths)))
    assert (plan[:-1] >= 0).all()


@given(st.lists(st.integers(0, 40), min_size=8, max_size=120), st.integers(1, 9), st.none() | st.integers(1, 50))
def test_a_batch_is_as_wide_as_its_longest_row(lengths, multiple, limit):
    plan = bucketed(np.array(lengths), 4, 16, 7, 0)
    for rows, width in zip(plan, widths_of(np.array(lengths), plan, multiple, limit), strict=True):
        longest = max(max(lengths[row] for row in rows if row >= 0), 1)
        assert width == min(-(-longest // multiple) * multiple, limit or 99)


def test_rows_of_a_window_lie_sorted_in_batches_and_the_batches_shuffled():
    plan = bucketed(LENGTHS, 10, 250, 7, 0)
    ranges = sorted((LENGTHS[rows].min(), LENGTHS[rows].max()) for rows in plan)
    random = bucketed(LENGTHS, 10, 10, 7, 0)
    assert np.median([high - low for low, high in ranges]) < 8 < np.median([np.ptp(LENGTHS[rows]) for rows in random])
    first_lengths = LENGTHS[plan[:, 0]]
    assert sorted(first_lengths) != first_lengths.tolist()


def test_the_order_follows_from_seed_and_epoch_alone():
    def order(seed, epoch):
        return tuple(bucketed(LENGTHS, 8, 80, seed, epoch).ravel().tolist())

    assert order(7, 1) == order(7, 1)
    assert len({order(seed, epoch) for seed in (7, 8) for epoch in (0, 1)}) == 4


def test_batches_hold_whole_rows_with_labels_and_weights():
    batches = list(buckets(of_lengths(LENGTHS)).epoch(0))
    seen = [int(row[-1]) for batch in batches for row, weight in zip(batch.tokens, batch.weights, strict=True) if weight]
    assert sorted(seen) == list(range(1, 501))
    assert sum(int(np.count_nonzero(batch.tokens)) for batch in batches) == LENGTHS.sum()
    assert batches[-1].weights.tolist() == [1] * 4 + [0] * 4
    assert {array.dtype for batch in batches for array in batch} == {np.dtype(np.int32), np.dtype(np.float32)}


def test_rows_longer_than_the_sequence_length_are_cut():
    assert max(batch.tokens.shape[1] for batch in buckets(of_lengths(LENGTHS), sequence_length=50).epoch(0)) == 50


def test_buckets_waste_less_than_random_batches():
    reader = of_lengths(LENGTHS)
    assert padding_share(buckets(reader).epoch(0)) < 0.15 < 0.5 < padding_share(buckets(reader, window_batches=1).epoch(0))


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_workers_together_read_the_global_batch(workers):
    parts = [buckets(of_lengths(LENGTHS), part=Part(worker, workers)).epoch(1, 3) for worker in range(workers)]
    for whole, *of_workers in zip(buckets(of_lengths(LENGTHS)).epoch(1, 3), *parts, strict=True):
        for array, pieces in zip(whole, zip(*of_workers, strict=True), strict=True):
            assert np.array_equal(array, np.concatenate(pieces))


def test_a_worker_reads_its_rows_only():
    reader = Noted(of_lengths(LENGTHS))
    read = [int(row[-1]) - 1 for batch in buckets(reader, part=Part(1, 4)).epoch(0) for row in batch.tokens if row[-1]]
    assert sorted(reader.touched) == sorted(read)
    assert len(read) == 62 * 2 + 2


def test_documents_without_labels_are_not_trained_on():
    with pytest.raises(DataError, match=r"^every document that a classifier is trained on must have a label\. Received: 8 of 8"):
        buckets(ShardReader([shard([[1]] * 8, [-1] * 8)]))
