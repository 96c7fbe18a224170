"""Vectors as a file that other programs read: word2vec's text format, a line "count dimension" and a line for each word.

A number is written with as many digits as bring the same float32 back.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from distrnn.errors import UsageError
from distrnn.storage.local_errors import os_errors

ENDS = " \n\r"  # what ends a word or a line of the format


def write_vectors(path: Path, words: Sequence[str], matrix: npt.NDArray[np.float32]) -> None:
    """Write vectors, most frequent word first.

    Args:
        path: a local file; one that is there is written over.
        words: N.
        matrix: float32 [N, D].
    Raises:
        UsageError: a word has a space or line end in it, which the format cannot tell from the end of the word.
        StorageError: the file cannot be written.
    """
    if spaced := next((word for word in words if not word or any(character in word for character in ENDS)), None):
        raise UsageError(f"word2vec's text format needs words without spaces and line ends. Received: {spaced!r}")
    with os_errors(path), path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(f"{len(words)} {matrix.shape[1]}\n")
        for word, vector in zip(words, matrix, strict=True):
            file.write(f"{word} {' '.join(format(number, '.9g') for number in vector.tolist())}\n")
