"""What a finished training amounts to: figures on the held-out split, details for the report, and how text becomes ids."""

from pathlib import Path
from typing import Any

import numpy as np

from distrnn.data.dataset import Dataset
from distrnn.evaluation import metrics
from distrnn.runtime.preprocessing import Preprocessing
from distrnn.training.job import HeldOut, Outcome
from distrnn.training.rates import throughput
from distrnn.workflow import ClassifierModel, Workflow

MISTAKES_SHOWN = 8
PROMPT_TOKENS = 40


def describe(workflow: Workflow, dataset: Dataset, result: Outcome, folder: Path) -> dict[str, Any]:
    """Judge a trained model, and complete its published folder with the preprocessing.

    Args:
        workflow: what was trained.
        dataset: what it was trained on.
        result: of the training.
        folder: holds the published forms.
    Returns:
        `history`, `metrics` (None where nothing is held out), `details`, `seconds`: plain values.
    """
    preprocessing(workflow, dataset).write(folder)
    figures, details = (None, {}) if result.held_out is None else _judge(dataset, result.held_out)
    return {
        "history": result.history,
        "metrics": figures,
        "details": {
            **details,
            "labels": list(dataset.manifest.labels),
            "parameters": result.parameters,
            "splits": {name: {"rows": split.rows, "tokens": split.tokens} for name, split in dataset.manifest.splits.items()},
            "throughput": throughput(result.history, result.matrix_share),
        },
        "seconds": result.seconds,
    }


def preprocessing(workflow: Workflow, dataset: Dataset) -> Preprocessing:
    """How the published model turns text into ids."""
    vocabulary = dataset.vocabulary
    if isinstance(workflow.model, ClassifierModel):
        return Preprocessing(
            task="classifier",
            vocabulary=vocabulary,
            labels=tuple(dataset.manifest.labels),
            sequence_length=workflow.model.sequence_length,
            padding=workflow.model.padding,
            truncating=workflow.model.truncating,
        )
    stream = dataset.reader("test" if workflow.has_test_split else "train")
    prompt = "".join(vocabulary.token(int(token)) for token in stream.span(0, min(PROMPT_TOKENS, stream.tokens)))
    return Preprocessing(task="language-model", vocabulary=vocabulary, sample_prompt=prompt)


def _judge(dataset: Dataset, held_out: HeldOut) -> tuple[dict[str, Any], dict[str, Any]]:
    if held_out.probabilities is None or held_out.labels is None:
        return metrics.language_metrics(held_out.total_loss, held_out.tokens), {}
    _, texts, labels = dataset.evaluation_texts()
    if not np.array_equal(np.asarray(labels), held_out.labels):
        raise AssertionError("the evaluation set and the test shards are in different orders")
    return metrics.classifier_metrics(held_out.probabilities, held_out.labels), {
        "confusion": metrics.confusion_matrix(held_out.probabilities, held_out.labels).tolist(),
        "mistakes": metrics.confident_mistakes(held_out.probabilities, held_out.labels, texts, dataset.manifest.labels, MISTAKES_SHOWN),
    }
