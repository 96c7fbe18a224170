"""Writing text, one token at a time, with the state carried.

Reserved ids (padding, start, unknown) stand for nothing that can be written, so they are never drawn; the others share their probability.

Source: top-k: Fan, Lewis and Dauphin (2018), Hierarchical neural story generation, section 5.1; top-p, the nucleus: Holtzman et al. (2020),
The curious case of neural text degeneration, section 3.1.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from distrnn.errors import UsageError
from distrnn.runtime.form import FloatArray
from distrnn.runtime.network import Network
from distrnn.text import Vocabulary

NEUTRAL_STARTS = ("\n", " ")

Shares = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sampling:
    """How the next token is drawn.

    Attributes:
        temperature: above 1 more daring, below 1 safer, 0 always the most probable.
        top_k: of so many tokens, the most probable ones; None for all.
        top_p: of the fewest most probable tokens that together have this share (after `temperature` and `top_k`); None for all.

    Raises:
        UsageError: one of them makes no sense.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self) -> None:
        temperature, top_k, top_p = self.temperature, self.top_k, self.top_p
        if not _is_number(temperature) or not math.isfinite(temperature) or temperature < 0.0:
            raise UsageError(f"temperature must be a number, 0 or more; 0 always takes the most probable token. Received: {temperature!r}")
        if top_k is not None and (isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 1):
            raise UsageError(f"top_k must be a whole number of tokens, 1 or more, or None for all of them. Received: {top_k!r}")
        if top_p is not None and (not _is_number(top_p) or not 0.0 < top_p <= 1.0):
            raise UsageError(f"top_p must be a share above 0 and at most 1, or None for all tokens. Received: {top_p!r}")

    def shares(self, logits: FloatArray) -> Shares:
        """What a draw goes by: float32 [K] -> float64 [K], of which the largest is 1; 0 for what cannot be drawn. No temperature of 0."""
        with np.errstate(over="ignore", under="ignore"):
            shares: Shares = np.exp((logits - logits.max()).astype(np.float64) / self.temperature)
        if self.top_k is not None and self.top_k < shares.size:
            shares = _only(shares, _largest(shares, self.top_k))
        if self.top_p is not None and self.top_p < 1.0:
            order = _descending(shares)
            together = shares[order].cumsum()
            shares = _only(shares, order[: int(together.searchsorted(self.top_p * together[-1])) + 1])
        return shares


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _descending(shares: Shares) -> npt.NDArray[np.intp]:
    """Positions, the largest share first, of equals the first."""
    return np.argsort(-shares, kind="stable")


def _largest(shares: Shares, count: int) -> npt.NDArray[np.intp]:
    """Positions of the `count` largest; in a large vocabulary only those that may be among them are put in order."""
    candidates = np.flatnonzero(shares >= np.partition(shares, -count)[-count])
    return candidates[_descending(shares[candidates])[:count]]


def _only(shares: Shares, positions: npt.NDArray[np.intp]) -> Shares:
    kept = np.zeros_like(shares)
    kept[positions] = shares[positions]
    return kept


def prompt_ids(vocabulary: Vocabulary, prompt: str) -> list[int]:
    """The ids that a language model reads before it writes; never empty.

    Words, and documents of a corpus with boundaries, begin with the start id. Other characters have none, so an empty prompt becomes what
    most often stands between two pieces of text: a line break, else a space, else the most frequent character.
    """
    if ids := vocabulary.encode_stream([prompt]):
        return ids
    start = next((token for token in NEUTRAL_STARTS if token in vocabulary.tokens), vocabulary.tokens[0])
    return vocabulary.encode(start)


def generate_ids(
    network: Network, prompt: Sequence[int], length: int, *, first_id: int, size: int, sampling: Sampling, generator: np.random.Generator
) -> Iterator[int]:
    """Draw tokens, each from the network's distribution after all before it.

    Args:
        network: gives V >= size logits a step.
        prompt: ids to read first; one at least.
        length: how many to draw.
        first_id: the lowest id that may be drawn.
        size: ids in use; the highest that may be drawn is size - 1.
        sampling: how each is drawn.
        generator: where chance comes from; one number is drawn for each token (none at temperature 0).
    Yields:
        ids from first_id to size - 1.
    """
    state = network.initial_state(1)
    token = np.empty(1, np.intp)
    for token[0] in prompt:
        logits, state = network.logits(token, state)
    for written in range(1, length + 1):
        token[0] = first_id + draw(logits[0, first_id:size], sampling, generator)
        yield int(token[0])
        if written < length:
            logits, state = network.logits(token, state)


def draw(logits: FloatArray, sampling: Sampling, generator: np.random.Generator) -> int:
    """Draw a position by the softmax of `logits` / temperature.

    Args:
        logits: float32 [K].
        sampling: a temperature of 0 is the largest logit, the first of several.
        generator: gives one number, unless the temperature is 0.
    Returns:
        0 to K - 1.
    """
    if sampling.temperature == 0.0:
        return int(logits.argmax())
    borders = sampling.shares(logits).cumsum()
    return int(borders.searchsorted(generator.random() * borders[-1], side="right"))


def until(pieces: Iterable[str], stop: str) -> Iterator[str]:
    """The pieces of a text up to where `stop` begins, each as soon as it is certain that `stop` does not begin in it.

    Args:
        pieces: make the text when they are joined; not read further than the end of `stop`.
        stop: one character at least.
    """
    held = ""
    for piece in pieces:
        held += piece
        if (end := held.find(stop)) >= 0:
            yield held[:end]
            return
        certain = len(held) - _begun(held, stop)
        if certain:
            yield held[:certain]
        held = held[certain:]
    yield held


def _begun(text: str, stop: str) -> int:
    """How many characters at the end of `text` may be the beginning of `stop`."""
    return next((length for length in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:length])), 0)
