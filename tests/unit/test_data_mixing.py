"""Mixed batches: fixed shares, weights, soft labels, and cycles that need no state."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.data.batches import ClassifierBatches
from distrnn.data.mixing import Ingredient, MixedBatches
from distrnn.data.parts import Part
from distrnn.data.reader import ShardReader
from distrnn.errors import DataError
from fixtures_batches import Noted, numbered, shard

SETTINGS = {"sequence_length": 2, "padding": "pre", "truncating": "pre", "seed": 7}


def mixed(*ingredients, **changes):
    return MixedBatches([Ingredient(*each) if isinstance(each, tuple) else each for each in ingredients], **(SETTINGS | changes))


def three(**changes):
    return mixed((numbered(100), 11), (numbered(30, 1000), 1, 0.5), (numbered(7, 2000), 4, 0.25), **changes)


def ids(batches, part=slice(None)):
    return [batch.tokens[part, -1].tolist() for batch in batches]


def test_every_batch_has_the_shares_one_after_the_other():
    for row in ids(three(steps=9).epoch(1)):
        assert [sum(low <= token < low + 999 for token in row) for low in (1, 1000, 2000)] == [11, 1, 4]
        assert row == sorted(row, key=lambda token: token // 1000)


def test_rows_weigh_what_their_dataset_weighs():
    batch = next(three().epoch(0))
    assert (batch.weights.tolist(), batch.weights.dtype) == ([1] * 11 + [0.5] + [0.25] * 4, np.float32)


def test_the_first_dataset_comes_in_the_batches_it_would_have_alone():
    alone = ClassifierBatches(numbered(100), batch=11, shuffle=True, **SETTINGS)
    batches = three()
    assert batches.steps == alone.steps
    for one, other in zip(alone.epoch(3), batches.epoch(3), strict=True):
        for array, its in zip(one, other, strict=True):
            assert np.array_equal(array, its[:11])


def test_one_dataset_alone_is_no_mixture():
    alone = ClassifierBatches(numbered(100), batch=11, shuffle=True, **SETTINGS)
    for one, other in zip(alone.epoch(2), mixed((numbered(100), 11)).epoch(2), strict=True):
        assert all(np.array_equal(array, its) for array, its in zip(one, other, strict=True))


def test_the_other_datasets_go_on_over_epochs_each_pass_in_a_new_order():
    batches = three()
    rows = np.concatenate([ids(batches.epoch(epoch), slice(12, 16)) for epoch in range(7)]).ravel()
    passes = rows[: len(rows) // 7 * 7].reshape(-1, 7)
    assert all(sorted(order) == list(range(2000, 2007)) for order in passes.tolist())
    assert len({tuple(order) for order in passes.tolist()}) > len(passes) // 2


def test_with_a_number_of_steps_the_first_dataset_goes_on_as_well():
    batches = three(steps=25)
    rows = np.concatenate([ids(batches.epoch(epoch), slice(11)) for epoch in range(4)]).ravel()
    assert len(rows) == 4 * 25 * 11
    assert set(Counter(rows.tolist()).values()) == {11}


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 40), st.integers(0, 3), st.data())
def test_an_epoch_taken_up_at_a_step_gives_the_same_batches(share, other, rows, epoch, data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("distrnn.data.batches.BLOCK_CELLS", data.draw(st.integers(1, 100)))
        whole = list(mixed((numbered(50), share), (numbered(rows, 1000), other)).epoch(epoch))
        step = data.draw(st.integers(0, len(whole)))
        resumed = list(mixed((numbered(50), share), (numbered(rows, 1000), other)).epoch(epoch, step))
    assert ids(resumed) == ids(whole[step:])


def test_a_teachers_probabilities_take_the_place_of_the_labels():
    soft = np.arange(30, dtype=np.float32) / 64
    batch = next(mixed((numbered(100), 4), Ingredient(numbered(30, 1000), 3, labels=soft)).epoch(0))
    assert batch.labels[:4].tolist() == [(token - 1) % 2 for token in batch.tokens[:4, -1].tolist()]
    assert batch.labels[4:].tolist() == [(token - 1000) / 64 for token in batch.tokens[4:, -1].tolist()]


def test_probabilities_of_several_classes_make_hard_labels_one_hot():
    soft = np.full((30, 3), [0.5, 0.25, 0.25], np.float32)
    batch = next(mixed((numbered(100), 2), Ingredient(numbered(30, 1000), 1, labels=soft)).epoch(0))
    hard = [[1, 0, 0] if token % 2 else [0, 1, 0] for token in batch.tokens[:2, -1].tolist()]
    assert (batch.labels.tolist(), batch.labels.dtype) == ([*hard, [0.5, 0.25, 0.25]], np.float32)


def test_unlabelled_documents_may_be_given_soft_labels():
    unlabelled = ShardReader([shard([[1]] * 4, [-1] * 4)])
    assert next(mixed(Ingredient(unlabelled, 2, labels=np.full(4, 0.5, np.float32))).epoch(0)).labels.tolist() == [0.5, 0.5]


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_workers_together_read_the_global_batch(workers):
    parts = [three(part=Part(worker, workers)).epoch(1, 2) for worker in range(workers)]
    for whole, *of_workers in zip(three().epoch(1, 2), *parts, strict=True):
        for array, pieces in zip(whole, zip(*of_workers, strict=True), strict=True):
            assert np.array_equal(array, np.concatenate(pieces))


def test_a_worker_reads_its_rows_only(monkeypatch):
    monkeypatch.setattr(ShardReader, "joined", classmethod(lambda cls, readers: Noted(joined(readers))))
    batches = three(part=Part(3, 4))
    all(batches.epoch(0))
    assert set(batches._reader.touched) == set(range(130, 137))


joined = ShardReader.joined


@pytest.mark.parametrize(
    ("ingredient", "message"),
    [
        (
            Ingredient(numbered(9), 0),
            "a dataset's share of a batch must be at least one row. Received: 0 for split 'train'. Leave it out, or give it rows.",
        ),
        (
            Ingredient(numbered(9), 2, labels=np.zeros(8, np.float32)),
            "soft labels must be one for each of the 9 documents of split 'train'. Received: 8. Let the teacher judge this very dataset.",
        ),
        (
            Ingredient(ShardReader([shard([[1]] * 9, [-1] * 9)]), 2),
            "every document that a classifier is trained on must have a label. Received: 9 of 9 documents without one in split 'train'. "
            "Leave them out, or give their label in the source.",
        ),
        (
            Ingredient(ShardReader([], "unlabelled"), 2),
            "split 'unlabelled' must have at least one document. Received: none. Give it more text.",
        ),
    ],
)
def test_a_dataset_that_cannot_be_mixed_in_is_refused(ingredient, message):
    with pytest.raises(DataError) as caught:
        mixed((numbered(9), 2), ingredient)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("labels", "received"),
    [
        (np.zeros((9, 2), np.float32), "soft labels of 2 and 3 classes, class numbers up to 1"),
        (np.zeros(9, np.float32), "soft labels of 3 classes, probabilities of one class"),
    ],
)
def test_soft_labels_of_different_classes_are_refused(labels, received):
    with pytest.raises(DataError) as caught:
        mixed(
            (numbered(9), 2),
            Ingredient(numbered(9), 1, labels=np.zeros((9, 3), np.float32)),
            Ingredient(numbered(9), 1, labels=labels),
        )
    assert str(caught.value) == (
        f"labels must agree on the number of classes. Received: {received}. Give all of them for the same classes."
    )
