"""A checkpoint: everything that a run killed anywhere needs to end with the weights it would have had.

A folder that all workers fill. Worker 0 writes `shared.npz` (weights, optimizer), `best.npz` (the weights of the best epoch, when
validation is watched) and `position.json`; each worker writes `worker-NNNN.npz`, the random and recurrent state of its replicas.
`position.json` says how many workers there are, so that a folder in which a file is missing or cut short is known for what it is.
"""

import json
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from distrnn.errors import IntegrityError

Arrays = dict[str, np.ndarray]
Totals = tuple[float, ...]


@dataclass(frozen=True)
class Position:
    """Where training stands.

    Attributes:
        epoch: the epoch in progress, from 0.
        step: steps of it that are done.
        totals: sums over those steps: loss (nats), hits, labels, tokens (padding not counted); then the loss at each position of a row.
        seconds: time spent in this epoch.
        data_wait_s: how much of it went by waiting for batches.
        history: one entry a finished epoch.
        best_value: the best value of the watched metric so far.
        epochs_without_improvement: since then.
        finished: training is over.
    """

    epoch: int = 0
    step: int = 0
    totals: Totals = (0.0, 0.0, 0.0, 0.0)
    seconds: float = 0.0
    data_wait_s: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)
    best_value: float | None = None
    epochs_without_improvement: int = 0
    finished: bool = False

    def at(self, step: int, totals: Iterable[float], seconds: float, data_wait_s: float) -> "Position":
        """The same epoch, `step` steps done."""
        return replace(self, step=step, totals=tuple(map(float, totals)), seconds=seconds, data_wait_s=data_wait_s)


@dataclass(frozen=True)
class Checkpoint:
    """A position and the arrays that belong to it.

    Attributes:
        position: where training stands.
        shared: what is the same on all replicas.
        own: of this worker's replicas while it is written, of all replicas in their order once it is read.
        best: the weights of the best epoch.
    """

    position: Position
    shared: Arrays
    own: Arrays
    best: Arrays | None = None


def write(folder: Path, checkpoint: Checkpoint, *, rank: int = 0, workers: int = 1) -> None:
    """Write this worker's part of a checkpoint into an empty folder; the caller publishes it (Ray Train does)."""
    np.savez(folder / _worker_file(rank), allow_pickle=False, **checkpoint.own)
    if rank:
        return
    np.savez(folder / "shared.npz", allow_pickle=False, **checkpoint.shared)
    if checkpoint.best is not None:
        np.savez(folder / "best.npz", allow_pickle=False, **checkpoint.best)
    document = {**asdict(checkpoint.position), "workers": workers, "best": checkpoint.best is not None}
    (folder / "position.json").write_text(json.dumps(document), encoding="utf-8")


def read(folder: Path) -> Checkpoint:
    """Read what all workers wrote.

    Raises:
        IntegrityError: the folder is no whole checkpoint.
    """
    try:
        document = json.loads((folder / "position.json").read_text(encoding="utf-8"))
        workers, has_best = document.pop("workers"), document.pop("best")
        parts = [_load(folder / _worker_file(rank)) for rank in range(workers)]
        return Checkpoint(
            Position(**{**document, "totals": tuple(document["totals"])}),
            _load(folder / "shared.npz"),
            {name: np.concatenate([part[name] for part in parts]) for name in parts[0]},
            _load(folder / "best.npz") if has_best else None,
        )
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise IntegrityError(f"the checkpoint in {folder} is damaged: {error}") from None


def _worker_file(rank: int) -> str:
    return f"worker-{rank:04d}.npz"


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
