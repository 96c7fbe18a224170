"""So many documents of a split: which ones, and that they are what they were."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.data.reader import ShardArrays, ShardReader
from distrnn.data.subsets import chosen, open_split
from distrnn.storage import open_store
from fixtures_data import document_workflow, prepare_here


def reader(*sizes, name="train"):
    """Shards of documents, each of which says its number as often as that is long: 1, 2 2, 3 3 3, …"""
    number, shards = 0, []
    for size in sizes:
        numbers = np.arange(number, number + size)
        lengths = numbers % 4
        offsets = np.append(0, np.cumsum(lengths))
        shards.append(ShardArrays(np.repeat(numbers, lengths).astype(np.uint16), offsets, (numbers % 3).astype(np.int16)))
        number += size
    return ShardReader(shards, name)


def content(found):
    return [row[row > 0].tolist() for row in found.pad_rows(np.arange(found.rows), 4, "pre", "pre")]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=4), st.data())
def test_rows_are_those_asked_for_in_their_order(sizes, data):
    whole = reader(*sizes)
    rows = np.array(data.draw(st.lists(st.integers(0, max(whole.rows - 1, 0)), max_size=12 if whole.rows else 0)), np.int64)
    found = whole.only(rows)
    assert content(found) == [content(whole)[row] for row in rows]
    assert (found.labels.tolist(), found.name) == (whole.labels[rows].tolist(), "train")
    assert found.lengths.tolist() == whole.lengths[rows].tolist()


@given(st.integers(1, 60), st.integers(0, 5))
def test_the_seed_chooses_distinct_documents_in_the_order_of_the_dataset(limit, seed):
    whole = reader(20, 30)
    found = content(chosen(whole, limit, seed))
    assert content(chosen(whole, limit, seed)) == found
    numbers = [row[0] for row in found if row]
    assert numbers == sorted(set(numbers))
    assert len(found) == min(limit, 50)


def test_another_seed_or_split_chooses_others():
    rows = {(name, seed): str(content(chosen(reader(50, name=name), 25, seed))) for name in ("train", "validation") for seed in (0, 1)}
    assert len(set(rows.values())) == 4


def test_no_more_than_there_are_gives_them_as_they_are():
    whole = reader(3)
    assert chosen(whole, 3, 0) is whole


@pytest.fixture
def store(tmp_path):
    return open_store(str(tmp_path / "storage"))


def test_a_run_uses_its_documents_of_a_dataset_that_holds_all(review_folder, store):
    every, some = (document_workflow(review_folder, **limits) for limits in ({}, {"train_limit": 40, "validation_limit": 10}))
    dataset, same = prepare_here(every, store), prepare_here(some, store)
    assert same.manifest.fingerprint == dataset.manifest.fingerprint
    rows = {split: open_split(dataset, some.workflow, split).rows for split in ("train", "validation", "test")}
    assert rows == {"train": 40, "validation": 10, "test": 100}
    assert open_split(dataset, every.workflow, "train").rows == dataset.reader("train").rows > 200
