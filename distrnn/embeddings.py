"""Words by their vectors: which are nearest to a word, and what king - male + female comes to.

Vectors come from a published model or from a file of them, in blocks: of a file no more than a block is in memory at a time, so that one of
several gigabytes can be asked on a small machine. It is read twice, once for the words of the question and once to compare.

Source: analogies are the vector offsets of Mikolov, Yih and Zweig 2013, Linguistic Regularities in Continuous Space Word Representations;
by cosine the terms are brought to length 1 before they are added (3CosAdd in Levy and Goldberg 2014, Linguistic Regularities in Sparse and
Explicit Word Representations), by distance they are added as they are. The words of the question are never among the answers.

Shapes: V words, D dimension, B words of a block.
"""

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from distrnn.client import LoadedModel
from distrnn.data.vector_files import VectorFile, open_vectors
from distrnn.errors import NotFoundError, UsageError

FloatArray = npt.NDArray[np.float32]
Metric = Literal["cosine", "l2"]
Block = tuple[Sequence[str], FloatArray]

BLOCK_WORDS = 4096
SPELLINGS_SHOWN = 3
SIMILAR_SPELLING = 0.6
# of a vector; one number has two directions only, so that every word would be like every other or its opposite
FEWEST_NUMBERS = 2


@dataclass(frozen=True)
class Neighbor:
    """A word and how near it is: a cosine similarity, 1 at most and larger is nearer, or a distance, 0 at least and smaller is nearer."""

    word: str
    value: float


@dataclass(frozen=True)
class Term:
    """A word of an analogy; `sign` is 1 or -1."""

    sign: int
    word: str


class WordVectors(Protocol):
    """Words that have vectors."""

    @property
    def name(self) -> str:
        """What they belong to, for messages."""

    def spelled(self, word: str) -> str:
        """A word of a question as it is spelled here."""

    def words(self) -> Iterator[str]:
        """Every word, the most frequent first."""

    def find(self, words: Sequence[str]) -> dict[str, FloatArray]:
        """The vectors float32 [D] of those words that have one."""

    def blocks(self) -> Iterator[Block]:
        """Words and their vectors float32 [B, D], block by block, the most frequent first."""

    def most_frequent(self, count: int) -> Block:
        """The first words, `count` at most, and their vectors float32 [count, D]."""


class ModelVectors:
    """What a model has learned about the words of its vocabulary.

    Args:
        model: published, with a vocabulary.
    Raises:
        UsageError: the model hashes its tokens.
    """

    def __init__(self, model: LoadedModel) -> None:
        vocabulary = model.preprocessing.vocabulary
        self.name = str(model.version or "the model")
        if vocabulary.spec.buckets is not None:
            raise UsageError(f"{self.name} hashes its tokens, so that it has no list of words. Name a model with a vocabulary.")
        self._case = vocabulary.spec.case
        self._tokens = vocabulary.tokens
        self._matrix = model.network.embeddings[vocabulary.spec.first_id : vocabulary.spec.first_id + len(self._tokens)]

    def spelled(self, word: str) -> str:
        """As the model's tokenizer spells it."""
        return word.lower() if self._case == "fold" else word

    def words(self) -> Iterator[str]:
        """The vocabulary."""
        return iter(self._tokens)

    def find(self, words: Sequence[str]) -> dict[str, FloatArray]:
        """The vectors float32 [D] of those words that are in the vocabulary."""
        rows = {token: row for row, token in enumerate(self._tokens)}
        return {word: self._matrix[rows[word]] for word in words if word in rows}

    def blocks(self) -> Iterator[Block]:
        """The whole vocabulary at once."""
        yield self._tokens, self._matrix

    def most_frequent(self, count: int) -> Block:
        """The first words of the vocabulary and their vectors float32 [count, D]."""
        return self._tokens[:count], self._matrix[:count]


class FileVectors:
    """A file of vectors: GloVe text, word2vec text or word2vec binary. Words that are no UTF-8 are left out.

    Args:
        path: a local file.
    Raises:
        NotFoundError: there is no such file.
        DataError: it is no file of vectors.
        AccessError: it may not be read.
    """

    def __init__(self, path: str | Path) -> None:
        self.name = str(path)
        self._file: VectorFile = open_vectors(path)

    def spelled(self, word: str) -> str:
        """As it is: a file may hold both spellings."""
        return word

    def words(self) -> Iterator[str]:
        """Every word of the file."""
        return (word for entry in self._file.entries() if (word := _decoded(entry.word)) is not None)

    def find(self, words: Sequence[str]) -> dict[str, FloatArray]:
        """The vectors float32 [D] of those words that the file has; of equal words the first one counts."""
        wanted = {word.encode(): word for word in words}
        found: dict[str, FloatArray] = {}
        for entry in self._file.entries():
            if not wanted:
                break
            if (word := wanted.pop(entry.word, None)) is not None:
                found[word] = self._file.numbers(entry)
        return found

    def blocks(self) -> Iterator[Block]:
        """The file in its order.

        Raises:
            DataError: it is cut short, or holds something else than numbers.
        """
        names: list[str] = []
        rows: list[FloatArray] = []
        for entry in self._file.entries():
            if (word := _decoded(entry.word)) is None:
                continue
            names.append(word)
            rows.append(self._file.numbers(entry))
            if len(names) == BLOCK_WORDS:
                yield names, np.stack(rows)
                names, rows = [], []
        if names:
            yield names, np.stack(rows)

    def most_frequent(self, count: int) -> Block:
        """The first words of the file, of its first block at most, and their vectors float32 [count, D]."""
        names, matrix = next(self.blocks())  # a file of vectors holds one at least, and is written in the order of frequency
        return names[:count], matrix[:count]


