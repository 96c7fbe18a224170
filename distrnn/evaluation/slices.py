"""Which documents of an evaluation set are in a slice.

Lengths are counted in words of the raw text by the plain rule of `text`, not in a model's own tokens: two models with two vocabularies
are measured on the same documents.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from distrnn.registry.rules import Slice
from distrnn.text import TokenizerSpec, tokenize

_WORDS = TokenizerSpec("word", "keep", "strip")


def word_counts(texts: Sequence[str]) -> npt.NDArray[np.int64]:
    """How many words each of N texts has: int64 [N]."""
    return np.fromiter((len(tokenize(text, _WORDS)) for text in texts), np.int64, len(texts))


def memberships(
    slices: Sequence[Slice], texts: Sequence[str], labels: npt.NDArray[np.integer], names: Sequence[str]
) -> dict[Slice, npt.NDArray[np.bool_]]:
    """The documents of each slice.

    Shapes: N documents.

    Args:
        slices: which.
        texts: N raw texts.
        labels: int [N].
        names: of the labels; a slice of a label that is not among them is empty.
    Returns:
        bool [N] for each slice.
    """
    by_length = any(part.min_tokens is not None or part.max_tokens is not None for part in slices)
    words = word_counts(texts) if by_length else np.zeros(len(texts), np.int64)
    return {part: _members(part, words, labels, names) for part in slices}


def _members(part: Slice, words: npt.NDArray[np.int64], labels: npt.NDArray[np.integer], names: Sequence[str]) -> npt.NDArray[np.bool_]:
    inside = np.ones(len(words), np.bool_)
    if part.min_tokens is not None:
        inside &= words >= part.min_tokens
    if part.max_tokens is not None:
        inside &= words <= part.max_tokens
    if part.label is not None:
        inside &= np.asarray(labels) == (names.index(part.label) if part.label in names else len(names))
    return inside
