"""Pre-trained word vectors as the embedding matrix of a vocabulary, and how much of the vocabulary they cover.

Memory holds the matrix and a block of the file, never the file: text is read in blocks, binary by memory map, and only the numbers of
words that the vocabulary holds are parsed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from distrnn.data.vector_files import VectorFile, VectorFormat, open_vectors
from distrnn.errors import DataError
from distrnn.text import PADDING_ID, Vocabulary

FloatArray = npt.NDArray[np.float32]
Initialiser = Callable[[int, int], FloatArray]

MISSING_SHOWN = 20


@dataclass(frozen=True)
class Coverage:
    """How much of a vocabulary has a vector.

    Attributes:
        tokens: tokens of the vocabulary, reserved ids not among them.
        found: those with a vector.
        running_share: of the running words of the text, those with a vector, 0 to 1; None where no counts are known.
        missing: tokens without a vector, most frequent first, no more than 20.
        file_words: vectors in the file.
        invalid_words: of those, words that are no UTF-8 and were skipped.
    """

    tokens: int
    found: int
    running_share: float | None
    missing: tuple[str, ...]
    file_words: int
    invalid_words: int

    @property
    def share(self) -> float:
        """Tokens with a vector, 0 to 1."""
        return self.found / self.tokens


@dataclass(frozen=True)
class PretrainedVectors:
    """An embedding for a vocabulary.

    Shapes: V ids, D dimension.

    Attributes:
        matrix: float32 [V, D], row = id; the padding row is zeros.
        known: bool [V], the rows that come from the file.
        coverage: of the vocabulary.
    """

    matrix: FloatArray
    known: npt.NDArray[np.bool_]
    coverage: Coverage


def normal(seed: int = 0, deviation: float = 0.05) -> Initialiser:
    """Rows of small normal numbers with mean 0; a row depends on its id, never on which words a file happens to hold.

    Args:
        seed: the same seed gives the same numbers.
        deviation: standard deviation.
    """

    def draw(rows: int, dimension: int) -> FloatArray:
        drawn = np.random.default_rng(seed).standard_normal((rows, dimension), np.float32)
        drawn *= np.float32(deviation)
        return drawn

    return draw


def zeros(rows: int, dimension: int) -> FloatArray:
    """Rows of zeros, float32 [rows, dimension]."""
    return np.zeros((rows, dimension), np.float32)


def read_embedding(
    path: str | Path,
    vocabulary: Vocabulary,
    *,
    form: VectorFormat | None = None,
    fold: bool = False,
    initialise: Initialiser | None = None,
    counts: Sequence[int] | None = None,
) -> PretrainedVectors:
    """Read the vectors of a vocabulary's tokens from a file.

    Args:
        path: GloVe text or word2vec text, plain or gzip, or word2vec binary; a local file, or the s3:// URL of one.
        vocabulary: tokens and their ids.
        form: the file's form; None: found from its bytes.
        fold: compare lower-cased; of several spellings in the file the first one counts.
        initialise: rows of the start id, the unknown id and of tokens without a vector; None: `normal()`.
        counts: how often each token of the vocabulary occurs, in its order, for the share of running words.

    Raises:
        NotFoundError: there is no such file.
        DataError: the file is empty, cut short or malformed, or the vocabulary has no tokens.
        AccessError: the file may not be read.
    """
    if not vocabulary.tokens:
        raise DataError(
            "expected a vocabulary with tokens for the word vectors. Received: none (hashed tokens have no words). "
            "Use a tokenizer without buckets."
        )
    file = open_vectors(path, form)
    matrix = (initialise or normal())(vocabulary.size, file.dimension)
    matrix[PADDING_ID] = 0
    known = np.zeros(vocabulary.size, np.bool_)
    file_words, invalid_words = _fill(matrix, known, file, _rows(vocabulary, fold), fold)
    return PretrainedVectors(matrix, known, _coverage(vocabulary, known, counts, file_words, invalid_words))


def _rows(vocabulary: Vocabulary, fold: bool) -> dict[str, list[int]]:
    """The ids of each spelling that is looked for; folding can give several tokens one spelling."""
    rows: dict[str, list[int]] = {}
    for token_id, token in enumerate(vocabulary.tokens, vocabulary.spec.first_id):
        rows.setdefault(token.lower() if fold else token, []).append(token_id)
    return rows


def _fill(matrix: FloatArray, known: npt.NDArray[np.bool_], file: VectorFile, rows: dict[str, list[int]], fold: bool) -> tuple[int, int]:
    """Write every wanted vector into its rows; returns the vectors read, and those whose word is no UTF-8."""
    file_words = invalid_words = 0
    for entry in file.entries():
        file_words += 1
        try:
            word = entry.word.decode()
        except UnicodeDecodeError:
            invalid_words += 1
            continue
        wanted = rows.pop(word.lower() if fold else word, None)  # gone once filled: the first of equal words counts
        if wanted is not None:
            matrix[wanted] = file.numbers(entry)
            known[wanted] = True
    return file_words, invalid_words


def _coverage(
    vocabulary: Vocabulary, known: npt.NDArray[np.bool_], counts: Sequence[int] | None, file_words: int, invalid_words: int
) -> Coverage:
    of_tokens = known[vocabulary.spec.first_id :]  # [tokens]
    running_share = None
    if counts is not None:
        occurrences = np.asarray(counts, np.int64)
        running_share = float(occurrences[of_tokens].sum() / max(int(occurrences.sum()), 1))
    missing = tuple(vocabulary.tokens[rank] for rank in np.flatnonzero(~of_tokens)[:MISSING_SHOWN])
    return Coverage(len(of_tokens), int(of_tokens.sum()), running_share, missing, file_words, invalid_words)
