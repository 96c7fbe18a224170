"""How much of a text stands word for word in another one: whether a model writes, or recites.

A run of tokens is copied where at least `least` of them follow each other in the other text just so. Runs are found by the hashes of all
stretches of `least` tokens, so one pass over the other text is enough, however long it is.

Shapes: N tokens of the text, T of a block of the other one, K = `least`.

Source: hashes of neighbouring stretches: Karp and Rabin (1987), Efficient randomized pattern-matching algorithms; the measure: after
Carlini et al. (2023), Quantifying memorization across neural language models.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BASE, MODULUS = 0x9E3779B97F4A7C15, 1 << 64  # odd, so that no power of it is 0

Ids = npt.NDArray[np.integer]
Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Copied:
    """What of a text is copied.

    Attributes:
        share: of its tokens that lie in a copied run.
        longest: tokens of the longest copied run; 0 where there is none.
        least: tokens from which on a run counts.
    """

    share: float
    longest: int
    least: int


def copied(text: Ids, blocks: Iterable[Ids], least: int) -> Copied:
    """Compare a text with another one.

    Args:
        text: int [N].
        blocks: the other text in pieces, int [T] each; where it is cut changes nothing.
        least: K, 2 at least.
    """
    wanted = _hashes(text, least)
    covered, longest = np.zeros(len(text), bool), 0
    known = np.unique(wanted)
    lengths, before = np.zeros(len(wanted), np.int64), -2
    offset = 0
    for block in _overlapping(blocks, least) if known.size else ():
        found = _hashes(block, least)
        places = np.minimum(known.searchsorted(found), known.size - 1)
        for place in np.flatnonzero(known[places] == found).tolist():
            # lengths[s]: how many stretches up to s, and up to this place in the other text, have followed each other
            goes_on = np.concatenate([[0], lengths[:-1]]) if offset + place == before + 1 else np.zeros_like(lengths)
            lengths = np.where(wanted == found[place], goes_on + 1, 0)
            before = offset + place
            longest = max(longest, int(lengths.max()))
        for start in np.flatnonzero(np.isin(wanted, found)).tolist():
            covered[start : start + least] = True
        offset += len(found)
    return Copied(float(covered.mean()) if len(text) else 0.0, longest + least - 1 if longest else 0, least)


def _overlapping(blocks: Iterable[Ids], least: int) -> Iterator[Ids]:
    """The blocks, each behind the end of the one before, so that no stretch is cut and none comes twice."""
    end = np.zeros(0, np.int64)
    for block in blocks:
        joined = np.concatenate([end, block])
        yield joined
        end = joined[max(0, len(joined) - least + 1) :]


def _hashes(tokens: Ids, least: int) -> Hashes:
    """Of every stretch of K tokens: uint64 [T] -> uint64 [T - K + 1].

    The hash of a + b tokens is hash(first a) · BASE^b + hash(next b), so K tokens need about 2 log2 K passes and not K.
    """
    count = max(0, len(tokens) - least + 1)
    of_size: Hashes = (tokens.astype(np.uint64) + np.uint64(1)) * np.uint64(BASE)
    of_size ^= of_size >> np.uint64(29)
    total, done, size = np.zeros(count, np.uint64), 0, 1
    while done < least:
        power = np.uint64(pow(BASE, size, MODULUS))
        if (least - done) & size:
            total = total * power + of_size[done : done + count]
            done += size
        of_size = of_size[:-size] * power + of_size[size:]
        size *= 2
    return total
