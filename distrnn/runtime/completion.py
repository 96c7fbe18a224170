"""What may come next: the most probable tokens after a text, as the keyboard of a telephone offers them.

As in generation, reserved ids are no answer and the others share their probability.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from distrnn.errors import UsageError
from distrnn.runtime.form import FloatArray
from distrnn.runtime.generation import prompt_ids
from distrnn.runtime.layers import softmax
from distrnn.runtime.network import Network
from distrnn.text import Vocabulary, tokenize


@dataclass(frozen=True)
class Candidate:
    """A token that may come next, and how probable it is."""

    token: str
    probability: float


def candidates(network: Network, vocabulary: Vocabulary, text: str, *, top: int) -> list[Candidate]:
    """The `top` most probable tokens after a text, the most probable first.

    Raises:
        UsageError: `top` makes no sense.
    """
    _check(text, top)
    *_, (_, logits) = _read(network, vocabulary, text)
    return _best(logits, vocabulary, top)


def guesses(network: Network, vocabulary: Vocabulary, text: str) -> list[tuple[str | None, Candidate]]:
    """Each token of a text, and the most probable one after it as the model has read up to there.

    What the model reads before the text (the start of words, or what an empty text is replaced by) is nobody's token: None.
    """
    _check(text, 1)
    read = list(_read(network, vocabulary, text))
    before = len(read) - len(tokenize(text, vocabulary.spec))
    return [
        (None if place < before else vocabulary.token(token), _best(logits, vocabulary, 1)[0]) for place, (token, logits) in enumerate(read)
    ]


def _read(network: Network, vocabulary: Vocabulary, text: str) -> Iterator[tuple[int, FloatArray]]:
    """Each id of the text, with the logits float32 [V] after it."""
    state = network.initial_state(1)
    for token in prompt_ids(vocabulary, text):
        logits, state = network.logits(np.array([token]), state)
        yield token, logits[0]


def _best(logits: FloatArray, vocabulary: Vocabulary, top: int) -> list[Candidate]:
    first = vocabulary.spec.first_id
    shares = softmax(logits[first : vocabulary.size].astype(np.float64))
    return [Candidate(vocabulary.token(first + int(at)), float(shares[at])) for at in np.argsort(-shares, kind="stable")[:top]]


def _check(text: str, top: int) -> None:
    if not isinstance(text, str):
        raise UsageError(f"text must be a text. Received: {type(text).__name__}")
    if isinstance(top, bool) or not isinstance(top, int) or top < 1:
        raise UsageError(f"top must be a whole number of tokens, 1 or more. Received: {top!r}")
