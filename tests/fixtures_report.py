"""A run as the report sees it, with texts that try to break out of the page."""

import numpy as np

HOSTILE = '</p><script src="https://evil.example/x.js">document.title="owned"</script><img src=x onerror=alert(1)> & "quotes"'


class Words:
    """Vectors of a few words; in two of the three relations there are pairs enough."""

    name = "words"
    dimension = 5
    words = (HOSTILE, *"he she man woman boy girl movie movies film films book books france paris".split())

    def _matrix(self):
        return np.random.default_rng(0).normal(size=(len(self.words), self.dimension)).astype(np.float32)

    def find(self, words):
        return {word: row for word, row in zip(self.words, self._matrix(), strict=True) if word in words}

    def most_frequent(self, count):
        return self.words[:count], self._matrix()[:count]


def classifier_run():
    history = [
        {
            "epoch": epoch,
            "loss": 0.7 / (epoch + 1),
            "accuracy": 0.6 + 0.1 * epoch,
            "validation_loss": 0.5,
            "validation_accuracy": 0.8,
            "learning_rate": 0.001,
            "seconds": 31.0,
            "tokens_per_s": 51_000.4,
        }
        for epoch in range(3)
    ]
    document = {
        "run_id": "imdb-lstm-20261121-015300-ab12",
        "workflow": "imdb-lstm",
        "dataset": {"fingerprint": "a1" * 32, "path": "datasets/a1a1a1a1a1a1a1a1", "cache": "miss", "distinct_tokens": 88_582},
        "metrics": {"accuracy": 0.8334, "loss": 0.3872, "auc": 0.91234, "examples": 25_000},
        "train_metrics": {"loss": 0.1034, "accuracy": 0.971},
        "history": history,
        "version": {"name": "imdb-lstm", "number": 3, "digest": "sha256:" + "5e" * 32, "unchanged": False},
        "promotion": {
            "alias": "production",
            "decision": "promoted",
            "rules": [
                {
                    "metric": "accuracy",
                    "candidate": 0.8334,
                    "holder": None,
                    "required": 0.8,
                    "passed": True,
                    "slice": None,
                    "examples": 25_000,
                },
                {
                    "metric": "accuracy",
                    "candidate": 0.7712,
                    "holder": 0.7533,
                    "required": 0.7583,
                    "passed": True,
                    "slice": {"min_tokens": 401, "max_tokens": None, "label": None},
                    "examples": 4_321,
                },
            ],
            "forced": False,
            "evaluation_set": "e5" * 32,
            "replaced_rules": [],
        },
        "report": "report.html",
        "seconds": {"prepare": 7.4, "train": 201.3, "evaluate": 11.1, "register": 0.82},
    }
    details = {
        "workflow": {"name": "imdb-lstm", "data": {"source": "imdb", "path": None}, "model": {"task": "classifier", "type": "lstm"}},
        "labels": ["negative", "positive"],
        "confusion": [[10_312, 2_188], [1_977, 10_523]],
        "mistakes": [{"text": HOSTILE, "label": "negative", "predicted": "positive", "probability": 0.9987}],
        "splits": {"train": {"rows": 20_012, "tokens": 4_701_223}, "test": {"rows": 25_000, "tokens": 5_713_843}},
        "lineage": {"source_digest": "b2" * 32, "commit": "7af90dd", "seed": 0, "versions": {"keras": "3.15.0", "ray": "2.60.0"}},
        "device": "cpu",
        "replicas": 2,
        "parameters": 2_691_713,
        "throughput": {"samples_per_s": 640.42, "tokens_per_s": 51_233.4, "matrix_share": 0.1283},
        "calibration": {
            "ece": 0.04,
            "bins": [
                {"low": 8 / 15, "high": 0.6, "confidence": 0.56, "accuracy": 0.6, "examples": 5_000},
                {"low": 14 / 15, "high": 1.0, "confidence": 0.97, "accuracy": 0.93, "examples": 20_000},
            ],
        },
        "threshold": {"threshold": 0.4321, "accuracy": 0.8412, "accuracy_at_half": 0.8374, "examples": 4_998},
        "vectors": Words(),
        "pretrained": {
            "tokens": 20_000,
            "found": 2_600,
            "share": 0.13,
            "running_share": 0.7512,
            "missing": [HOSTILE, "cinematography"],
            "file_words": 2_604,
        },
    }
    return document, details


def language_run():
    document, details = classifier_run()
    rates = [0.001, 0.001, 0.0001]
    document |= {
        "workflow": "nietzsche-lstm",
        "metrics": {"loss_nats": 1.7, "bits_per_character": 2.4525, "perplexity": 5.474, "tokens": 60_090},
        "train_metrics": {"loss": 1.6872, "accuracy": None},
        "history": [
            row | {"accuracy": None, "validation_loss": None, "validation_accuracy": None, "learning_rate": rate}
            for row, rate in zip(document["history"], rates, strict=True)
        ],
        "promotion": None,
    }
    details |= {
        "workflow": {"name": "nietzsche-lstm", "model": {"task": "language-model"}},
        "labels": None,
        "confusion": None,
        "mistakes": None,
        "calibration": None,
        "threshold": None,
        "vectors": None,
        "pretrained": None,
        "sample": {
            "prompt": "the slowly",
            "text": "the slowly " + HOSTILE,
            "copied": {"share": 0.0312, "longest": 27, "least": 20},
        },
        "samples": [
            {"epoch": 1, "text": HOSTILE, "copied": {"share": 0.0, "longest": 0, "least": 20}},
            {"epoch": 2, "text": "the spirit", "copied": {"share": 0.25, "longest": 21, "least": 20}},
        ],
        "held_out_copied": {"share": 0.07, "longest": 41, "least": 20},
    }
    return document, details
