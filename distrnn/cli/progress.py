"""Showing how far a run is: bars on a terminal, one line a stage and an epoch elsewhere.

Both are listeners of the same events; the run knows nothing about either.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from distrnn.cli.output import Output
from distrnn.progress import Event, Progress, silent

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

BAR_WIDTH = 30


@contextlib.contextmanager
def shown(out: Output) -> Iterator[Progress]:
    """A listener that shows events for as long as the block runs."""
    if out.quiet:
        yield silent
    elif sys.stderr.isatty():
        with Bars() as bars:
            yield bars
    else:
        lines = Lines(out.note)
        try:
            yield lines
        finally:
            lines.close()


def figures(info: Mapping[str, Any]) -> str:
    """The figures of an event as text, in one order; those that are absent are left out."""
    parts = []
    if "epoch" in info:
        parts.append(f"epoch {info['epoch']}/{info['epochs']}" if "epochs" in info else f"epoch {info['epoch']}")
    if "step" in info and info["step"] != info.get("steps"):
        parts.append(f"batch {info['step']}/{info['steps']}" if "steps" in info else f"batch {info['step']}")
    for key, name in (("loss", "loss"), ("accuracy", "accuracy"), ("validation_loss", "validation loss")):
        if info.get(key) is not None:
            parts.append(f"{name} {info[key]:.4f}")
    if info.get("tokens_per_s") is not None:
        parts.append(f"{info['tokens_per_s']:,.0f} tokens/s")
    if info.get("message"):
        parts.append(str(info["message"]))
    if info.get("documents") is not None:
        parts.append(f"{info['documents']:,} documents")
    if info.get("bytes_per_s") is not None:
        parts.append(f"{info['bytes_per_s'] / 1e6:,.1f} MB/s")
    return ", ".join(parts)


class Lines:
    """One line when a stage begins, one for each finished epoch, and one for what was read when all of it is.

    An epoch may be told twice, before and after its validation; a line waits until it is certain that no more is coming.

    Args:
        say: shows a line.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._stage = ""
        self._waiting: tuple[Any, str] | None = None

    def __call__(self, event: Event) -> None:
        """Hear an event."""
        if "warning" in event.info:
            self.close()
            self._say(f"warning: {event.info['warning']}")
            return
        epoch = event.info.get("epoch")
        topic = event.stage, epoch, event.info.get("message") if epoch is None else None
        if self._waiting is not None and topic != self._waiting[0]:
            self.close()
        if event.stage != self._stage:
            self._stage = event.stage
            self._say(f"{event.stage}: started")
        if "documents" in event.info or (epoch is not None and event.info.get("step") == event.info.get("steps")):
            self._waiting = topic, f"{event.stage}: {figures(event.info)}"

    def close(self) -> None:
        """Say what is still waiting."""
        if self._waiting is not None:
            self._say(self._waiting[1])
            self._waiting = None


class Bars:
    """One bar a stage, and the figures of the moment on a line below; live inside `with`."""

    def __init__(self) -> None:
        from rich.console import Console, Group
        from rich.live import Live
        from rich.text import Text

        self._bars = _bars()
        self._tasks: dict[str, Any] = {}
        self._waiting: Any = self._bars.add_task("start", total=None)
        self._figures = Text("", style="dim", no_wrap=True, overflow="ellipsis")
        # What a library prints meanwhile is no result, so it must not reach stdout by way of rich either
        self._live = Live(Group(self._bars, self._figures), console=Console(file=sys.stderr), refresh_per_second=8, redirect_stdout=False)

    def __enter__(self) -> "Bars":
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop_waiting()
        self._figures.plain = ""
        self._live.stop()

    def __call__(self, event: Event) -> None:
        """Hear an event."""
        if "warning" in event.info:
            self._live.console.print(f"warning: {event.info['warning']}", markup=False, highlight=False)
            return
        self._stop_waiting()
        if event.stage not in self._tasks:
            self._finish()
            self._tasks[event.stage] = self._bars.add_task(event.stage, total=event.total)
        self._bars.update(self._tasks[event.stage], completed=event.done, total=event.total)
        self._figures.plain = figures(event.info)
        if event.done == event.total and event.stage == "prepare":
            # The training worker needs seconds to import TensorFlow and to compile the step, and cannot tell anything meanwhile
            self._waiting, self._figures.plain = self._bars.add_task("train", total=None), "starting the worker"

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._bars.remove_task(self._waiting)
            self._waiting = None

    def _finish(self) -> None:
        """End the stages before; early stopping ends one before its total."""
        for task in self._bars.tasks:
            self._bars.update(task.id, total=task.completed or 1, completed=task.completed or 1)


def _bars() -> "RichProgress":
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    return RichProgress(
        TextColumn("{task.description:<8}", markup=False),
        BarColumn(bar_width=BAR_WIDTH),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(compact=True),
    )
