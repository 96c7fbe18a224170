"""Which rows are computed together, and which of their steps: rows of about the same length, without what all of them lack.

Where padding changes nothing, each row begins with its first word and ends with its last. Where it is read like any token, rows stay as
they are, but what all rows of a block begin with need not be read again for each of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from distrnn.text import PADDING_ID

IntArray = npt.NDArray[np.integer]
Trim = Literal["nothing", "start", "both"]


@dataclass(frozen=True)
class Block:
    """Rows that are computed together.

    Shapes: B rows, S steps.

    Attributes:
        rows: int [B], which rows.
        tokens: int [B, S].
        skipped: padding tokens left away that each of the rows begins with.
    """

    rows: npt.NDArray[np.intp]
    tokens: IntArray
    skipped: int


def blocks(tokens: IntArray, trim: Trim, *, most_rows: int, most_steps: int) -> Iterator[Block]:
    """Cut rows into blocks, the longest rows first.

    Args:
        tokens: int [N, T], T at least 1.
        trim: where padding may be left away.
        most_rows: of a block.
        most_steps: of all rows of a block together, unless a single row has more.
    Yields:
        every row once; one step of a row of nothing but padding remains.
    """
    steps = tokens.shape[1]
    first, last = _span(tokens, trim)
    order = np.argsort(first - last, kind="stable")
    start = 0
    while start < len(order):
        longest = int(last[order[start]] - first[order[start]])
        rows = order[start : start + min(most_rows, max(1, most_steps // longest))]
        start += rows.size
        if trim == "both":
            places = first[rows, None] + np.arange(longest)  # [B, S]
            own = np.take_along_axis(tokens[rows], np.minimum(places, steps - 1), axis=1)
            yield Block(rows, np.where(places < last[rows, None], own, PADDING_ID), 0)
        else:
            yield Block(rows, tokens[rows, steps - longest :], steps - longest)


def _span(tokens: IntArray, trim: Trim) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Where each row begins and where it ends, int [N] each."""
    rows, steps = tokens.shape
    whole = np.zeros(rows, np.intp), np.full(rows, steps, np.intp)
    if trim == "nothing":
        return whole
    words = tokens != PADDING_ID
    words[:, -1] |= ~words.any(axis=1)
    return words.argmax(axis=1), steps - words[:, ::-1].argmax(axis=1) if trim == "both" else whole[1]
