"""Files on an S3 server: files, prefixes and globs read as they do from a folder, and an object that changed is noticed."""

import gzip

import pyarrow as pa
import pyarrow.csv as pacsv
import pytest

from distrnn.data.lookup import lookup
from distrnn.data.sources import read_chunk
from distrnn.errors import DataError, NotFoundError, WorkflowError
from distrnn.storage import open_store
from fixtures_data import corpus_workflow, document_workflow, prepare_here, reviews
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


@pytest.mark.parametrize("name", ["a[1].csv", "what?.csv", "part [1]/a*.csv"])
def test_an_object_with_the_signs_of_a_glob_in_its_name_is_that_object(url, name):
    put(url, {name: b"text,label\nmine,1\n", "a1.csv": b"text,label\nother,1\n", "part 1/ab.csv": b"text,label\nother,1\n"})
    assert texts_of(opened("csv", f"{url}/{name}", test_fraction=0.2)) == ["mine"]


def acl_files():
    """Reviews as their authors distribute them: name and text."""
    rows = [
        (split, number, *pair) for split, first in (("train", 0), ("test", 50)) for number, pair in enumerate(pairs(reviews(20, first)))
    ]
    return {f"{split}/{('neg', 'pos')[label]}/{number:03d}_5.txt": text.encode() for split, number, text, label in rows}


def pairs(table):
    return zip(table["text"].to_pylist(), table["label"].to_pylist(), strict=True)


def csv_bytes(table):
    sink = pa.BufferOutputStream()
    sentiments = [("negative", "positive")[label] for label in table["label"].to_pylist()]
    pacsv.write_csv(pa.table({"review": table["text"], "sentiment": sentiments}), sink)
    return sink.getvalue().to_pybytes()


FORMS = {
    "parquet": (lambda: {"train.parquet": parquet_bytes(reviews(60)), "test.parquet": parquet_bytes(reviews(20, 100))}, "", {}),
    "several parquet files": (lambda: {f"{name}.parquet": parquet_bytes(reviews(30)) for name in ("train-0", "train-1", "test-0")}, "", {}),
    "aclImdb": (acl_files, "", {}),
    "above aclImdb": (lambda: {f"aclImdb/{name}": text for name, text in acl_files().items()}, "", {}),
    "csv": (lambda: {"a[1].csv": csv_bytes(reviews(60))}, "/a[1].csv", {"test_fraction": 0.2}),
}


@pytest.mark.parametrize("form", FORMS)
def test_reviews_in_s3_are_the_same_dataset_as_in_a_folder(url, tmp_path, form):
    make, path, data = FORMS[form]
    put(url, make())
    put(str(tmp_path / "here"), make())
    store = open_store(str(tmp_path / "storage"))
    here = prepare_here(document_workflow(f"{tmp_path}/here{path}", **data), store)
    there = document_workflow(f"{url}{path}", **data)
    assert lookup(there, store).fingerprint == here.manifest.fingerprint
    again = prepare_here(there, open_store(str(tmp_path / "again")))
    assert again.manifest == here.manifest


def test_a_csv_of_reviews_has_its_test_split_beside_it_in_s3(url):
    put(url, {"train.csv": csv_bytes(reviews(10)), "test.csv": csv_bytes(reviews(4, 100))})
    found = opened("imdb", f"{url}/train.csv", test_path=f"{url}/test.csv")
    assert pairs_of(found, "test") == list(pairs(reviews(4, 100)))
    with pytest.raises(NotFoundError) as caught:
        opened("imdb", f"{url}/train.csv", test_path=f"{url}/none.csv")
    assert str(caught.value) == (
        f"data.test_path: expected a CSV file like data.path. Received: '{url}/none.csv', which does not exist. Correct it."
    )


def test_the_file_of_keras_is_not_opened_from_s3(url):
    put(url, {"imdb.npz": b"x", "train.parquet": parquet_bytes(reviews(10))})
    with pytest.raises(WorkflowError) as caught:
        opened("imdb", url)
    assert str(caught.value) == (
        "key 'data.path': expected parquet files, aclImdb or a CSV file in S3; Keras' imdb.npz is opened from a disk alone: name a local "
        f"file, or leave the key out to download it. Received: '{url}'"
    )


@pytest.mark.parametrize(
    ("name", "error", "received"),
    [("none", NotFoundError, "does not exist. Correct it, or leave it out to download."), ("other", DataError, "is none of them.")],
)
def test_a_prefix_without_reviews_is_refused(url, name, error, received):
    put(url, {"other/notes.md": b"x"})
    with pytest.raises(error) as caught:
        opened("imdb", f"{url}/{name}")
    assert str(caught.value).endswith(f". Received: '{url}/{name}', which {received}")


def test_nietzsche_in_s3_is_the_same_dataset_as_in_a_file(url, tmp_path):
    text = "".join(f"line {number} é\n" for number in range(200)).encode()
    put(url, {"n.txt": text})
    (tmp_path / "other name.txt").write_bytes(text)
    store = open_store(str(tmp_path / "storage"))
    here = lookup(corpus_workflow(tmp_path / "other name.txt"), store)
    assert lookup(corpus_workflow(f"{url}/n.txt"), store).fingerprint == here.fingerprint
    assert "".join(texts_of(opened_corpus("nietzsche", f"{url}/n.txt", test_fraction=0.0))).encode() == text


@pytest.mark.parametrize("name", ["", "/none.txt"])
def test_nietzsche_is_one_object(url, name):
    put(url, {"n.txt": b"x"})
    with pytest.raises(NotFoundError) as caught:
        opened_corpus("nietzsche", f"{url}{name}")
    assert str(caught.value) == (
        f"data.path: expected a text file. Received: '{url}{name}', which is none. Correct it, or leave it out to download."
    )


def test_a_prefix_without_objects_is_not_found(url):
    with pytest.raises(NotFoundError) as caught:
        opened("csv", f"{url}/nothing")
    assert str(caught.value) == (
        f"data.path: expected a file, a folder, a glob or an s3:// URL of one. Received: '{url}/nothing', which does not exist. Correct it."
    )
