"""Ragged rows as matrices: which end is filled, which end is cut, and which cells are tokens.

A row of the matrix is a window over the array that all rows lie in, moved so that the tokens that are kept fall on their columns;
what else the window sees is then set to zero. So a row costs one copy of its cells and not an index for each of them.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt

Side = Literal["pre", "post"]
IntArray = npt.NDArray[np.integer]


def pad(values: IntArray, offsets: IntArray, length: int, padding: Side, truncating: Side) -> npt.NDArray[np.int32]:
    """Lay ragged rows out as a matrix, filled with zeros.

    Shapes: T tokens, N rows, L length.

    Args:
        values: int [T].
        offsets: int [N + 1]; row i is values[offsets[i]:offsets[i + 1]].
        length: L, in tokens.
        padding: where a short row is filled, `pre` or `post`.
        truncating: which end of a long row is cut, `pre` or `post`.

    Returns:
        int32 [N, L].
    """
    return lay_out(values, offsets[:-1], offsets[1:], length, padding, truncating).astype(np.int32)


def mask(lengths: IntArray, length: int, padding: Side) -> npt.NDArray[np.bool_]:
    """Which cells of a padded batch are tokens.

    Shapes: B rows, L length.

    Args:
        lengths: int [B], tokens of each row before it was cut or filled.
        length: L, in tokens.
        padding: where a short row is filled.

    Returns:
        bool [B, L], True where a token is.
    """
    kept = np.minimum(lengths, length)[:, None]  # [B, 1]
    column = np.arange(length)
    inside: npt.NDArray[np.bool_] = column >= length - kept if padding == "pre" else column < kept
    return inside


def lay_out(values: IntArray, starts: IntArray, stops: IntArray, length: int, padding: Side, truncating: Side) -> IntArray:
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
        [n, L] of the type of `values`.
    """
    starts, stops = starts.astype(np.int64), stops.astype(np.int64)
    kept = np.minimum(stops - starts, length)
    first = stops - kept if truncating == "pre" else starts
    gaps = length - kept if padding == "pre" else np.zeros_like(kept)
    matrix, outside = _windows(values, first - gaps, length)
    short = np.flatnonzero(kept < length)
    if len(short) == len(kept):
        matrix *= mask(kept, length, padding)
    elif len(short):
        matrix[short] *= mask(kept[short], length, padding)
    for row in outside.tolist():
        gap, count, start = gaps[row], kept[row], first[row]
        matrix[row] = 0
        matrix[row, gap : gap + count] = values[start : start + count]
    return matrix


def _windows(values: IntArray, places: npt.NDArray[np.int64], length: int) -> tuple[IntArray, npt.NDArray[np.int64]]:
    """Windows [n, L] that begin at `places`, and the rows whose window would leave the array (those hold anything)."""
    last = len(values) - length
    if last < 0:
        return np.zeros((len(places), length), values.dtype), np.arange(len(places))
    step = values.strides[0]
    every = np.lib.stride_tricks.as_strided(values, (last + 1, length), (step, step), writeable=False)
    return every[np.clip(places, 0, last)], np.flatnonzero((places < 0) | (places > last))
