"""A world for schedulers: a clock that tests move, runs that take time on it, and schedulers that can be killed."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from distrnn.errors import ConflictError
from distrnn.registry.fences import FENCE, check_fence, fence_of
from distrnn.retraining.book import Book
from distrnn.retraining.runner import Ended, Order
from distrnn.retraining.scheduler import Around, Scheduled, Scheduler
from distrnn.retraining.state import Entry, Inputs
from distrnn.storage import Store, open_store
from distrnn.workflow import LoadedWorkflow, validate
from storage_doubles import MemoryStore

MINUTE = timedelta(minutes=1)


class Inline(Executor):
    """Does at once what it is given."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **options: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        try:
            future.set_result(function(*arguments, **options))
        except Exception as error:
            future.set_exception(error)
        return future


@dataclass
class FakeRun:
    """A run that ends when its time has come, and asks the fence before it publishes."""

    world: "World"
    order: Order
    ends_at: datetime
    exit_code: int
    stopped: bool = False
    ended: Ended | None = None

    def poll(self) -> Ended | None:
        if self.ended is None and (self.stopped or self.world.now >= self.ends_at):
            self.ended = self._end()
        return self.ended

    def stop(self) -> None:
        self.stopped = True

    def _end(self) -> Ended:
        if self.stopped:
            return Ended(143, None, "interrupted")
        if self.exit_code not in (0, 4):
            return Ended(self.exit_code, None, f"failed with {self.exit_code}")
        try:
            check_fence(self.world.store, {FENCE: fence_of(self.order.workflow, self.order.fence)})
        except ConflictError as error:
            return Ended(6, None, error.message)
        self.world.published.append(self.order.run_id)
        promotion = {"alias": "production", "decision": "refused" if self.exit_code == 4 else "promoted"}
        version = {"name": "reviews", "number": len(self.world.published), "digest": "sha256:" + "33" * 32}
        return Ended(self.exit_code, {"version": version, "promotion": promotion, "seconds": {"train": 60.0}}, None)


@dataclass
class World:
    """Everything around the schedulers; `exit_codes` are those of the next runs, then 0."""

    store: Store
    now: datetime
    scheduled: Scheduled
    data: str = "a"
    takes: timedelta = timedelta(minutes=20)
    exit_codes: list[int] = field(default_factory=list)
    look_error: Exception | None = None
    start_errors: list[Exception] = field(default_factory=list)
    finds_again: bool = False
    force: bool = False
    runs: list[FakeRun] = field(default_factory=list)
    published: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    told: list[Entry] = field(default_factory=list)
    schedulers: list[Scheduler] = field(default_factory=list)

    @property
    def book(self) -> Book:
        return Book(self.store)

    def start(self, order: Order) -> FakeRun:
        """Be a runner."""
        if self.start_errors:
            raise self.start_errors.pop(0)
        for run in self.runs:
            if run.order.run_id == order.run_id and run.ended is not None and run.ended.exit_code in (0, 4):
                return run  # it is recorded as finished
        if self.finds_again:
            for run in self.runs:
                if run.order.run_id == order.run_id and run.ended is None and not run.stopped:
                    return run
        run = FakeRun(self, order, self.now + self.takes, self.exit_codes.pop(0) if self.exit_codes else 0)
        self.runs.append(run)
        return run

    def look(self, _file: str, _settings: Sequence[str]) -> Inputs:
        if self.look_error is not None:
            raise self.look_error
        return Inputs(data={"source": {"sha256": self.data}}, workflow={"name": "reviews"}, code="1")

    def scheduler(self, holder: str, book: Book | None = None, *others: Scheduled) -> Scheduler:
        """Start a scheduler."""
        around = Around(
            book=book or self.book,
            runner=self,
            look=self.look,
            executor=Inline(),
            clock=lambda: self.now,
            registry="registry",
            told=lambda _scheduled, entry, _state: self.told.append(entry),
            say=self.said.append,
            force=self.force,
        )
        self.schedulers.append(Scheduler(around, [*others, self.scheduled], holder))
        return self.schedulers[-1]

    def kill(self, scheduler: Scheduler) -> None:
        """It does nothing from now on; its runs go on, as orphans do."""
        self.schedulers.remove(scheduler)

    def counts(self) -> dict[str, int]:
        """What the record has counted."""
        held = self.book.read("reviews")
        return {**held.state.counts} if held else {}

    def forward(self, by: timedelta) -> None:
        """Let time pass: minute by minute while something is being run, in larger steps while nothing is."""
        until = self.now + by
        while self.now < until:
            at_work = any(run.ended is None for run in self.runs)
            self.now = min(self.now + (MINUTE if at_work else 10 * MINUTE), until)
            for scheduler in list(self.schedulers):
                scheduler.step()
                scheduler.step()  # the inputs are known by now

    def until(self, text: str) -> None:
        """Let time pass until a moment in UTC."""
        self.forward(datetime.fromisoformat(text).replace(tzinfo=UTC) - self.now)

    def history(self) -> list[Entry]:
        """Every decision, oldest first."""
        return list(self.book.history("reviews"))[::-1]

    def story(self) -> list[str]:
        """Every decision in a few words, oldest first."""
        return [f"{entry.tick:%d %H:%M} {entry.outcome}" for entry in self.history()]


def scheduled_workflow(schedule: dict[str, Any], folder: Path, name: str = "reviews") -> Scheduled:
    document = {
        "name": name,
        "data": {"source": "synthetic-reviews"},
        "model": {"type": "lstm", "sequence_length": 5},
        "train": {"epochs": 1},
        "schedule": schedule,
    }
    workflow = validate(document, "reviews.yaml")
    assert workflow.schedule is not None
    return Scheduled(LoadedWorkflow(workflow, str(folder / "reviews.yaml")), workflow.schedule)


@pytest.fixture
def world(tmp_path: Path) -> Callable[..., World]:
    """Make a world: its schedule, when it begins, and where it keeps its records."""

    def make(begins: str = "2026-11-01", url: str | None = None, **schedule: Any) -> World:
        now = datetime.fromisoformat(begins).replace(tzinfo=UTC)
        keys = {"cron": "0 3 * * *", **schedule}
        return World(open_store(url) if url else MemoryStore(), now, scheduled_workflow(keys, tmp_path))

    return make
