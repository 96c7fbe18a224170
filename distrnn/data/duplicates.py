"""Which rows of a prepared dataset stand in it twice: the same ids (exact), or nearly the same (near), within a split and between splits.

Of equal rows the first stands for all, and each other one makes a pair with it. Near are two such first rows whose sets of shingles have
a Jaccard similarity of 0.8 or more (Source: Broder 1997); sketches say which pairs are worth comparing, and the shingles themselves decide.
Shingles are 5 words or 25 characters; of a bag, each id is one. Rows that are shorter are compared exactly only.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from distrnn.data.dataset import Dataset
from distrnn.data.manifest import SPLITS
from distrnn.data.reader import ShardReader
from distrnn.data.sketches import (
    BINS,
    NEAR,
    Int64,
    Rows,
    leaders,
    ragged,
    row_hashes,
    shingle_hashes,
    shingle_width,
    similar_pairs,
    sketches,
)

# Below it an estimate is five standard deviations or more from a similarity of 0.8.
WORTH_COMPARING = 0.6
COMPARED_SHINGLES = 1 << 20


@dataclass(frozen=True)
class Pair:
    """Two rows that are one, or nearly.

    Attributes:
        kind: exact or near.
        splits: of the two rows, in the order of `manifest.SPLITS`.
        rows: positions in their splits.
        similarity: of their shingles, 1.0 where they are equal.
    """

    kind: str
    splits: tuple[str, str]
    rows: tuple[int, int]
    similarity: float

    def to_json(self, ids: Mapping[str, Sequence[str]]) -> dict[str, Any]:
        """The pair as plain JSON; `ids` are those of the rows of each split."""
        named = [ids[split][row] for split, row in zip(self.splits, self.rows, strict=True)]
        return {"kind": self.kind, "splits": list(self.splits), "ids": named, "similarity": self.similarity}


@dataclass(frozen=True)
class Duplicates:
    """What was found.

    Attributes:
        pairs: exact ones first, each kind with pairs between splits first, then in the order of the dataset.
        leaked: rows of the test split that stand in training or validation too, by kind; a row that does so exactly is not counted as near.
    """

    pairs: tuple[Pair, ...]
    leaked: dict[str, int]

    def counts(self) -> dict[str, dict[str, int]]:
        """Pairs of each kind, by their splits: `{"exact": {"train": 3, "train and test": 1}, "near": {}}`."""
        result: dict[str, dict[str, int]] = {"exact": {}, "near": {}}
        for pair in self.pairs:
            where = " and ".join(dict.fromkeys(pair.splits))
            result[pair.kind][where] = result[pair.kind].get(where, 0) + 1
        return result


def duplicates_of(dataset: Dataset) -> Duplicates:
    """Find the duplicates of a dataset of documents; one split's shards are read after the other, by memory map.

    Raises:
        IntegrityError: a shard is missing or altered.
    """
    readers = {split: dataset.reader(split) for split in SPLITS if split in dataset.manifest.splits}
    spec = dataset.manifest.tokenizer
    width = 1 if spec.layout == "bag" else shingle_width(spec)
    return find_duplicates({split: list(_rows(dataset, split, reader)) for split, reader in readers.items()}, width)


def _rows(dataset: Dataset, split: str, reader: ShardReader) -> Iterator[Rows]:
    """The rows of each shard, as views, without the start ids."""
    started = int(dataset.manifest.tokenizer.starts_documents)
    row = token = 0
    for shard in dataset.manifest.splits[split].shards:
        lengths = reader.lengths[row : row + shard.rows]
        stops = np.cumsum(lengths, dtype=np.int64)
        yield Rows(reader.span(token, token + shard.tokens), stops - lengths + started, stops)
        row, token = row + shard.rows, token + shard.tokens


def find_duplicates(splits: Mapping[str, Sequence[Rows]], width: int) -> Duplicates:
    """Find the duplicates among the rows of all splits.

    Args:
        splits: rows, in any number of pieces, by split, in the order of `manifest.SPLITS`.
        width: tokens of a shingle.
    """
    pieces = list(itertools.chain.from_iterable(splits.values()))
    sizes = [sum(len(rows.starts) for rows in split) for split in splits.values()]
    first_row = dict(zip(splits, [0, *itertools.accumulate(sizes)], strict=False))
    hashes = np.concatenate([np.zeros((0, 2), np.uint64), *map(row_hashes, pieces)])
    leader = leaders(hashes)  # [N]
    follower = np.flatnonzero(leader != np.arange(len(leader)))
    kept = np.flatnonzero(leader == np.arange(len(leader)))
    summary = np.concatenate([np.zeros((0, BINS), np.uint16), *(sketches(rows, width) for rows in pieces)])[kept]
    one, other, _ = similar_pairs(summary, WORTH_COMPARING)
    one, other = kept[one], kept[other]
    similarity = _similarities(_Shingles(pieces, width), one, other)
    near = similarity >= NEAR
    one, other, similarity = one[near], other[near], similarity[near]
    places = _Places(first_row)
    pairs = [
        *places.pairs("exact", leader[follower], follower, np.ones(len(follower))),
        *places.pairs("near", one, other, similarity),
    ]
    return Duplicates(tuple(pairs), _leaked(leader, one, other, first_row.get("test", len(leader))))


@dataclass(frozen=True)
class _Places:
    """From positions over all splits to a split and a row of it."""

    first_row: Mapping[str, int]

    def pairs(self, kind: str, one: Int64, other: Int64, similarity: npt.NDArray[np.float64]) -> list[Pair]:
        """Pairs of positions, those between splits first."""
        triples = zip(one.tolist(), other.tolist(), similarity.tolist(), strict=True)
        found = [self._pair(kind, first, second, round(value, 4)) for first, second, value in triples]
        return sorted(found, key=lambda pair: (pair.splits[0] == pair.splits[1], [SPLITS.index(split) for split in pair.splits], pair.rows))

    def _pair(self, kind: str, one: int, other: int, similarity: float) -> Pair:
        (first, row), (second, other_row) = self._place(one), self._place(other)
        return Pair(kind, (first, second), (row, other_row), similarity)

    def _place(self, position: int) -> tuple[str, int]:
        split = [name for name, first in self.first_row.items() if first <= position][-1]
        return split, position - self.first_row[split]


def _leaked(leader: Int64, one: Int64, other: Int64, first_test: int) -> dict[str, int]:
    """Rows of the test split whose group of equals, or one that is near to it, reaches into training or validation."""
    exact = leader[first_test:] < first_test
    # The leader of a group with a row outside the test split is outside it itself, because the test split comes last
    near_to_training = np.zeros(len(leader), np.bool_)
    near_to_training[other[(one < first_test) & (other >= first_test)]] = True
    return {"exact": int(exact.sum()), "near": int((near_to_training[leader[first_test:]] & ~exact).sum())}


class _Shingles:
    """The shingles of any row, by its position over all splits."""

    def __init__(self, pieces: Sequence[Rows], width: int) -> None:
        self._pieces, self._width = pieces, width
        self._first = np.cumsum([0, *(len(rows.starts) for rows in pieces)])
        counts = [np.maximum(rows.stops - rows.starts - width + 1, 0) for rows in pieces]
        self.counts = np.concatenate([np.zeros(0, np.int64), *counts])

    def of(self, positions: Int64) -> npt.NDArray[np.uint64]:
        """Hashes of the shingles of rows, one row after the other: uint64 [sum of their counts]."""
        parts = []
        piece_of = np.searchsorted(self._first, positions, "right") - 1
        for number, position in zip(piece_of.tolist(), positions.tolist(), strict=True):
            rows, row = self._pieces[number], position - int(self._first[number])
            parts.append(shingle_hashes(rows.tokens[rows.starts[row] : rows.stops[row]], self._width))
        return np.concatenate(parts or [np.zeros(0, np.uint64)])


def _similarities(shingles: _Shingles, one: Int64, other: Int64) -> npt.NDArray[np.float64]:
    """Jaccard similarity of the shingle sets of pairs of rows: int64 [P] twice give float64 [P]."""
    result = np.empty(len(one), np.float64)
    for block in _blocks_of_pairs(shingles.counts[one] + shingles.counts[other]):
        used, position = np.unique(np.concatenate([one[block], other[block]]), return_inverse=True)
        counts = shingles.counts[used]
        hashes, starts = shingles.of(used), np.cumsum(counts) - counts
        sides = position.reshape(2, -1)
        sets = [_distinct(hashes, starts[side], counts[side]) for side in sides]
        sizes = [np.bincount((keys >> np.uint64(44)).astype(np.int64), minlength=sides.shape[1]) for keys in sets]
        both = np.intersect1d(sets[0], sets[1], assume_unique=True)
        shared = np.bincount((both >> np.uint64(44)).astype(np.int64), minlength=sides.shape[1])
        result[block] = shared / (sizes[0] + sizes[1] - shared)
    return result


def _blocks_of_pairs(sizes: Int64) -> Iterator[slice]:
    """Runs of pairs with about `COMPARED_SHINGLES` shingles, so that a pair's number fits into 20 bits."""
    number = np.cumsum(sizes) // COMPARED_SHINGLES
    borders = [0, *(np.flatnonzero(np.diff(number)) + 1).tolist(), len(sizes)]
    return (slice(first, last) for first, last in itertools.pairwise(borders) if last > first)


def _distinct(hashes: npt.NDArray[np.uint64], starts: Int64, counts: Int64) -> npt.NDArray[np.uint64]:
    """The distinct (number of the pair, 44 bits of a shingle's hash), ascending."""
    pair = np.repeat(np.arange(len(counts), dtype=np.uint64) << np.uint64(44), counts)
    return np.unique(pair | (hashes[ragged(starts, counts)] >> np.uint64(20)))
