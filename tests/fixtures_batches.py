"""What the tests of batches share: readers over a few rows in memory, and one that notes what is asked of it."""

import hashlib

import numpy as np

from distrnn.data.reader import ShardArrays, ShardReader


def ragged(rows):
    """Rows behind each other, and where each begins."""
    offsets = np.cumsum([0] + [len(row) for row in rows])
    return np.array([token for row in rows for token in row], np.uint16), offsets


def shard(rows, labels=None):
    """A shard in memory."""
    values, offsets = ragged(rows)
    return ShardArrays(values, offsets, np.array(labels if labels is not None else [0] * len(rows), np.int16))


def numbered(rows, first=1):
    """Row i is the one token first + i, and its label is its parity."""
    return ShardReader([shard([[first + row] for row in range(rows)], [row % 2 for row in range(rows)])])


def of_lengths(lengths):
    """Row i has so many tokens i + 1."""
    return ShardReader([shard([[row + 1] * length for row, length in enumerate(lengths)])])


def stream(tokens):
    """A stream in three pieces."""
    return ShardReader([shard([part.tolist()]) for part in np.array_split(tokens, 3)])


def digest(batch):
    """What a batch holds, in few characters."""
    return hashlib.sha256(b"".join(array.tobytes() + str(array.shape).encode() for array in batch)).hexdigest()[:16]


class Noted(ShardReader):
    """A reader that notes which rows were gathered, and which tokens of the stream."""

    def __init__(self, reader):
        super().__init__(reader._shards, reader.name)
        self.touched, self.spans = [], []

    def pad_rows(self, rows, *rest):
        self.touched += [row for row in rows.ravel().tolist() if row >= 0]
        return super().pad_rows(rows, *rest)

    def span(self, start, stop):
        self.spans.append((start, stop))
        return super().span(start, stop)
