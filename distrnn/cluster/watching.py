"""What worker 0 lets others watch while it trains, beside progress: figures at Ray's metrics endpoint, and files for TensorBoard."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from distrnn.cluster.ray_metrics import TrainMetrics
from distrnn.progress import Event
from distrnn.storage import Store
from distrnn.training.checkpoints import Checkpoint, Position
from distrnn.workflow import Workflow

if TYPE_CHECKING:
    from distrnn.training.board import Board
    from distrnn.training.loop import Hooks

FOLDER = "tensorboard"


@contextlib.contextmanager
def watched(
    hooks: "Hooks", workflow: Workflow, store: Store, run_folder: str, checkpoint: Checkpoint | None, tell: Callable[[str], None]
) -> Iterator["Hooks"]:
    """The same hooks, watched for as long as the block runs.

    Args:
        hooks: of worker 0.
        workflow: what is trained.
        store: the storage root.
        run_folder: key of the run in it.
        checkpoint: where training goes on, if anywhere.
        tell: takes a message.
    """
    start = checkpoint.position if checkpoint else Position()
    metrics = TrainMetrics(workflow.name, start.data_wait_s)
    with _board(store, f"{run_folder}/{FOLDER}", start, tell) if workflow.train.tensorboard else contextlib.nullcontext() as board:

        def progress(event: Event) -> None:
            hooks.progress(event)
            metrics.progress(event)
            if board is not None:
                board.progress(event)

        save = metrics.timed(hooks.save)
        yield replace(hooks, progress=progress, save=save if board is None else board.saving(save))


@contextlib.contextmanager
def _board(store: Store, prefix: str, start: Position, tell: Callable[[str], None]) -> Iterator["Board"]:
    """A board in the run's folder, or one whose files are brought there."""
    from distrnn.training.board import Board

    with contextlib.ExitStack() as stack:
        folder = store.local_path(prefix)
        if folder is not None:
            board = Board(folder, start, tell)
        else:
            copy = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="distrnn-board-")))
            for entry in store.list(f"{prefix}/"):
                target = copy / entry.key.removeprefix(f"{prefix}/")
                target.parent.mkdir(parents=True, exist_ok=True)
                store.get_file(entry.key, target)
            board = Board(copy, start, tell, lambda path: store.put_file(f"{prefix}/{path.relative_to(copy).as_posix()}", path))
        stack.callback(board.close)
        yield board
