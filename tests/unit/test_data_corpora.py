"""Corpora for language models: files as one stream, or tables and documents whose last rows are for testing."""

import gzip
import json
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distrnn.data.sources import streams
from distrnn.errors import DataError
from fixtures_sources import SOURCES, opened_corpus, table_of, texts_of, tiny_chunks

BOUNDARIES = {"level": "char", "boundaries": True}


def splits_of(source):
    """The text of each split that there is."""
    return {split: "".join(texts_of(source, split)) for split in dict.fromkeys(chunk.split for chunk in source.chunks())}


@settings(max_examples=60)
@given(
    st.lists(st.binary(max_size=40) | st.text(alphabet="aé \n\U0001f600\ufffd", max_size=40).map(str.encode), min_size=1, max_size=4),
    st.integers(1, 30),
    st.integers(1, 9),
    st.floats(0, 0.4),
)
def test_any_files_are_joined_without_losing_a_character(bodies, chunk_bytes, read_bytes, test_fraction):
    bodies = [body.removeprefix(b"\xef\xbb\xbf") for body in bodies]
    text = "".join(body.decode("utf-8", errors="replace") for body in bodies)
    genuine = sum(body.decode("utf-8", errors="surrogateescape").count("\ufffd") for body in bodies)
    if not text:
        return
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        tiny_chunks(patch, chunk_bytes, read_bytes)
        patch.setattr(f"{SOURCES}.corpus.PIECE_CHARACTERS", 5)
        for number, body in enumerate(bodies):
            (Path(folder) / f"{number}.txt").write_bytes(body)
        found = opened_corpus("text", folder, test_fraction=test_fraction, validation_fraction=0.3)
        read = [table_of(found, split) for split in dict.fromkeys(chunk.split for chunk in found.chunks())]
    assert "".join("".join(table["text"].to_pylist()) for table, _ in read) == text
    assert sum(replaced for _, replaced in read) == text.count("\ufffd") - genuine


def test_the_tail_of_the_text_is_for_testing(tmp_path, monkeypatch):
    tiny_chunks(monkeypatch, 100, 30)
    (tmp_path / "a.txt").write_text("train\n" * 61)
    (tmp_path / "b.txt").write_text("valid\n" * 20 + "testt\n" * 19)
    found = opened_corpus("text", tmp_path, test_fraction=0.2, validation_fraction=0.25)
    assert splits_of(found) == {"train": "train\n" * 61, "validation": "valid\n" * 20, "test": "testt\n" * 19}


def test_a_compressed_corpus_is_the_same_corpus(tmp_path, monkeypatch):
    tiny_chunks(monkeypatch, 100, 30)
    body = "".join(f"line {number} é\n" for number in range(100)).encode()
    (tmp_path / "x.txt").write_bytes(body)
    (tmp_path / "x.txt.gz").write_bytes(gzip.compress(body))
    plain, compressed = (splits_of(opened_corpus("text", tmp_path / name, validation_fraction=0.2)) for name in ("x.txt", "x.txt.gz"))
    assert plain == compressed
    assert "".join(plain.values()).encode() == body


def test_the_limit_counts_characters(tmp_path):
    (tmp_path / "x.txt").write_text("é" * 100)
    assert splits_of(opened_corpus("text", tmp_path, limit=30, test_fraction=0.5)) == {"train": "é" * 15, "test": "é" * 15}


def test_chunks_begin_behind_line_ends(tmp_path, monkeypatch):
    tiny_chunks(monkeypatch, 50, 20)
    (tmp_path / "x.txt").write_text("a line of words\n" * 100)
    chunks = opened_corpus("text", tmp_path).chunks()
    assert len(chunks) > 10
    assert all(chunk.reader.start % 16 == 0 for chunk in chunks)


def test_a_stream_is_read_a_block_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(f"{SOURCES}.base.CHUNK_BYTES", 1 << 16)
    monkeypatch.setattr(f"{SOURCES}.streams.READ_BYTES", 1 << 12)
    (tmp_path / "x.txt").write_text("some words in a line\n" * 50_000)
    sizes = []
    read = streams._read
    monkeypatch.setattr(streams, "_read", lambda file, opened, size: sizes.append(size) or read(file, opened, size))
    chunks = opened_corpus("text", tmp_path).chunks()
    assert max(sizes) == 1 << 12
    assert max(chunk.reader.stop - chunk.reader.start for chunk in chunks) <= (1 << 16) + 2 * (1 << 12)


def test_bytes_that_are_no_utf8_may_be_refused(tmp_path, monkeypatch):
    tiny_chunks(monkeypatch)
    (tmp_path / "x.txt").write_bytes(b"fine\nfine too\ncaf\xe9\n" + b"more\n" * 10)
    with pytest.raises(DataError) as caught:
        opened_corpus("text", tmp_path, invalid_utf8="refuse").chunks()
    assert str(caught.value) == (
        f"{tmp_path}/x.txt: expected UTF-8. Received: bytes that are none in line 3. Correct the line, or set data.invalid_utf8 to replace."
    )


def test_an_empty_corpus_is_refused(tmp_path):
    (tmp_path / "x.txt").touch()
    with pytest.raises(DataError) as caught:
        opened_corpus("text", tmp_path).chunks()
    assert str(caught.value) == "text: expected text. Received: an empty one."


@pytest.mark.parametrize("boundaries", [False, True])
@pytest.mark.parametrize("source", ["csv", "jsonl", "parquet"])
def test_rows_are_documents_in_order_and_the_last_ones_for_testing(tmp_path, monkeypatch, source, boundaries):
    tiny_chunks(monkeypatch, 60, 20)
    texts = [f"document {number}" for number in range(40)]
    path = tmp_path / f"x.{source}"
    if source == "parquet":
        pq.write_table(pa.table({"text": texts}), path)
    else:
        lines = ["text", *texts] if source == "csv" else [json.dumps({"text": text}) for text in texts]
        path.write_text("\n".join(lines) + "\n")
    found = opened_corpus(source, path, test_fraction=0.25, validation_fraction=0.1, tokenizer={"level": "char", "boundaries": boundaries})
    end = "" if boundaries else "\n"
    assert len(found.chunks()) > 5
    assert [texts_of(found, split) for split in ("train", "validation", "test")] == [
        [text + end for text in part] for part in (texts[:27], texts[27:30], texts[30:])
    ]


def test_documents_of_a_corpus_stay_whole_where_they_have_boundaries(tmp_path):
    (tmp_path / "x.txt").write_text("one\ntwo\n\nthree\n\nfour\n")
    found = opened_corpus("text", tmp_path, test_fraction=0.0, document="paragraph", tokenizer=BOUNDARIES)
    assert texts_of(found) == ["one\ntwo", "three", "four"]


def test_the_limit_of_documents_counts_documents(tmp_path):
    (tmp_path / "x.txt").write_text("one\ntwo\nthree\nfour\n")
    found = opened_corpus("text", tmp_path, limit=2, test_fraction=0.5, document="line", tokenizer=BOUNDARIES)
    assert [texts_of(found, split) for split in ("train", "test")] == [["one"], ["two"]]


def test_replaced_bytes_are_counted_once_though_two_splits_share_a_chunk(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"text\n" + b"caf\xe9\n" * 10)
    found = opened_corpus("csv", tmp_path, test_fraction=0.3)
    assert [table_of(found, split)[1] for split in ("train", "test")] == [7, 3]
