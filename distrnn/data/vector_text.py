"""Vectors as a file that other programs read: word2vec's text format, a line "count dimension" and a line for each word.

A number is written with as many digits as bring the same float32 back.
"""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from distrnn.errors import UsageError
from distrnn.storage.local_errors import os_errors


def write_vectors(path: Path, words: Sequence[str], matrix: npt.NDArray[np.float32]) -> None:
    """Write vectors, most frequent word first; the file appears when it is whole.

    Args:
        path: a local file; one that is there is replaced.
        words: N.
        matrix: float32 [N, D].
    Raises:
        UsageError: a word has a space in it, which the format cannot tell from the end of the word.
        StorageError: the file cannot be written.
    """
    if spaced := next((word for word in words if any(character.isspace() for character in word)), None):
        raise UsageError(f"word2vec's text format needs words without spaces. Received: {spaced!r}")
    with os_errors(path):
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        try:
            with open(handle, "w", encoding="utf-8") as file:
                file.write(f"{len(words)} {matrix.shape[1]}\n")
                for word, vector in zip(words, matrix, strict=True):
                    file.write(f"{word} {' '.join(format(number, '.9g') for number in vector.tolist())}\n")
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
