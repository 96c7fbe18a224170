"""Words and their surroundings: who stands around whom, what is drawn how often, and that any step can be made again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.data.contexts import ContextBatches, kept_share
from distrnn.data.parts import Part
from distrnn.data.reader import ShardArrays, ShardReader
from distrnn.errors import DataError

START = 1


def reader(tokens):
    return ShardReader([ShardArrays(np.array(tokens, np.uint16), np.array([0, len(tokens)]), np.array([-1], np.int16))])


def counts_of(tokens, size):
    counts = np.bincount(tokens, minlength=size)
    counts[:3] = 0
    return counts


def batches(tokens, size=20, **keys):
    settings = {"batch": 2, "window": 2, "negatives": 3, "subsampling": None, "seed": 0, **keys}
    return ContextBatches(reader(tokens), counts_of(tokens, size), **settings)


def rows_of(found, epoch=0):
    """Word ► the words around it, of every row."""
    rows = [(row[0], row[1:5], label) for batch in found.epoch(epoch) for row, label in zip(batch.tokens, batch.labels, strict=True)]
    return [(int(word), around.tolist(), label.tolist()) for word, around, label in rows]


def test_the_words_around_a_word_are_those_within_its_reach():
    found = {word: around for word, around, _ in rows_of(batches(list(range(3, 13))))}
    assert sorted(found) == list(range(3, 13))
    for word, around in found.items():
        near, far = [word - 1, word + 1], [word - 2, word + 2]
        inside = [token if 3 <= token <= 12 else 0 for token in (far[0], near[0], near[1], far[1])]
        assert around in (inside, [0, inside[1], inside[2], 0])


def test_both_reaches_are_drawn():
    reaches = {bool(around[0] or around[3]) for word, around, _ in rows_of(batches(list(range(3, 13)))) if 5 <= word <= 10}
    assert reaches == {True, False}


def test_labels_say_where_there_is_a_word_and_weights_how_many():
    for batch in batches([3, 4, 5, 6, START, 7, 8]).epoch(0):
        assert ((batch.tokens[:, 1:5] > 0) == (batch.labels == 1)).all()
        assert (batch.labels.sum(axis=1) == batch.weights).all()


def test_words_of_two_documents_are_not_around_each_other():
    found = rows_of(batches([START, 3, 4, START, 5, 6, START, 7, 8], window=2))
    pairs = {frozenset((word, other)) for word, around, _ in found for other in around if other}
    assert pairs == {frozenset((3, 4)), frozenset((5, 6)), frozenset((7, 8))}


def test_unknown_words_are_left_out():
    found = rows_of(batches([3, 2, 4, 2, 5, 6], window=2))
    assert {word for word, _, _ in found} == {3, 4, 5, 6}
    assert {word: around for word, around, _ in found}[3][2] == 4


@given(st.integers(0, 5), st.integers(0, 3), st.integers(1, 3))
def test_any_step_comes_again_and_workers_share_it(seed, start, epoch):
    found = batches(list(range(3, 19)) * 2, batch=4, subsampling=0.5, seed=seed)
    whole = list(found.epoch(epoch))
    again = next(found.epoch(epoch, min(start, found.steps - 1)))
    assert (again.tokens == whole[min(start, found.steps - 1)].tokens).all()
    parts = [batches(list(range(3, 19)) * 2, batch=4, subsampling=0.5, seed=seed, part=Part(index, 2)) for index in (0, 1)]
    shared = [next(part.epoch(epoch)).tokens for part in parts]
    assert (np.concatenate(shared) == whole[0].tokens).all()


def test_epochs_differ():
    found = batches(list(range(3, 19)))
    assert rows_of(found, 0) != rows_of(found, 1)


def test_frequent_words_are_kept_less_often():
    counts = np.array([0, 0, 0, 900, 90, 10])
    assert kept_share(counts, None).tolist() == [0, 0, 0, 1, 1, 1]
    ratio = 0.01 * 1000 / 900
    assert kept_share(counts, 0.01).tolist() == pytest.approx([0, 0, 0, np.sqrt(ratio) + ratio, np.sqrt(1 / 9) + 1 / 9, 1])


def test_random_words_are_drawn_by_their_frequency_to_the_power_of_three_quarters():
    tokens = [3] * 1600 + [4] * 100
    drawn = np.concatenate([batch.tokens[:, 5:].ravel() for batch in batches(tokens, batch=100, negatives=20).epoch(0)])
    shares = np.bincount(drawn, minlength=5)[3:] / len(drawn)
    assert shares.tolist() == pytest.approx([8 / 9, 1 / 9], abs=0.01)


def test_too_few_words_are_refused():
    with pytest.raises(DataError) as caught:
        batches([START, 3, 4], batch=8)
    assert str(caught.value) == (
        "split 'train' must have words for one batch of 8 rows at least. Received: 3 tokens, of which about 2 are kept. "
        "Use a smaller train.global_batch_size, or more text."
    )
