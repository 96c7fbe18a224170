"""A checkpoint folder and the bookkeeping of an epoch."""

from pathlib import Path

import numpy as np
import pytest

from distrnn.errors import IntegrityError
from distrnn.training.checkpoints import Checkpoint, Position, read, record, write

POSITION = Position(epoch=1, step=7, totals=(1.5, 2.0, 3.0, 4.0), seconds=0.5, history=[{"epoch": 0, "loss": 0.7}], best_value=0.6)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    variables, best = {"shared_0000": np.arange(6, dtype=np.float32).reshape(1, 2, 3)}, {"weight_0000": np.ones(2, np.float32)}
    write(tmp_path, Checkpoint(POSITION, variables, best))
    again = read(tmp_path)
    assert again.position == POSITION
    np.testing.assert_array_equal(again.variables["shared_0000"], variables["shared_0000"])
    assert again.best is not None
    np.testing.assert_array_equal(again.best["weight_0000"], best["weight_0000"])


def test_a_run_without_validation_has_no_best_weights(tmp_path: Path) -> None:
    write(tmp_path, Checkpoint(POSITION, {"shared_0000": np.zeros(1)}))
    assert read(tmp_path).best is None


@pytest.mark.parametrize("file", ["variables.npz", "position.json"])
def test_a_file_cut_in_half_is_told(tmp_path: Path, file: str) -> None:
    write(tmp_path, Checkpoint(POSITION, {"shared_0000": np.zeros(1000)}))
    path = tmp_path / file
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
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
