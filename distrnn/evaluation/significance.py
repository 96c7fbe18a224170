"""Whether a difference between models on the same documents is more than chance: intervals and exact tests.

What they answer is about trained models: whether one of them is right more often on text like this. Whether a recipe is better than
another needs several trainings of each, because the seed of a training moves a figure too (Dietterich 1998, section 2).
"""

import math
from collections.abc import Sequence
from statistics import NormalDist

CONFIDENCE = 0.95
LEVEL = 0.05


def wilson_interval(right: int, examples: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The interval in which a share lies that was found in a sample.

    Unlike the textbook's p ± 1.96 s it never leaves 0 to 1, and holds for small samples and shares near 1.

    Args:
        right: how many were right.
        examples: of how many.
        confidence: how often such an interval holds the true share.
    Returns:
        low and high end.
    Raises:
        ValueError: there is no example, or `right` is not among them.

    Source: Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
    """
    if not 0 <= right <= examples or examples < 1:
        raise ValueError(f"right must be from 0 to examples, and examples 1 or more. Received: {right} and {examples}")
    z = NormalDist().inv_cdf(0.5 + confidence / 2.0)
    share, square = right / examples, z * z / examples
    middle = share + square / 2.0
    half = z * math.sqrt(share * (1.0 - share) / examples + square / (4.0 * examples))
    # at the ends rounding could leave a share outside of its own interval
    low, high = (middle - half) / (1.0 + square), (middle + half) / (1.0 + square)
    return (0.0 if right == 0 else low), (1.0 if right == examples else high)


def mcnemar(only_one: int, only_other: int) -> float:
    """How probable so large a difference is by chance, where two models judged the same documents.

    Documents that both get right or both get wrong say nothing about which is better; of the others each would have half by chance.
    The sum over the binomial distribution is exact, in whole numbers.

    Args:
        only_one: documents that only the one got right.
        only_other: documents that only the other got right.
    Returns:
        p, both sides; 1 where there is no such document.

    Source: McNemar, "Note on the sampling error of the difference between correlated proportions or percentages", Psychometrika 12
    (1947); as the test for two classifiers on one test set: Dietterich, "Approximate statistical tests for comparing supervised
    classification learning algorithms", Neural Computation 10 (1998).
    """
    trials, fewer = only_one + only_other, min(only_one, only_other)
    term = tail = 1
    for chosen in range(1, fewer + 1):
        term = term * (trials - chosen + 1) // chosen
        tail += term
    return min(1.0, float(2 * tail / (1 << trials)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct the results of several tests: the chance that any of them errs stays at the level of one.

    Args:
        p_values: of M tests.
    Returns:
        M corrected ones, in the same order, none smaller than it was.

    Source: Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6 (1979).
    """
    corrected, largest = list(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(corrected)), key=lambda index: p_values[index])):
        largest = max(largest, min(1.0, (len(corrected) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected
