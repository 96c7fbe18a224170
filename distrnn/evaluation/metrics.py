"""Figures of a model on held-out data, in plain NumPy and float64, so that every form of a model is judged by the same code.

Conventions are Keras', so that a figure here equals the one `evaluate` prints: the positive class is predicted above 0.5 (unless a run
has chosen another threshold on its validation split), and a probability is kept 1e-7 away from 0 and 1 before its logarithm. A figure
that is no number is refused, never returned: JSON has no NaN, and a gate must not meet one.

Shapes: N examples, C classes.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from distrnn.errors import DataError, DivergedError
from distrnn.runtime.decision import THRESHOLD, predicted_classes

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]

EPSILON = 1e-7


def classifier_metrics(probabilities: FloatArray, labels: IntArray, threshold: float = THRESHOLD) -> dict[str, Any]:
    """Judge a classifier.

    Args:
        probabilities: [N] of the positive class, or [N, C] of every class.
        labels: [N], 0 ≤ label < C.
        threshold: above which the second of two classes is the answer.
    Returns:
        `accuracy` (share), `loss` (cross-entropy, nats an example), `auc` (area under the ROC curve; the mean over one class
        against the rest for C > 2; None where only one class is present) and `examples` (N).
    Raises:
        DataError: there is no example, or a label is out of range.
        DivergedError: a probability is not a number.
        ValueError: the shapes do not fit, or a value is no probability.
    """
    scores = per_class(probabilities, labels)
    truth = np.asarray(labels, dtype=np.int64)
    of_truth = np.clip(scores[np.arange(len(truth)), truth], EPSILON, 1.0 - EPSILON)
    return {
        "accuracy": float(np.mean(predicted_classes(scores, threshold) == truth)),
        "loss": float(-np.mean(np.log(of_truth))),
        "auc": _mean_auc(scores, truth),
        "examples": len(truth),
    }


def confusion_matrix(probabilities: FloatArray, labels: IntArray, threshold: float = THRESHOLD) -> npt.NDArray[np.int64]:
    """Count what was predicted for what was true.

    Args:
        probabilities: [N] of the positive class, or [N, C].
        labels: [N].
        threshold: above which the second of two classes is the answer.
    Returns:
        int64 [C, C]; row: true class, column: predicted class.
    Raises:
        DataError: there is no example, or a label is out of range.
        DivergedError: a probability is not a number.
        ValueError: the shapes do not fit, or a value is no probability.
    """
    scores = per_class(probabilities, labels)
    classes = scores.shape[1]
    cells = np.asarray(labels, dtype=np.int64) * classes + predicted_classes(scores, threshold)
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes).astype(np.int64)


def confident_mistakes(
    probabilities: FloatArray,
    labels: IntArray,
    texts: Sequence[str],
    names: Sequence[str],
    count: int = 8,
    threshold: float = THRESHOLD,
) -> list[dict[str, Any]]:
    """The wrong answers that the model was most sure of, most confident first; equal ones in the order of the data.

    Args:
        probabilities: [N] of the positive class, or [N, C].
        labels: [N].
        texts: N documents.
        names: C names of classes.
        count: how many at most.
        threshold: above which the second of two classes is the answer.
    Returns:
        `text`, `label` (the true one), `predicted` and `probability` (which the model gave to `predicted`) of each.
    Raises:
        DataError: there is no example, or a label is out of range.
        DivergedError: a probability is not a number.
        ValueError: the shapes do not fit, or a value is no probability.
    """
    scores = per_class(probabilities, labels)
    predicted = predicted_classes(scores, threshold)
    confidence = scores[np.arange(len(scores)), predicted]
    wrong = np.flatnonzero(predicted != np.asarray(labels))
    chosen = wrong[np.argsort(-confidence[wrong], kind="stable")][:count]
    return [
        {
            "text": texts[row],
            "label": names[int(labels[row])],
            "predicted": names[int(predicted[row])],
            "probability": float(confidence[row]),
        }
        for row in chosen
    ]


def language_metrics(total_loss_nats: float, tokens: int, characters: int | None = None) -> dict[str, Any]:
    """Judge a language model.

    Args:
        total_loss_nats: cross-entropy summed over every predicted token.
        tokens: how many were predicted.
        characters: how many characters these tokens stand for; None where a token is a character.
    Returns:
        `loss_nats` (a token), `bits_per_character`, `perplexity` (of a token) and `tokens`.
    Raises:
        DataError: no token was predicted.
        DivergedError: the loss is not a number, or so large that its perplexity is none.
    """
    if tokens <= 0:
        raise DataError(
            f"evaluation needs at least one predicted token. Received: {tokens}. "
            "Hold out more text (data.test_fraction), or take a smaller model.window."
        )
    loss = total_loss_nats / tokens
    if not loss < 700.0:  # exp(709.8) is the largest float; written so that NaN fails it too
        raise DivergedError(
            f"expected a finite loss on the held-out text. Received: {loss} nats a token. Lower train.optimizer.learning_rate."
        )
    bits = total_loss_nats / math.log(2.0) / (tokens if characters is None else characters)
    return {"loss_nats": loss, "bits_per_character": bits, "perplexity": math.exp(loss), "tokens": int(tokens)}


def characters_of(texts: Sequence[str], level: str) -> int | None:
    """How many characters the tokens of a text stand for; None where a token is one.

    Args:
        texts: the pieces of one stream.
        level: of the tokens, `char` or `word`.
    """
    return None if level == "char" else sum(map(len, texts))


def auc(scores: FloatArray, positive: npt.NDArray[np.bool_]) -> float | None:
    """Area under the ROC curve, exactly: how often a positive example scores above a negative one, a tie counting half.

    Args:
        scores: [N].
        positive: [N].
    Returns:
        0 to 1; None where one of the two classes is absent.

    Source: Hanley and McNeil, "The meaning and use of the area under a ROC curve", Radiology 143 (1982): the rank statistic
    of Mann and Whitney, with the mean rank for ties.
    """
    positives = int(np.count_nonzero(positive))
    negatives = len(positive) - positives
    if not positives or not negatives:
        return None
    _, level, size = np.unique(scores, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(size) - (size - 1) / 2.0
    rank_sum = float(mean_rank[level][positive].sum())
    return (rank_sum - positives * (positives + 1) / 2.0) / (positives * negatives)


def per_class(probabilities: FloatArray, labels: IntArray) -> npt.NDArray[np.float64]:
    """Check probabilities against their labels, and give a column to every class.

    Args:
        probabilities: [N] of the positive class, or [N, C].
        labels: [N].
    Returns:
        [N, C]; C is 2 for probabilities of the positive class.
    Raises:
        DataError: there is no example, or a label is out of range.
        DivergedError: a probability is not a number.
        ValueError: the shapes do not fit, or a value is no probability.
    """
    scores = np.asarray(probabilities, dtype=np.float64)
    truth = np.asarray(labels)
    if scores.ndim not in (1, 2) or truth.shape != scores.shape[:1] or (scores.ndim == 2 and scores.shape[1] < 2):
        raise ValueError(f"probabilities must be [N] or [N, C], C of 2 or more, and labels [N]. Received: {scores.shape} and {truth.shape}")
    if not len(truth):
        raise DataError("evaluation needs at least one example. Received: none. Hold out more documents (data.test_fraction, data.limit).")
    if not np.isfinite(scores).all():
        raise DivergedError(
            "expected probabilities from the model. Received: values that are not numbers. "
            "Lower train.optimizer.learning_rate and train again."
        )
    if scores.min() < 0.0 or scores.max() > 1.0 + 1e-5:
        raise ValueError(f"probabilities must be from 0 to 1. Received: {scores.min()} to {scores.max()}")
    scores = np.stack([1.0 - scores, scores], axis=1) if scores.ndim == 1 else scores
    if truth.min() < 0 or truth.max() >= scores.shape[1]:
        raise DataError(
            f"labels must be from 0 to {scores.shape[1] - 1}, the classes of the model. Received: {truth.min()} to {truth.max()}. "
            "Evaluate on data with the labels that the model was trained on."
        )
    return scores


def _mean_auc(scores: npt.NDArray[np.float64], truth: npt.NDArray[np.int64]) -> float | None:
    classes = scores.shape[1]
    if classes == 2:
        return auc(scores[:, 1], truth == 1)
    areas = [area for index in range(classes) if (area := auc(scores[:, index], truth == index)) is not None]
    return float(np.mean(areas)) if areas else None
