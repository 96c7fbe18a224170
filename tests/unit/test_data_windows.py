"""Windows that do not overlap: each once in an epoch, in an order that follows from the seed alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.data.parts import Part
from distrnn.data.streams import window_count, windows
from distrnn.data.windows import WindowBatches
from distrnn.errors import DataError
from fixtures_batches import stream


def batches(tokens, *, batch=4, window=5, only_last=False, seed=0, part=None):
    parts = {} if part is None else {"part": part}
    return WindowBatches(stream(tokens), batch=batch, window=window, only_last=only_last, seed=seed, **parts)


def real_rows(made):
    """Tokens and labels of the rows that are windows, over all batches."""
    kept = [
        (batch.tokens[row], batch.labels[row])
        for batch in made
        for row in np.flatnonzero(batch.weights.reshape(len(batch.tokens), -1)[:, 0])
    ]
    return [np.array(arrays) for arrays in zip(*kept, strict=True)]


@given(st.integers(12, 200), st.integers(1, 4), st.integers(1, 7), st.integers(0, 3), st.booleans())
def test_an_epoch_has_every_window_once_with_what_follows(length, batch, window, epoch, only_last):
    tokens = np.arange(1, length + 1)
    if window_count(length, window) < batch:
        return
    made = list(batches(tokens, batch=batch, window=window, only_last=only_last).epoch(epoch))
    inputs, labels = real_rows(made)
    expected, after = windows(tokens, window)
    order = np.argsort(inputs[:, 0])
    assert np.array_equal(inputs[order], expected)
    assert np.array_equal(labels[order], after if only_last else expected + 1)
    assert all(one.tokens.shape == (batch, window) for one in made)


@given(st.integers(0, 6), st.integers(0, 3))
def test_a_run_that_starts_again_at_a_step_gets_the_batches_it_would_have_had(start, epoch):
    made = batches(np.arange(120))
    resumed = list(made.epoch(epoch, start))
    whole = list(made.epoch(epoch))[start:]
    assert len(resumed) == len(whole)
    assert all(np.array_equal(a, b) for one, other in zip(resumed, whole, strict=True) for a, b in zip(one, other, strict=True))


def test_epochs_and_seeds_have_orders_of_their_own():
    first = [batch.tokens.tolist() for batch in batches(np.arange(300)).epoch(0)]
    assert first != [batch.tokens.tolist() for batch in batches(np.arange(300)).epoch(1)]
    assert first != [batch.tokens.tolist() for batch in batches(np.arange(300), seed=1).epoch(0)]


@pytest.mark.parametrize("parts", [2, 4])
def test_parts_together_read_the_global_batch(parts):
    tokens = np.arange(230)
    whole = list(batches(tokens, batch=8).epoch(0))
    read = [list(batches(tokens, batch=8, part=Part(part, parts)).epoch(0)) for part in range(parts)]
    for step, batch in enumerate(whole):
        for position, array in enumerate(batch):
            assert np.array_equal(np.concatenate([made[step][position] for made in read]), array)


@pytest.mark.parametrize("only_last", [False, True])
def test_what_fills_the_last_batch_up_weighs_nothing(only_last):
    made = batches(np.arange(1, 33), only_last=only_last)  # six windows in two batches of four
    last = list(made.epoch(0))[-1]
    assert made.steps == 2
    assert last.weights.reshape(4, -1)[:, 0].tolist() == [1, 1, 0, 0]
    assert not last.tokens[2:].any()
    assert (last.tokens.dtype, last.labels.dtype, last.weights.dtype) == (np.int32, np.int32, np.float32)


def test_fewer_windows_than_a_batch_are_refused():
    assert batches(np.arange(22)).steps == 1
    with pytest.raises(DataError) as caught:
        batches(np.arange(21))
    assert str(caught.value) == (
        "split 'train' must have at least 22 tokens for a batch of 4 windows of 5. Received: 21 tokens. "
        "Use a smaller train.global_batch_size or model.window, or more text."
    )
