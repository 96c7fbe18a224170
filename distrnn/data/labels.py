"""From the labels in a file to label numbers, by the names that a workflow gives them.

A value is compared as text: 1, 1.0 and "1" are one value, and so are true, True and "true".
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from distrnn.errors import DataError

SENTIMENTS = ("negative", "positive")
_SPELLINGS = {"negative": 0, "neg": 0, "0": 0, "positive": 1, "pos": 1, "1": 1}
_WHOLE = re.compile(r"(-?[0-9]+)\.0+")
_SHOWN = 12


@dataclass(frozen=True)
class Labels:
    """Which values are which label.

    Attributes:
        names: of the labels, in the order of their numbers.
        numbers: (value as text, number of its label).
        fold_case: whether lower and upper case are the same.
        key: the workflow's key that gives them; empty where none does.
    """

    names: tuple[str, ...]
    numbers: tuple[tuple[str, int], ...]
    fold_case: bool = False
    key: str = "data.labels"

    @classmethod
    def of(cls, option: Sequence[str | int] | Mapping[Any, str] | None) -> "Labels":
        """The labels that `data.labels` describes: names, or the name of each value; None: negative and positive."""
        if isinstance(option, Mapping):
            names = tuple(dict.fromkeys(option.values()))
            return cls(names, tuple((canonical(value), names.index(name)) for value, name in option.items()))
        names = SENTIMENTS if option is None else tuple(str(name) for name in option)
        if names == SENTIMENTS:
            return cls(names, tuple(_SPELLINGS.items()), fold_case=True)
        numbers = {canonical(name): number for number, name in enumerate(names)}
        if not any(_is_number(name) for name in numbers):
            numbers |= {str(number): number for number in range(len(names))}
        return cls(names, tuple(numbers.items()))

    def to_json(self) -> dict[str, Any]:
        """Names, and the label of each value, as a JSON object."""
        return {"names": list(self.names), "values": dict(self.numbers)}

    @property
    def expected(self) -> str:
        """What a value may be, in words."""
        if self.names == SENTIMENTS and self.fold_case:
            return "labels 0 and 1, or negative and positive"
        values = [value for value, _ in self.numbers]
        return f"one of the labels {', '.join(values[:_SHOWN])}{', …' if len(values) > _SHOWN else ''}"


IMDB = Labels(SENTIMENTS, tuple(_SPELLINGS.items()), fold_case=True, key="")


def clean_labels(column: pa.ChunkedArray, labels: Labels, where: str, first_row: int = 0) -> pa.Int16Array:
    """A label column as label numbers.

    Args:
        column: texts, bytes, numbers or booleans of N rows.
        labels: which values are which label.
        where: file and column, for messages.
        first_row: row of the file that the column begins with, counted from 0.

    Returns:
        int16 [N].

    Raises:
        DataError: a row has no label, or one that is none of them.
    """
    if not _is_simple(column.type):
        raise DataError(f"{where}: expected texts, numbers or true and false. Received: a column of {column.type}. Name another column.")
    encoded = pa.chunked_array(column.chunks, column.type).combine_chunks()
    encoded = encoded if pa.types.is_dictionary(encoded.type) else encoded.dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.unify_dictionaries().combine_chunks()
    known = dict(labels.numbers)
    values = [_decoded(value) for value in encoded.dictionary.to_pylist()]
    numbers = [None if value in (None, "") else known.get(canonical(value, fold_case=labels.fold_case), -1) for value in values]
    found = pa.array(numbers, pa.int16()).take(encoded.indices)
    if found.null_count:
        row = first_row + pc.index(pc.is_null(found), True).as_py() + 1
        raise DataError(f"{where}: expected a label in every row. Received: none in row {row}. Fill it in or remove the row.")
    if len(found) and pc.min(found).as_py() < 0:
        place = pc.index(pc.less(found, pa.scalar(0, pa.int16())), True).as_py()
        advice = f"Correct the row, or {labels.key}." if labels.key else "Correct the row."
        value = values[encoded.indices[place].as_py()]
        raise DataError(f"{where}: expected {labels.expected}. Received: {value!r} in row {first_row + place + 1}. {advice}")
    return found


def canonical(value: Any, *, fold_case: bool = False) -> str:
    """A value as text, in the one way in which it is compared."""
    text = str(value).strip()
    if text.lower() in ("true", "false") or fold_case:
        text = text.lower()
    whole = _WHOLE.fullmatch(text)
    return whole[1] if whole else text


def nothing(rows: int) -> pa.Int16Array:
    """Labels of rows that have none: int16 [N], all null."""
    return pa.nulls(rows, pa.int16())


def numbers(labels: Sequence[int]) -> pa.Int16Array:
    """Label numbers that are known already: int16 [N]."""
    return pa.array(np.asarray(labels, np.int16))


def _is_number(value: str) -> bool:
    return value.lstrip("-").isdigit()


def _is_simple(kind: pa.DataType) -> bool:
    types = pa.types
    kind = kind.value_type if types.is_dictionary(kind) else kind
    tests = (types.is_integer, types.is_floating, types.is_boolean, types.is_string, types.is_large_string, types.is_binary)
    return any(test(kind) for test in (*tests, types.is_large_binary, types.is_string_view, types.is_null))


def _decoded(value: Any) -> Any:
    text = value.decode("utf-8", errors="replace") if isinstance(value, bytes) else value
    return text.strip() if isinstance(text, str) else text
