"""A sweep that is over, as its record says it: three trials, one of which diverged."""

import copy
from typing import Any

import pytest

from distrnn.cluster.sweep_plan import SweepPlan, make_plan

GRID = {"model.units": [4, 8], "train.optimizer.learning_rate": [0.01, 1e30]}
DIVERGED = {"error": "Diverged", "message": "the training loss is nan in epoch 1, step 3.", "code": 8}


def history(*accuracies: float) -> list[dict[str, Any]]:
    """Epochs with these validation accuracies."""
    return [
        {
            "epoch": epoch,
            "loss": 0.6,
            "accuracy": 0.7,
            "validation_loss": round(1.0 - accuracy, 4),
            "validation_accuracy": accuracy,
            "learning_rate": 0.01,
            "seconds": 1.5,
            "tokens_per_s": 9000.0,
        }
        for epoch, accuracy in enumerate(accuracies)
    ]


def trial(units: int, rate: float, *accuracies: float, error: dict[str, Any] | None = None) -> dict[str, Any]:
    """A row of the result."""
    return {
        "values": {"model.units": units, "train.optimizer.learning_rate": rate},
        "status": "failed" if error else "finished",
        "value": None if error else max(accuracies),
        "best_epoch": None if error else accuracies.index(max(accuracies)) + 1,
        "epochs": len(accuracies),
        "seconds": 4.25,
        "parameters": None if error else 1000 * units,
        "error": error,
        "history": history(*accuracies),
    }


SWEEP: dict[str, Any] = {
    "sweep_id": "reviews-20261126-142609-2ce0",
    "status": "finished",
    "workflow": "reviews",
    "metric": "accuracy",
    "grid": GRID,
    "datasets": ["7a" * 32],
    "trials": [
        trial(8, 0.01, 0.7, 0.9, 0.8),
        trial(4, 0.01, 0.6, 0.7, 0.75),
        trial(4, 1e30, error=DIVERGED),
        trial(8, 1e30, error={"error": "Distrnn", "message": "the trial's process died: killed", "code": 1}) | {"seconds": None},
    ],
    "left": 0,
    "best": {
        "file": "/models/reviews-best.yaml",
        "values": {"model.units": 8, "train.optimizer.learning_rate": 0.01},
        "value": 0.9,
        "best_epoch": 2,
    },
    "picture": "/storage/sweeps/reviews-20261126-142609-2ce0/sweep.png",
    "record": "/storage/sweeps/reviews-20261126-142609-2ce0/result.json",
    "seconds": {"start": 3.9, "prepare": 2.0, "trials": 60.0},
}


@pytest.fixture
def finished_sweep() -> dict[str, Any]:
    """The document of a sweep."""
    return copy.deepcopy(SWEEP)


@pytest.fixture
def sweep_plan(workflow_file: Any) -> SweepPlan:
    """The plan that the sweep went by."""
    return make_plan(workflow_file, {}, GRID)
