"""Ids as rows of zeros and ones: one-hot for each token, multi-hot for a bag."""

import numpy as np
import numpy.typing as npt

from distrnn.data.padding import IntArray
from distrnn.errors import DataError
from distrnn.text import PADDING_ID


def one_hot(ids: IntArray, size: int) -> npt.NDArray[np.float32]:
    """A vector for each token.

    Shapes: B rows, L length, V size.

    Args:
        ids: int [B, L], or of any shape; padding is an id as any other.
        size: V, above every id.

    Returns:
        float32 [B, L, V].

    Raises:
        DataError: an id is not below V.
    """
    _check(ids, size)
    flat = np.zeros((ids.size, size), np.float32)
    flat[np.arange(ids.size), ids.ravel()] = 1
    return flat.reshape(*ids.shape, size)


def multi_hot(ids: IntArray, size: int) -> npt.NDArray[np.float32]:
    """A vector for each padded row: 1 at every id that occurs in it, however often; padding is left out.

    Shapes: B rows, L length, V size.

    Args:
        ids: int [B, L].
        size: V, above every id.

    Returns:
        float32 [B, V].

    Raises:
        DataError: an id is not below V.
    """
    return multi_hot_rows(ids.ravel(), np.arange(len(ids) + 1) * ids.shape[1], size)


def multi_hot_rows(values: IntArray, offsets: IntArray, size: int) -> npt.NDArray[np.float32]:
    """A vector for each ragged row, as `multi_hot` of padded ones.

    Shapes: T tokens, N rows, V size.

    Args:
        values: int [T].
        offsets: int [N + 1]; row i is values[offsets[i]:offsets[i + 1]].
        size: V, above every id.

    Returns:
        float32 [N, V].

    Raises:
        DataError: an id is not below V.
    """
    used = values[offsets[0] : offsets[-1]]
    _check(used, size)
    hot = np.zeros((len(offsets) - 1, size), np.float32)
    hot[np.repeat(np.arange(len(hot)), np.diff(offsets)), used] = 1
    hot[:, PADDING_ID] = 0
    return hot


def _check(ids: IntArray, size: int) -> None:
    if ids.size and not (ids.min() >= 0 and ids.max() < size):
        raise DataError(
            f"every id must be from 0 to {size - 1}. Received: ids from {ids.min()} to {ids.max()}. "
            "Give the size of the vocabulary that made them."
        )
