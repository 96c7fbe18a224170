"""Event files for TensorBoard: points of the training loss by step, and every figure of a finished epoch by epoch.

As Keras' callback does, training and validation are two of TensorBoard's runs whose curves have the same names, so that they are drawn into
one picture: `epoch_…` against the number of epochs that are done, `batch_loss` against the number of steps.

Each process writes files of its own. One that goes on from a checkpoint first takes out of the older files what came after that checkpoint,
because it will make those points again. Files are records of TensorFlow's Event, written without its summary writer, which needs the
package tensorboard, and tensorflow 2.21 does not bring that along (measured).
"""

import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from distrnn.errors import DistrnnError
from distrnn.progress import Event
from distrnn.training.checkpoints import Checkpoint, Position

BY_EPOCH = "epoch_"
TRAIN, VALIDATION = "train", "validation"
# Key of an entry of the history: TensorBoard's run, and the name of the curve
CURVES = {
    "loss": (TRAIN, "epoch_loss"),
    "accuracy": (TRAIN, "epoch_accuracy"),
    "learning_rate": (TRAIN, "epoch_learning_rate"),
    "tokens_per_s": (TRAIN, "epoch_tokens_per_second"),
    "validation_loss": (VALIDATION, "epoch_loss"),
    "validation_accuracy": (VALIDATION, "epoch_accuracy"),
}
BATCH_LOSS = "batch_loss"
FILES = "events.out.tfevents.*"

EventProto = tf.compat.v1.Event
Summary = tf.compat.v1.Summary


class Board:
    """Writes the event files of one process.

    Args:
        folder: of all event files of the run; those that are there are of earlier processes of it.
        start: where training begins or goes on.
        tell: hears why nothing more is written, if that happens: training goes on without.
        bring: called with each file that is complete up to a checkpoint, before that is saved.
    """

    def __init__(
        self, folder: Path, start: Position, tell: Callable[[str], None], bring: Callable[[Path], None] = lambda _path: None
    ) -> None:
        self._folder, self._start, self._bring, self._tell = folder, start, bring, tell
        self._epochs, self._last_step = len(start.history), -1
        self._files: dict[str, tuple[Path, Any]] = {}
        self._begun = self._broken = False

    def progress(self, event: Event) -> None:
        """Hear an event of training; another one writes nothing."""
        if event.stage == "train" and "loss" in event.info:
            self._unless_broken(lambda: self._step(event))

    def saving(self, save: Callable[[Checkpoint], None]) -> Callable[[Checkpoint], None]:
        """The same function; epochs that have ended are written before, so that no checkpoint is ahead of the files."""

        def saving(checkpoint: Checkpoint) -> None:
            self._unless_broken(lambda: self._epochs_of(checkpoint.position))
            save(checkpoint)

        return saving

    def close(self) -> None:
        """Write what is left."""
        for _, writer in self._files.values():
            writer.close()
        self._files = {}

    def _unless_broken(self, write: Callable[[], None]) -> None:
        if self._broken:
            return
        try:
            write()
        except (tf.errors.OpError, DistrnnError, OSError) as error:
            self._broken = True
            first = str(error).strip().splitlines()[0][:200]
            self._tell(f"files for TensorBoard could not be written ({first}); training goes on without them")

    def _step(self, event: Event) -> None:
        self._begin(int(event.info["steps"]))
        step = int(event.done)
        if step > self._last_step:  # the end of an epoch is told twice, before and after its validation
            self._write(TRAIN, BATCH_LOSS, step, event.info["loss"])
            self._files[TRAIN][1].flush()
            self._last_step = step

    def _epochs_of(self, position: Position) -> None:
        for entry in position.history[self._epochs :]:
            self._begin(int(entry["steps"]))
            self._epoch(entry)
        self._epochs = len(position.history)
        for path, writer in self._files.values():
            writer.flush()
            self._bring(path)

    def _epoch(self, entry: Mapping[str, Any]) -> None:
        for key, (run, name) in CURVES.items():
            if entry.get(key) is not None:
                self._write(run, name, entry["epoch"] + 1, entry[key])

    def _begin(self, steps: int) -> None:
        """Make older files end at the checkpoint that training goes on from.

        Args:
            steps: of an epoch.
        """
        if self._begun:
            return
        self._begun, self._last_step = True, self._start.epoch * steps + self._start.step
        for path in sorted(self._folder.glob(f"*/{FILES}")):
            if _cut(path, epochs=self._epochs, steps=self._last_step):
                self._bring(path)

    def _write(self, run: str, name: str, step: int, value: float) -> None:
        if run not in self._files:
            path = self._folder / run / FILES.replace("*", f"{time.time_ns() // 1000:016d}.{socket.gethostname()}.{os.getpid()}")
            path.parent.mkdir(parents=True, exist_ok=True)
            self._files[run] = path, tf.io.TFRecordWriter(str(path))
            self._files[run][1].write(EventProto(wall_time=time.time(), file_version="brain.Event:2").SerializeToString())
        summary = Summary(value=[Summary.Value(tag=name, simple_value=float(value))])
        self._files[run][1].write(EventProto(wall_time=time.time(), step=step, summary=summary).SerializeToString())


def events_of(path: Path) -> Iterator[Any]:
    """The events of a file, up to where it is cut short.

    Raises:
        DataLossError: it is cut short, after the last whole one.
    """
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        yield EventProto.FromString(record)


def _cut(path: Path, *, epochs: int, steps: int) -> bool:
    """Leave out of a file what came after so many epochs and steps; whether there was any, or half of an event."""
    kept, is_whole = [], True
    try:
        for event in events_of(path):
            end = epochs if any(value.tag.startswith(BY_EPOCH) for value in event.summary.value) else steps
            if event.step <= end:
                kept.append(event)
            else:
                is_whole = False
    except tf.errors.DataLossError:
        is_whole = False
    if is_whole:
        return False
    shorter = path.with_name("shorter")  # TensorBoard must not take it for one of its files
    with tf.io.TFRecordWriter(str(shorter)) as writer:
        for event in kept:
            writer.write(event.SerializeToString())
    os.replace(shorter, path)
    return True
