"""Which files a path means, and what happens to files that change or are damaged."""

import gzip
import os
import pickle

import pyarrow as pa
import pytest

from distrnn.data.source_files import check_unchanged, find_files, splits_of
from distrnn.data.sources import read_chunk, streams
from distrnn.errors import DataError, NotFoundError
from fixtures_sources import opened, opened_corpus, texts_of, tiny_chunks


@pytest.fixture
def folder(tmp_path):
    for name in ("b.csv", "a.csv.gz", "sub/c.tsv", "sub/deeper/d.csv.zst", "notes.txt", ".hidden.csv", ".git/x.csv"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_text("x")
    return tmp_path / "data"


def names(path):
    return [file.name for file in find_files(str(path), (".csv", ".tsv"), "data.path")]


def test_a_folder_means_every_fitting_file_below_it_in_order(folder):
    assert names(folder) == ["a.csv.gz", "b.csv", "sub/c.tsv", "sub/deeper/d.csv.zst"]


def test_a_file_is_taken_whatever_its_ending(folder):
    assert names(folder / "notes.txt") == ["notes.txt"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.csv", ["b.csv"]),
        ("[!b]*.csv.*", ["a.csv.gz"]),
        ("?.csv*", ["a.csv.gz", "b.csv"]),
        ("*/*.tsv", ["sub/c.tsv"]),
        ("**/*.csv*", ["a.csv.gz", "b.csv", "sub/deeper/d.csv.zst"]),
        ("sub/**", ["c.tsv", "deeper/d.csv.zst"]),
    ],
)
def test_a_glob_means_what_it_matches(folder, pattern, found):
    assert names(folder / pattern) == found


def test_a_file_with_the_signs_of_a_glob_in_its_name_is_a_file(tmp_path):
    (tmp_path / "a[1].csv").write_text("x")
    (tmp_path / "a1.csv").write_text("x")
    assert names(tmp_path / "a[1].csv") == ["a[1].csv"]


def test_a_folder_with_the_signs_of_a_glob_in_its_name_is_a_folder(tmp_path):
    (tmp_path / "run[1]").mkdir()
    (tmp_path / "run[1]" / "a.csv").write_text("x")
    assert names(tmp_path / "run[1]" / "*.csv") == ["a.csv"]


def test_a_missing_file_of_such_a_folder_is_not_found(tmp_path):
    (tmp_path / "run[1]").mkdir()
    with pytest.raises(NotFoundError) as caught:
        names(tmp_path / "run[1]" / "a.csv")
    assert str(caught.value) == (
        f"data.path: expected a file, a folder, a glob or an s3:// URL of one. Received: '{tmp_path}/run[1]/a.csv', which does not exist. "
        "Correct it."
    )


def test_a_class_of_characters_may_hold_any(tmp_path):
    for name in ("a[.csv", "a&.csv", "a-.csv", "ax.csv"):
        (tmp_path / name).write_text("x")
    assert names(tmp_path / "a[[&-].csv") == ["a&.csv", "a-.csv", "a[.csv"]


def test_a_path_to_nothing_is_not_found(tmp_path):
    with pytest.raises(NotFoundError) as caught:
        names(tmp_path / "x")
    assert str(caught.value) == (
        f"data.path: expected a file, a folder, a glob or an s3:// URL of one. Received: '{tmp_path}/x', which does not exist. Correct it."
    )


def test_a_glob_that_matches_nothing_is_not_found(folder):
    with pytest.raises(NotFoundError) as caught:
        names(folder / "*.parquet")
    assert str(caught.value) == (
        f"data.path: expected a glob that matches files. Received: '{folder}/*.parquet', which matches none. Correct it."
    )


def test_a_folder_without_a_fitting_file_is_refused(folder):
    with pytest.raises(DataError) as caught:
        find_files(str(folder), (".jsonl",), "data.path")
    assert str(caught.value) == f"data.path: expected files ending in .jsonl, perhaps with .gz or .zst. Received: none in '{folder}'."


@pytest.mark.parametrize(
    ("found", "splits"),
    [
        (["test-0.csv", "train-0.csv", "train-1.csv", "unsupervised.csv"], (["train-0.csv", "train-1.csv"], ["test-0.csv"])),
        (["test/a.csv", "train/b/c.csv", "training/x.csv"], (["train/b/c.csv"], ["test/a.csv"])),
        (["train.csv", "other.csv"], None),
        (["a/train.csv", "a/test.csv"], None),
    ],
)
def test_a_folder_may_bring_its_splits(tmp_path, found, splits):
    for name in found:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    split = splits_of(find_files(str(tmp_path), (".csv",), "data.path"))
    assert (split and tuple([file.name for file in split[name]] for name in ("train", "test"))) == splits


def test_files_of_one_chunk_travel_to_actors(folder):
    (file,) = find_files(str(folder / "b.csv"), (), "data.path")
    assert pickle.loads(pickle.dumps(file)) == file


