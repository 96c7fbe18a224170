"""Whether the best model's margin is real, decided from tests of pairs and said in words."""

from collections.abc import Mapping, Sequence
from typing import Any

from distrnn.evaluation.significance import LEVEL, holm

SMALLEST_P = 0.0001


def judged(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Tests of pairs with `corrected`, their `p` after Holm's correction for their number, and `real`: whether that is below 0.05."""
    corrected = holm([pair["p"] for pair in found])
    return [{**pair, "corrected": value, "real": value < LEVEL} for pair, value in zip(found, corrected, strict=True)]


def leader(names: Sequence[str], pairs: Sequence[Mapping[str, Any]]) -> str | None:
    """The model that no other one is ahead of; None where several are level at the top.

    Args:
        names: M.
        pairs: each model against each other: `models`, and `better`.
    """
    wins = {name: sum(pair["better"] == name for pair in pairs) for name in names}
    return next((name for name in names if wins[name] == len(names) - 1), None)


def question(names: Sequence[str], pairs: Sequence[Mapping[str, Any]]) -> str:
    """What is asked: `Is imdb-lstm@v1's margin real?`."""
    first = leader(names, pairs)
    return f"Is {first}'s margin real?" if first else "Is any margin real?"


def answer(names: Sequence[str], pairs: Sequence[Mapping[str, Any]]) -> str:
    """The answer, in a sentence.

    Args:
        names: M.
        pairs: of `judged`: `models`, `better`, `margin`, `corrected` and `real` of each model against each other.
    """
    first = leader(names, pairs)
    if first is None:
        real = [pair for pair in pairs if pair["real"]]
        level = "No model is ahead of all others."
        return f"{level} Real: {_list([_over(pair) for pair in real])}." if real else f"{level} No margin between two of them is real."
    own = [pair for pair in pairs if first in pair["models"]]
    real, chance = [pair for pair in own if pair["real"]], [pair for pair in own if not pair["real"]]
    if len(own) == 1:
        pair = own[0]
        said = f"{first} is {margin_words(pair)} ahead of {_rival(pair, first)} ({p_words(pair['corrected'])})"
        return f"Yes: {said}." if real else f"No, it may be chance: {said}."
    values, tests = [pair["corrected"] for pair in own], f"corrected for {len(pairs)} tests"
    if not chance:
        return f"Yes, over each of the others ({p_words(max(values))} at most, {tests})."
    if not real:
        return f"No, over none of the others ({p_words(min(values))} at least, {tests})."
    against = _list([f"{_rival(pair, first)} ({p_words(pair['corrected'])}, {tests})" for pair in chance])
    return f"In part: over {_list([_rival(pair, first) for pair in real])}, but not over {against}."


def margin_words(pair: Mapping[str, Any]) -> str:
    """By how much one of a pair is ahead: points of accuracy, or bits a token."""
    return f"{100 * pair['margin']:.2f} points" if "documents" in pair else f"{pair['margin']:.4f} bits a token"


def p_words(p: float) -> str:
    """How probable by chance: `p = 0.0312`, `p < 0.0001`."""
    return f"p < {SMALLEST_P}" if p < SMALLEST_P else f"p = {p:.4f}" if p < 0.1 else f"p = {p:.2f}"


def _over(pair: Mapping[str, Any]) -> str:
    return f"{pair['better']} over {_rival(pair, pair['better'])}"


def _rival(pair: Mapping[str, Any], name: str) -> str:
    one, other = pair["models"]
    return str(other if name == one else one)


def _list(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