def _decoded(word: bytes) -> str | None:
    try:
        return word.decode()
    except UnicodeDecodeError:
        return None


def neighbors(vectors: WordVectors, word: str, metric: Metric = "cosine", count: int = 10) -> list[Neighbor]:
    """The words whose vectors are nearest to that of a word, the nearest first, the word itself left out.

    Args:
        vectors: of a model or a file.
        word: one of its words.
        metric: `cosine` compares directions, `l2` is the distance.
        count: how many, 1 or more.
    Raises:
        NotFoundError: there is no such word; names near spellings.
        UsageError: a word has one number only, its vector is all zeros, which has no direction, or `count` is none.
    """
    return analogy(vectors, [Term(1, word)], metric, count)


def analogy(vectors: WordVectors, terms: Sequence[Term], metric: Metric = "cosine", count: int = 10) -> list[Neighbor]:
    """The words nearest to a sum of vectors, the nearest first, the words of the sum left out.

    Args:
        vectors: of a model or a file.
        terms: what is added and subtracted, one or more.
        metric: `cosine` compares directions, `l2` is the distance.
        count: how many, 1 or more.
    Raises:
        NotFoundError: a word is not there; names near spellings.
        UsageError: a word has one number only, the sum is all zeros, which has no direction, or `count` is none.
    """
    if count < 1:
        raise UsageError(f"the number of words must be 1 or more. Received: {count}")
    words = [vectors.spelled(term.word) for term in terms]
    found = vectors.find(list(dict.fromkeys(words)))
    if missing := [term.word for term, word in zip(terms, words, strict=True) if word not in found]:
        raise _unknown(vectors, missing[0])
    target = np.zeros_like(next(iter(found.values())))  # [D]
    if target.size < FEWEST_NUMBERS:
        raise UsageError(
            f"{vectors.name} has one number for each word, how much the word weighs, and no vector that says what it is like. Name a model "
            "with an embedding or hidden units, or a file of vectors. What words weigh in a text is shown by: distrnn predict REF TEXT "
            "--explain"
        )
    for term, word in zip(terms, words, strict=True):
        target += term.sign * (_unit(found[word]) if metric == "cosine" else found[word])
    if metric == "cosine" and not np.linalg.norm(target) > 1e-6 * len(terms):
        raise UsageError("the vector of this is zero, which has no direction to compare. Use other words, or the metric l2.")
    return nearest(vectors, target, metric, count, frozenset(words))


def nearest(vectors: WordVectors, target: FloatArray, metric: Metric, count: int, without: frozenset[str] = frozenset()) -> list[Neighbor]:
    """The words nearest to a vector.

    Args:
        vectors: of a model or a file.
        target: float32 [D].
        metric: `cosine` or `l2`.
        count: how many at most.
        without: words that are left out.
    Returns:
        the nearest first; of words equally near the more frequent first.
    """
    measure, sign = _MEASURES[metric]
    best: dict[str, float] = {}
    for words, matrix in vectors.blocks():
        values = measure(matrix, target)  # [B]
        order = np.argsort(sign * values, kind="stable")[: count + len(without)]
        for row in order.tolist():
            if words[row] not in without:
                best.setdefault(words[row], float(values[row]))
        best = dict(sorted(best.items(), key=lambda item: sign * item[1])[:count])
    return [Neighbor(word, value) for word, value in best.items()]


def _cosines(matrix: FloatArray, target: FloatArray) -> npt.NDArray[np.floating[Any]]:
    lengths = np.linalg.norm(matrix, axis=1) * np.linalg.norm(target)  # [B]
    return np.where(lengths > 0, matrix @ target / np.where(lengths > 0, lengths, 1), 0)


def _distances(matrix: FloatArray, target: FloatArray) -> npt.NDArray[np.floating[Any]]:
    distances: npt.NDArray[np.floating[Any]] = np.linalg.norm(matrix - target, axis=1)
    return distances


# What measures nearness, and the sign that puts the nearest first.
_MEASURES: dict[Metric, tuple[Callable[[FloatArray, FloatArray], npt.NDArray[np.floating[Any]]], int]] = {
    "cosine": (_cosines, -1),
    "l2": (_distances, 1),
}


def _unit(vector: FloatArray) -> FloatArray:
    length = np.linalg.norm(vector)
    return (vector / length).astype(np.float32) if length > 0 else vector


def _unknown(vectors: WordVectors, word: str) -> NotFoundError:
    near = difflib.get_close_matches(vectors.spelled(word), list(vectors.words()), SPELLINGS_SHOWN, SIMILAR_SPELLING)
    hint = f"Near spellings: {', '.join(near)}." if near else "There is no near spelling either."
    return NotFoundError(f"no word {word!r} in {vectors.name}. {hint}")
