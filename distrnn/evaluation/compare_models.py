"""A comparison as one document of plain values: what `compare --json` prints, and what its text and its page are made of."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from distrnn.evaluation import overfitting
from distrnn.evaluation.comparison import figures, mapping, sizes, times, workflow_differences
from distrnn.evaluation.contenders import Contender

LETTERS = "ABCDEFGH"
MOST = len(LETTERS)


def names_of(contenders: Sequence[Contender]) -> list[str]:
    """A name for each that no other one has: a version compared with itself is `reviews@v2 (A)` and `reviews@v2 (B)`."""
    names = [contender.name for contender in contenders]
    return [f"{name} ({letter})" if names.count(name) > 1 else name for name, letter in zip(names, LETTERS, strict=False)]


def describe(contenders: Sequence[Contender]) -> dict[str, Any]:
    """Everything about M models that can be told without asking them.

    Args:
        contenders: two to eight.
    Returns:
        `models` (what each is), `metrics` (of its own test split, when it was made), `workflow` (the keys in which they differ), `size`,
        and `training` (of each: its times, its learning curves, and the verdict on them).
    """
    names = names_of(contenders)
    return {
        "models": [_model(name, contender) for name, contender in zip(names, contenders, strict=True)],
        "metrics": figures([contender.metrics for contender in contenders]),
        "workflow": workflow_differences([contender.workflow for contender in contenders]),
        "size": sizes([contender.version.manifest if contender.version else None for contender in contenders]),
        "training": list(_training(contenders)),
    }


def _model(name: str, contender: Contender) -> dict[str, Any]:
    version = contender.version
    return {
        "name": name,
        "reference": contender.reference,
        "task": contender.task,
        "version": {"name": version.name, "number": version.number, "digest": version.digest} if version else None,
        "created_at": version.manifest.created_at if version else None,
        "run_id": mapping(contender.run).get("run_id"),
        "missing": list(contender.missing),
    }


def _training(contenders: Sequence[Contender]) -> Iterator[dict[str, Any]]:
    for contender in contenders:
        train, placement = mapping(contender.workflow.get("train")), contender.placement
        watched = mapping(train.get("early_stopping")).get("metric") or train.get("keep_best")
        yield {
            **times(mapping(contender.run)),
            "device": placement.get("device"),
            "replicas": placement.get("replicas"),
            "history": contender.history,
            "overfitting": {key: asdict(verdict) for key, verdict in overfitting.of_history(contender.history).items()},
            "verdict": overfitting.told(contender.history, kept_by=watched if watched in ("loss", "accuracy") else None),
        }
