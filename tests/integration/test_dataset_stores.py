"""One dataset, any store: prepared and read on a folder, on moto and on a real gateway, with shards copied to this machine and checked."""

import numpy as np
import pytest

from distrnn.data.catalog import delete, listed
from distrnn.data.dataset import open_dataset
from distrnn.data.lookup import lookup
from distrnn.data.manifest import dataset_folder
from distrnn.data.verification import verify
from distrnn.errors import IntegrityError
from distrnn.storage import default_home, open_store
from fixtures_data import document_workflow, prepare_here


def test_a_dataset_reads_the_same_from_any_store(review_folder, storage_url, tmp_path):
    loaded = document_workflow(review_folder)
    here = prepare_here(loaded, open_store(str(tmp_path / "here")))
    store = open_store(storage_url)
    prepare_here(loaded, store)
    found = lookup(loaded, store)
    assert found.hit
    assert found.dataset.manifest == here.manifest
    assert found.dataset.evaluation_texts()[1] == here.evaluation_texts()[1]
    rows = np.arange(here.reader("train").rows)
    assert np.array_equal(
        found.dataset.reader("train").pad_rows(rows, 9, "pre", "pre"), here.reader("train").pad_rows(rows, 9, "pre", "pre")
    )


@pytest.fixture
def remote(review_folder, s3_server):
    return prepare_here(document_workflow(review_folder), open_store(s3_server.new_url()))


def test_a_remote_shard_is_copied_once_and_named_by_its_digest(remote):
    remote.reader("test")
    (shard,) = remote.manifest.splits["test"].shards
    copy = default_home() / "cache" / "shards" / f"{shard.sha256}.arrow"
    before = copy.stat().st_mtime_ns
    open_dataset(remote.store, remote.manifest.fingerprint).reader("test")
    assert (copy.stat().st_size, copy.stat().st_mtime_ns) == (shard.size_bytes, before)


def test_an_altered_remote_shard_is_never_read(remote):
    (shard,) = remote.manifest.splits["test"].shards
    key = dataset_folder(remote.manifest.fingerprint) + shard.file
    remote.store.put(key, remote.store.read(key)[:-1] + b"!")
    with pytest.raises(IntegrityError) as caught:
        remote.reader("test")
    assert str(caught.value).startswith(f"{remote.store.url}/{key}: expected sha256 {shard.sha256}. Received: ")
    assert not list((default_home() / "cache").rglob("*.arrow"))


def test_a_dataset_is_listed_verified_and_deleted_on_any_store(review_folder, storage_url):
    store = open_store(storage_url)
    dataset = prepare_here(document_workflow(review_folder), store)
    name = dataset.manifest.fingerprint[:16]
    (one,) = listed(store)
    assert (one.name, one.manifest) == (name, dataset.manifest)
    assert list(verify(store, name)) == []
    store.delete(dataset_folder(name) + "shards/test-00000.arrow")
    assert [finding.problem for finding in verify(store, name)] == ["missing"]
    delete(store, name)
    assert list(listed(store)) == []


@pytest.mark.slow
def test_a_document_of_100_mb_is_one_row(tmp_path):
    sentence = "a long story of many words that goes on and on and never comes to an end\n"
    with (tmp_path / "long.csv").open("w", encoding="utf-8") as file:
        file.write("text,label\n")
        file.writelines(f"short {number},{number % 2}\n" for number in range(200))
        file.write('"' + sentence * (100_000_000 // len(sentence)) + '",1\n')
    loaded = document_workflow(tmp_path / "long.csv", source="csv", test_fraction=0.2, validation_fraction=0.2)
    manifest = prepare_here(loaded, open_store(str(tmp_path / "storage"))).manifest
    assert sum(split.rows for split in manifest.splits.values()) == 201
    words = len(sentence.split()) * (100_000_000 // len(sentence))
    assert max(split.tokens for split in manifest.splits.values()) > words
