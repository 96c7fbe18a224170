"""Preprocessing with real actors: the same bytes from any number of them, and from any that die on the way."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from distrnn.cluster.preprocess import lookup, prepare
from distrnn.data import lookup as data_lookup
from distrnn.data.dataset import find_dataset
from distrnn.errors import DataError, StorageError
from distrnn.storage import open_store
from distrnn.storage.local import LocalStore
from fixtures_data import document_workflow, prepare_here

pytestmark = pytest.mark.usefixtures("local_ray")


@pytest.fixture
def several_shards(small_chunks, monkeypatch):
    monkeypatch.setattr("distrnn.data.shards.plan_shards.__kwdefaults__", {"target_tokens": 700})


def files_of(store):
    """Digest of every file of a store, by its key."""
    return {entry.key: hashlib.sha256(store.read(entry.key)).hexdigest() for entry in store.list()}


def commit(loaded, store, alter):
    """Prepare with each chunk's reader replaced by `alter(reader, index)`."""
    from distrnn.cluster.preprocess_driver import commit_dataset
    from distrnn.progress import silent

    found = data_lookup.lookup(loaded, store)
    chunks = [replace(chunk, reader=alter(chunk.reader, chunk.index)) for chunk in found.source.chunks()]
    found.source.chunks = lambda: chunks
    return commit_dataset("auto", found, store, silent)


def test_the_files_are_the_same_bytes_for_any_number_of_actors(review_folder, several_shards, tmp_path):
    alone = open_store(str(tmp_path / "alone"))
    prepare_here(document_workflow(review_folder), alone)
    expected = {key: digest for key, digest in files_of(alone).items() if "/staging/" not in key}
    assert len(expected) > 6
    for actors in (1, 2, 3, 7):
        store = open_store(str(tmp_path / str(actors)))
        assert prepare(document_workflow(review_folder, actors=actors), store=store).cache == "miss"
        assert files_of(store) == expected


@pytest.mark.parametrize(("duplicates", "removed"), [("keep", 0), ("exact", 9), ("near", 10)])
def test_documents_that_stand_elsewhere_are_left_out(tmp_path, duplicates, removed):
    folder = tmp_path / "reviews"
    folder.mkdir()
    texts = [" ".join(f"w{number}x{step}" for step in range(100)) for number in range(140)]
    test = [*texts[100:], f"{texts[0]} end"]  # the last one is nearly the first of training
    train = [*texts[:100], *texts[:5], *texts[100:104]]
    for name, documents in (("train", train), ("test", test)):
        labels = pa.array([number % 2 for number in range(len(documents))], pa.int8())
        pq.write_table(pa.table({"text": documents, "label": labels}), folder / f"{name}.parquet")
    manifest = prepare(document_workflow(folder, duplicates=duplicates), store=open_store(str(tmp_path / "storage"))).dataset.manifest
    assert manifest.removed_duplicates == removed
    rows = {name: split.rows for name, split in manifest.splits.items()}
    assert (rows["test"], rows["train"] + rows["validation"]) == (41, 109 - removed)


def test_a_killed_actor_costs_its_chunk_and_changes_nothing(review_folder, several_shards, tmp_path):
    @dataclass(frozen=True)
    class DiesOnce:
        reader: Any
        mark: str

        def read(self):
            if not os.path.exists(self.mark):
                open(self.mark, "w").close()
                os._exit(1)
            return self.reader.read()

    loaded = document_workflow(review_folder)
    calm, hit = open_store(str(tmp_path / "calm")), open_store(str(tmp_path / "hit"))
    prepare(loaded, store=calm)
    commit(loaded, hit, lambda reader, index: DiesOnce(reader, str(tmp_path / f"died-{index}")) if index in (1, 3) else reader)
    assert sorted(path.name for path in tmp_path.glob("died-*")) == ["died-1", "died-3"]
    assert files_of(hit) == files_of(calm)


def test_a_chunk_that_kills_every_actor_ends_the_preparation(review_folder, several_shards, tmp_path):
    @dataclass(frozen=True)
    class Dies:
        reader: Any

        def read(self):
            os._exit(1)

    store = open_store(str(tmp_path / "storage"))
    with pytest.raises(
        DataError, match=r"^a preprocessing actor died 3 times on the same chunk: .*use fewer of them \(scaling\.actors\)\."
    ):
        commit(document_workflow(review_folder), store, lambda reader, index: Dies(reader) if index == 2 else reader)
    assert files_of(store) == {}


def test_an_actors_error_arrives_as_it_was_raised(review_folder, several_shards, tmp_path):
    store = open_store(str(tmp_path / "storage"))

    def break_last(reader, _index):
        (span,) = reader.spans
        gone = replace(span, file=replace(span.file, key="gone.parquet"))
        return replace(reader, spans=(gone,)) if "test" in span.file.key else reader

    with pytest.raises(DataError) as caught:
        commit(document_workflow(review_folder), store, break_last)
    assert str(caught.value) == (
        f"{review_folder}/gone.parquet changed while it was read. Run it again when nothing writes to it any more."
    )
    assert files_of(store) == {}


