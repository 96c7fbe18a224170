"""The csv source: whatever a CSV file may hold comes back, in chunks of any size, and what is wrong is named with its row."""

import csv
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distrnn.errors import DataError, WorkflowError
from fixtures_sources import opened, pairs_of, table_of, texts_of, tiny_chunks

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30), min_size=1, max_size=30)


def write(path, rows, header=("text", "label"), **options):
    text = io.StringIO()
    csv.writer(text, **options).writerows([header, *rows])
    path.write_bytes(text.getvalue().encode())
    return path


def refusal(path, **data):
    with pytest.raises(DataError) as caught:
        table_of(opened("csv", path, test_fraction=0.2, **data))
    return str(caught.value)


@settings(max_examples=60)
@given(TEXTS, st.integers(1, 80), st.integers(3, 20), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_any_texts_written_as_csv_come_back(texts, chunk_bytes, read_bytes, quoting):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        tiny_chunks(patch, chunk_bytes, read_bytes)
        rows = [(number, text, number % 2) for number, text in enumerate(texts)]
        path = write(Path(folder) / "x.csv", rows, ("n", "text", "label"), quoting=quoting)
        table, replaced = table_of(opened("csv", path, test_fraction=0.2))
    assert table["text"].to_pylist() == texts
    assert table["label"].to_pylist() == [number % 2 for number in range(len(texts))]
    assert table["id"].to_pylist() == [f"x.csv/{number}" for number in range(len(texts))]
    assert replaced == 0


def test_no_chunk_is_larger_than_asked_for_but_by_its_last_record(tmp_path, monkeypatch):
    tiny_chunks(monkeypatch, 200)
    path = write(tmp_path / "x.csv", [("x" * 20, 0)] * 100 + [("y" * 1000, 1)] + [("z" * 20, 0)] * 50)
    sizes = sorted(sum(span.size_bytes for span in chunk.reader.spans) for chunk in opened("csv", path, test_fraction=0.2).chunks())
    assert (len(sizes) > 10, sizes[-2] < 200 + 24, sizes[-1] < 200 + 1004) == (True, True, True)


def test_columns_are_chosen_by_name_in_each_file(tmp_path):
    write(tmp_path / "a.csv", [("good one", "x", "pos")], ("review", "other", "sentiment"))
    write(tmp_path / "b.csv", [("neg", "bad one")], ("sentiment", "review"))
    found = opened("csv", tmp_path, text_column="review", label_column="sentiment", test_fraction=0.2)
    assert pairs_of(found) == [("good one", 1), ("bad one", 0)]


def test_tsv_files_are_separated_by_tabs(tmp_path):
    (tmp_path / "x.tsv").write_text("text\tlabel\nyes, it is\t1\n")
    assert pairs_of(opened("csv", tmp_path, test_fraction=0.2)) == [("yes, it is", 1)]


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path):
    (tmp_path / "x.csv").write_bytes(b'\xef\xbb\xbf"text",label\r\n"a",1\r\n')
    assert pairs_of(opened("csv", tmp_path, test_fraction=0.2)) == [("a", 1)]


def test_empty_texts_are_documents(tmp_path):
    path = write(tmp_path / "x.csv", [("", 1), ("a", 0)])
    assert pairs_of(opened("csv", path, test_fraction=0.2)) == [("", 1), ("a", 0)]


def test_labels_of_several_classes_are_mapped(tmp_path):
    path = write(tmp_path / "x.csv", [("a", "sport"), ("b", "world"), ("c", "2")])
    found = opened("csv", path, labels=["world", "sport", "science"], test_fraction=0.2)
    assert found.labels == ("world", "sport", "science")
    assert pairs_of(found) == [("a", 1), ("b", 0), ("c", 2)]


def test_documents_without_labels_need_neither_a_label_column_nor_a_test_split(tmp_path):
    path = write(tmp_path / "x.csv", [("a",), ("b",)], ("text",))
    found = opened("csv", path, labels="none")
    assert (found.labels, found.rules.test_fraction, pairs_of(found)) == ((), 0.0, [("a", None), ("b", None)])


def test_a_second_path_is_the_test_split(tmp_path):
    for name, text in (("one", "a"), ("two", "b")):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "x.csv", [(text, 1)])
    found = opened("csv", tmp_path / "one", test_path=str(tmp_path / "two"))
    train, test = table_of(found)[0], table_of(found, "test")[0]
    assert (train["id"].to_pylist(), test["id"].to_pylist()) == (["train/x.csv/0"], ["test/x.csv/0"])
    assert (train["text"].to_pylist(), test["text"].to_pylist()) == (["a"], ["b"])


def test_a_folder_brings_its_splits(tmp_path):
    write(tmp_path / "train.csv", [("a", 1)])
    write(tmp_path / "test.csv", [("b", 1)])
    write(tmp_path / "unlabelled.csv", [("c",)], ("text",))
    found = opened("csv", tmp_path)
    assert (texts_of(found), texts_of(found, "test")) == (["a"], ["b"])


