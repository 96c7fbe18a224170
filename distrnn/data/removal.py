"""Leaving duplicates out of a dataset before it is tokenized (`data.duplicates`): small signatures of chunks, and what is to be dropped.

Signatures are made where the chunks are read, from hashes of the tokens themselves, so that chunks agree without a vocabulary; each
document costs 16 bytes, and 256 more where near copies go too. No second pass is needed: a pair is near where the sketches estimate a
similarity of `sketches.NEAR` or more. The standard deviation of the estimate is at most 0.04 at that similarity, less for short
documents.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from distrnn.data.sketches import BINS, NEAR, Int64, Rows, leaders, row_hashes, shingle_width, similar_pairs, sketches
from distrnn.data.tokenize_arrow import tokenize_column
from distrnn.text import TokenizerSpec


@dataclass(frozen=True)
class Signatures:
    """What is kept of the N documents of a chunk.

    Attributes:
        hashes: uint64 [N, 2], equal where the tokens are.
        sketches: uint16 [N, BINS], or [N, 0] where only exact copies are looked for.
    """

    hashes: npt.NDArray[np.uint64]
    sketches: npt.NDArray[np.uint16]

    def only(self, chosen: npt.NDArray[np.bool_]) -> "Signatures":
        """Those of some of the documents, bool [N]."""
        return Signatures(self.hashes[chosen], self.sketches[chosen])


def signatures(texts: pa.LargeStringArray, spec: TokenizerSpec, *, near: bool) -> Signatures:
    """Signatures of the documents of a chunk, over its words or characters; n-grams and layout make no difference.

    Args:
        texts: N texts.
        spec: the tokenizer.
        near: whether near copies are looked for too.
    """
    tokens = tokenize_column(texts, replace(spec, ngrams=1, layout="sequence"))
    digests = b"".join(hashlib.blake2b(token.encode(), digest_size=8).digest() for token in tokens.dictionary.to_pylist())
    stops = np.cumsum(tokens.lengths)
    rows = Rows(np.frombuffer(digests, "<u8")[tokens.ids], stops - tokens.lengths, stops)
    return Signatures(row_hashes(rows), sketches(rows, shingle_width(spec)) if near else np.zeros((len(texts), 0), np.uint16))


def joined(pieces: Sequence[Signatures]) -> Signatures:
    """Signatures of the documents of one piece after the other, all made with `near`."""
    hashes = np.concatenate([np.zeros((0, 2), np.uint64), *(piece.hashes for piece in pieces)])
    return Signatures(hashes, np.concatenate([np.zeros((0, BINS), np.uint16), *(piece.sketches for piece in pieces)]))


def removals(chunks: Sequence[Signatures], splits: Sequence[npt.NDArray[np.integer]]) -> list[Int64]:
    """Which documents to drop so that no copy is left.

    A document stays if none that goes before it and stays is a copy of it. Those of the test split go first, then validation, then
    training, each in order: so a training copy of a test document is dropped, and whatever is dropped has a copy that stays.

    Args:
        chunks: signatures of each chunk, in order, all made with the same `near`.
        splits: the final split of each document of each chunk, as a position in `manifest.SPLITS`: int [N] a chunk.

    Returns:
        Positions in each chunk, ascending: int64.
    """
    split_of = np.concatenate([np.zeros(0, np.int64), *splits])
    order = np.argsort(-split_of, kind="stable")  # the latest split first
    hashes = np.concatenate([np.zeros((0, 2), np.uint64), *(chunk.hashes for chunk in chunks)])[order]
    leader = leaders(hashes)
    stays = leader == np.arange(len(leader))
    if any(chunk.sketches.shape[1] for chunk in chunks):
        kept = np.flatnonzero(stays)
        summary = np.concatenate([np.zeros((0, BINS), np.uint16), *(chunk.sketches for chunk in chunks)])[order[kept]]
        stays[kept] = _far_from_those_before(len(kept), *similar_pairs(summary, NEAR)[:2])
    dropped = np.sort(order[~stays])
    borders = np.cumsum([0, *(len(split) for split in splits)])
    cuts = np.searchsorted(dropped, borders)
    return [dropped[cuts[number] : cuts[number + 1]] - borders[number] for number in range(len(chunks))]


def _far_from_those_before(count: int, earlier: Int64, later: Int64) -> npt.NDArray[np.bool_]:
    """Which of `count` rows stay, where the later of a pair goes if the earlier stays: bool [count]."""
    stays = np.ones(count, np.bool_)
    by_later = np.argsort(later, kind="stable")  # whether the earlier row stays is settled before a later one asks
    for first, second in zip(earlier[by_later].tolist(), later[by_later].tolist(), strict=True):
        if stays[first]:
            stays[second] = False
    return stays
