"""Whether a classifier is as often right as it says: the reliability curve and the expected calibration error.

It judges the probabilities, so it looks at the likeliest label, whatever threshold a run has chosen for its answers.

Source: Guo, Pleiss, Sun and Weinberger 2017, On Calibration of Modern Neural Networks, section 2: M bins of equal width over the
probability of the likeliest label; the error is the gap between accuracy and mean confidence of a bin, weighted by its share of the
examples.

Shapes: N examples, C classes.
"""

from typing import Any

import numpy as np

from distrnn.evaluation.metrics import FloatArray, IntArray, per_class
from distrnn.runtime.decision import predicted_classes

BINS = 15


def calibration(probabilities: FloatArray, labels: IntArray, bins: int = BINS) -> dict[str, Any]:
    """How far confidence and accuracy are apart.

    Args:
        probabilities: [N] of the positive class, or [N, C].
        labels: [N].
        bins: M; bin m holds confidences in (m/M, (m+1)/M].
    Returns:
        `ece` (0 to 1) and `bins`: of those with examples `low`, `high`, `confidence` (mean), `accuracy` and `examples`.
    Raises:
        DataError: there is no example, or a label is out of range.
        DivergedError: a probability is not a number.
        ValueError: the shapes do not fit, or a value is no probability.
    """
    scores = per_class(probabilities, labels)
    answers = predicted_classes(scores)
    confidence = scores[np.arange(len(scores)), answers]  # [N]
    right = answers == np.asarray(labels)
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    found = []
    for number in np.unique(place).tolist():
        inside = place == number
        found.append(
            {
                "low": number / bins,
                "high": (number + 1) / bins,
                "confidence": float(confidence[inside].mean()),
                "accuracy": float(right[inside].mean()),
                "examples": int(np.count_nonzero(inside)),
            }
        )
    error = sum(part["examples"] * abs(part["accuracy"] - part["confidence"]) for part in found) / len(scores)
    return {"ece": float(error), "bins": found}