def test_a_labelled_source_needs_a_test_split(tmp_path):
    path = write(tmp_path / "x.csv", [("a", 1)])
    with pytest.raises(WorkflowError) as caught:
        opened("csv", path).chunks()
    assert str(caught.value) == (
        f"key 'data.test_fraction': expected a share above 0 (or data.test_path), {path} has no test split of its own. Received: nothing"
    )


def test_replaced_bytes_are_counted(tmp_path, monkeypatch):
    tiny_chunks(monkeypatch)
    (tmp_path / "x.csv").write_bytes(b"text,label\n" + b"caf\xe9 \xff,1\nplain,0\n" * 20)
    table, replaced = table_of(opened("csv", tmp_path, test_fraction=0.2))
    assert (table["text"][0].as_py(), replaced) == ("caf\ufffd \ufffd", 40)


def test_replaced_bytes_of_rows_that_the_limit_leaves_out_are_not_counted(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"text,label\n" + b"caf\xe9,1\nplain,0\n" * 50)
    table, replaced = table_of(opened("csv", tmp_path, test_fraction=0.2, limit=30))
    assert replaced == sum("\ufffd" in text for text in table["text"].to_pylist())
    assert 0 < replaced < 30


def test_bytes_that_are_no_utf8_may_be_refused(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"text,label\nfine,0\ncaf\xe9,1\n")
    assert refusal(tmp_path / "x.csv", invalid_utf8="refuse") == (
        f"{tmp_path}/x.csv, column 'text': expected UTF-8. Received: bytes that are none in row 2. Correct the row, or set "
        "data.invalid_utf8 to replace."
    )


def test_a_missing_column_is_named_beside_those_that_are_there(tmp_path):
    path = write(tmp_path / "x.csv", [("a", 1)], ("body", "label"))
    assert refusal(path) == f"{path}: expected columns text, label. Received: body, label. Rename or add text."


def test_a_label_outside_the_mapping_is_named_with_its_row_in_the_file(tmp_path, monkeypatch):
    tiny_chunks(monkeypatch)
    path = write(tmp_path / "x.csv", [("some text", "a")] * 30 + [("some text", "c")])
    assert refusal(path, labels=["a", "b"]) == (
        f"{path}, column 'label': expected one of the labels a, b, 0, 1. Received: 'c' in row 31. Correct the row, or data.labels."
    )


def test_a_row_without_a_label_is_named(tmp_path):
    path = write(tmp_path / "x.csv", [("a", 1), ("b", "")])
    assert refusal(path) == f"{path}, column 'label': expected a label in every row. Received: none in row 2. Fill it in or remove the row."


def test_a_row_of_another_length_is_named(tmp_path, monkeypatch):
    tiny_chunks(monkeypatch)
    path = write(tmp_path / "x.csv", [("some text", 1)] * 20 + [("a", 1, "more")])
    assert refusal(path) == f"{path}: expected 2 values in every row. Received: 3 in row 21."


def test_a_quote_that_is_never_closed_is_an_error(tmp_path):
    (tmp_path / "x.csv").write_text('text,label\n"a,1\nb,0\n')
    assert refusal(tmp_path / "x.csv").startswith(f"{tmp_path}/x.csv")


@pytest.mark.parametrize(("body", "columns"), [("", "no column"), ("text,label\n", None)])
def test_a_file_without_rows_is_refused(tmp_path, body, columns):
    (tmp_path / "x.csv").write_text(body)
    assert refusal(tmp_path / "x.csv") == (
        f"{tmp_path}/x.csv: expected columns text, label. Received: no column. Rename or add text, label."
        if columns
        else f"{tmp_path}/x.csv: expected documents in split 'train'. Received: none."
    )


def test_a_large_document_is_one_row(tmp_path):
    large = 'a "large" one,\n' * 1_000_000
    path = write(tmp_path / "x.csv", [("small", 0), (large, 1), ("small", 0)])
    assert pairs_of(opened("csv", path, test_fraction=0.2)) == [("small", 0), (large, 1), ("small", 0)]


def test_a_record_that_is_too_large_for_a_row_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("distrnn.data.sources.parse._LARGEST_BYTES", 100)
    path = write(tmp_path / "x.csv", [("x" * 200, 1)])
    assert refusal(path) == f"{path}, row 1: expected less than 2 GiB. Received: 204 bytes. Look for a quote that is not closed."


def test_options_that_decide_bytes_are_part_of_the_fingerprint(tmp_path):
    path = write(tmp_path / "x.csv", [("a", 1)])
    assert opened("csv", path, test_fraction=0.2, labels={1: "a", 2: "b"}).to_json() == {
        "text_column": "text",
        "label_column": "label",
        "labels": {"names": ["a", "b"], "values": {"1": 0, "2": 1}},
        "invalid_utf8": "replace",
    }
