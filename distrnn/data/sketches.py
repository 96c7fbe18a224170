"""Small summaries of rows of tokens: a 128-bit hash that equal rows share, and a sketch from which similarity is estimated.

Similarity of two rows is the Jaccard similarity of their sets of shingles (so many tokens in a row). A sketch deals the hashes of the
shingles to `BINS` bins and keeps the low 16 bits of the smallest hash of each: one hash a shingle, in place of one for every value of a
classic MinHash. Of bins that are not empty in both rows, the share that agrees estimates the similarity. To find rows worth comparing,
empty bins borrow from others, and four bins at a time are one band: at a similarity of 0.8 two rows agree in one band at least but for
once in ten million pairs.

Source: Broder 1997, On the Resemblance and Containment of Documents; Li, Owen, Zhang 2012, One Permutation Hashing; Li, König 2010, b-Bit
Minwise Hashing; Shrivastava 2017, Optimal Densification for Fast and Accurate Minwise Hashing (bins that borrow).
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from distrnn.text import TokenizerSpec

# Two rows whose similarity is that or more are near copies.
NEAR = 0.8
WORD_SHINGLE, CHARACTER_SHINGLE = 5, 25
BINS = 128
BAND_BINS = 4
BLOCK_TOKENS = 1 << 18
BLOCK_ROWS = 1 << 14
# In a band that more rows than this share, each is compared with the nearest so many only, so that boilerplate costs no square.
NEIGHBOURS = 64
EMPTY = np.uint16(0xFFFF)

UInt64 = npt.NDArray[np.uint64]
UInt16 = npt.NDArray[np.uint16]
Int64 = npt.NDArray[np.int64]

_BIN_SHIFT = np.uint64(64 - BINS.bit_length() + 1)
_NO_HASH = np.uint64(2**64 - 1)
_POSITION, _LANE, _SHINGLE = (np.uint64(number) for number in (0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93, 0xC2B2AE3D27D4EB4F))


class Rows(NamedTuple):
    """Rows of tokens.

    Shapes: T tokens, N rows.

    Attributes:
        tokens: any integers [T].
        starts: int64 [N]; row i is tokens[starts[i]:stops[i]].
        stops: int64 [N].
    """

    tokens: npt.NDArray[np.integer]
    starts: Int64
    stops: Int64

    def blocks(self) -> Iterator["tuple[slice, Rows]"]:
        """Runs of rows with about `BLOCK_TOKENS` tokens, each with the rows it has of these; a row is never cut."""
        ends = np.cumsum(self.stops - self.starts)
        first = 0
        while first < len(ends):
            base = int(ends[first - 1]) if first else 0
            last = max(int(np.searchsorted(ends, base + BLOCK_TOKENS, "right")), first + 1)
            low, high = int(self.starts[first]), int(self.stops[last - 1])
            yield slice(first, last), Rows(self.tokens[low:high], self.starts[first:last] - low, self.stops[first:last] - low)
            first = last


def shingle_width(spec: TokenizerSpec) -> int:
    """Tokens of a shingle: about as much text for words and for characters."""
    return WORD_SHINGLE if spec.level == "word" else CHARACTER_SHINGLE


def row_hashes(rows: Rows) -> UInt64:
    """A hash of each row that depends on its tokens and their order: uint64 [N, 2]."""
    result = np.empty((len(rows.starts), 2), np.uint64)
    for where, block in rows.blocks():
        lengths = block.stops - block.starts
        # Tokens between two rows, such as start ids, count with the row before; no sum below includes them
        spans = np.diff(block.starts, append=len(block.tokens))
        place = (np.arange(len(block.tokens)) - np.repeat(block.starts, spans)).astype(np.uint64)
        first = _mix(block.tokens.astype(np.uint64) + place * _POSITION)
        for lane, values in enumerate((first, _mix(first ^ _LANE))):
            sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(values, dtype=np.uint64)])
            result[where, lane] = _mix(sums[block.stops] - sums[block.starts] + lengths.astype(np.uint64))
    return result


def leaders(hashes: UInt64) -> Int64:
    """For each of N hashes, uint64 [N, 2], the first position that holds the same: int64 [N]."""
    order = np.lexsort((hashes[:, 1], hashes[:, 0]))  # stable, so the first of equals leads
    ranked = hashes[order]
    is_first = np.concatenate([[True], (ranked[1:] != ranked[:-1]).any(axis=1)])[: len(order)]
    result = np.empty(len(order), np.int64)
    result[order] = order[np.flatnonzero(is_first)[np.cumsum(is_first) - 1]]
    return result


def shingle_hashes(tokens: npt.NDArray[np.integer], width: int) -> UInt64:
    """A hash of each run of `width` tokens: T tokens give uint64 [T - width + 1], none where there are fewer."""
    count = max(len(tokens) - width + 1, 0)
    mixed = _mix(tokens.astype(np.uint64))
    total, factor = np.zeros(count, np.uint64), 1
    for step in range(width if count else 0):
        total += mixed[step : step + count] * np.uint64(factor)
        factor = factor * int(_SHINGLE) % 2**64
    return _mix(total)


def sketches(rows: Rows, width: int) -> UInt16:
    """The sketch of each row: uint16 [N, BINS]; all `EMPTY` where a row has fewer than `width` tokens."""
    result = np.empty((len(rows.starts), BINS), np.uint16)
    for where, block in rows.blocks():
        smallest = np.full(len(block.starts) * BINS, _NO_HASH)
        hashes = shingle_hashes(block.tokens, width)
        counts = np.maximum(block.stops - block.starts - width + 1, 0)
        taken = hashes[ragged(block.starts, counts)]
        bins = np.repeat(np.arange(len(counts)) * BINS, counts) + (taken >> _BIN_SHIFT).astype(np.int64)
        np.minimum.at(smallest, bins, taken)
        values = np.minimum(smallest.astype(np.uint16), EMPTY - np.uint16(1))
        result[where] = np.where(smallest == _NO_HASH, EMPTY, values).reshape(-1, BINS)
    return result


def estimates(sketch: UInt16, first: Int64, second: Int64) -> npt.NDArray[np.float64]:
    """Estimated similarity of pairs of rows.

    Args:
        sketch: uint16 [N, BINS].
        first: rows, int64 [P].
        second: the rows beside them, int64 [P].

    Returns:
        float64 [P].
    """
    result = np.empty(len(first), np.float64)
    for start in range(0, len(first), BLOCK_ROWS):
        part = slice(start, start + BLOCK_ROWS)
        one, other = sketch[first[part]], sketch[second[part]]
        used = np.count_nonzero((one != EMPTY) | (other != EMPTY), axis=1)
        result[part] = np.count_nonzero((one == other) & (one != EMPTY), axis=1) / np.maximum(used, 1)
    return result


def similar_pairs(sketch: UInt16, least: float) -> tuple[Int64, Int64, npt.NDArray[np.float64]]:
    """Pairs of rows that agree in a band and whose estimated similarity is at least `least`.

    Args:
        sketch: uint16 [N, BINS].
        least: from 0 to 1.

    Returns:
        The earlier row of each pair, the later one, both int64 [P] and in ascending order, and the estimate, float64 [P].
    """
    filled = np.flatnonzero((sketch != EMPTY).any(axis=1))
    bands = _densified(sketch[filled]).view(np.uint64)  # [rows, BINS / BAND_BINS]
    found = [np.zeros(0, np.int64)]
    for band in range(bands.shape[1]):
        for one, other in _sharing(bands[:, band]):
            first, second = filled[np.minimum(one, other)], filled[np.maximum(one, other)]
            near = estimates(sketch, first, second) >= least
            found.append(first[near] * len(sketch) + second[near])
    keys = np.unique(np.concatenate(found))
    first, second = keys // max(len(sketch), 1), keys % max(len(sketch), 1)
    return first, second, estimates(sketch, first, second)


def ragged(starts: Int64, counts: Int64) -> Int64:
    """Positions starts[i], starts[i] + 1, .. of each run, one run after the other: int64 [sum of counts]."""
    ends = np.cumsum(counts)
    return np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(starts - ends + counts, counts)


def _mix(values: UInt64) -> UInt64:
    """The finalizer of splitmix64 (Steele, Lea, Flood 2014): every bit of the input moves every bit of the output."""
    values = values + _POSITION
    values ^= values >> np.uint64(30)
    values *= np.uint64(0xBF58476D1CE4E5B9)
    values ^= values >> np.uint64(27)
    values *= np.uint64(0x94D049BB133111EB)
    values ^= values >> np.uint64(31)
    return values


def _orders() -> npt.NDArray[np.intp]:
    """For each bin the order in which it looks for one to borrow from, itself first: [BINS, BINS]."""
    order = np.argsort(_mix(np.arange(BINS * BINS, dtype=np.uint64)).reshape(BINS, BINS), axis=1)
    return np.array([[own, *(other for other in line if other != own)] for own, line in enumerate(order.tolist())], np.intp)


def _densified(sketch: UInt16) -> UInt16:
    """Sketches whose empty bins hold what the first bin in their order has that is not empty; none may be all empty."""
    result = np.ascontiguousarray(sketch).copy()
    order = _orders()
    for start in range(0, len(sketch), BLOCK_ROWS):
        block, filled = sketch[start : start + BLOCK_ROWS], result[start : start + BLOCK_ROWS]
        rows, bins = np.nonzero(block == EMPTY)
        for step in range(1, BINS):
            borrowed = block[rows, order[bins, step]]
            filled[rows, bins] = borrowed
            still = borrowed == EMPTY
            rows, bins = rows[still], bins[still]
    return result


def _sharing(keys: UInt64) -> Iterator[tuple[Int64, Int64]]:
    """Pairs of positions with equal keys, those up to `NEIGHBOURS` apart among their equals."""
    order = np.argsort(keys, kind="stable")
    ranked = keys[order]
    for distance in range(1, NEIGHBOURS + 1):
        same = np.flatnonzero(ranked[distance:] == ranked[:-distance])
        if not len(same):
            return
        yield order[same], order[same + distance]
