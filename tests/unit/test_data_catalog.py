"""What a storage root holds, what a reference means, what `verify` finds, and that half a deletion is no dataset."""

import hashlib
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from distrnn.data import catalog
from distrnn.data.catalog import UNFINISHED, UNREADABLE, delete, describe, find, listed, users_of
from distrnn.data.dataset import find_dataset
from distrnn.data.manifest import dataset_folder
from distrnn.data.verification import Finding, verify
from distrnn.errors import NotFoundError, StorageError, UsageError
from distrnn.storage import open_store
from distrnn.storage.local import TEMPORARY
from fixtures_data import document_workflow, prepare_here

NAMES = ("abcd000000000000", "abcd111111111111", "ef01000000000000")


def sha256(body):
    return hashlib.sha256(body).hexdigest()


@pytest.fixture
def store(tmp_path):
    return open_store(str(tmp_path / "storage"))


@pytest.fixture
def dataset(review_folder, store):
    return prepare_here(document_workflow(review_folder), store)


@pytest.fixture
def name(dataset):
    return dataset.manifest.fingerprint[:16]


@pytest.fixture
def unfinished(store):
    for name in NAMES:
        store.put(f"datasets/{name}/staging/a1/00000.rows.arrow", b"12345")
    return NAMES


def test_a_dataset_is_listed_with_its_manifest_and_what_it_takes(store, dataset, name):
    (found,) = listed(store)
    files = list((store.root / "datasets" / name).rglob("*.*"))
    assert (found.name, found.manifest, found.problem) == (name, dataset.manifest, "")
    assert found.size_bytes == sum(path.stat().st_size for path in files)
    assert found.committed == datetime.fromtimestamp((store.root / "datasets" / name / "manifest.json").stat().st_mtime, UTC)


def test_what_was_never_finished_is_listed_apart(store, unfinished):
    found = list(listed(store))
    assert [(one.name, one.manifest, one.problem, one.committed, one.size_bytes) for one in found] == [
        (name, None, UNFINISHED, None, 5) for name in NAMES
    ]
    assert datetime.now(UTC) - found[0].changed < timedelta(minutes=5)


@pytest.mark.parametrize("body", [b"{", b'{"schema_version": 1}'])
def test_a_manifest_that_cannot_be_read_does_not_stop_the_listing(store, dataset, name, body):
    store.put("datasets/abcd000000000000/manifest.json", body)
    assert {one.name: one.problem for one in listed(store)} == {"abcd000000000000": UNREADABLE, name: ""}


def test_an_empty_root_lists_nothing(store):
    assert list(listed(store)) == []


def test_a_reference_is_the_beginning_of_a_fingerprint(store, dataset, name):
    fingerprint = dataset.manifest.fingerprint
    assert {find(store, reference) for reference in (fingerprint[:4], fingerprint[:16], fingerprint[:30], fingerprint.upper())} == {name}


def test_an_ambiguous_reference_names_what_it_may_mean(store, unfinished):
    with pytest.raises(UsageError) as caught:
        find(store, "abcd")
    assert str(caught.value) == "abcd means several datasets: abcd000000000000, abcd111111111111. Give more digits."
    assert find(store, "abcd1") == "abcd111111111111"


def test_another_fingerprint_with_the_same_beginning_is_not_found(store, dataset):
    reference = dataset.manifest.fingerprint[:16] + "0" * 48
    with pytest.raises(NotFoundError) as caught:
        find(store, reference)
    assert str(caught.value) == f"no dataset {reference} in {store.url}. See: distrnn datasets list"


@pytest.mark.parametrize("reference", ["abc", "reviews", "../abcd"])
def test_what_is_no_fingerprint_is_refused(store, reference):
    with pytest.raises(UsageError) as caught:
        find(store, reference)
    assert str(caught.value) == (
        f"a dataset is named by 4 digits or more of its fingerprint, or by its workflow file. Received: {reference!r}"
    )


