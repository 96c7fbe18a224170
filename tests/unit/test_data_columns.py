"""Columns of users' files: what is taken, what is mended, and what the message says of the rest."""

import pyarrow as pa
import pytest

from distrnn.data.columns import clean_text, require_columns
from distrnn.errors import DataError


def column(values, kind=None):
    return pa.chunked_array([pa.array(values[:1], kind), pa.array(values[1:], kind)])


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary(), pa.large_binary()])
def test_text_of_any_arrow_type_is_taken(kind):
    assert clean_text(column(["a", "é", ""], kind), "f").column.to_pylist() == ["a", "é", ""]


def test_dictionary_encoded_text_is_taken():
    assert clean_text(column(["a", "b", "a"]).dictionary_encode(), "f").column.to_pylist() == ["a", "b", "a"]


def test_bytes_that_are_no_utf8_become_the_replacement_character():
    assert clean_text(column([b"caf\xe9", b"ok"], pa.binary()), "f").column.to_pylist() == ["caf\ufffd", "ok"]


def test_a_row_without_text_is_named():
    with pytest.raises(DataError) as caught:
        clean_text(column(["a", "b", None]), "x.parquet, column 'text'")
    assert str(caught.value) == (
        "x.parquet, column 'text': expected a text in every row. Received: none in row 3. Fill it in or remove the row."
    )


def test_a_column_of_numbers_is_no_text():
    with pytest.raises(DataError) as caught:
        clean_text(column([1, 2]), "x.parquet, column 'text'")
    assert str(caught.value) == (
        "x.parquet, column 'text': expected text. Received: a column of int64. Name the file whose text column holds strings."
    )


def test_replaced_sequences_are_counted_and_replacement_characters_are_not():
    texts, replaced = clean_text(column([b"\xff a \xff", b"ok", "\ufffd \xe9".encode() + b"\xc3"], pa.binary()), "f")
    assert texts.to_pylist() == ["\ufffd a \ufffd", "ok", "\ufffd \xe9\ufffd"]
    assert replaced.tolist() == [2, 0, 1]


def test_valid_text_counts_nothing():
    assert clean_text(column(["\ufffd", "ok"]), "f").replaced is None


def test_bytes_that_are_no_utf8_may_be_refused():
    with pytest.raises(DataError) as caught:
        clean_text(column([b"ok", b"caf\xe9"], pa.binary()), "x.csv, column 'text'", 10, "refuse")
    assert str(caught.value) == (
        "x.csv, column 'text': expected UTF-8. Received: bytes that are none in row 12. Correct the row, or set "
        "data.invalid_utf8 to replace."
    )


def test_a_missing_column_is_named_beside_those_that_are_there():
    with pytest.raises(DataError) as caught:
        require_columns(["id", "body"], ["text", "label"], "x.parquet")
    assert str(caught.value) == "x.parquet: expected columns text, label. Received: id, body. Rename or add text, label."
