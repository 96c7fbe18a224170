"""Why a classifier answers as it does: what each word of a text adds to the probability of the answer, by occlusion.

A contribution is the probability of the answer less what remains of it when the model does not know the word: its tokens are replaced
by the id of unknown words, and everything else stays where it is. Leaving the word out instead would move its neighbours and bring words
into view that were cut off, so that one would measure that too. Where tokens are hashed no id means unknown, and the word's tokens become
padding; in a bag, which has no places, its ids are left out, for all its occurrences at once. In a model of characters a word is its
characters. Contributions do not add up to the probability: each says what the text loses without that one word.

Source: occlusion is Zeiler and Fergus 2014, Visualizing and Understanding Convolutional Networks, section 4.2; of words: Li, Monroe and
Jurafsky 2016, Understanding Neural Networks through Representation Erasure.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from distrnn.client import Classifier, LoadedModel
from distrnn.errors import UsageError
from distrnn.runtime import Preprocessing
from distrnn.runtime.decision import predicted_classes
from distrnn.text import PADDING_ID, TokenizerSpec, character_places, gram_places, tokenize, word_spans

MAX_CELLS = 1 << 22

State = Literal["read", "unknown", "unread"]
IntArray = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Word:
    """A word of the text.

    Attributes:
        text: as it is written there.
        start: its first character in the text.
        end: behind its last one.
        state: `read`; `unknown`: not in the vocabulary; `unread`: cut off, the model does not see it.
        contribution: to the probability of the answer, -1 to 1; 0 for an unknown word, None for one that is not seen.
    """

    text: str
    start: int
    end: int
    state: State
    contribution: float | None


@dataclass(frozen=True)
class Explanation:
    """An answer and the words that it comes from.

    Attributes:
        text: as it was given.
        label: the answer.
        probability: of the answer.
        probabilities: of every label.
        words: of the text, in order.
    """

    text: str
    label: str
    probability: float
    probabilities: dict[str, float]
    words: tuple[Word, ...]


def explain(model: LoadedModel, text: str) -> Explanation:
    """What each word contributes to a classifier's answer.

    Args:
        model: a classifier of any preprocessing.
        text: one document, as it is.
    Raises:
        UsageError: the model is no classifier.
    """
    if not isinstance(model, Classifier):
        raise UsageError(f"explaining needs a classifier, whose answer words contribute to. This is {model.what}; use {model.verb}.")
    rules = model.preprocessing
    spans = word_spans(text, rules.vocabulary.spec.html if rules.vocabulary.spec.level == "word" else "keep")
    whole = rules.encode([text])[0]  # [L]
    erased = _Bag(rules, text, spans) if rules.vocabulary.spec.layout == "bag" else _Row(rules, text, spans)
    states, rows = zip(*[erased.without(word, whole) for word in range(len(spans))], strict=True) if spans else ((), ())
    scores = model.class_probabilities(whole[None])[0]  # [C]
    best = int(predicted_classes(scores[None], model.threshold)[0])
    left = iter(_scores(model, [row for row in rows if row is not None], best))
    probability = float(scores[best])
    words = []
    for (start, end), state, row in zip(spans, states, rows, strict=True):
        contribution = None if state == "unread" else 0.0 if row is None else probability - next(left)
        words.append(Word(text[start:end], start, end, state, contribution))
    probabilities = dict(zip(model.labels, map(float, scores), strict=True))
    return Explanation(text, model.labels[best], probability, probabilities, tuple(words))


def _scores(model: Classifier, rows: Sequence[IntArray], label: int) -> Iterator[float]:
    """The probability of a label for each row, so many rows at a time that memory does not grow with the text."""
    size = max(1, MAX_CELLS // max(1, rows[0].size)) if rows else 1
    for start in range(0, len(rows), size):
        yield from map(float, model.class_probabilities(np.stack(rows[start : start + size]))[:, label])


class _Tokens:
    """The tokens of a text, and which of them each word is part of.

    Args:
        rules: of the model.
        text: as it is.
        spans: of its words.
    """

    def __init__(self, rules: Preprocessing, text: str, spans: Sequence[tuple[int, int]]) -> None:
        self.rules, self.spec = rules, rules.vocabulary.spec
        self.ids = rules.vocabulary.ids(tokenize(text, self.spec))
        units, self._units = _units(text, spans, self.spec)
        self._places = gram_places(units, self.spec.ngrams)
        self._starts = [start for start, _ in self._places]

    def tokens_of(self, word: int) -> list[int]:
        """Positions of the tokens that a word, or a part of it, is in."""
        first, last = self._units[word]
        begin = bisect_left(self._starts, first - self.spec.ngrams + 1)
        return [token for token in range(begin, bisect_left(self._starts, last)) if self._places[token][1] > first]


def _units(text: str, spans: Sequence[tuple[int, int]], spec: TokenizerSpec) -> tuple[int, list[tuple[int, int]]]:
    """How many words or characters the tokenizer counts, and which of them, [first, last), each word consists of."""
    if spec.level == "word":
        return len(spans), [(word, word + 1) for word in range(len(spans))]
    places = character_places(text, spec.case)
    return len(places), [(bisect_left(places, start), bisect_left(places, end)) for start, end in spans]


class _Row(_Tokens):
    """A text whose tokens have places."""

    def without(self, word: int, whole: IntArray) -> tuple[State, IntArray | None]:
        """What the model reads when it does not know a word: the word's state, and the row [L]; None where nothing would change."""
        blank = PADDING_ID if self.spec.buckets is not None else self.spec.unknown_id
        begins = int(self.spec.starts_documents)
        seen = self.rules.seen(begins + len(self.ids))
        first = self.rules.first_column(seen.stop - seen.start, whole.size) - seen.start + begins
        tokens = [token for token in self.tokens_of(word) if seen.start <= begins + token < seen.stop]
        if not tokens:
            return "unread", None
        if all(self.ids[token] == blank for token in tokens):
            return "unknown", None
        row = whole.copy()
        row[[first + token for token in tokens]] = blank
        return "read", row


class _Bag(_Tokens):
    """A text that is the set of its ids; equal words are one."""

    def __init__(self, rules: Preprocessing, text: str, spans: Sequence[tuple[int, int]]) -> None:
        super().__init__(rules, text, spans)
        fold = self.spec.case == "fold"
        self._words = [text[start:end].lower() if fold else text[start:end] for start, end in spans]
        self._tokens: dict[str, set[int]] = {}
        for index, word in enumerate(self._words):
            self._tokens.setdefault(word, set()).update(self.tokens_of(index))
        self._count = np.bincount(np.array(self.ids, np.int64), minlength=rules.vocabulary.size)  # [V]
        bag = np.flatnonzero(self._count)
        self._seen = bag[rules.seen(bag.size)]

    def without(self, word: int, whole: IntArray) -> tuple[State, IntArray | None]:
        """What the model reads when a word is nowhere in the text: the word's state, and the row [L]; None where nothing would change."""
        own = np.array([self.ids[token] for token in self._tokens[self._words[word]]])
        known = own if self.spec.buckets is not None else own[own != self.spec.unknown_id]
        if not known.size:
            return "unknown", None
        if not np.isin(known, self._seen).any():
            return "unread", None
        gone = np.unique(known)
        gone = gone[self._count[gone] == [np.count_nonzero(own == token_id) for token_id in gone]]
        left = self._seen[~np.isin(self._seen, gone)]
        if left.size == self._seen.size:
            return "read", None
        row = np.full(whole.size, PADDING_ID, np.int32)
        first = self.rules.first_column(left.size, whole.size)
        row[first : first + left.size] = left
        return "read", row
