"""What a language model loses on each token of a text, and whether one model loses less than another on the same text.

The tokens of a text are not independent, so they are not resampled one by one but in blocks of consecutive ones.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from distrnn.client import LanguageModel
from distrnn.errors import DataError
from distrnn.evaluation.metrics import EPSILON
from distrnn.evaluation.significance import CONFIDENCE

BLOCK_TOKENS = 256
FEWEST_BLOCKS = 20
RESAMPLES = 5_000
_AT_ONCE = 4_000_000


def token_losses(model: LanguageModel, texts: Sequence[str]) -> npt.NDArray[np.float64]:
    """The loss on every token but the first, in nats.

    Shapes: T tokens of the whole text, in the model's own tokens.

    Args:
        model: loaded.
        texts: the pieces of one stream, in order.
    Returns:
        float64 [T - 1].
    Raises:
        DataError: there are fewer than two tokens.
    """
    ids = np.array(model.preprocessing.vocabulary.encode_stream(texts), np.int32)
    if len(ids) < 2:
        raise DataError(f"the evaluation set must have at least two tokens. Received: {len(ids)}")
    losses, state = np.empty(len(ids) - 1), model.network.initial_state(1)
    for start in range(0, len(losses), BLOCK_TOKENS):
        piece = ids[start : start + BLOCK_TOKENS + 1]
        probabilities, state = model.network.forward(piece[None, :-1], state)  # [1, n, V]
        right = probabilities[0, np.arange(len(piece) - 1), piece[1:]]
        losses[start : start + len(right)] = -np.log(np.clip(right, EPSILON, 1), dtype=np.float64)
    return losses


def paired_bootstrap(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64], seed: int = 0) -> dict[str, Any] | None:
    """Whether the mean of the one differs from the mean of the other, both measured on the same tokens.

    Shapes: T tokens, K whole blocks of them.

    Args:
        one: float64 [T].
        other: float64 [T].
        seed: of the resampling; the same gives the same.
    Returns:
        `difference` (the other's mean less the one's), `low` and `high` (its 95 % interval) and `p` (both sides); None where there are
        fewer than 20 blocks, which is too little to resample.

    Source: Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 7 (1979); blocks that do not overlap:
    Carlstein, "The use of subseries values for estimating the variance of a general statistic from a stationary sequence", ibid. 14
    (1986); paired, for models of language: Koehn, "Statistical significance tests for machine translation evaluation", EMNLP 2004.
    """
    blocks = len(one) // BLOCK_TOKENS
    if blocks < FEWEST_BLOCKS:
        return None
    means = (other - one)[: blocks * BLOCK_TOKENS].reshape(blocks, BLOCK_TOKENS).mean(axis=1)
    generator, found = np.random.default_rng(seed), []
    at_once = max(1, _AT_ONCE // blocks)
    for start in range(0, RESAMPLES, at_once):
        found.append(means[generator.integers(0, blocks, (min(at_once, RESAMPLES - start), blocks))].mean(axis=1))
    drawn = np.concatenate(found)
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    fewer = min(int(np.count_nonzero(drawn <= 0)), int(np.count_nonzero(drawn >= 0)))
    return {
        "difference": float((other - one).mean()),
        "low": float(low),
        "high": float(high),
        "p": min(1.0, 2 * (fewer + 1) / (RESAMPLES + 1)),
    }
