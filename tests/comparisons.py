"""Comparisons as the page sees them, with texts that try to break out of it."""

import numpy as np

from distrnn.evaluation import overfitting
from distrnn.evaluation.compare_documents import Answers, by_length, disagreements, pairs, shares
from distrnn.evaluation.comparison import figures
from distrnn.evaluation.margins import answer, question
from fixtures_report import HOSTILE, classifier_run

DOCUMENTS = 400


def training(history, verdict):
    verdicts = {key: vars(found) for key, found in overfitting.of_history(history).items()}
    times = {"train_s": 53.9, "epochs": len(history) or None, "epoch_s": 3.1, "total_s": 67.0, "device": "cpu", "replicas": 2}
    return {**times, "history": history, "overfitting": verdicts, "verdict": verdict}


def what_was_compared(names):
    history = classifier_run()[0]["history"]
    version = {"name": "imdb-lstm", "number": 3, "digest": "sha256:" + "5e" * 32}
    count = len(names)
    return {
        "models": [
            {
                "name": name,
                "reference": name,
                "task": "classifier",
                "version": version if row else None,
                "created_at": None,
                "run_id": f"run-{row}",
                "missing": [] if row else [f"no version: {HOSTILE}"],
            }
            for row, name in enumerate(names)
        ],
        "metrics": figures([{"accuracy": 0.8, "loss": 0.4, "loss_nats": 1.0}] * count),
        "workflow": [{"key": "data.path", "values": [HOSTILE, None, True, 3, 0.5][:count]}],
        "size": {
            "bytes": [{"form": form, "values": [11_000_000] * count, "differences": [0] * (count - 1)} for form in ("numpy", "all")],
            "parameters": {"values": [None, *[2_691_713] * (count - 1)], "differences": [None] * (count - 1)},
        },
        "training": [training(history if row else [], overfitting.told(history)) for row in range(count)],
        "report": None,
    }


def classifiers(names=("imdb-lstm@v3", "imdb-gru@v1", "imdb-cnn@v2")):
    """A comparison of classifiers, whose first has no model and is not asked."""
    asked, generator = list(names[1:]), np.random.default_rng(0)
    truth = generator.integers(0, 2, DOCUMENTS)
    last = np.clip(truth + generator.normal(0.0, 0.4, (len(asked), DOCUMENTS)), 0.0, 1.0)
    told = Answers(np.stack([1.0 - last, last], axis=2), (last > 0.5).astype(int), [])
    right = told.classes == truth
    found = pairs(asked, told.classes, truth)
    evaluation = {
        "evaluation_set": "e5" * 32,
        "missing": None,
        "notes": [f"{names[1]} was measured on another set."],
        "models": asked,
        "metrics": figures([{"accuracy": 0.8, "loss": 0.41, "auc": 0.9}] * len(asked)),
        "test": "McNemar's exact test",
        "untested": None,
        "accuracy": [shares(row) for row in right],
        "pairs": found,
        "lengths": by_length(generator.integers(10, 900, DOCUMENTS), right),
        "disagreements": disagreements(told, [HOSTILE] * DOCUMENTS, truth, ("negative", HOSTILE)),
        "question": question(asked, found),
        "answer": answer(asked, found),
    }
    return {**what_was_compared(names), "evaluation": evaluation}


def languages(untested=None):
    """A comparison of language models."""
    pair = {
        "models": ["a@v1", "b@v1"],
        "better": "b@v1",
        "margin": 0.1234,
        "low": 0.1,
        "high": 0.15,
        "p": 0.0004,
        "corrected": 0.0004,
        "real": True,
    }
    found = None if untested else [pair]
    evaluation = {
        "evaluation_set": "e5" * 32,
        "missing": None,
        "notes": [],
        "models": ["a@v1", "b@v1"],
        "metrics": figures([{"loss_nats": 1.7}, {"loss_nats": 1.6}]),
        "test": None if untested else "a bootstrap",
        "pairs": found,
        "untested": untested,
        "question": None if untested else "Is b@v1's margin real?",
        "answer": None if untested else "Yes.",
    }
    return {**what_was_compared(("a@v1", "b@v1")), "evaluation": evaluation}


def unknown():
    """A comparison whose models could not be asked."""
    evaluation = {"evaluation_set": None, "missing": f"not here: {HOSTILE}", "notes": []}
    return {**what_was_compared(("a@v1", HOSTILE)), "evaluation": evaluation}
