"""Writing text, one token at a time, with the state carried.

Reserved ids (padding, start, unknown) stand for nothing that can be written, so they are never drawn; the others share their probability.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from distrnn.runtime.form import FloatArray
from distrnn.runtime.network import Network
from distrnn.text import Vocabulary

NEUTRAL_STARTS = ("\n", " ")


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
    network: Network, prompt: Sequence[int], length: int, *, first_id: int, size: int, temperature: float, generator: np.random.Generator
) -> Iterator[int]:
    """Draw tokens, each from the network's distribution after all before it.

    Args:
        network: gives V >= size logits a step.
        prompt: ids to read first; one at least.
        length: how many to draw.
        first_id: the lowest id that may be drawn.
        size: ids in use; the highest that may be drawn is size - 1.
        temperature: above 1 more daring, below 1 safer, 0 always the most probable.
        generator: where chance comes from; one number is drawn for each token (none at temperature 0).
    Yields:
        ids from first_id to size - 1.
    """
    state = network.initial_state(1)
    token = np.empty(1, np.intp)
    for token[0] in prompt:
        logits, state = network.logits(token, state)
    for written in range(1, length + 1):
        token[0] = first_id + draw(logits[0, first_id:size], temperature, generator)
        yield int(token[0])
        if written < length:
            logits, state = network.logits(token, state)


def draw(logits: FloatArray, temperature: float, generator: np.random.Generator) -> int:
    """Draw a position by the softmax of `logits` / `temperature`.

    Args:
        logits: float32 [K].
        temperature: 0 or more; 0 is the largest logit, the first of several.
        generator: gives one number, unless the temperature is 0.
    Returns:
        0 to K - 1.
    """
    best = int(logits.argmax())
    if temperature == 0.0:
        return best
    with np.errstate(over="ignore", under="ignore"):
        shares = np.exp((logits - logits[best]).astype(np.float64) / temperature)
    borders = shares.cumsum()
    return int(borders.searchsorted(generator.random() * borders[-1], side="right"))
