"""What several language models lose on the same text, and whether a margin between two of them is real.

A loss is a fair measure between two models only where both predict the same tokens; where their vocabularies differ the figures are shown
and nothing is tested.
"""

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

from distrnn.client import LanguageModel
from distrnn.evaluation.comparison import figures
from distrnn.evaluation.margins import judged
from distrnn.evaluation.metrics import characters_of, language_metrics
from distrnn.evaluation.streams import BLOCK_TOKENS, FEWEST_BLOCKS, paired_bootstrap, token_losses
from distrnn.progress import Event, Progress, silent


def compare_streams(
    names: Sequence[str], models: Sequence[LanguageModel], texts: Sequence[str], progress: Progress = silent
) -> dict[str, Any]:
    """Compare language models on one text.

    Args:
        names: M, all different.
        models: M.
        texts: the pieces of one stream, in order.
        progress: told how many models are done.
    Returns:
        `metrics` (see `comparison.figures`), `test` (its name) and `pairs`: `models`, `better`, `margin` (bits a token; `low` and `high`
        of its 95 % interval), `p`, `corrected` and `real` of each; where nothing can be tested `test` and `pairs` are None and `untested`
        says why.
    Raises:
        DataError: the text has fewer than two tokens.
    """
    losses = []
    for done, model in enumerate(models, start=1):
        losses.append(token_losses(model, texts))
        progress(Event("evaluate", done, len(models), "models"))
    vocabularies = [model.preprocessing.vocabulary for model in models]
    characters = [characters_of(texts, vocabulary.spec.level) for vocabulary in vocabularies]
    found_metrics = [language_metrics(float(loss.sum()), len(loss), count) for loss, count in zip(losses, characters, strict=True)]
    told = {"metrics": figures(found_metrics)}
    if any(other.tokens != vocabularies[0].tokens or other.spec != vocabularies[0].spec for other in vocabularies[1:]):
        why = "their vocabularies differ, so a token is not the same task for each of them"
        return {**told, "test": None, "pairs": None, "untested": why}
    found = []
    for one, other in combinations(range(len(models)), 2):
        tested = paired_bootstrap(losses[one], losses[other])
        if tested is None:
            why = f"a test needs {FEWEST_BLOCKS * BLOCK_TOKENS:,} tokens or more, and the set has {len(losses[0]):,}"
            return {**told, "test": None, "pairs": None, "untested": why}
        found.append(_pair([names[one], names[other]], tested))
    return {**told, "test": f"a paired bootstrap over blocks of {BLOCK_TOKENS} tokens", "pairs": judged(found), "untested": None}


def _pair(names: list[str], tested: dict[str, Any]) -> dict[str, Any]:
    """One pair: by how much the better one loses less, in bits a token."""
    difference, bits = tested["difference"], 1.0 / math.log(2.0)
    sign = bits if difference >= 0 else -bits
    low, high = sorted(sign * tested[end] for end in ("low", "high"))
    better = None if difference == 0 else names[0 if difference > 0 else 1]
    return {"models": names, "better": better, "margin": abs(difference) * bits, "low": low, "high": high, "p": tested["p"]}