def test_a_whole_dataset_has_no_findings(store, dataset, name):
    assert list(verify(store, name)) == []


def test_every_missing_or_altered_file_is_found(store, dataset, name):
    manifest, folder = dataset.manifest, dataset_folder(dataset.manifest.fingerprint)
    shards = {split: manifest.splits[split].shards[0] for split in ("train", "test")}
    store.delete(folder + shards["train"].file)
    path = store.local_path(folder + shards["test"].file)
    path.write_bytes(path.read_bytes()[:-1])
    vocabulary = store.local_path(folder + "vocabulary.json")
    body = vocabulary.read_bytes().replace(b"film", b"FILM")
    vocabulary.write_bytes(body)
    store.delete(manifest.evaluation_set.file)
    found = list(verify(store, name))
    size_bytes = shards["test"].size_bytes
    received = sha256(body)
    assert found == [
        Finding(name, folder + "vocabulary.json", "altered", f"expected sha256 {manifest.vocabulary.sha256}. Received: {received}"),
        Finding(name, folder + shards["train"].file, "missing", "there is no such file"),
        Finding(name, folder + shards["test"].file, "altered", f"expected {size_bytes:,} bytes. Received: {size_bytes - 1:,}"),
        Finding(name, manifest.evaluation_set.file, "missing", "there is no such file"),
    ]


def test_an_altered_evaluation_set_is_found(store, dataset, name):
    path = store.local_path(dataset.manifest.evaluation_set.file)
    path.write_bytes(path.read_bytes().replace(b"film", b"FILM"))
    (found,) = verify(store, name)
    assert (found.key, found.problem) == (dataset.manifest.evaluation_set.file, "altered")


def rewritten(store, name, change):
    """Change a manifest as it is stored."""
    key = f"datasets/{name}/manifest.json"
    document = json.loads(store.read(key))
    change(document)
    store.put(key, json.dumps(document).encode())


def test_figures_that_are_not_those_of_the_shards_are_found(store, dataset, name):
    split = dataset.manifest.splits["test"]

    def change(document):
        document["splits"]["test"]["rows"] += 1
        document["splits"]["train"]["shards"][0]["tokens"] -= 1
        document["splits"]["train"]["tokens"] -= 1

    rewritten(store, name, change)
    shard = dataset.manifest.splits["train"].shards[0]
    folder = dataset_folder(dataset.manifest.fingerprint)
    assert [(found.key.removeprefix(folder), found.problem, found.detail) for found in verify(store, name)] == [
        (
            "manifest.json",
            "damaged",
            f"expected in split 'test' {split.rows:,} rows and {split.tokens:,} tokens, as its shards have. "
            f"Received: {split.rows + 1:,} and {split.tokens:,}",
        ),
        (
            shard.file,
            "damaged",
            f"expected {shard.rows:,} rows and {shard.tokens - 1:,} tokens. Received: {shard.rows:,} and {shard.tokens:,}",
        ),
    ]


def test_ids_beyond_the_vocabulary_are_found(store, dataset, name):
    size = dataset.manifest.vocabulary_size
    rewritten(store, name, lambda document: document.update(vocabulary_size=size - 1))
    found = [(one.problem, one.detail) for one in verify(store, name)]
    assert ("damaged", f"expected token ids from 0 to {size - 2:,}. Received: {size - 1:,}") in found


def replace_shard(store, dataset, name, body):
    shard = dataset.manifest.splits["test"].shards[0]
    store.put(f"datasets/{name}/{shard.file}", body)

    def change(document):
        document["splits"]["test"]["shards"][0].update(sha256=sha256(body), size_bytes=len(body))

    rewritten(store, name, change)
    (found,) = verify(store, name)
    return found.problem, found.detail


def test_a_shard_that_is_no_arrow_file_is_found(store, dataset, name):
    problem, detail = replace_shard(store, dataset, name, b"not an arrow file")
    assert (problem, detail.startswith("expected an Arrow IPC file. Received: ")) == ("damaged", True)


def test_a_shard_with_other_columns_is_found(store, dataset, name):
    sink = pa.BufferOutputStream()
    batch = pa.record_batch({"tokens": pa.array([[1, 2]], pa.list_(pa.int64())), "label": pa.array([1], pa.int16())})
    with pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    assert replace_shard(store, dataset, name, sink.getvalue().to_pybytes()) == (
        "damaged",
        "expected columns tokens (a list of uint16 or int32), label and id. Received: tokens list<item: int64>, label int16",
    )


def test_a_dataset_under_another_name_is_found(store, dataset, name):
    (store.root / "datasets" / name).rename(store.root / "datasets" / NAMES[0])
    fingerprint = dataset.manifest.fingerprint
    assert next(iter(verify(store, NAMES[0]))) == Finding(
        NAMES[0],
        f"datasets/{NAMES[0]}/manifest.json",
        "damaged",
        f"expected the fingerprint {fingerprint} of its parts, in the folder of that name. Received: {fingerprint} in {NAMES[0]}",
    )


def test_a_manifest_that_cannot_be_read_is_found(store):
    store.put(f"datasets/{NAMES[0]}/manifest.json", b"{")
    (found,) = verify(store, NAMES[0])
    assert (found.key, found.problem) == (f"datasets/{NAMES[0]}/manifest.json", "damaged")


def test_what_was_never_finished_cannot_be_verified(store, unfinished):
    with pytest.raises(NotFoundError) as caught:
        list(verify(store, NAMES[0]))
    assert str(caught.value) == (
        f"dataset {NAMES[0]} in {store.url} was never finished. Delete it with: distrnn datasets delete {NAMES[0]}"
    )


def test_delete_leaves_nothing_but_the_evaluation_set(store, dataset, name):
    files = len([path for path in (store.root / "datasets" / name).rglob("*") if path.is_file()])
    assert delete(store, name) == files
    assert [entry.key for entry in store.list("")] == [dataset.manifest.evaluation_set.file]
    assert list((store.root / "datasets").iterdir()) == []


def test_what_was_never_finished_can_be_deleted(store, unfinished):
    (store.root / "datasets" / NAMES[0] / "staging" / f"{TEMPORARY}half").write_bytes(b"of a writer that was killed")
    assert delete(store, NAMES[0]) == 1
    assert [one.name for one in listed(store)] == list(NAMES[1:])


def test_a_deletion_that_is_cut_off_leaves_no_dataset(store, dataset, name, monkeypatch):
    removed = []

    def until_the_disk_fails(key):
        if len(removed) == 2:
            raise StorageError("the disk failed")
        removed.append(key)
        type(store).delete(store, key)

    monkeypatch.setattr(store, "delete", until_the_disk_fails)
    with pytest.raises(StorageError):
        delete(store, name)
    assert removed[0] == f"datasets/{name}/manifest.json"
    assert (find_dataset(store, dataset.manifest.fingerprint), describe(store, name).problem) == (None, UNFINISHED)


def test_datasets_that_share_an_evaluation_set_know_of_each_other(store, dataset, name, review_folder):
    other = prepare_here(document_workflow(review_folder, tokenizer={"vocabulary_size": 10}), store)
    held_out = dataset.manifest.evaluation_set.file
    assert users_of(store, held_out, but=name) == [other.manifest.fingerprint[:16]]
    delete(store, other.manifest.fingerprint[:16])
    assert users_of(store, held_out, but=name) == []


def test_the_listing_needs_no_pyarrow(tmp_path):
    code = (
        "import sys\nfrom distrnn.data import catalog\nfrom distrnn.storage import open_store\n"
        f"list(catalog.listed(open_store({str(tmp_path)!r})))\nprint(sorted({{'pyarrow', 'numpy', 'ray'}} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"
    assert catalog.FOLDER == "datasets/"
