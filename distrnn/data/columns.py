"""What a column of a user's file must look like before anything is made of it: valid text, known labels, no gaps."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from distrnn.errors import DataError

SCHEMA = pa.schema([("id", pa.string()), ("text", pa.large_string()), ("label", pa.int8())])
SENTIMENTS = ("negative", "positive")
_SPELLINGS = {"negative": 0, "neg": 0, "0": 0, "positive": 1, "pos": 1, "1": 1}
_BYTES = (pa.types.is_binary, pa.types.is_large_binary)
_TEXT = (pa.types.is_string, pa.types.is_large_string, *_BYTES)


def clean_text(column: pa.ChunkedArray, where: str) -> pa.LargeStringArray:
    """A text column as valid UTF-8; bytes that are none become U+FFFD.

    Raises:
        DataError: it holds no text, or a row has none.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not any(is_kind(column.type) for is_kind in _TEXT):
        raise DataError(f"{where}: expected text. Received: a column of {column.type}. Name the file whose text column holds strings.")
    if column.null_count:
        row = _row(pc.is_null(column))
        raise DataError(f"{where}: expected a text in every row. Received: none in {row}. Fill it in or remove the row.")
    array = _one(column.cast(pa.large_binary()))
    text = pa.Array.from_buffers(pa.large_string(), len(array), array.buffers(), offset=array.offset)
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        return pa.array([value.decode("utf-8", errors="replace") for value in array.to_pylist()], pa.large_string())
    return text


def clean_sentiments(column: pa.ChunkedArray, where: str) -> pa.Int8Array:
    """A label column as 0 (negative) and 1 (positive), from numbers or from pos/neg words.

    Raises:
        DataError: a row has no label, or one that is neither.
    """
    if column.null_count:
        row = _row(pc.is_null(column))
        raise DataError(f"{where}: expected a label in every row. Received: none in {row}. Fill it in or remove the row.")
    words = pc.utf8_lower(pc.utf8_trim_whitespace(_one(column.cast(pa.string()))))
    position = pc.index_in(words, value_set=pa.array(list(_SPELLINGS)))
    if position.null_count:
        wrong = pc.is_null(position)
        value, row = column.filter(wrong)[0].as_py(), _row(wrong)
        raise DataError(f"{where}: expected labels 0 and 1, or negative and positive. Received: {value!r} in {row}. Correct the row.")
    return pa.array(np.array(list(_SPELLINGS.values()), np.int8)[position.to_numpy()], pa.int8())


def require_columns(received: Sequence[str], expected: Sequence[str], where: str) -> None:
    """Check that a file has the columns that are read.

    Raises:
        DataError: one is missing.
    """
    missing = [name for name in expected if name not in received]
    if missing:
        raise DataError(
            f"{where}: expected columns {', '.join(expected)}. Received: {', '.join(received) or 'no column'}. "
            f"Rename or add {', '.join(missing)}."
        )


def documents(ids: pa.Array, texts: pa.LargeStringArray, labels: pa.Array) -> pa.Table:
    """A chunk's rows in the shape that every source gives: (id, text, label)."""
    return pa.Table.from_arrays([ids, texts, labels], schema=SCHEMA)


def _one(column: pa.ChunkedArray) -> pa.Array:
    combined = column.combine_chunks()
    if isinstance(combined, pa.ChunkedArray):
        return combined.chunk(0) if combined.num_chunks else pa.array([], column.type)
    return combined


def _row(flags: pa.ChunkedArray) -> str:
    return f"row {pc.index(flags, True).as_py() + 1}"
