"""Batches: padding against a loop, shuffles that can be repeated, streams that continue from step to step."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.data.batches import ClassifierBatches, StreamBatches, pad, streams
from distrnn.data.reader import ShardArrays, ShardReader
from distrnn.errors import DataError

SIDES = st.sampled_from(["pre", "post"])
ROWS = st.lists(st.lists(st.integers(1, 99), max_size=9), max_size=8)


def ragged(rows):
    offsets = np.cumsum([0] + [len(row) for row in rows])
    return np.array([token for row in rows for token in row], np.uint16), offsets


def shard(rows, labels=None):
    values, offsets = ragged(rows)
    return ShardArrays(values, offsets, np.array(labels if labels is not None else [0] * len(rows), np.int8))


def padded(row, length, padding, truncating):
    row = (row[-length:] if truncating == "pre" else row[:length]) if len(row) > length else row
    zeros = [0] * (length - len(row))
    return zeros + row if padding == "pre" else row + zeros


def classifier(reader, **changes):
    settings = {"sequence_length": 4, "padding": "pre", "truncating": "pre", "batch": 4, "seed": 7, "shuffle": True} | changes
    return ClassifierBatches(reader, **settings)


def numbered(rows):
    """Row i is the one token i + 1, and its label is its parity."""
    return ShardReader([shard([[row + 1] for row in range(rows)], [row % 2 for row in range(rows)])])


@given(ROWS, st.integers(1, 6), SIDES, SIDES)
def test_padding_equals_a_loop(rows, length, padding, truncating):
    expected = [padded(row, length, padding, truncating) for row in rows]
    assert pad(*ragged(rows), length, padding, truncating).tolist() == expected


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
    monkeypatch.setattr("distrnn.data.batches.BLOCK_ROWS", 8)
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


@given(st.integers(2, 200), st.integers(1, 6), st.integers(1, 7))
def test_a_row_of_the_next_step_continues_the_row(length, batch, window):
    if (length - 1) // batch < window:
        return
    inputs, targets = streams(np.arange(length), batch, window)
    assert inputs.shape == targets.shape == ((length - 1) // batch // window, batch, window)
    assert (targets == inputs + 1).all()
    assert (inputs[1:, :, 0] == inputs[:-1, :, -1] + 1).all()
    assert len(np.unique(inputs)) == inputs.size


@given(st.integers(21, 300), st.integers(1, 5), st.integers(1, 4), st.integers(1, 9))
def test_stream_batches_are_laid_out_as_streams(length, batch, window, block):
    tokens = np.arange(length) % 90
    reader = ShardReader([shard([part.tolist()]) for part in np.array_split(tokens, 3)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("distrnn.data.batches.BLOCK_TOKENS_PER_ROW", block)
        batches = StreamBatches(reader, batch=batch, window=window)
        made = list(batches.epoch(0))
        resumed = list(batches.epoch(1, start_step=1))
    inputs, targets = streams(tokens, batch, window)
    assert np.array_equal([b.tokens for b in made], inputs)
    assert np.array_equal([b.labels for b in made], targets)
    assert len(resumed) == len(made) - 1
    assert all(np.array_equal(a.tokens, b.tokens) for a, b in zip(resumed, made[1:], strict=True))


def test_stream_batches_weigh_every_token():
    batch = next(StreamBatches(ShardReader([shard([list(range(1, 20))])]), batch=2, window=3).epoch(0))
    assert (batch.weights.tolist(), batch.tokens.dtype, batch.labels.dtype) == ([[1, 1, 1], [1, 1, 1]], np.int32, np.int32)


def test_a_stream_too_small_for_one_step_is_refused():
    with pytest.raises(DataError) as caught:
        StreamBatches(ShardReader([shard([[1] * 16])], "test"), batch=4, window=4)
    assert str(caught.value) == (
        "split 'test' must have at least 17 tokens for one step of 4 rows of 4. Received: 16 tokens. "
        "Use a smaller train.global_batch_size or model.window, or more text."
    )
