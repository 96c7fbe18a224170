"""Figures of a published model on an evaluation set: raw text, tokenised by the model's own preprocessing."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from distrnn.client import Classifier, LanguageModel
from distrnn.errors import DataError
from distrnn.evaluation.metrics import EPSILON, classifier_metrics, language_metrics

WINDOW = 256


def measure(model: Classifier | LanguageModel, texts: Sequence[str], labels: npt.NDArray[np.integer]) -> dict[str, Any]:
    """Judge a model.

    Args:
        model: loaded.
        texts: N documents; the pieces of one stream, in order, for a language model.
        labels: int [N]; ignored for a language model.
    Returns:
        the figures that a run reports.
    Raises:
        DataError: there is nothing to measure on.
    """
    if isinstance(model, Classifier):
        return classifier_metrics(model.predict(texts), labels)
    ids = np.array(model.preprocessing.vocabulary.encode("".join(texts)), np.int32)
    if len(ids) < 2:
        raise DataError(f"the evaluation set must have at least two tokens. Received: {len(ids)}")
    loss, state = 0.0, model.network.initial_state(1)
    for start in range(0, len(ids) - 1, WINDOW):
        piece = ids[start : start + WINDOW + 1]
        probabilities, state = model.network.forward(piece[None, :-1], state)  # [1, n, V]
        right = probabilities[0, np.arange(len(piece) - 1), piece[1:]]
        loss -= float(np.log(np.clip(right, EPSILON, 1), dtype=np.float64).sum())
    return language_metrics(loss, len(ids) - 1)