@pytest.mark.parametrize("change", ["bytes", "time", "inode", "gone"])
def test_a_file_that_changed_is_noticed(folder, change):
    (file,) = find_files(str(folder / "b.csv"), (), "data.path")
    check_unchanged([file])
    path = folder / "b.csv"
    if change == "bytes":
        path.write_text("y2")
    elif change == "time":
        os.utime(path, ns=(1, 1))
    elif change == "inode":
        (folder / "new").write_text("x")
        os.utime(folder / "new", ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
        (folder / "new").replace(path)
    else:
        path.unlink()
    with pytest.raises(DataError) as caught:
        check_unchanged([file])
    assert str(caught.value) == f"{path} changed while it was read. Run it again when nothing writes to it any more."


@pytest.mark.parametrize("source", ["csv", "jsonl", "text", "parquet"])
def test_a_file_that_changes_between_the_pass_and_a_chunk_is_an_error_that_says_so(tmp_path, source):
    import pyarrow.parquet as pq

    path = tmp_path / "x.data"

    def write(rows):
        if source == "parquet":
            pq.write_table(pa.table({"text": ["a"] * rows}), path)
        else:
            line = '{"text": "a"}\n' if source == "jsonl" else "a,b\n"
            path.write_text(("text,other\n" if source == "csv" else "") + line * rows)

    write(10)
    found = opened(source, path, labels="none")
    (chunk,) = found.chunks()
    write(3)
    with pytest.raises(DataError) as caught:
        read_chunk(chunk)
    assert str(caught.value) == f"{path} changed while it was read. Run it again when nothing writes to it any more."


@pytest.mark.parametrize("open_", [lambda path: opened("text", path, labels="none"), lambda path: opened_corpus("text", path)])
def test_a_file_that_changes_during_the_pass_is_an_error_that_says_so(tmp_path, monkeypatch, open_):
    tiny_chunks(monkeypatch)
    path = tmp_path / "x.txt"
    path.write_text("some text\n" * 10)
    found = open_(path)
    read = streams._read

    def append(file, stream, size):
        with path.open("a") as more:
            more.write("x")
        return read(file, stream, size)[:50] if path.stat().st_size < 150 else b""

    monkeypatch.setattr(streams, "_read", append)
    with pytest.raises(DataError) as caught:
        found.digest()
    assert str(caught.value) == f"{path} changed while it was read. Run it again when nothing writes to it any more."


@pytest.mark.parametrize("ending", [".gz", ".zst"])
@pytest.mark.parametrize("cut", [1, 5, 40])
def test_a_truncated_file_is_an_error_that_names_it(tmp_path, ending, cut):
    kind = {".gz": "gzip", ".zst": "zstd"}[ending]
    path = tmp_path / f"x.txt{ending}"
    body = os.urandom(5000)
    path.write_bytes((gzip.compress(body) if kind == "gzip" else pa.compress(body, kind, asbytes=True))[:-cut])
    with pytest.raises(DataError) as caught:
        opened_corpus("text", path).chunks()
    assert str(caught.value) == f"{path}: expected a whole {kind} file. Received: Truncated compressed stream. Copy or write it again."


def test_a_damaged_gzip_is_an_error_that_names_it(tmp_path):
    body = bytearray(gzip.compress(b"hello " * 1000))
    body[-6] ^= 255
    (tmp_path / "x.txt.gz").write_bytes(body)
    with pytest.raises(DataError, match=r"x\.txt\.gz: expected a whole gzip file\. Received: .*incorrect data check"):
        opened_corpus("text", tmp_path / "x.txt.gz").chunks()


def test_a_file_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    (tmp_path / "x.txt").write_text("x")

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    found = opened_corpus("text", tmp_path / "x.txt")
    monkeypatch.setattr(streams.io, "FileIO", refuse)
    with pytest.raises(DataError) as caught:
        found.chunks()
    assert str(caught.value) == f"{tmp_path}/x.txt: expected a readable file. Received: Permission denied"


@pytest.mark.parametrize("ending", ["", ".gz", ".zst"])
def test_compressed_files_read_like_plain_ones_in_any_order_of_chunks(tmp_path, monkeypatch, ending):
    tiny_chunks(monkeypatch)
    body = "".join(f"line {number}\n" for number in range(60)).encode()
    path = tmp_path / f"x.txt{ending}"
    path.write_bytes({"": body, ".gz": gzip.compress(body), ".zst": pa.compress(body, "zstd", asbytes=True)}[ending])
    chunks = opened("text", path, document="line", labels="none").chunks()
    read = {chunk.index: read_chunk(chunk).table["text"].to_pylist() for chunk in [*chunks[::2], *chunks[1::2]]}
    assert len(chunks) > 5
    assert [text for index in sorted(read) for text in read[index]] == body.decode().splitlines()


def test_chunks_read_in_order_decompress_a_file_once(tmp_path, monkeypatch):
    tiny_chunks(monkeypatch)
    (tmp_path / "x.txt.gz").write_bytes(gzip.compress(b"line of text\n" * 200))
    found = opened("text", tmp_path / "x.txt.gz", document="line", labels="none")
    assert len(found.chunks()) > 20
    begun = []
    stream = streams.stream
    monkeypatch.setattr(streams, "stream", lambda file: begun.append(file) or stream(file))
    assert len(texts_of(found)) == 200
    assert len(begun) == 1


def test_the_digest_follows_names_and_bytes_and_not_the_folder_above(tmp_path):
    for folder, name, body in (("a", "x.txt", "t"), ("b", "x.txt", "t"), ("c", "y.txt", "t"), ("d", "x.txt", "u")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(body)
    first, same, renamed, other = (opened("text", tmp_path / folder, labels="none").digest() for folder in "abcd")
    assert first == same
    assert len({first, renamed, other}) == 3
