"""How well a language model foresees a text: its loss, and the passages that surprise it most.

A text is read line by line and the state is carried, so its length costs no memory and where it is cut changes nothing. A passage is a
line; a line too short to say much is taken together with the next, one too long is cut.

Shapes: N tokens, V ids.
"""

import heapq
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from distrnn.errors import UsageError
from distrnn.runtime.form import FloatArray
from distrnn.runtime.network import Network
from distrnn.text import START_ID, TokenizerSpec, Vocabulary, character_places, tokenize, word_spans

MAX_STEPS = 256
BLOCK_FLOATS = 1 << 22
SMALLEST = np.finfo(np.float32).tiny
# Tokens of a passage, where the lines allow it: about a fifth of a line of print at least, and a few lines at most.
SHORTEST, LONGEST = {"char": 20, "word": 4}, {"char": 240, "word": 40}

Nats = npt.NDArray[np.float64]


class Surprise:
    """Reads a stream of tokens, and says how little each was foreseen from all before it.

    Args:
        network: gives V probabilities a step.
        window: begin again from a state of zeros after each so many tokens; None carries the state through.
    """

    def __init__(self, network: Network, window: int | None = None) -> None:
        if window is not None and (isinstance(window, bool) or not isinstance(window, int) or window < 1):
            raise UsageError(f"window must be a whole number of tokens, 1 or more, or None to carry the state. Received: {window!r}")
        self._network, self._window = network, window
        self._state, self._read = network.initial_state(1), 0
        self._foreseen: FloatArray | None = None

    def read(self, ids: npt.NDArray[np.integer]) -> Nats:
        """Read on.

        Args:
            ids: int [N], the next tokens of the stream.
        Returns:
            -ln of the probability each of them was given, nats, float64 [N]; the first token of a stream follows nothing: nan.
        """
        nats = np.full(ids.size, np.nan)
        start = 0
        while start < ids.size:
            stop = min(ids.size, start + self._most_steps())
            foreseen = self._forward(ids[start:stop])
            first = 0 if self._foreseen is not None else 1
            before = foreseen[:-1] if self._foreseen is None else np.concatenate([self._foreseen, foreseen[:-1]])
            given = before[np.arange(len(before)), ids[start + first : stop]]
            nats[start + first : stop] = -np.log(np.maximum(given, SMALLEST, dtype=np.float64))
            self._foreseen, start = foreseen[-1:], stop
        return nats

    def _most_steps(self) -> int:
        """How many tokens are computed at once: their probabilities fit into memory, and a window ends where it must."""
        most = max(1, min(MAX_STEPS, BLOCK_FLOATS // self._network.features))
        return most if self._window is None else min(most, self._window - self._read % self._window)

    def _forward(self, ids: npt.NDArray[np.integer]) -> FloatArray:
        """The probabilities after each token: int [S] -> float32 [S, V]."""
        if self._window is not None and self._read % self._window == 0:
            self._state = self._network.initial_state(1)
        self._read += ids.size
        if self._network.returns_sequences:
            outputs, self._state = self._network.forward(ids[None], self._state)
            return outputs.reshape(ids.size, -1)  # [1, S, V] -> [S, V]
        rows = []
        for place in range(ids.size):
            row, self._state = self._network.step(ids[place : place + 1], self._state)
            rows.append(row)
        return np.concatenate(rows)


@dataclass(frozen=True)
class Passage:
    """A piece of a text.

    Attributes:
        line: where it begins, from 1.
        text: as it stands there.
        tokens: that were foreseen or not.
        total_nats: how surprising they were together.
    """

    line: int
    text: str
    tokens: int
    total_nats: float

    @property
    def loss_nats(self) -> float:
        """Mean surprise of a token."""
        return self.total_nats / self.tokens


@dataclass
class Score:
    """What a model makes of a text, or of several.

    Attributes:
        tokens: that were foreseen or not: all but the first of each text, unless a start stands before it.
        unknown: how many of them the model has no id for.
        characters: that they stand for, what is between words included; of a model of characters the tokens themselves.
        total_nats: their loss.
        passages: that surprised most, the most surprising first.
    """

    tokens: int = 0
    unknown: int = 0
    characters: int = 0
    total_nats: float = 0.0
    passages: list[Passage] = field(default_factory=list)

    @property
    def loss_nats(self) -> float:
        """Mean loss of a token."""
        return self.total_nats / self.tokens

    @property
    def bits_per_token(self) -> float:
        """The same in bits."""
        return self.loss_nats / math.log(2)

    @property
    def bits_per_character(self) -> float:
        """The bits of all tokens by the characters they stand for, which compares models of words and of characters."""
        return self.total_nats / math.log(2) / self.characters

    @property
    def perplexity(self) -> float:
        """Among how many equally likely tokens the model is as unsure."""
        return math.exp(self.loss_nats)


def begins_with_start(spec: TokenizerSpec) -> bool:
    """Whether the first token of a text is foreseen too, from the start that stands before it."""
    return spec.starts_documents or spec.boundaries


def score_lines(network: Network, vocabulary: Vocabulary, lines: Iterable[str], *, window: int | None = None, top: int = 10) -> Score:
    """Read a text and judge it.

    Args:
        network: of a language model.
        vocabulary: turns text into ids.
        lines: of the text, line feeds included; nothing but line feeds ends one.
        window: see `Surprise`.
        top: passages that are kept.
    Returns:
        the score; without tokens where the text has too few for one prediction.
    """
    if isinstance(top, bool) or not isinstance(top, int) or top < 0:
        raise UsageError(f"top must be a whole number of passages, 0 or more. Received: {top!r}")
    score, found = Score(), Surprise(network, window)
    best: list[tuple[float, int, Passage]] = []
    for passage, unknown in _passages(found, vocabulary, lines):
        score.tokens += passage.tokens
        score.unknown += unknown
        score.characters += passage.tokens if vocabulary.spec.level == "char" else len(passage.text)
        score.total_nats += passage.total_nats
        if not passage.tokens:
            continue
        # Of two alike the earlier one stays; the second item is never equal, so passages are not compared.
        heapq.heappush(best, (passage.loss_nats, -score.tokens, passage))
        if len(best) > top:
            heapq.heappop(best)
    score.passages = [passage for _, _, passage in sorted(best, reverse=True)]
    return score


def _passages(found: Surprise, vocabulary: Vocabulary, lines: Iterable[str]) -> Iterator[tuple[Passage, int]]:
    """The passages of all of the text, each with its number of unknown tokens; the last may have no token to judge."""
    spec = vocabulary.spec
    if begins_with_start(spec):
        found.read(np.array([START_ID]))
    held: tuple[Passage, int] | None = None
    for number, line in enumerate(lines, 1):
        for piece, text in _pieces(line, spec):
            ids = np.array(vocabulary.ids(piece), np.intp)
            nats = found.read(ids)
            judged = ~np.isnan(nats)
            passage = Passage(number, text, int(judged.sum()), float(nats[judged].sum()))
            unknown = int((ids[judged] == spec.unknown_id).sum())
            if held is not None:
                passage, unknown = _joined(held[0], passage), held[1] + unknown
            held = passage, unknown
            if passage.tokens >= SHORTEST[spec.level]:
                yield held
                held = None
    if held is not None:
        yield held


def _joined(first: Passage, second: Passage) -> Passage:
    return Passage(first.line, first.text + second.text, first.tokens + second.tokens, first.total_nats + second.total_nats)


def _pieces(line: str, spec: TokenizerSpec) -> Iterator[tuple[list[str], str]]:
    """The tokens of a line in pieces that are not too long, and the text of each; all of the line's text is in one of them."""
    tokens, most = tokenize(line, spec), LONGEST[spec.level]
    if len(tokens) <= most:
        yield tokens, line
        return
    places = character_places(line, spec.case) if spec.level == "char" else [start for start, _ in word_spans(line, spec.html)]
    for start in range(0, len(tokens), most):
        begin = places[start] if start else 0
        end = places[start + most] if start + most < len(tokens) else len(line)
        yield tokens[start : start + most], line[begin:end]
