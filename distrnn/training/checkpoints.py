"""A checkpoint: everything that a run killed anywhere needs to end with the weights it would have had.

A folder with `variables.npz` (weights, optimizer, random state, the recurrent state of every replica), `best.npz` (the weights of the
best epoch, when validation is watched) and `position.json`, written last, so that a folder without it is no checkpoint.
"""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from distrnn.errors import IntegrityError

Arrays = dict[str, np.ndarray]
Totals = tuple[float, float, float, float]


@dataclass(frozen=True)
class Position:
    """Where training stands.

    Attributes:
        epoch: the epoch in progress, from 0.
        step: steps of it that are done.
        totals: sums over those steps: loss (nats), hits, labels, tokens (padding not counted).
        seconds: time spent in this epoch.
        history: one entry a finished epoch.
        best_value: the best value of the watched metric so far.
        epochs_without_improvement: since then.
        finished: training is over.
    """

    epoch: int = 0
    step: int = 0
    totals: Totals = (0.0, 0.0, 0.0, 0.0)
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)
    best_value: float | None = None
    epochs_without_improvement: int = 0
    finished: bool = False

    def at(self, step: int, totals: Totals, seconds: float) -> "Position":
        """The same epoch, `step` steps done."""
        return replace(self, step=step, totals=totals, seconds=seconds)


@dataclass(frozen=True)
class Checkpoint:
    """A position and the arrays that belong to it."""

    position: Position
    variables: Arrays
    best: Arrays | None = None


def write(folder: Path, checkpoint: Checkpoint) -> None:
    """Write `checkpoint` into an empty folder; the caller publishes the folder by a rename (Ray Train does)."""
    np.savez(folder / "variables.npz", allow_pickle=False, **checkpoint.variables)
    if checkpoint.best is not None:
        np.savez(folder / "best.npz", allow_pickle=False, **checkpoint.best)
    (folder / "position.json").write_text(json.dumps(asdict(checkpoint.position)), encoding="utf-8")


def read(folder: Path) -> Checkpoint:
    """Read what `write` wrote.

    Raises:
        IntegrityError: the folder is no whole checkpoint.
    """
    try:
        position = json.loads((folder / "position.json").read_text(encoding="utf-8"))
        best = folder / "best.npz"
        return Checkpoint(
            Position(**{**position, "totals": tuple(position["totals"])}),
            _load(folder / "variables.npz"),
            _load(best) if best.exists() else None,
        )
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise IntegrityError(f"the checkpoint in {folder} is damaged: {error}. Start a new run.") from None


def _load(path: Path) -> Arrays:
    with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def record(
    position: Position, entry: Mapping[str, Any], watched: float | None, *, larger_is_better: bool, patience: int | None
) -> tuple[Position, bool]:
    """Close an epoch.

    Args:
        position: at the end of the epoch.
        entry: its figures.
        watched: the metric that decides, if any.
        larger_is_better: how it is compared.
        patience: epochs in a row without improvement after which training is over.
    Returns:
        the position at the start of the next epoch, and whether this epoch is the best so far.
    """
    best = position.best_value
    improved = watched is not None and (best is None or (watched > best if larger_is_better else watched < best))
    waited = 0 if improved or watched is None else position.epochs_without_improvement + 1
    following = Position(
        epoch=position.epoch + 1,
        history=[*position.history, dict(entry)],
        best_value=watched if improved else best,
        epochs_without_improvement=waited,
        finished=patience is not None and waited >= patience,
    )
    return following, improved
