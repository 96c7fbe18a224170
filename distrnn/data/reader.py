"""Reading the shards of one split by memory map: rows and spans as NumPy, without copying what is not asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from distrnn.errors import IntegrityError

Side = Literal["pre", "post"]
IntArray = npt.NDArray[np.integer]


@dataclass(frozen=True)
class ShardArrays:
    """One shard as arrays.

    Shapes: T tokens, N rows.

    Attributes:
        values: uint16 or int32 [T].
        offsets: int [N + 1]; row i is values[offsets[i]:offsets[i + 1]].
        labels: int8 [N]; -1 where there is none.
    """

    values: IntArray
    offsets: IntArray
    labels: npt.NDArray[np.int8]

    @classmethod
    def map(cls, path: Path) -> "ShardArrays":
        """Memory-map a shard file.

        Raises:
            IntegrityError: the file is no whole shard.
        """
        try:
            table = pa.ipc.open_file(pa.memory_map(str(path))).read_all().combine_chunks()
            tokens, labels = _only_chunk(table, "tokens"), _only_chunk(table, "label")
        except (pa.ArrowInvalid, KeyError, OSError) as error:
            raise IntegrityError(
                f"{path}: expected a whole Arrow shard. Received: {error}. Delete the dataset, prepare it again."
            ) from None
        return cls(
            tokens.values.to_numpy(zero_copy_only=True),
            tokens.offsets.to_numpy(zero_copy_only=True),
            labels.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int8, copy=False),
        )


def _only_chunk(table: pa.Table, name: str) -> pa.Array:
    column = table[name]
    return column.chunk(0) if column.num_chunks else pa.array([], column.type)


class ShardReader:
    """The rows of one split, over all its shards, in the order of the dataset.

    Args:
        shards: in order.
        name: of the split, for messages.
    """

    def __init__(self, shards: Sequence[ShardArrays], name: str = "train") -> None:
        self.name = name
        self._shards = list(shards)
        self._first_row = np.cumsum([0] + [len(shard.labels) for shard in self._shards])
        self._first_token = np.cumsum([0] + [len(shard.values) for shard in self._shards])
        self.labels: npt.NDArray[np.int8] = np.concatenate([shard.labels for shard in self._shards] or [np.zeros(0, np.int8)])

    @classmethod
    def open(cls, paths: Sequence[Path], name: str) -> "ShardReader":
        """Memory-map shard files.

        Raises:
            IntegrityError: a file is no whole shard.
        """
        return cls([ShardArrays.map(path) for path in paths], name)

    @property
    def rows(self) -> int:
        """Documents, or pieces of a stream."""
        return int(self._first_row[-1])

    @property
    def tokens(self) -> int:
        """Token ids over all rows."""
        return int(self._first_token[-1])

    def span(self, start: int, stop: int) -> IntArray:
        """Tokens [start, stop) of the split read as one stream; a view where they lie in one shard; ends with it."""
        stop = min(stop, self.tokens)
        first = int(np.searchsorted(self._first_token, start, "right")) - 1
        parts = []
        while start < stop:
            base, end = int(self._first_token[first]), int(self._first_token[first + 1])
            parts.append(self._shards[first].values[start - base : min(stop, end) - base])
            start, first = min(stop, end), first + 1
        return parts[0] if len(parts) == 1 else np.concatenate(parts or [np.zeros(0, np.int32)])

    def pad_rows(self, rows: IntArray, length: int, padding: Side, truncating: Side) -> npt.NDArray[np.int32]:
        """Rows as a matrix filled with zeros.

        Shapes: n rows asked for, L length.

        Args:
            rows: int [n], any rows in any order.
            length: L, in tokens.
            padding: where a short row is filled.
            truncating: which end of a long row is cut.

        Returns:
            int32 [n, L].
        """
        if len(self._shards) == 1:
            return _pad_some(self._shards[0], rows, length, padding, truncating)
        result = np.empty((len(rows), length), np.int32)
        shard_of_row = np.searchsorted(self._first_row, rows, "right") - 1
        for number in np.unique(shard_of_row):
            chosen = np.flatnonzero(shard_of_row == number)
            local = rows[chosen] - self._first_row[number]
            result[chosen] = _pad_some(self._shards[number], local, length, padding, truncating)
        return result


def _pad_some(shard: ShardArrays, rows: IntArray, length: int, padding: Side, truncating: Side) -> npt.NDArray[np.int32]:
    return pad_spans(shard.values, shard.offsets[rows], shard.offsets[rows + 1], length, padding, truncating)


def pad_spans(values: IntArray, starts: IntArray, stops: IntArray, length: int, padding: Side, truncating: Side) -> npt.NDArray[np.int32]:
    """Lay spans of one array out as a matrix, filled with zeros.

    Shapes: T tokens, n spans, L length.

    Args:
        values: int [T].
        starts: int [n], where each span begins.
        stops: int [n], where it ends.
        length: L, in tokens.
        padding: where a short span is filled.
        truncating: which end of a long span is cut.

    Returns:
        int32 [n, L].
    """
    result = np.zeros((len(starts), length), np.int32)
    if not len(values) or not len(starts):
        return result
    starts, stops = starts.astype(np.int64), stops.astype(np.int64)
    kept = np.minimum(stops - starts, length)
    first = stops - kept if truncating == "pre" else starts
    column = np.arange(length)[None, :] - (length - kept if padding == "pre" else np.zeros_like(kept))[:, None]  # [n, L]
    inside = (column >= 0) & (column < kept[:, None])
    np.copyto(result, values[np.clip(first[:, None] + column, 0, len(values) - 1)], where=inside, casting="unsafe")
    return result
