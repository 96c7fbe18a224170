"""Batches of documents: padding against a loop, shuffles that can be repeated, and workers that read their rows only."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.data.batches import ClassifierBatches
from distrnn.data.padding import mask, pad
from distrnn.data.parts import Part
from distrnn.data.reader import ShardReader
from distrnn.errors import DataError
from fixtures_batches import Noted, numbered, ragged, shard

SIDES = st.sampled_from(["pre", "post"])
ROWS = st.lists(st.lists(st.integers(1, 99), max_size=9), max_size=8)


def padded(row, length, padding, truncating):
    row = (row[-length:] if truncating == "pre" else row[:length]) if len(row) > length else row
    zeros = [0] * (length - len(row))
    return zeros + row if padding == "pre" else row + zeros


def classifier(reader, **changes):
    settings = {"sequence_length": 4, "padding": "pre", "truncating": "pre", "batch": 4, "seed": 7, "shuffle": True} | changes
    return ClassifierBatches(reader, **settings)


@given(ROWS, st.integers(1, 6), SIDES, SIDES)
def test_padding_equals_a_loop(rows, length, padding, truncating):
    expected = [padded(row, length, padding, truncating) for row in rows]
    assert pad(*ragged(rows), length, padding, truncating).tolist() == expected


@given(ROWS, st.integers(1, 6), SIDES, SIDES)
def test_the_mask_is_where_padding_put_tokens(rows, length, padding, truncating):
    matrix = pad(*ragged(rows), length, padding, truncating)
    assert np.array_equal(mask(np.array([len(row) for row in rows], np.int64), length, padding), matrix != 0)


def test_a_row_of_minus_one_is_padding():
    reader = ShardReader([shard([[5, 6]]), shard([[7, 8]])])
    assert reader.pad_rows(np.array([[1, -1], [-1, 0]]), 3, "pre", "pre").tolist() == [[[0, 7, 8], [0, 0, 0]], [[0, 0, 0], [0, 5, 6]]]


def test_readers_joined_hold_the_rows_of_all():
    joined = ShardReader.joined([numbered(3), numbered(2)])
    assert joined.pad_rows(np.arange(5), 1, "pre", "pre")[:, 0].tolist() == [1, 2, 3, 1, 2]
    assert (joined.labels.tolist(), joined.lengths.tolist()) == ([0, 1, 0, 0, 1], [1] * 5)


@given(st.lists(ROWS, max_size=4), st.data())
def test_rows_are_found_in_whatever_shard_they_lie(shards, data):
    every = [row for rows in shards for row in rows]
    reader = ShardReader([shard(rows) for rows in shards])
    wanted = data.draw(st.lists(st.integers(0, len(every) - 1), max_size=6)) if every else []
    result = reader.pad_rows(np.array(wanted, np.int64), 3, "post", "post")
    assert result.tolist() == [padded(every[row], 3, "post", "post") for row in wanted]


@given(st.lists(ROWS, max_size=4), st.data())
def test_a_span_reaches_over_shards(shards, data):
    stream = [token for rows in shards for row in rows for token in row]
    start = data.draw(st.integers(0, len(stream)))
    stop = data.draw(st.integers(start, len(stream)))
    assert ShardReader([shard(rows) for rows in shards]).span(start, stop).tolist() == stream[start:stop]


def test_batches_have_static_shapes_and_types():
    shapes = {(b.tokens.shape, b.labels.shape, b.weights.shape) for b in classifier(numbered(10)).epoch(0)}
    batch = next(classifier(numbered(10)).epoch(0))
    assert shapes == {((4, 4), (4,), (4,))}
    assert (batch.tokens.dtype, batch.labels.dtype, batch.weights.dtype) == (np.int32, np.float32, np.float32)


def test_an_epoch_has_every_row_once_with_its_label():
    seen = [
        (int(row[-1]), int(label))
        for batch in classifier(numbered(10)).epoch(3)
        for row, label, weight in zip(batch.tokens, batch.labels, batch.weights, strict=True)
        if weight
    ]
    assert sorted(seen) == [(row + 1, row % 2) for row in range(10)]


def test_the_last_batch_is_filled_up_with_rows_without_weight():
    *_, last = classifier(numbered(10), shuffle=False).epoch(0)
    assert (last.weights.tolist(), last.tokens[2:].any(), last.labels[2:].any()) == ([1, 1, 0, 0], False, False)


def test_without_shuffle_the_order_is_that_of_the_dataset():
    batches = classifier(numbered(6), shuffle=False)
    rows = np.concatenate([batch.tokens[:, -1] for batch in batches.epoch(5)])[:6]
    labels = np.concatenate([batch.labels for batch in batches.epoch(5)])[:6]
    assert (rows.tolist(), labels.tolist()) == ([1, 2, 3, 4, 5, 6], [0, 1, 0, 1, 0, 1])


def test_the_shuffle_follows_from_seed_and_epoch_alone():
    def order(seed, epoch):
        return np.concatenate([b.tokens[:, -1] for b in classifier(numbered(40), seed=seed).epoch(epoch)]).tolist()

    assert order(7, 1) == order(7, 1)
    assert len({tuple(order(seed, epoch)) for seed in (7, 8) for epoch in (0, 1)}) == 4


def test_an_epoch_taken_up_at_a_step_gives_the_same_batches(monkeypatch):
    monkeypatch.setattr("distrnn.data.batches.BLOCK_CELLS", 32)
    batches = classifier(numbered(30))
    whole = [batch.tokens.tolist() for batch in batches.epoch(2)]
    assert (len(whole), [b.tokens.tolist() for b in batches.epoch(2, start_step=3)]) == (batches.steps, whole[3:])


def test_a_batch_larger_than_the_training_data_is_refused():
    with pytest.raises(DataError) as caught:
        classifier(numbered(3))
    assert str(caught.value) == (
        "a batch must not be larger than the data: train.global_batch_size 4. Received: 3 documents in split 'train'. "
        "Use a batch of at most 3, or more text."
    )


def test_evaluation_may_fill_one_batch_up():
    assert classifier(numbered(3), shuffle=False).steps == 1


def test_an_empty_split_is_refused():
    with pytest.raises(DataError, match=r"^split 'validation' must have at least one document\. Received: none\. Give it more text\.$"):
        classifier(ShardReader([], "validation"), shuffle=False)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_workers_together_read_the_global_batch(workers):
    whole = list(classifier(numbered(30), batch=8).epoch(2))
    parts = zip(*(classifier(numbered(30), batch=8, part=Part(worker, workers)).epoch(2) for worker in range(workers)), strict=True)
    for batch, of_workers in zip(whole, parts, strict=True):
        for array, pieces in zip(batch, zip(*of_workers, strict=True), strict=True):
            assert np.array_equal(array, np.concatenate(pieces))


def test_a_worker_reads_its_rows_only():
    alone, half = Noted(numbered(30)), Noted(numbered(30))
    all(classifier(alone, batch=8).epoch(0))
    last = list(classifier(half, batch=8, part=Part(1, 2)).epoch(0))
    assert sorted(alone.touched) == list(range(30))
    assert sorted(half.touched) == sorted(row - 1 for batch in last for row in batch.tokens[:, -1].tolist() if row)
    assert len(half.touched) == 14


def test_a_batch_that_workers_cannot_share_out_is_refused():
    with pytest.raises(DataError) as caught:
        classifier(numbered(30), batch=8, part=Part(0, 3))
    assert str(caught.value) == (
        "a batch must be shared out evenly: rows must be a multiple of 3 workers. Received: 8 rows. "
        "Use a train.global_batch_size that 3 divides."
    )


def test_a_worker_that_is_not_there_is_refused():
    with pytest.raises(DataError) as caught:
        classifier(numbered(30), batch=8, part=Part(2, 2))
    assert str(caught.value) == "a worker's part must be one of 0 to 1. Received: 2. Count the parts from 0, one for each worker."


def test_documents_without_labels_are_not_trained_on():
    reader = ShardReader([shard([[1]] * 5, [0, 1, -1, -1, 0])])
    with pytest.raises(DataError) as caught:
        classifier(reader)
    assert str(caught.value) == (
        "every document that a classifier is trained on must have a label. Received: 2 of 5 documents without one in split 'train'. "
        "Leave them out, or give their label in the source."
    )


def test_documents_without_labels_can_be_predicted():
    batch = next(classifier(ShardReader([shard([[1]] * 4, [-1] * 4)]), shuffle=False).epoch(0))
    assert batch.labels.tolist() == [-1] * 4


def test_labels_may_be_class_numbers_above_127():
    assert next(classifier(ShardReader([shard([[1]] * 4, [300] * 4)])).epoch(0)).labels.tolist() == [300] * 4
