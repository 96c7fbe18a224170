"""The jsonl source: every text comes back, the fast way and the slow way alike, and what is wrong is named with its row."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distrnn.data.sources import parse
from distrnn.errors import DataError
from fixtures_sources import opened, pairs_of, table_of, texts_of, tiny_chunks

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), min_size=1, max_size=30)


def write(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def refusal(path, body, **data):
    path.write_bytes(body)
    with pytest.raises(DataError) as caught:
        table_of(opened("jsonl", path, test_fraction=0.2, **data))
    return str(caught.value)


@settings(max_examples=60)
@given(TEXTS, st.integers(1, 80), st.integers(1, 20), st.booleans())
def test_any_texts_written_as_json_lines_come_back(texts, chunk_bytes, read_bytes, ensure_ascii):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        tiny_chunks(patch, chunk_bytes, read_bytes)
        records = [{"meta": {"n": [number]}, "text": text, "label": number % 2} for number, text in enumerate(texts)]
        path = Path(folder) / "x.jsonl"
        path.write_bytes("\n\n".join(json.dumps(record, ensure_ascii=ensure_ascii) for record in records).encode())
        table, replaced = table_of(opened("jsonl", path, test_fraction=0.2))
    assert table["text"].to_pylist() == texts
    assert table["label"].to_pylist() == [number % 2 for number in range(len(texts))]
    assert table["id"].to_pylist() == [f"x.jsonl/{number}" for number in range(len(texts))]
    assert replaced == 0


@pytest.mark.parametrize(
    ("values", "labels"), [([True, False], {True: "a", False: "b"}), ([1.0, 2.0], {1: "a", 2: "b"}), (["x", "y"], ["x", "y"])]
)
def test_labels_of_any_simple_type_are_read_the_fast_way(tmp_path, monkeypatch, values, labels):
    path = write(tmp_path / "x.jsonl", [{"text": "t", "label": value} for value in values])
    monkeypatch.setattr(parse, "_parse_objects", None)
    assert pairs_of(opened("jsonl", path, labels=labels, test_fraction=0.2)) == [("t", 0), ("t", 1)]


def test_labels_of_mixed_types_are_one_value(tmp_path):
    path = write(tmp_path / "x.jsonl", [{"text": "t", "label": label} for label in (1, "1", 1.0, "pos", 0)])
    assert [label for _, label in pairs_of(opened("jsonl", path, test_fraction=0.2))] == [1, 1, 1, 1, 0]


def test_half_a_surrogate_pair_is_replaced_and_counted(tmp_path):
    (tmp_path / "x.jsonl").write_text('{"text": "a\\ud800b"}\n{"text": "\\udc80"}\n{"text": "\\ud83d\\ude00"}\n')
    table, replaced = table_of(opened("jsonl", tmp_path, labels="none"))
    assert (table["text"].to_pylist(), replaced) == (["a\ufffdb", "\ufffd", "\U0001f600"], 2)


def test_bytes_that_are_no_utf8_are_replaced_and_counted(tmp_path):
    (tmp_path / "x.jsonl").write_bytes(b'{"text": "caf\xe9"}\n{"text": "ok", "other": "\xff"}\n')
    table, replaced = table_of(opened("jsonl", tmp_path, labels="none"))
    assert (table["text"].to_pylist(), replaced) == (["caf\ufffd", "ok"], 1)


def test_empty_texts_are_documents(tmp_path):
    path = write(tmp_path / "x.jsonl", [{"text": ""}, {"text": "a"}])
    assert texts_of(opened("jsonl", path, labels="none")) == ["", "a"]


FINE = b'{"text": "fine", "label": 1}\n' * 3


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"text": 3, "label": 1}', "expected a text in field 'text'. Received: 3. Correct or remove the row."),
        (b'{"text": null, "label": 1}', "expected a text in field 'text'. Received: null. Correct or remove the row."),
        (
            b'{"text": "a", "label": [1]}',
            "expected a text, a number, or true or false in field 'label'. Received: [1]. Correct or remove the row.",
        ),
        (b'{"body": "a", "label": 1}', "expected columns text, label. Received: body, label. Rename or add text."),
        (b'["a"]', 'expected a JSON object. Received: ["a"]. Correct the row.'),
        (b'{"text": "a"', "expected a JSON object. Received: Expecting ',' delimiter: line 1 column 13 (char 12). Correct the row."),
    ],
)
def test_a_wrong_line_is_named(tmp_path, monkeypatch, line, message):
    tiny_chunks(monkeypatch)
    path = tmp_path / "x.jsonl"
    assert refusal(path, FINE + line + b"\n" + FINE) == f"{path}, row 4: {message}"


def test_a_row_without_a_label_is_named(tmp_path):
    path = tmp_path / "x.jsonl"
    assert refusal(path, FINE + b'{"text": "a", "label": null}\n') == (
        f"{path}, column 'label': expected a label in every row. Received: none in row 4. Fill it in or remove the row."
    )


def test_a_label_outside_the_mapping_is_named(tmp_path):
    path = tmp_path / "x.jsonl"
    assert refusal(path, FINE + b'{"text": "a", "label": 7}\n') == (
        f"{path}, column 'label': expected labels 0 and 1, or negative and positive. Received: 7 in row 4. Correct the row, or data.labels."
    )


def test_a_file_without_rows_is_refused(tmp_path):
    path = tmp_path / "x.jsonl"
    assert refusal(path, b"\n\n") == f"{path}: expected documents in split 'train'. Received: none."


def test_bytes_that_are_no_utf8_may_be_refused(tmp_path):
    path = tmp_path / "x.jsonl"
    assert refusal(path, FINE + b'{"text": "caf\xe9", "label": 1}\n', invalid_utf8="refuse") == (
        f"{path}, column 'text': expected UTF-8. Received: bytes that are none in row 4. Correct the row, or set "
        "data.invalid_utf8 to replace."
    )
