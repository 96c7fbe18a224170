"""The text source for classifiers: files, lines and paragraphs as documents, folders as labels."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distrnn.errors import DataError
from fixtures_sources import opened, pairs_of, table_of, texts_of, tiny_chunks

LINE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r\ufeff"), max_size=20)


def write(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


@settings(max_examples=50)
@given(st.lists(LINE, min_size=1), st.integers(1, 60), st.integers(1, 9), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_any_lines_come_back(lines, chunk_bytes, read_bytes, line_end, closed):
    body = line_end.join(lines) + (line_end if closed or not lines[-1] else "")
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        tiny_chunks(patch, chunk_bytes, read_bytes)
        write(Path(folder), {"x.txt": body})
        assert texts_of(opened("text", folder, document="line", labels="none")) == lines


@settings(max_examples=50)
@given(st.lists(st.lists(LINE.filter(bool), min_size=1), min_size=1), st.integers(1, 60), st.integers(1, 9), st.integers(1, 3))
def test_any_paragraphs_come_back(paragraphs, chunk_bytes, read_bytes, empty_lines):
    texts = ["\n".join(lines) for lines in paragraphs]
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        tiny_chunks(patch, chunk_bytes, read_bytes)
        write(Path(folder), {"x.txt": "\n" + ("\n" * (empty_lines + 1)).join(texts) + "\n\n"})
        assert texts_of(opened("text", folder, document="paragraph", labels="none")) == texts


def test_files_are_documents_and_their_folders_labels(tmp_path):
    names = [f"{split}/{label}/{number}" for split in ("train", "test") for label in ("neg", "pos") for number in range(2)]
    found = opened("text", write(tmp_path, {f"{name}.txt": name.replace("/", " ") for name in names}))
    assert pairs_of(found) == [("train neg 0", 0), ("train neg 1", 0), ("train pos 0", 1), ("train pos 1", 1)]
    assert table_of(found, "test")[0]["id"].to_pylist() == ["test/neg/0.txt", "test/neg/1.txt", "test/pos/0.txt", "test/pos/1.txt"]


def test_small_files_share_a_chunk(tmp_path, monkeypatch):
    tiny_chunks(monkeypatch, 100, 50)
    write(tmp_path, {f"{number:03d}.txt": "x" * 30 for number in range(30)})
    found = opened("text", tmp_path, labels="none")
    assert len(found.chunks()) == 10
    assert texts_of(found) == ["x" * 30] * 30


def test_an_empty_file_is_an_empty_document(tmp_path):
    write(tmp_path, {"a.txt": "", "b.txt": "b"})
    assert texts_of(opened("text", tmp_path, labels="none")) == ["", "b"]


def test_a_folder_that_is_no_label_is_named(tmp_path):
    write(tmp_path, {"train/unsup/1.txt": "x", "test/pos/1.txt": "x"})
    with pytest.raises(DataError) as caught:
        table_of(opened("text", tmp_path))
    assert str(caught.value) == (
        f"{tmp_path}/train/unsup/1.txt, the name of its folder: expected labels 0 and 1, or negative and positive. "
        "Received: 'unsup' in row 1. Correct the row, or data.labels."
    )


def test_replaced_bytes_are_counted_in_the_files_that_hold_them(tmp_path):
    write(tmp_path, {"a.txt": b"caf\xe9", "b.txt": "fine", "c.txt": b"\xff\xff"})
    table, replaced = table_of(opened("text", tmp_path, labels="none"))
    assert (table["text"].to_pylist(), replaced) == (["caf\ufffd", "fine", "\ufffd\ufffd"], 3)
