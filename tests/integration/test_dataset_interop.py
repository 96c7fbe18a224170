"""A prepared dataset opens with pyarrow.dataset, ray.data and Hugging Face datasets, with the lines that the README gives."""

import itertools
import logging

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pytest

from distrnn.data import shards
from distrnn.storage import open_store
from fixtures_data import document_workflow, prepare_here


@pytest.fixture
def prepared(review_folder, tmp_path, monkeypatch):
    """A dataset with several shards of each split."""
    monkeypatch.setattr(shards.plan_shards, "__kwdefaults__", {"target_tokens": 800})
    return prepare_here(document_workflow(review_folder), open_store(str(tmp_path / "store")))


@pytest.fixture
def folder(prepared):
    return prepared.path.removeprefix("file://")


def ours(dataset, split):
    """(tokens, label) of every row, by our own reader."""
    reader = dataset.reader(split)
    borders = np.concatenate([[0], np.cumsum(reader.lengths)]).tolist()
    rows = [reader.span(start, end).tolist() for start, end in itertools.pairwise(borders)]
    return list(zip(rows, reader.labels.tolist(), strict=True))


def pairs(rows):
    return [(list(row["tokens"]), row["label"]) for row in rows]


def assert_equal(rows, dataset, split="train"):
    """The same rows in the same order, each id once."""
    assert pairs(rows) == ours(dataset, split)
    assert len({row["id"] for row in rows}) == dataset.manifest.splits[split].rows


def test_the_dataset_of_these_tests_has_several_shards(prepared):
    assert min(len(prepared.manifest.splits[split].shards) for split in ("train", "test")) > 1


def test_pyarrow_reads_every_split_at_once(prepared, folder):
    table = pyarrow.dataset.dataset(folder + "/shards", format="ipc").to_table()
    assert len(table) == sum(split.rows for split in prepared.manifest.splits.values())


def test_pyarrow_reads_one_split_in_order(prepared, folder):
    files = [f"{folder}/{shard.file}" for shard in prepared.manifest.splits["train"].shards]
    assert_equal(pyarrow.dataset.dataset(files, format="ipc").to_table().to_pylist(), prepared)


def test_hugging_face_datasets_reads_a_split(prepared, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from datasets import disable_progress_bars, load_dataset

    disable_progress_bars()
    loaded = load_dataset("arrow", data_files=f"{folder}/shards/train-*.arrow", split="train", cache_dir=str(tmp_path / "hf"))
    assert_equal(list(loaded), prepared)


# Ray Data's own context sets options that it has itself declared deprecated.
@pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.data.context")
def test_ray_data_reads_a_split(prepared, folder, local_ray):
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    files = [f"{folder}/{shard.file}" for shard in prepared.manifest.splits["train"].shards]
    read = ray.data.read_binary_files(files).map_batches(lambda batch: pa.ipc.open_file(batch["bytes"][0]).read_all(), batch_size=1)
    order = {row["id"]: number for number, row in enumerate(pyarrow.dataset.dataset(files, format="ipc").to_table().to_pylist())}
    assert_equal(sorted(read.take_all(), key=lambda row: order[row["id"]]), prepared)
