"""The threshold of a classifier of two labels, chosen on its validation split and on nothing else.

Shapes: N examples.
"""

from typing import Any

import numpy as np

from distrnn.evaluation.metrics import FloatArray, IntArray, per_class
from distrnn.runtime.decision import THRESHOLD


def choose_threshold(probabilities: FloatArray, labels: IntArray) -> dict[str, Any]:
    """The threshold with the highest accuracy.

    Between two neighbouring probabilities every threshold answers alike: the middle of them stands for it, or one half where that lies
    between them. Of thresholds that are equally good the one nearest to one half is taken, so that one half stays where nothing is gained.

    Args:
        probabilities: [N] of the positive class, on the validation split.
        labels: [N], 0 or 1.
    Returns:
        `threshold`, `accuracy` (with it), `accuracy_at_half` and `examples` (N), all of the validation split.
    Raises:
        DataError: there is no example, or a label is out of range.
        DivergedError: a probability is not a number.
        ValueError: the shapes do not fit, or a value is no probability.
    """
    scores = per_class(probabilities, labels)[:, 1]  # [N]
    values, place = np.unique(scores, return_inverse=True)  # K distinct ones
    positive = np.bincount(place, np.asarray(labels), len(values))
    negative = np.bincount(place, minlength=len(values)) - positive
    # cut k has the k lowest values below the threshold: K + 1 of them
    right = np.concatenate([[0], np.cumsum(negative)]) + positive.sum() - np.concatenate([[0], np.cumsum(positive)])
    if values[0] == 0.0:
        right[0] = -1  # nothing is below a probability of 0
    low, high = np.concatenate([[0.0], values]), np.concatenate([values, [1.0]])
    middle = np.where((low <= THRESHOLD) & (THRESHOLD < high), THRESHOLD, (low + high) / 2)
    best = min(np.flatnonzero(right == right.max()).tolist(), key=lambda cut: abs(middle[cut] - THRESHOLD))
    at_half = int(np.searchsorted(values, THRESHOLD, side="right"))
    return {
        "threshold": float(middle[best]),
        "accuracy": float(right[best] / len(scores)),
        "accuracy_at_half": float(right[at_half] / len(scores)),
        "examples": len(scores),
    }
