"""A checkpoint folder and the bookkeeping of an epoch."""

from pathlib import Path

import numpy as np
import pytest

from distrnn.errors import IntegrityError
from distrnn.training.checkpoints import Checkpoint, Position, read, record, write

POSITION = Position(epoch=1, step=7, totals=(1.5, 2.0, 3.0, 4.0), seconds=0.5, history=[{"epoch": 0, "loss": 0.7}], best_value=0.6)


SHARED, BEST = {"shared_0000": np.arange(6, dtype=np.float32).reshape(2, 3)}, {"weight_0000": np.ones(2, np.float32)}


def rows(*values: int) -> dict[str, np.ndarray]:
    """Recurrent state of as many rows."""
    return {"recurrent_0000": np.array(values, np.float32)[:, None]}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write(tmp_path, Checkpoint(POSITION, SHARED, rows(1, 2), BEST))
    again = read(tmp_path)
    assert again.position == POSITION
    np.testing.assert_equal((again.shared, again.own, again.best), (SHARED, rows(1, 2), BEST))


def test_the_rows_of_all_workers_are_read_in_order(tmp_path: Path) -> None:
    for rank, own in ((1, rows(3, 4)), (0, rows(1, 2))):
        write(tmp_path, Checkpoint(POSITION, SHARED, own), rank=rank, workers=2)
    np.testing.assert_equal(read(tmp_path).own, rows(1, 2, 3, 4))


def test_only_worker_0_writes_what_is_the_same_on_all(tmp_path: Path) -> None:
    write(tmp_path, Checkpoint(POSITION, SHARED, rows(3), BEST), rank=1, workers=2)
    assert [path.name for path in tmp_path.iterdir()] == ["worker-0001.npz"]


def test_a_run_without_validation_has_no_best_weights(tmp_path: Path) -> None:
    write(tmp_path, Checkpoint(POSITION, SHARED, {}))
    assert read(tmp_path).best is None


FILES = ["shared.npz", "best.npz", "worker-0000.npz", "worker-0001.npz", "position.json"]


def write_two(folder: Path) -> None:
    for rank in (0, 1):
        write(folder, Checkpoint(POSITION, {"shared_0000": np.zeros(1000)}, rows(*range(99)), BEST), rank=rank, workers=2)


@pytest.mark.parametrize("file", FILES)
def test_a_file_cut_in_half_is_told(tmp_path: Path, file: str) -> None:
    write_two(tmp_path)
    path = tmp_path / file
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(IntegrityError, match=r"the checkpoint in .* is damaged"):
        read(tmp_path)


@pytest.mark.parametrize("file", FILES)
def test_a_file_that_is_not_there_is_told(tmp_path: Path, file: str) -> None:
    write_two(tmp_path)
    (tmp_path / file).unlink()
    with pytest.raises(IntegrityError, match=r"the checkpoint in .* is damaged"):
        read(tmp_path)


def test_an_improvement_becomes_the_best() -> None:
    following, improved = record(Position(best_value=0.5, epochs_without_improvement=1), {}, 0.4, larger_is_better=False, patience=2)
    assert (improved, following.best_value, following.epochs_without_improvement, following.finished) == (True, 0.4, 0, False)


def test_patience_ends_training() -> None:
    following, improved = record(Position(best_value=0.9, epochs_without_improvement=1), {}, 0.8, larger_is_better=True, patience=2)
    assert (improved, following.best_value, following.epochs_without_improvement, following.finished) == (False, 0.9, 2, True)


def test_nothing_is_watched_without_early_stopping() -> None:
    following, improved = record(Position(), {"epoch": 0}, None, larger_is_better=False, patience=None)
    assert (improved, following) == (False, Position(epoch=1, history=[{"epoch": 0}]))
