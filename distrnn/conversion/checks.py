"""What a conversion has written is read again, and must say what the model says.

Shapes: T steps, N words, D numbers of a vector.
"""

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

import numpy as np
import numpy.typing as npt

from distrnn.client import FORM, LoadedModel, load_folder
from distrnn.data.vector_files import open_vectors
from distrnn.errors import IntegrityError
from distrnn.runtime.form import WEIGHTS_FILE, read_window

ROWS, STEPS = 8, 24
EXACT = 1e-6
NOTHING = np.empty(0, np.float32)


def random_rows(model: LoadedModel, window: int | None) -> npt.NDArray[np.int64]:
    """Random tokens to ask a model and its conversion: int64 [ROWS, T], the first row nothing but padding.

    Args:
        model: that is asked.
        window: of the tokens that it reads; T is more, because what lies before a window must not be read.
    """
    steps = model.preprocessing.sequence_length or STEPS + (window or 0)
    tokens = np.random.default_rng(0).integers(0, model.preprocessing.vocabulary.size, (ROWS, steps))
    tokens[0] = 0
    return tokens


def outputs_apart(model: LoadedModel, folder: Path) -> float:
    """How far the outputs of a folder's NumPy form are from the model's own at most, on random rows of tokens.

    Raises:
        NotFoundError: a file is missing.
        IntegrityError: a file is not what it must be, or they are further away than `EXACT`.
    """
    written, rows = load_folder(folder).network.predict, random_rows(model, read_window(folder / FORM))
    apart = float(np.abs(written(rows) - model.network.predict(rows)).max())
    if not apart <= EXACT:
        raise IntegrityError(f"{WEIGHTS_FILE}: expected outputs within {EXACT} of the model's own. Received: {apart:.3g} apart.")
    return apart


def vectors_apart(file: Path, words: Sequence[str], matrix: npt.NDArray[np.float32]) -> float:
    """How far the vectors of a file are from those it was written from: 0, or it is refused.

    Args:
        file: of word vectors.
        words: N.
        matrix: float32 [N, D].
    Raises:
        IntegrityError: a word or a number is another one; names the first.
    """
    written = open_vectors(file)
    found = ((entry.word.decode(errors="replace"), written.numbers(entry)) for entry in written.entries())
    for (name, numbers), (word, vector) in zip_longest(found, zip(words, matrix, strict=True), fillvalue=(None, NOTHING)):
        if name != word:
            expected, received = ("no more words" if one is None else repr(one) for one in (word, name))
            raise IntegrityError(f"{file.name}: expected {expected}. Received: {received}.")
        if not np.array_equal(numbers, vector):
            raise IntegrityError(f"{file.name}: expected {word!r} with the model's own numbers. Received: {name!r} with others.")
    return 0.0
