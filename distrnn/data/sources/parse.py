"""Bytes of whole records to columns of raw values: CSV and JSON lines through pyarrow, plain text by hand.

Every function checks that it found the rows that the pass over the file had counted; where it did not, the two would not mean the same
row by the same number.
"""

import json
import re
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.json as pajson

from distrnn.data.columns import require_columns
from distrnn.data.source_files import plain
from distrnn.data.sources.form import Form, Span
from distrnn.errors import DataError

# What pyarrow can take as one block
_LARGEST_BYTES = 2**31 - 1
_EMPTY_LINES = re.compile(rb"\r?\n(?:\r?\n)+")
_LEADING, _TRAILING = re.compile(rb"\A(?:\r?\n)+"), re.compile(rb"(?:\r?\n)+\r?\Z")
_LONE_HALVES = re.compile("[\ud800-\udbff]")


class Raw(NamedTuple):
    """Columns of N rows as the file has them; `labels` is None where none are read, `ids` where the file has none."""

    texts: pa.ChunkedArray
    labels: pa.ChunkedArray | None
    ids: pa.ChunkedArray | None = None


def delimiter_of(name: str) -> str:
    """What separates the values of a CSV file: a tab in .tsv files, else a comma."""
    return "\t" if plain(name).lower().endswith(".tsv") else ","


def csv_header(line: bytes, name: str) -> tuple[str, ...]:
    """The names in a CSV header; empty where there is none."""
    if not line.strip():
        return ()
    options = pacsv.ReadOptions(block_size=len(line) + 1, use_threads=False)
    found = pacsv.read_csv(pa.py_buffer(line), options, pacsv.ParseOptions(delimiter=delimiter_of(name), newlines_in_values=True))
    return tuple(found.column_names)


def parse_csv(body: bytes, span: Span, form: Form) -> Raw:
    """Rows of a CSV file.

    Raises:
        DataError: a row has too few or too many values.
    """
    _check_size(body, span)
    wrong: list[pacsv.InvalidRow] = []

    def refuse(row: pacsv.InvalidRow) -> str:
        wrong.append(row)
        return "error"

    reading = pacsv.ReadOptions(column_names=list(span.header), block_size=len(body) + 1, use_threads=False)
    parsing = pacsv.ParseOptions(delimiter=delimiter_of(span.file.key), newlines_in_values=True, invalid_row_handler=refuse)
    converting = pacsv.ConvertOptions(
        column_types=dict.fromkeys(form.columns, pa.large_binary()),
        include_columns=list(form.columns),
        check_utf8=False,
        strings_can_be_null=False,
    )
    try:
        table = pacsv.read_csv(pa.py_buffer(body), reading, parsing, converting)
    except pa.ArrowException as error:
        if wrong:
            received = f"{wrong[0].actual_columns} in row {span.first_row + wrong[0].number}"
            raise DataError(f"{span.file.url}: expected {wrong[0].expected_columns} values in every row. Received: {received}.") from None
        raise _unreadable(span, "CSV", error) from None
    _check_rows(len(table), span, "CSV")
    return _raw(table, form)


def parse_jsonl(body: bytes, span: Span, form: Form) -> Raw:
    """Objects of a file of JSON lines; other fields than those that are read may hold anything.

    Raises:
        DataError: a line is no JSON object, or a field has a wrong type.
    """
    _check_size(body, span)
    fields = [pa.field(form.text_column, pa.large_string())]
    if form.labels is not None:
        fields.append(pa.field(form.label_column, _label_type(body, form.label_column)))
    reading = pajson.ReadOptions(block_size=len(body) + 1, use_threads=False)
    parsing = pajson.ParseOptions(explicit_schema=pa.schema(fields), unexpected_field_behavior="ignore")
    try:
        table = pajson.read_json(pa.py_buffer(body), reading, parsing)
    except pa.ArrowException:
        table = None
    if table is None or len(table) != span.rows or any(column.null_count for column in table.columns):
        # Line by line it is slow and says which row is wrong; half of a surrogate pair, and labels of mixed types, are taken here only
        table = _parse_objects(body, span, form)
    _check_rows(len(table), span, "JSON lines")
    return _raw(table, form)


