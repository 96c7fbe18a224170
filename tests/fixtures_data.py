"""What the data tests share: small sources on disk, and the whole preparation in this process, without Ray."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from distrnn.workflow import LoadedWorkflow, validate

WORDS = "the a film plot was is good bad not great dull actor scene never again".split()


def review(number):
    return " ".join(WORDS[(number * 7 + step * step) % len(WORDS)] for step in range(5 + number % 11)) + f" w{number % 40}<br />"


def reviews(rows, first=0):
    """A table of `rows` different documents, labels in turn."""
    numbers = range(first, first + rows)
    return pa.table({"text": [review(number) for number in numbers], "label": pa.array([number % 2 for number in numbers], pa.int8())})


def document_workflow(path=None, **data):
    actors = data.pop("actors", "auto")
    document = {
        "name": "reviews",
        "data": {"source": "imdb", "path": path and str(path), **data},
        "model": {"type": "lstm", "sequence_length": 10},
        "train": {"epochs": 1},
        "scaling": {"actors": actors},
    }
    return LoadedWorkflow(validate(document, "reviews.yaml"), "reviews.yaml")


def corpus_workflow(path=None, source="nietzsche", **data):
    document = {
        "name": "corpus",
        "data": {"source": source, "path": path and str(path), "tokenizer": {"level": "char"}, **data},
        "model": {"task": "language-model", "type": "lstm", "window": 8},
        "train": {"epochs": 1},
    }
    return LoadedWorkflow(validate(document, "corpus.yaml"), "corpus.yaml")


def prepare_here(loaded, store):
    """The steps of the preprocessing driver, in this process."""
    from distrnn.data import vocabulary
    from distrnn.data.assemble import Written, check_splits, commit, encoding_of
    from distrnn.data.dataset import Dataset
    from distrnn.data.evaluation_set import write_evaluation_set
    from distrnn.data.lookup import lookup
    from distrnn.data.manifest import dataset_folder
    from distrnn.data.shards import plan_shards, write_shard
    from distrnn.data.staging import read_staged, stage_chunk, staging_area

    found = lookup(loaded, store)
    folder, area = dataset_folder(found.fingerprint), staging_area(found.fingerprint, "here")
    staged = [stage_chunk(chunk, found.spec, store, area) for chunk in found.source.chunks()]
    check_splits(staged, found.source, found.spec)
    merger = vocabulary.CountMerger()
    for chunk in staged:
        merger.add(read_staged(store, area, chunk.index, "dictionary").read_all())
    ranked = merger.ranked()
    encoding = encoding_of(ranked, found)
    shards = [write_shard(plan, encoding, store, area, folder) for plan in plan_shards(staged)]
    held_out = [chunk.index for chunk in staged if len(chunk.lengths[2])]
    evaluation_set = write_evaluation_set(held_out, store, area) if held_out else None
    return Dataset(store, commit(found, Written(staged, ranked, shards, evaluation_set), store))


@pytest.fixture
def review_folder(tmp_path):
    """A folder of parquet files: 300 reviews to train on, 100 to test on, in row groups of 64."""
    folder = tmp_path / "reviews"
    folder.mkdir()
    pq.write_table(reviews(300), folder / "train.parquet", row_group_size=64)
    pq.write_table(reviews(100, 1000), folder / "test.parquet", row_group_size=64)
    return folder


@pytest.fixture
def small_chunks(monkeypatch):
    """Chunks of about 4 kB, so that small sources have several."""
    monkeypatch.setattr("distrnn.data.sources.base.CHUNK_BYTES", 4096)
    monkeypatch.setattr("distrnn.data.sources.streams.READ_BYTES", 1000)
