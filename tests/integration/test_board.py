"""Event files for TensorBoard: every figure of the history, each point once however often training stops and goes on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from distrnn.cluster.watching import watched
from distrnn.errors import StorageError
from distrnn.progress import Event, silent
from distrnn.storage import open_store
from distrnn.training.board import Board, events_of
from distrnn.training.checkpoints import Checkpoint, Position
from distrnn.training.loop import Hooks
from distrnn.workflow import validate
from fixtures_s3 import S3Server
from fixtures_workflow import CLASSIFIER, changed

pytestmark = pytest.mark.usefixtures("two_devices")

STEPS = 10
Points = dict[tuple[str, str], list[tuple[int, float]]]


def entry(epoch: int) -> dict[str, Any]:
    figures = {"loss": 1 / (epoch + 1), "accuracy": 0.5, "learning_rate": 0.001, "tokens_per_s": 1000.0 + epoch}
    return {"epoch": epoch, "steps": STEPS, **figures, "validation_loss": 2 / (epoch + 1), "validation_accuracy": None}


def at(epoch: int, step: int = 0) -> Checkpoint:
    return Checkpoint(Position(epoch=epoch, step=step, history=[entry(number) for number in range(epoch)]), {}, {})


def event(epoch: int, step: int, **info: Any) -> Event:
    told = {"epoch": epoch + 1, "step": step, "steps": STEPS, "loss": epoch + step / STEPS, **info}
    return Event("train", epoch * STEPS + step, 3 * STEPS, "steps", told)


def go(board: Board, *, start: tuple[int, int] = (0, 0), end: tuple[int, int] = (3, 0), saved: list[Checkpoint] | None = None) -> None:
    """Train from one place to another, an event every second step, with a checkpoint at each epoch's end."""
    save = board.saving((saved if saved is not None else []).append)
    epoch, step = start
    while (epoch, step) < end:
        step += 2
        board.progress(event(epoch, step))
        if step == STEPS:
            board.progress(event(epoch, step, validation_loss=0.7))
            epoch, step = epoch + 1, 0
            save(at(epoch))


def board_at(folder: Path, start: Checkpoint | None = None, **keys: Any) -> Board:
    return Board(folder, start.position if start else Position(), keys.pop("tell", pytest.fail), **keys)


def points(folder: Path) -> Points:
    """All points of all files, in the order of the files."""
    found: Points = {}
    for path in sorted(folder.glob("*/*tfevents*")):
        for event in events_of(path):
            for value in event.summary.value:
                found.setdefault((path.parent.name, value.tag), []).append((event.step, value.simple_value))
    return found


def undisturbed(folder: Path) -> Points:
    board = board_at(folder)
    go(board)
    board.close()
    return points(folder)


def test_epochs_are_those_of_the_history(tmp_path: Path) -> None:
    found = undisturbed(tmp_path)
    history = at(3).position.history
    assert {key: value for key, value in found.items() if key[1] != "batch_loss"} == {
        (run, f"epoch_{name}"): [(number["epoch"] + 1, np.float32(number[key])) for number in history]
        for run, name, key in [
            ("train", "loss", "loss"),
            ("train", "accuracy", "accuracy"),
            ("train", "learning_rate", "learning_rate"),
            ("train", "tokens_per_second", "tokens_per_s"),
            ("validation", "loss", "validation_loss"),
        ]
    }


def test_the_loss_of_each_event_stands_at_its_step(tmp_path: Path) -> None:
    assert undisturbed(tmp_path)["train", "batch_loss"] == [(step, pytest.approx(step / STEPS)) for step in range(2, 31, 2)]


def test_points_can_be_read_while_training_goes_on(tmp_path: Path) -> None:
    board = board_at(tmp_path)
    go(board, end=(0, 6))
    assert [step for step, _ in points(tmp_path)["train", "batch_loss"]] == [2, 4, 6]
    board.close()


@pytest.mark.parametrize(("checkpoint", "killed"), [((2, 0), (2, 6)), ((1, 4), (1, 8)), ((1, 4), (2, 2)), ((0, 0), (1, 4))])
def test_a_run_that_goes_on_has_each_point_once(tmp_path: Path, checkpoint: tuple[int, int], killed: tuple[int, int]) -> None:
    before = board_at(tmp_path / "disturbed")
    go(before, end=killed)
    after = board_at(tmp_path / "disturbed", at(*checkpoint))
    go(after, start=checkpoint)
    after.close()
    assert points(tmp_path / "disturbed") == undisturbed(tmp_path / "undisturbed")
    before.close()


