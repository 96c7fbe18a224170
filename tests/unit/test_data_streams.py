"""Streams that continue from step to step at any number of replicas, and windows with the token after each."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.data.parts import Part
from distrnn.data.reader import ShardReader
from distrnn.data.streams import StreamBatches, streams, windows
from distrnn.errors import DataError
from fixtures_batches import Noted, shard, stream


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
    reader = stream(tokens)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("distrnn.data.streams.BLOCK_TOKENS_PER_ROW", block)
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


@pytest.mark.parametrize("replicas", [1, 2, 4])
def test_replicas_together_read_the_global_batch(replicas):
    tokens = np.arange(500)
    parts = [StreamBatches(stream(tokens), batch=8, window=5, part=Part(replica, replicas)).epoch(0) for replica in range(replicas)]
    inputs, targets = streams(tokens, 8, 5)
    together = list(zip(*parts, strict=True))
    assert np.array_equal([np.concatenate([batch.tokens for batch in step]) for step in together], inputs)
    assert np.array_equal([np.concatenate([batch.labels for batch in step]) for step in together], targets)


def test_a_replica_reads_its_rows_of_the_stream_only():
    whole, last = Noted(stream(np.arange(500))), Noted(stream(np.arange(500)))
    all(StreamBatches(whole, batch=8, window=5).epoch(0))
    all(StreamBatches(last, batch=8, window=5, part=Part(3, 4)).epoch(0))
    stride = 499 // 8
    assert min(start for start, _ in whole.spans) == 0
    assert [start for start, _ in last.spans] == [6 * stride, 7 * stride]


@given(st.integers(0, 200), st.integers(1, 9))
def test_windows_follow_the_rule_of_the_range(count, window):
    tokens = np.arange(count)
    starts = list(range(0, count - 1 - window, window))
    if not starts:
        with pytest.raises(DataError):
            windows(tokens, window)
        return
    inputs, following = windows(tokens, window)
    assert inputs.tolist() == [tokens[start : start + window].tolist() for start in starts]
    assert following.tolist() == [start + window for start in starts]


@pytest.mark.parametrize(("window", "count"), [(3, 200_299), (8, 75_112)])
def test_nietzsche_gives_the_windows_of_the_rule(shared_data, window, count):
    text = (shared_data / "nietzsche.txt").read_text(encoding="utf-8")
    tokens = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    inputs, following = windows(tokens.astype(np.int32), window)
    assert len(text) == 600_901
    assert inputs.shape == (count, window)
    assert np.array_equal(following[:-1], inputs[1:, 0])


def test_a_stream_too_short_for_a_window_is_refused():
    with pytest.raises(DataError) as caught:
        windows(np.arange(4), 3)
    assert str(caught.value) == (
        "a stream must have at least 5 tokens for one window of 3. Received: 4 tokens. Use a smaller window, or more text."
    )
