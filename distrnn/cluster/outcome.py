"""What a finished training amounts to: figures on the held-out split, details for the report, and how text becomes ids."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from distrnn.client import Classifier, load_folder
from distrnn.data.dataset import Dataset
from distrnn.data.pretrained import coverage_to_json
from distrnn.data.reader import ShardReader
from distrnn.data.subsets import limit_of, open_split
from distrnn.evaluation import metrics
from distrnn.evaluation.calibration import calibration
from distrnn.evaluation.threshold import choose_threshold
from distrnn.runtime.decision import THRESHOLD
from distrnn.runtime.preprocessing import Preprocessing
from distrnn.training.job import HeldOut, Outcome
from distrnn.training.rates import throughput
from distrnn.training.samples import prompt_of
from distrnn.workflow import ClassifierModel, EmbeddingModel, Workflow

MISTAKES_SHOWN = 8
VALIDATION_ROWS = 1024


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
    rules = preprocessing(workflow, dataset)
    rules.write(folder)
    chosen = None
    if workflow.register_ is not None and workflow.register_.threshold == "validation":
        chosen = _choose_threshold(open_split(dataset, workflow, "validation"), folder)
        rules = replace(rules, threshold=chosen["threshold"])
        rules.write(folder)
    threshold = THRESHOLD if rules.threshold is None else rules.threshold
    figures, details = (None, {}) if result.held_out is None else _judge(dataset, result.held_out, threshold)
    return {
        "history": [{key: value for key, value in row.items() if key != "sample"} for row in result.history],
        "metrics": figures,
        "details": {
            **details,
            "threshold": chosen,
            "labels": list(dataset.manifest.labels),
            "parameters": result.parameters,
            "splits": _splits(workflow, dataset),
            "pretrained": coverage_to_json(result.coverage) if result.coverage else None,
            "samples": [{"epoch": row["epoch"] + 1, "text": row["sample"]} for row in result.history if "sample" in row],
            "throughput": throughput(result.history, result.matrix_share),
        },
        "seconds": result.seconds,
    }


def _splits(workflow: Workflow, dataset: Dataset) -> dict[str, dict[str, int]]:
    """Documents and tokens of each split that the run used."""
    splits: dict[str, Any] = dict(dataset.manifest.splits)
    splits |= {name: open_split(dataset, workflow, name) for name in splits if limit_of(workflow, name) is not None}
    return {name: {"rows": split.rows, "tokens": split.tokens} for name, split in splits.items()}


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
    if isinstance(workflow.model, EmbeddingModel):
        return Preprocessing(task="embedding", vocabulary=vocabulary)
    return Preprocessing(task="language-model", vocabulary=vocabulary, sample_prompt=prompt_of(workflow, dataset))


def _choose_threshold(reader: ShardReader, folder: Path) -> dict[str, Any]:
    """The threshold that does best on the validation split; the published model is asked, as whoever downloads it asks it."""
    model = load_folder(folder)
    if not isinstance(model, Classifier):
        raise AssertionError("the workflow's rules allow a threshold for classifiers only")
    rules = model.preprocessing
    length = rules.sequence_length or 0
    parts = []
    for start in range(0, reader.rows, VALIDATION_ROWS):
        rows = reader.pad_rows(np.arange(start, min(start + VALIDATION_ROWS, reader.rows)), length, rules.padding, rules.truncating)
        parts.append(model.class_probabilities(rows)[:, -1])
    return choose_threshold(np.concatenate(parts or [np.zeros(0, np.float32)]), reader.labels)


def _judge(dataset: Dataset, held_out: HeldOut, threshold: float) -> tuple[dict[str, Any], dict[str, Any]]:
    _, texts, labels = dataset.evaluation_texts()
    if held_out.probabilities is None or held_out.labels is None:
        characters = metrics.characters_of(texts, dataset.manifest.tokenizer.level)
        return metrics.language_metrics(held_out.total_loss, held_out.tokens, characters), {}
    if not np.array_equal(np.asarray(labels), held_out.labels):
        raise AssertionError("the evaluation set and the test shards are in different orders")
    probabilities, names = held_out.probabilities, dataset.manifest.labels
    return metrics.classifier_metrics(probabilities, held_out.labels, threshold), {
        "confusion": metrics.confusion_matrix(probabilities, held_out.labels, threshold).tolist(),
        "mistakes": metrics.confident_mistakes(probabilities, held_out.labels, texts, names, MISTAKES_SHOWN, threshold),
        "calibration": calibration(probabilities, held_out.labels),
    }
