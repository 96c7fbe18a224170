"""What several classifiers say about the same documents: who is right how often, where they disagree, and whether a margin is real.

Shapes: M models, N documents, C classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from distrnn.client import Classifier
from distrnn.errors import UsageError
from distrnn.evaluation.comparison import churn, figures
from distrnn.evaluation.margins import judged
from distrnn.evaluation.metrics import classifier_metrics, per_class
from distrnn.evaluation.significance import mcnemar, wilson_interval
from distrnn.evaluation.slices import word_counts
from distrnn.progress import Event, Progress, silent
from distrnn.runtime.decision import predicted_classes

AT_ONCE = 1024
LENGTH_GROUPS = 6
FEWEST_IN_A_GROUP = 50
DISAGREEMENTS_SHOWN = 10


@dataclass(frozen=True)
class Answers:
    """What models say.

    Attributes:
        scores: float64 [M, N, C], probabilities.
        classes: int [M, N], what each answers, by its own threshold.
        metrics: the figures of each.
    """

    scores: npt.NDArray[np.float64]
    classes: npt.NDArray[np.integer[Any]]
    metrics: list[dict[str, Any]]


def compare_documents(
    names: Sequence[str],
    models: Sequence[Classifier],
    texts: Sequence[str],
    labels: npt.NDArray[np.integer[Any]],
    progress: Progress = silent,
) -> dict[str, Any]:
    """Compare classifiers on one evaluation set.

    Args:
        names: M, all different.
        models: M of the same labels.
        texts: N raw texts.
        labels: int [N].
        progress: told how many documents are done.
    Returns:
        `metrics` (see `comparison.figures`), `test` (its name), `untested` (None), `accuracy` (see `shares`, of each model), and `pairs`,
        `lengths` and `disagreements` (see the functions below).
    Raises:
        DataError: there is no document, or its label is none of the models'.
        UsageError: the models have different labels.
    """
    told = answers(models, texts, labels, progress)
    right = told.classes == np.asarray(labels)
    return {
        "metrics": figures(told.metrics),
        "test": "McNemar's exact test",
        "untested": None,
        "accuracy": [shares(row) for row in right],
        "pairs": pairs(names, told.classes, np.asarray(labels)),
        "lengths": by_length(word_counts(texts), right),
        "disagreements": disagreements(told, texts, labels, models[0].labels),
    }


def answers(
    models: Sequence[Classifier], texts: Sequence[str], labels: npt.NDArray[np.integer[Any]], progress: Progress = silent
) -> Answers:
    """Ask each model about each text."""
    for other in models[1:]:
        if other.labels != models[0].labels:
            raise UsageError(f"they have different labels: {', '.join(models[0].labels)}, and {', '.join(other.labels)}")
    scores, classes, metrics = [], [], []
    for position, model in enumerate(models):
        parts = []
        for start in range(0, len(texts), AT_ONCE):
            parts.append(model.predict(texts[start : start + AT_ONCE]))
            done = position * len(texts) + min(start + AT_ONCE, len(texts))
            progress(Event("evaluate", done, len(models) * len(texts), "documents"))
        probabilities = np.concatenate(parts) if parts else np.zeros(0, np.float32)
        metrics.append(classifier_metrics(probabilities, labels, model.threshold))
        scores.append(per_class(probabilities, labels))
        classes.append(predicted_classes(scores[-1], model.threshold))
    return Answers(np.stack(scores), np.stack(classes), metrics)


def shares(right: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """How many of N documents a model answers rightly: `right`, `examples`, `share`, and the ends `low` and `high` of its 95 % interval."""
    count, examples = int(np.count_nonzero(right)), len(right)
    low, high = wilson_interval(count, examples)
    return {"right": count, "examples": examples, "share": count / examples, "low": low, "high": high}


def pairs(names: Sequence[str], classes: npt.NDArray[np.integer[Any]], truth: npt.NDArray[np.integer[Any]]) -> list[dict[str, Any]]:
    """Each model against each other.

    Args:
        names: M.
        classes: int [M, N], what each answers.
        truth: int [N].
    Returns:
        for each pair its `models`, those of `comparison.churn`, `better` (the name of the one that is right more often; None for neither),
        `margin` (by which share of the documents), `p` of McNemar's test, and `corrected` and `real` (see `margins.judged`).
    """
    found = []
    for one, other in combinations(range(len(names)), 2):
        counts = churn(classes[one], classes[other], truth)
        gain = counts["became_right"] - counts["became_wrong"]
        found.append(
            {
                "models": [names[one], names[other]],
                **counts,
                "better": None if gain == 0 else names[other if gain > 0 else one],
                "margin": abs(gain) / counts["documents"],
                "p": mcnemar(counts["became_wrong"], counts["became_right"]),
            }
        )
    return judged(found)


def by_length(words: npt.NDArray[np.int64], right: npt.NDArray[np.bool_]) -> list[dict[str, Any]]:
    """How often each model is right on shorter and longer documents, in up to six groups of about the same number of documents.

    Args:
        words: int64 [N], of each document.
        right: bool [M, N].
    Returns:
        of each group, the shortest documents first: `low` and `high` (words, both included), `examples`, and `models` (see `shares`).
    """
    ordered, count = np.sort(words), min(LENGTH_GROUPS, max(1, len(words) // FEWEST_IN_A_GROUP))
    ends = sorted({int(ordered[len(words) * part // count - 1]) for part in range(1, count + 1)})
    groups, low = [], int(ordered[0])
    for high in ends:
        inside = (words >= low) & (words <= high)
        models = [shares(row[inside]) for row in right]
        groups.append({"low": low, "high": high, "examples": int(np.count_nonzero(inside)), "models": models})
        low = high + 1
    return groups


def disagreements(
    told: Answers, texts: Sequence[str], labels: npt.NDArray[np.integer[Any]], names: Sequence[str], count: int = DISAGREEMENTS_SHOWN
) -> list[dict[str, Any]]:
    """The documents on which the models disagree most: where the probabilities that they give to one label lie farthest apart.

    Args:
        told: what the models say.
        texts: N raw texts.
        labels: int [N].
        names: C, of the classes.
        count: how many documents at most; those that all judge alike are never among them.
    Returns:
        `text`, `label` (the true one), `about` (the label that they disagree on; with two labels the last), `probabilities` (M, of that
        label), `answers` (M) and `spread` (between the largest probability and the smallest) of each, the widest first.
    """
    spreads = told.scores.max(axis=0) - told.scores.min(axis=0)
    about = spreads.argmax(axis=1) if len(names) > 2 else np.ones(len(spreads), np.int64)
    widest = spreads[np.arange(len(spreads)), about]
    rows = [row for row in np.argsort(-widest, kind="stable")[:count] if widest[row] > 0]
    return [
        {
            "text": texts[row],
            "label": names[int(labels[row])],
            "about": names[int(about[row])],
            "probabilities": [float(value) for value in told.scores[:, row, about[row]]],
            "answers": [names[int(answer)] for answer in told.classes[:, row]],
            "spread": float(widest[row]),
        }
        for row in rows
    ]