def parse_text(body: bytes, span: Span, form: Form) -> Raw:
    """Documents of a text file: all of it, or its lines, or its paragraphs."""
    if form.document == "file":
        texts = [body]
    elif form.document == "line":
        texts = [line.removesuffix(b"\r") for line in body.split(b"\n")]
        texts = texts if texts[-1] else texts[:-1]
    else:
        texts = _EMPTY_LINES.split(_TRAILING.sub(b"", _LEADING.sub(b"", body)))
    _check_rows(len(texts), span, "text")
    labels = None
    if form.labels is not None:
        folder = span.file.url.split("/")[-2]
        labels = pa.chunked_array([pa.array([folder], pa.string()).take(pa.array([0] * len(texts), pa.int8()))])
    return Raw(pa.chunked_array([pa.array(texts, pa.large_binary())]), labels)


def _parse_objects(body: bytes, span: Span, form: Form) -> pa.Table:
    rows: list[tuple[bytes, Any]] = []
    for line in body.split(b"\n"):
        if line.strip(b"\r"):
            rows.append(_object(line, f"{span.file.url}, row {span.first_row + len(rows) + 1}", form))
    texts, labels = zip(*rows, strict=True) if rows else ((), ())
    columns = [pa.array(texts, pa.large_binary())]
    if form.labels is not None:
        columns.append(pa.array([None if label is None else str(label) for label in labels], pa.string()))
    return pa.Table.from_arrays(columns, names=list(form.columns))


def _object(line: bytes, where: str, form: Form) -> tuple[bytes, Any]:
    try:
        # Bytes that are no UTF-8 come out again as they were
        found = json.loads(line.decode("utf-8", errors="surrogateescape"))
    except ValueError as error:
        raise DataError(f"{where}: expected a JSON object. Received: {error}. Correct the row.") from None
    if not isinstance(found, dict):
        raise DataError(f"{where}: expected a JSON object. Received: {json.dumps(found)[:80]}. Correct the row.")
    require_columns(list(found), form.columns, where)
    text, label = found[form.text_column], found.get(form.label_column) if form.labels is not None else None
    if not isinstance(text, str):
        raise _wrong_field(where, "a text", form.text_column, text)
    if isinstance(label, (dict, list)):
        raise _wrong_field(where, "a text, a number, or true or false", form.label_column, label)
    # Half of a surrogate pair is no text either, and becomes a byte that is none
    return _LONE_HALVES.sub("\udcff", text).encode("utf-8", errors="surrogateescape"), label


def _wrong_field(where: str, expected: str, field: str, received: Any) -> DataError:
    shown = json.dumps(received, ensure_ascii=False)[:80]
    return DataError(f"{where}: expected {expected} in field {field!r}. Received: {shown}. Correct or remove the row.")


def _label_type(body: bytes, column: str) -> pa.DataType:
    """The type of the first label, for the fast way of reading."""
    line = next((line for line in body.split(b"\n", 8) if line.strip()), b"{}")
    try:
        first = json.loads(line).get(column)
    except (ValueError, AttributeError):
        return pa.string()
    kinds = {bool: pa.bool_(), int: pa.int64(), float: pa.float64()}
    return kinds.get(type(first), pa.string())


def _raw(table: pa.Table, form: Form) -> Raw:
    return Raw(table[form.text_column], None if form.labels is None else table[form.label_column])


def _check_size(body: bytes, span: Span) -> None:
    if len(body) >= _LARGEST_BYTES:
        where = f"{span.file.url}, row {span.first_row + span.rows}"
        raise DataError(f"{where}: expected less than 2 GiB. Received: {len(body):,} bytes. Look for a quote that is not closed.")


def _check_rows(rows: int, span: Span, what: str) -> None:
    if rows != span.rows:
        where = f"{span.file.url}, from row {span.first_row + 1}"
        raise DataError(f"{where}: expected {span.rows} rows of {what}. Received: {rows}. Look for a quote or a line that is not closed.")


def _unreadable(span: Span, what: str, error: Exception) -> DataError:
    return DataError(f"{span.file.url}, from row {span.first_row + 1}: expected readable {what}. Received: {' '.join(str(error).split())}")
