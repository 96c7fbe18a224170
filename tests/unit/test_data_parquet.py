"""The parquet source: rows by groups and within them, only the columns that are read, never a whole group at once."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from distrnn.data.sources import parquet, read_chunk
from distrnn.errors import DataError
from fixtures_data import reviews
from fixtures_sources import opened, pairs_of, table_of, tiny_chunks


def expected(table):
    return list(zip(table["text"].to_pylist(), table["label"].to_pylist(), strict=True))


@pytest.mark.parametrize("group_rows", [7, 64, 1000])
def test_rows_come_back_in_order_for_any_row_groups(tmp_path, monkeypatch, group_rows):
    tiny_chunks(monkeypatch, 3000, 1000)
    monkeypatch.setattr(parquet, "_BATCH_ROWS", 5)
    pq.write_table(reviews(300), tmp_path / "x.parquet", row_group_size=group_rows)
    found = opened("parquet", tmp_path, test_fraction=0.2)
    assert len(found.chunks()) > 3
    table, _ = table_of(found)
    assert expected(table) == expected(reviews(300))
    assert table["id"].to_pylist() == [f"x.parquet/{row}" for row in range(300)]


def test_chunks_may_be_read_in_any_order(tmp_path, monkeypatch):
    tiny_chunks(monkeypatch, 1000, 1000)
    pq.write_table(reviews(300), tmp_path / "x.parquet")
    chunks = opened("parquet", tmp_path, test_fraction=0.2).chunks()
    read = {chunk.index: expected(read_chunk(chunk).table) for chunk in [*chunks[1::2], *chunks[::2]]}
    assert [row for index in sorted(read) for row in read[index]] == expected(reviews(300))


def test_a_group_is_opened_once_by_a_process_that_goes_forward(tmp_path, monkeypatch):
    tiny_chunks(monkeypatch, 1000, 1000)
    pq.write_table(reviews(300), tmp_path / "x.parquet")
    found = opened("parquet", tmp_path, test_fraction=0.2)
    chunks = found.chunks()
    begun = []
    begin = parquet._Forward.__init__
    monkeypatch.setattr(parquet._Forward, "__init__", lambda self, *arguments: begun.append(self) or begin(self, *arguments))
    for chunk in chunks:
        read_chunk(chunk)
    assert (len(chunks) > 5, len(begun)) == (True, 1)


def test_a_huge_group_is_never_in_memory_as_a_whole(tmp_path, monkeypatch):
    texts = pa.array([f"{number} {'some words that are repeated ' * 30}" for number in range(30_000)])
    pq.write_table(pa.table({"text": texts}), tmp_path / "x.parquet", use_dictionary=False, row_group_size=len(texts))
    size_bytes = texts.nbytes
    del texts
    monkeypatch.setattr("distrnn.data.sources.base.CHUNK_BYTES", 1 << 20)
    chunks = opened("parquet", tmp_path, labels="none").chunks()
    before, peaks = pa.total_allocated_bytes(), []
    for chunk in chunks:
        rows = read_chunk(chunk)
        peaks.append(pa.total_allocated_bytes() - before)
        del rows
    assert (len(chunks) > 20, size_bytes > 25 << 20) == (True, True)
    assert max(peaks) < 8 << 20


def test_other_columns_are_not_read(tmp_path):
    table = reviews(10).append_column("other", pa.array([object.__name__] * 10))
    pq.write_table(table, tmp_path / "x.parquet")
    assert pairs_of(opened("parquet", tmp_path, test_fraction=0.2)) == expected(reviews(10))


def test_labels_may_be_any_numbers(tmp_path):
    pq.write_table(pa.table({"text": ["a", "b"], "stars": [5.0, 1.0]}), tmp_path / "x.parquet")
    found = opened("parquet", tmp_path, label_column="stars", labels={1: "bad", 5: "good"}, test_fraction=0.2)
    assert (found.labels, pairs_of(found)) == (("bad", "good"), [("a", 1), ("b", 0)])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"text": [1, 2], "label": [0, 1]},
            ", column 'text': expected text. Received: a column of int64. Name the file whose text column holds strings.",
        ),
        (
            {"text": ["a", None], "label": [0, 1]},
            ", column 'text': expected a text in every row. Received: none in row 2. Fill it in or remove the row.",
        ),
        (
            {"text": ["a", "b"], "label": [0, None]},
            ", column 'label': expected a label in every row. Received: none in row 2. Fill it in or remove the row.",
        ),
        (
            {"text": ["a", "b"], "label": [0, 2]},
            ", column 'label': expected labels 0 and 1, or negative and positive. Received: 2 in row 2. Correct the row, or data.labels.",
        ),
        ({"text": ["a", "b"]}, ": expected columns text, label. Received: text. Rename or add label."),
    ],
)
def test_a_wrong_column_is_named(tmp_path, columns, message):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(DataError) as caught:
        table_of(opened("parquet", path, test_fraction=0.2))
    assert str(caught.value) == f"{path}{message}"


def test_a_parquet_file_within_gzip_is_refused(tmp_path):
    (tmp_path / "x.parquet.gz").write_bytes(b"x")
    with pytest.raises(DataError) as caught:
        opened("parquet", tmp_path, labels="none").chunks()
    assert str(caught.value) == f"{tmp_path}/x.parquet.gz: expected a parquet file. Received: one within gzip. Unpack it."


def test_a_file_without_rows_is_refused(tmp_path):
    pq.write_table(reviews(3).slice(0, 0), tmp_path / "x.parquet")
    with pytest.raises(DataError) as caught:
        opened("parquet", tmp_path, labels="none").chunks()
    assert str(caught.value) == f"{tmp_path}: expected documents in split 'train'. Received: none."
