"""A user's files on an S3 server: files, prefixes and globs read as they do from a folder, and an object that changed is noticed."""

import gzip

import pyarrow as pa
import pytest

from distrnn.data.sources import read_chunk
from distrnn.errors import DataError, NotFoundError
from distrnn.storage import open_store
from fixtures_data import reviews
from fixtures_sources import opened, opened_corpus, pairs_of, texts_of, tiny_chunks


def parquet_bytes(table):
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=20)
    return sink.getvalue().to_pybytes()


@pytest.fixture
def url(moto_s3, fresh_home, monkeypatch):
    moto_s3.use(monkeypatch)
    return moto_s3.new_url()


def put(url, files):
    store = open_store(url)
    for name, body in files.items():
        store.put(name, body)


def test_a_prefix_brings_its_splits_and_hidden_objects_are_left_out(url):
    files = {f"{split}/x.csv": f"text,label\n{split} text,1\n".encode() for split in ("train", "test")}
    put(url, files | {"train/.hidden.csv": b"x", "notes.md": b"x"})
    found = opened("csv", url)
    assert (pairs_of(found), pairs_of(found, "test")) == ([("train text", 1)], [("test text", 1)])


@pytest.mark.parametrize("pattern", ["a.csv.gz", "*.csv.gz", "**/a.csv*", "?.csv.gz"])
def test_a_url_of_an_object_and_a_glob_are_read(url, monkeypatch, pattern):
    tiny_chunks(monkeypatch, 200, 64)
    rows = "".join(f'"text, {number}",{number % 2}\n' for number in range(100))
    put(url, {"a.csv.gz": gzip.compress(f"text,label\n{rows}".encode()), "ab.csv": b"x", "a.txt": b"x"})
    found = opened("csv", f"{url}/{pattern}", test_fraction=0.2)
    assert len(found.chunks()) > 5
    assert pairs_of(found) == [(f"text, {number}", number % 2) for number in range(100)]


def test_parquet_is_read_in_ranges(url, monkeypatch):
    tiny_chunks(monkeypatch, 2000, 1000)
    put(url, {"x.parquet": parquet_bytes(reviews(100))})
    found = opened("parquet", f"{url}/x.parquet", test_fraction=0.2)
    assert [text for text, _ in pairs_of(found)] == reviews(100)["text"].to_pylist()


def test_a_corpus_is_joined_from_objects_in_order(url, monkeypatch):
    tiny_chunks(monkeypatch, 100, 30)
    put(url, {f"{number}.txt": f"part {number}\n".encode() * 20 for number in range(3)})
    found = opened_corpus("text", url, test_fraction=0.0)
    assert "".join(texts_of(found)) == "".join(f"part {number}\n" * 20 for number in range(3))


def test_an_object_that_changed_is_noticed(url):
    put(url, {"x.jsonl": b'{"text": "a"}\n', "y.jsonl": b'{"text": "b"}\n'})
    (chunk,) = opened("jsonl", url, labels="none").chunks()
    assert read_chunk(chunk).table["text"].to_pylist() == ["a", "b"]
    put(url, {"y.jsonl": b'{"text": "c"}\n'})
    with pytest.raises(DataError) as caught:
        read_chunk(chunk)
    assert str(caught.value) == f"{url}/y.jsonl changed while it was read. Run it again when nothing writes to it any more."


def test_a_prefix_without_objects_is_not_found(url):
    with pytest.raises(NotFoundError) as caught:
        opened("csv", f"{url}/nothing")
    assert str(caught.value) == (
        f"data.path: expected a file, a folder, a glob or an s3:// URL of one. Received: '{url}/nothing', which does not exist. Correct it."
    )