def test_a_full_disk_commits_nothing_and_leaves_no_staging(review_folder, several_shards, tmp_path):
    class FullDisk(LocalStore):
        def __reduce__(self):
            return FullDisk, (self.url,)

        def put(self, key, body):
            if "shards/" in key:
                raise StorageError(f"the disk is full: {key}")
            super().put(key, body)

    store = FullDisk(tmp_path / "storage")
    with pytest.raises(StorageError, match=r"^the disk is full: datasets/[0-9a-f]{16}/shards/"):
        prepare(document_workflow(review_folder), store=store)
    assert [key for key in files_of(store) if not key.startswith("evaluation-sets/")] == []


def test_whoever_commits_second_agrees_with_the_first(review_folder, several_shards, tmp_path):
    store = open_store(str(tmp_path / "storage"))
    loaded = document_workflow(review_folder)

    def prepare_another_one_first(reader, index):
        if index == 0:
            prepare(loaded, store=store)
        return reader

    dataset = commit(loaded, store, prepare_another_one_first)
    assert dataset.manifest == find_dataset(store, dataset.manifest.fingerprint).manifest
    assert not [key for key in files_of(store) if "staging" in key]


def test_what_a_killed_preparation_left_behind_is_removed_a_day_later(review_folder, tmp_path):
    store = open_store(str(tmp_path / "storage"))
    loaded = document_workflow(review_folder)
    name = data_lookup.lookup(loaded, store).fingerprint[:16]
    for attempt, age_s in (("old", 90_000), ("young", 10)):
        store.put(f"datasets/{name}/staging/{attempt}/00000.rows.arrow", b"rest")
        path = store.local_path(f"datasets/{name}/staging/{attempt}/00000.rows.arrow")
        os.utime(path, (time.time() - age_s,) * 2)
    prepare(loaded, store=store)
    assert [key.split("/")[3] for key in files_of(store) if "/staging/" in key] == ["young"]


def test_progress_counts_chunks_up_to_the_end(review_folder, several_shards, tmp_path):
    events = []
    prepare(document_workflow(review_folder), store=open_store(str(tmp_path / "storage")), progress=events.append)
    done = [event.done for event in events]
    assert {event.stage for event in events} == {"prepare"}
    assert done == sorted(done)
    assert done[-1] == pytest.approx(events[-1].total)
    assert {event.info["message"] for event in events} == {"tokenizing", "writing shards"}


def test_a_dataset_that_is_found_does_not_even_import_ray(review_folder, tmp_path):
    store = open_store(str(tmp_path / "storage"))
    assert lookup(document_workflow(review_folder), store) is None
    prepared = prepare(document_workflow(review_folder), store=store)
    program = (
        "import sys; from fixtures_data import document_workflow; from distrnn.cluster.preprocess import prepare; "
        "from distrnn.storage import open_store; "
        "found = prepare(document_workflow(sys.argv[1]), store=open_store(sys.argv[2])); "
        "print(found.cache, found.fingerprint, 'ray' in sys.modules, 'tensorflow' in sys.modules)"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", program, str(review_folder), store.url]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["hit", prepared.fingerprint, "False", "False"]


def test_the_real_reviews_have_their_published_figures(shared_data, tmp_path):
    prepared = prepare(document_workflow(shared_data / "imdb"), store=open_store(str(tmp_path / "storage")))
    splits = prepared.dataset.manifest.splits
    assert prepared.distinct_tokens == 88_582
    assert splits["train"].rows + splits["validation"].rows == splits["test"].rows == 25_000
    assert splits["test"].label_counts == {"negative": 12_500, "positive": 12_500}
    assert prepared.dataset.vocabulary_counts[0][0] == "the"
    assert 0.15 < splits["validation"].rows / 25_000 < 0.25


def test_an_interrupt_ends_the_actors_and_leaves_nothing(review_folder, several_shards, tmp_path):
    import ray

    @dataclass(frozen=True)
    class Sleeps:
        reader: Any
        mark: str

        def read(self):
            open(self.mark, "w").write(str(os.getpid()))
            time.sleep(600)

    def interrupt_when_both_sleep():
        marks = [tmp_path / "2", tmp_path / "3"]
        while not all(mark.exists() and mark.read_text() for mark in marks):
            time.sleep(0.05)
        signal.raise_signal(signal.SIGINT)

    store, loaded = open_store(str(tmp_path / "storage")), document_workflow(review_folder)
    thread = threading.Thread(target=interrupt_when_both_sleep)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        commit(loaded, store, lambda reader, index: Sleeps(reader, str(tmp_path / str(index))) if index > 1 else reader)
    thread.join()
    deadline = time.monotonic() + 30
    while ray.available_resources().get("CPU") != 2.0 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert ray.available_resources().get("CPU") == 2.0
    assert files_of(store) == {}
