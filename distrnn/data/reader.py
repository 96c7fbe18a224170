"""Reading the shards of one split by memory map: rows and spans as NumPy, without copying what is not asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from distrnn.data.padding import IntArray, Side, lay_out
from distrnn.errors import IntegrityError

NO_LABEL = -1


@dataclass(frozen=True)
class ShardArrays:
    """One shard as arrays.

    Shapes: T tokens, N rows.

    Attributes:
        values: uint16 or int32 [T].
        offsets: int [N + 1]; row i is values[offsets[i]:offsets[i + 1]].
        labels: int16 [N]; -1 where there is none.
    """

    values: IntArray
    offsets: IntArray
    labels: npt.NDArray[np.int16]

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
            labels.fill_null(NO_LABEL).to_numpy(zero_copy_only=False).astype(np.int16, copy=False),
        )


def _only_chunk(table: pa.Table, name: str) -> pa.Array:
    column = table[name]
    return column.chunk(0) if column.num_chunks else pa.array([], column.type)


class ShardReader:
    """The rows of one split, over all its shards, in the order of the dataset.

    Args:
        shards: in order.
        name: of the split, for messages.

    Attributes:
        name: of the split.
        labels: int16 [rows]; -1 where there is none.
    """

    def __init__(self, shards: Sequence[ShardArrays], name: str = "train") -> None:
        self.name = name
        self._shards = list(shards)
        self._first_row = np.cumsum([0] + [len(shard.labels) for shard in self._shards])
        self._first_token = np.cumsum([0] + [len(shard.values) for shard in self._shards])
        labels = [shard.labels.astype(np.int16, copy=False) for shard in self._shards]
        self.labels: npt.NDArray[np.int16] = np.concatenate(labels or [np.zeros(0, np.int16)])

    @classmethod
    def open(cls, paths: Sequence[Path], name: str) -> "ShardReader":
        """Memory-map shard files.

        Raises:
            IntegrityError: a file is no whole shard.
        """
        return cls([ShardArrays.map(path) for path in paths], name)

    @classmethod
    def joined(cls, readers: "Sequence[ShardReader]") -> "ShardReader":
        """The rows of several splits behind each other."""
        return cls([shard for reader in readers for shard in reader._shards], " and ".join(reader.name for reader in readers))

    def only(self, rows: IntArray) -> "ShardReader":
        """Some rows, int [n], in the order given; their tokens are copied."""
        ends = np.cumsum(self.lengths, dtype=np.int64)[rows]
        parts = [self.span(int(end - length), int(end)) for end, length in zip(ends, self.lengths[rows], strict=True)]
        tokens = np.concatenate(parts or [np.zeros(0, np.int32)])
        offsets = np.append(0, np.cumsum(self.lengths[rows], dtype=np.int64))
        return ShardReader([ShardArrays(tokens, offsets, self.labels[rows])], self.name)

    @property
    def rows(self) -> int:
        """Documents, or pieces of a stream."""
        return int(self._first_row[-1])

    @property
    def tokens(self) -> int:
        """Token ids over all rows."""
        return int(self._first_token[-1])

    @property
    def highest_id(self) -> int:
        """The highest id of all rows; 0 where there is none."""
        return max((int(shard.values.max()) for shard in self._shards if len(shard.values)), default=0)

    @cached_property
    def lengths(self) -> npt.NDArray[np.int32]:
        """Tokens of each row: int32 [rows]."""
        return np.concatenate([np.diff(shard.offsets).astype(np.int32) for shard in self._shards] or [np.zeros(0, np.int32)])

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
            rows: int [n] or [.., n], any rows in any order; -1 gives a row of zeros.
            length: L, in tokens.
            padding: where a short row is filled.
            truncating: which end of a long row is cut.

        Returns:
            int32 [n, L] or [.., n, L].
        """
        matrix = np.empty((*rows.shape, length), np.int32)
        shard_of_row = np.searchsorted(self._first_row, rows, "right") - 1
        for number in (np.flatnonzero(np.bincount(shard_of_row.ravel() + 1)) - 1).tolist():
            where = np.nonzero(shard_of_row == number)
            if number < 0:
                matrix[where] = 0
                continue
            shard, local = self._shards[number], rows[where] - self._first_row[number]
            laid_out = lay_out(shard.values, shard.offsets[local], shard.offsets[local + 1], length, padding, truncating)
            if len(local) == rows.size:
                return laid_out.reshape(matrix.shape).astype(np.int32, copy=False)
            matrix[where] = laid_out
        return matrix