def test_each_process_has_files_of_its_own(tmp_path: Path) -> None:
    for start in ((0, 0), (1, 0)):
        board = board_at(tmp_path, at(*start))
        go(board, start=start, end=(start[0] + 1, 0))
        board.close()
    assert len(list((tmp_path / "train").iterdir())) == 2


def test_half_an_event_of_a_process_that_was_killed_is_left_out(tmp_path: Path) -> None:
    before = board_at(tmp_path / "disturbed")
    go(before, end=(1, 6))
    before.close()
    (path,) = (tmp_path / "disturbed/train").iterdir()
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(tf.errors.DataLossError):
        points(tmp_path / "disturbed")
    after = board_at(tmp_path / "disturbed", at(1))
    go(after, start=(1, 0))
    after.close()
    assert points(tmp_path / "disturbed") == undisturbed(tmp_path / "undisturbed")


def test_files_are_brought_before_a_checkpoint_is_saved(tmp_path: Path) -> None:
    order: list[str] = []
    board = board_at(tmp_path, bring=lambda path: order.append(path.parent.name))
    board.progress(event(0, 10))
    board.saving(lambda _checkpoint: order.append("saved"))(at(1))
    assert order == ["train", "validation", "saved"]
    board.close()


def test_what_cannot_be_written_is_told_once_and_training_goes_on(tmp_path: Path) -> None:
    def full(_path: Path) -> None:
        raise StorageError("the disk is full")

    told: list[str] = []
    saved: list[Checkpoint] = []
    board = board_at(tmp_path, tell=told.append, bring=full)
    go(board, saved=saved)
    board.close()
    assert told == ["files for TensorBoard could not be written (the disk is full); training goes on without them"]
    assert len(saved) == 3


@pytest.fixture(params=["folder", "S3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path, moto_s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "folder":
        return str(tmp_path / "storage")
    moto_s3.use(monkeypatch)
    return moto_s3.new_url()


@pytest.fixture
def train(storage: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A part of a training in a run's folder, as worker 0 makes it."""
    monkeypatch.setattr("distrnn.cluster.watching.TrainMetrics", Unheard)

    def part(*, tensorboard: bool, start: tuple[int, int] = (0, 0), end: tuple[int, int]) -> None:
        workflow = validate(changed(CLASSIFIER, "train.tensorboard", tensorboard), "w.yaml")
        hooks = Hooks(silent, lambda: False, lambda _checkpoint: None)
        with watched(hooks, workflow, open_store(storage), "runs/mine", at(*start), pytest.fail) as hooks:
            for epoch in range(start[0], end[0]):
                for step in range(2, STEPS + 1, 2):
                    hooks.progress(event(epoch, step))
                hooks.save(at(epoch + 1))

    return part


class Unheard:
    """Metrics that nobody asks for."""

    def __init__(self, _workflow: str, _waited_s: float) -> None:
        pass

    def progress(self, _event: Event) -> None:
        pass

    def timed(self, save: Any) -> Any:
        return save


def brought(storage: str, folder: Path) -> Points:
    """What is in the run's folder, wherever that is."""
    store = open_store(storage)
    for entry in store.list("runs/mine/"):
        target = folder / entry.key
        target.parent.mkdir(parents=True, exist_ok=True)
        store.get_file(entry.key, target)
    return points(folder / "runs/mine/tensorboard")


def test_the_files_are_in_the_run_s_folder(train: Callable[..., None], storage: str, tmp_path: Path) -> None:
    train(tensorboard=True, end=(3, 0))
    assert brought(storage, tmp_path / "copy") == undisturbed(tmp_path / "undisturbed")


def test_a_run_that_goes_on_elsewhere_goes_on_in_the_same_folder(train: Callable[..., None], storage: str, tmp_path: Path) -> None:
    train(tensorboard=True, end=(2, 0))
    train(tensorboard=True, start=(1, 0), end=(3, 0))
    assert brought(storage, tmp_path / "copy") == undisturbed(tmp_path / "undisturbed")


def test_nothing_is_written_unless_asked_for(train: Callable[..., None], storage: str) -> None:
    train(tensorboard=False, end=(1, 0))
    assert list(open_store(storage).list("runs/")) == []
