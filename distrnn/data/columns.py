"""What a column of a user's file must look like before anything is made of it: valid text and no gaps."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from distrnn.errors import DataError

SCHEMA = pa.schema([("id", pa.string()), ("text", pa.large_string()), ("label", pa.int16())])
InvalidUtf8 = Literal["replace", "refuse"]
_KINDS = pa.types
_BYTES = (_KINDS.is_binary, _KINDS.is_large_binary, _KINDS.is_binary_view)
_TEXT = (_KINDS.is_string, _KINDS.is_large_string, _KINDS.is_string_view, *_BYTES)
_REPLACEMENT, _REPLACEMENT_BYTES = "\ufffd", b"\xef\xbf\xbd"


class Texts(NamedTuple):
    """A text column of N rows.

    Attributes:
        column: valid UTF-8, no nulls: large_string [N].
        replaced: invalid sequences of each row that became U+FFFD: int64 [N]; None: none at all.
    """

    column: pa.LargeStringArray
    replaced: npt.NDArray[np.int64] | None


def clean_text(column: pa.ChunkedArray, where: str, first_row: int = 0, invalid: InvalidUtf8 = "replace") -> Texts:
    """A text column as valid UTF-8.

    Args:
        column: texts or bytes.
        where: file and column, for messages.
        first_row: row of the file that the column begins with, counted from 0.
        invalid: `replace`: bytes that are no UTF-8 become U+FFFD; `refuse`: they are an error.

    Raises:
        DataError: it holds no text, a row has none, or its bytes are refused.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not any(is_kind(column.type) for is_kind in _TEXT) and not (pa.types.is_null(column.type) and len(column)):
        raise DataError(f"{where}: expected text. Received: a column of {column.type}. Name the file whose text column holds strings.")
    if column.null_count:
        row = first_row + pc.index(pc.is_null(column), True).as_py() + 1
        raise DataError(f"{where}: expected a text in every row. Received: none in row {row}. Fill it in or remove the row.")
    array = _one(column.cast(pa.large_binary()))
    text = pa.Array.from_buffers(pa.large_string(), len(array), array.buffers(), offset=array.offset)
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        return _mended(array.to_pylist(), where, first_row, invalid)
    return Texts(text, None)


def _mended(values: list[bytes], where: str, first_row: int, invalid: InvalidUtf8) -> Texts:
    texts = [value.decode("utf-8", errors="replace") for value in values]
    # A U+FFFD that the file itself holds was valid before and is no replacement
    replaced = [
        text.count(_REPLACEMENT) - value.count(_REPLACEMENT_BYTES) if _REPLACEMENT in text else 0
        for text, value in zip(texts, values, strict=True)
    ]
    if invalid == "refuse":
        row = next(number for number, count in enumerate(replaced) if count)
        raise DataError(
            f"{where}: expected UTF-8. Received: bytes that are none in row {first_row + row + 1}. Correct the row, or set "
            "data.invalid_utf8 to replace."
        )
    return Texts(pa.array(texts, pa.large_string()), np.array(replaced, np.int64))


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
