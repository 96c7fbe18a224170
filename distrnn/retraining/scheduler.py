"""The loop that carries out what `policy` decides: one step looks at every workflow once and waits for nothing.

Any number of schedulers may run over one registry. Each asks the book, and the book gives a turn to one of them.
"""

import os
import socket
import threading
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from distrnn.errors import DistrnnError, StorageError
from distrnn.retraining import policy
from distrnn.retraining.book import Book, Held
from distrnn.retraining.policy import Begin
from distrnn.retraining.runner import Ended, NotStarted, Order, Run, Runner
from distrnn.retraining.state import Entry, Inputs, State, Turn
from distrnn.retraining.ticks import begins_at, next_tick
from distrnn.runs import finite, new_run_id
from distrnn.storage import default_storage
from distrnn.workflow import LoadedWorkflow
from distrnn.workflow.schedule_sections import Outcome, Schedule

LOOK_EVERY = timedelta(seconds=30)
RENEW_BEFORE = timedelta(minutes=2)
POLL_S = 1.0


@dataclass(frozen=True)
class Scheduled:
    """A workflow with its schedule.

    Attributes:
        loaded: the workflow, as it was when the scheduler started.
        schedule: its section.
        settings: `--set` texts.
    """

    loaded: LoadedWorkflow
    schedule: Schedule
    settings: Sequence[str] = ()

    @property
    def name(self) -> str:
        """The workflow's name."""
        return self.loaded.workflow.name


@dataclass(frozen=True)
class Active:
    """A turn in hand: its inputs are being looked at, or its run is at work."""

    held: Held
    check: "Future[Inputs] | None" = None
    run: Run | None = None

    @property
    def turn(self) -> Turn:
        """The turn."""
        if self.held.state.turn is None:
            raise AssertionError("a state in hand has a turn")
        return self.held.state.turn


@dataclass(frozen=True)
class Around:
    """What the scheduler works with.

    Attributes:
        book: the records.
        runner: starts runs.
        look: the inputs of a workflow as they are now, by its file and its `--set` texts; called in `executor`.
        executor: for what takes a while.
        clock: the time, in UTC.
        registry: URL of the registry.
        lock: URL of the lock that whoever writes to the registry holds.
        told: hears of each decision and the state after it.
        say: tells the person at the terminal.
        force: train though nothing has changed.
    """

    book: Book
    runner: Runner
    look: Callable[[str, Sequence[str]], Inputs]
    executor: Executor
    clock: Callable[[], datetime]
    registry: str
    lock: str | None = None
    told: Callable[[Scheduled, Entry, State], object] = lambda scheduled, entry, state: None
    say: Callable[[str], object] = lambda text: None
    force: bool = False


class Scheduler:
    """One scheduler; `holder` names it in the records."""

    def __init__(self, around: Around, scheduled: Sequence[Scheduled], holder: str | None = None) -> None:
        self._around, self._scheduled = around, tuple(scheduled)
        self.holder = holder or f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self._active: dict[str, Active] = {}
        self._look_at: dict[str, datetime] = {}

    def run(self, stopped: threading.Event) -> None:
        """Step until `stopped` is set, then leave every turn in hand to whoever comes next."""
        try:
            while not stopped.is_set():
                self.step()
                stopped.wait(POLL_S)
        finally:
            self.shut_down()

    def step(self) -> None:
        """Look at every workflow once. What goes wrong with one holds up no other."""
        for scheduled in self._scheduled:
            try:
                self._step(scheduled, self._around.clock())
            except Exception as error:
                self._around.say(f"{scheduled.name}: {known(error).message}")
                self._look_at[scheduled.name] = self._around.clock() + LOOK_EVERY

    def shut_down(self) -> None:
        """Stop the runs in hand, which save what they have, and give their turns back."""
        for scheduled in self._scheduled:
            active = self._active.pop(scheduled.name, None)
            if active is None:
                continue
            try:
                if active.run is not None:
                    active.run.stop()
                self._around.book.swap(policy.released(active.held.state), active.held.tag)
            except Exception as error:
                self._around.say(f"{scheduled.name}: {known(error).message}")

    def _step(self, scheduled: Scheduled, now: datetime) -> None:
        active = self._active.get(scheduled.name)
        if active is None:
            if now >= self._look_at.get(scheduled.name, now):
                self._look(scheduled, now)
        elif active.check is not None:
            self._checked(scheduled, active, active.check, now)
        elif active.run is not None and (ended := active.run.poll()) is not None:
            self._ended(scheduled, active, ended, now)
        else:
            self._renew(scheduled, active, now)

    def _look(self, scheduled: Scheduled, now: datetime) -> None:
        """Take the turn, if there is one and nobody else has it."""
        held = self._read(scheduled, now)
        begin = policy.due(held.state, scheduled.schedule, now, new_run_id(scheduled.name, now)) if held else None
        if held is None or begin is None:
            after = held.state.last_tick or held.state.since if held else now
            due_at = begins_at(scheduled.name, scheduled.schedule, next_tick(scheduled.schedule, after))
            self._look_at[scheduled.name] = min(due_at if due_at > now else now + LOOK_EVERY, now + LOOK_EVERY)
            return
        if begin.taken and (decided := self._left(scheduled, held, begin, now)) is not None:
            self._note(scheduled, policy.concluded(held.state, decided, begin.turn.inputs, left=True), decided, held.tag)
            return
        claimed = policy.claimed(held.state, begin, scheduled.schedule, self.holder, now, fenced=not begin.taken)
        mine = self._around.book.swap(claimed, held.tag)
        if mine is None:
            return
        if begin.turn.inputs is not None:
            self._start(scheduled, mine)
        else:
            future = self._around.executor.submit(self._around.look, scheduled.loaded.file, scheduled.settings)
            self._active[scheduled.name] = Active(mine, check=future)

    def _read(self, scheduled: Scheduled, now: datetime) -> Held | None:
        """The state; the first scheduler that sees a workflow writes one."""
        book, schedule = self._around.book, scheduled.schedule
        if (held := book.read(scheduled.name)) is not None:
            return held
        first = State(workflow=scheduled.name, cron=schedule.cron, timezone=schedule.timezone, since=now)
        return book.swap(first, None)

    def _left(self, scheduled: Scheduled, held: Held, begin: Begin, now: datetime) -> Entry | None:
        """The decision on a turn that its scheduler has left; None where its run is found again.

        It may have been made already: that scheduler, or one that took over, was gone before the state forgot the turn.
        """
        state, turn = held.state, held.state.turn or begin.turn
        if (decided := self._around.book.decision(scheduled.name, state.fence)) is not None:
            return decided
        if self._around.runner.finds_again and turn.inputs is not None:
            return None
        found = policy.left_behind(state, turn, scheduled.schedule.retries, self.holder, now)
        facts = {"error": found.error, "retry_at": found.retry_at, "scheduler": state.holder or self.holder}
        entry = self._entry(scheduled.name, state.fence, turn, found.outcome, now)
        return self._around.book.decide(entry.model_copy(update=facts))

    def _checked(self, scheduled: Scheduled, active: Active, check: "Future[Inputs]", now: datetime) -> None:
        """Go by what was found out about the inputs."""
        if not check.done():
            self._renew(scheduled, active, now)
            return
        if (error := check.exception()) is not None:
            met = known(error)
            self._conclude(scheduled, active, "failed", now, exit_code=met.exit_code, error=met.message)
            return
        inputs = check.result()
        verdict = policy.judge(inputs, active.held.state.inputs, force=self._around.force)
        turn = active.turn.model_copy(update={"inputs": inputs, "reason": verdict.reason})
        state = policy.renewed(active.held.state, now).model_copy(update={"turn": turn})
        if not verdict.train:
            self._conclude(scheduled, replace(active, held=Held(state, active.held.tag)), "skipped", now)
        elif (held := self._around.book.swap(state, active.held.tag)) is not None:
            self._around.say(f"{scheduled.name}: training as {turn.run_id}: {verdict.reason}")
            self._start(scheduled, held)
        else:
            self._lost(scheduled, active)

    def _start(self, scheduled: Scheduled, held: Held) -> None:
        turn = Active(held).turn
        order = Order(
            workflow_file=scheduled.loaded.file,
            workflow=scheduled.name,
            run_id=turn.run_id,
            fence=held.state.fence,
            again=turn.attempt > 1,
            settings=scheduled.settings,
            storage=scheduled.loaded.workflow.storage.root or default_storage(),
            registry=self._around.registry,
            lock=self._around.lock,
        )
        try:
            run = self._around.runner.start(order)
        except Exception as error:
            run = NotStarted(known(error))
        self._active[scheduled.name] = Active(held, run=run)

    def _renew(self, scheduled: Scheduled, active: Active, now: datetime) -> None:
        expires_at = active.held.state.expires_at
        if expires_at is not None and expires_at - now > RENEW_BEFORE:
            return
        held = self._around.book.swap(policy.renewed(active.held.state, now), active.held.tag)
        if held is None:
            self._lost(scheduled, active)
        else:
            self._active[scheduled.name] = replace(active, held=held)

    def _lost(self, scheduled: Scheduled, active: Active) -> None:
        """Somebody else has the turn: what is done here does not count any more."""
        del self._active[scheduled.name]
        self._around.say(f"{scheduled.name}: another scheduler took over, because this one did not renew its lease in time")
        if active.run is not None:
            active.run.stop()

    def _ended(self, scheduled: Scheduled, active: Active, ended: Ended, now: datetime) -> None:
        outcome = policy.outcome_of(ended.exit_code, ended.result)
        result = ended.result or {}
        made = {key: finite(result.get(key)) for key in ("version", "promotion")}
        seconds = {stage: took for stage, took in finite(result.get("seconds") or {}).items() if took is not None}
        error = ended.error if outcome == "failed" else None
        self._conclude(scheduled, active, outcome, now, exit_code=ended.exit_code, error=error, seconds=seconds, **made)

    def _conclude(self, scheduled: Scheduled, active: Active, outcome: Outcome, now: datetime, **facts: Any) -> None:
        """Write the decision down, then let the state forget the turn, then tell of it."""
        turn, state = active.turn, active.held.state
        wait = None
        if outcome == "failed":
            wait = policy.retry_wait(facts["exit_code"], turn.attempt, scheduled.schedule.retries)
        entry = self._entry(scheduled.name, state.fence, turn, outcome, now)
        entry = entry.model_copy(update={**facts, "retry_at": now + wait if wait is not None else None})
        stands = self._around.book.decide(entry)
        noted = self._note(scheduled, policy.concluded(state, stands, turn.inputs), stands, active.held.tag)
        self._active.pop(scheduled.name, None)
        if not noted:
            self._around.say(f"{scheduled.name}: another scheduler took over before the outcome was written: {outcome}")

    def _note(self, scheduled: Scheduled, after: State, decided: Entry, tag: str) -> bool:
        """Let the state take note of a decision, and tell of it; False where somebody else was first, who tells of it."""
        if self._around.book.swap(after, tag) is None:
            return False
        self._look_at.pop(scheduled.name, None)
        self._around.say(f"{scheduled.name}: {wording(decided)}")
        self._around.told(scheduled, decided, after)
        return True

    def _entry(self, workflow: str, number: int, turn: Turn, outcome: Outcome, now: datetime) -> Entry:
        return Entry(
            number=number,
            workflow=workflow,
            tick=turn.tick,
            missed=turn.missed,
            attempt=turn.attempt,
            outcome=outcome,
            reason=turn.reason,
            run_id=None if outcome == "skipped" else turn.run_id,
            began_at=turn.began_at,
            ended_at=now,
            scheduler=self.holder,
        )


def known(error: BaseException) -> DistrnnError:
    """What went wrong, as one of our errors: what a library raises is told with its kind."""
    if isinstance(error, DistrnnError):
        return error
    return StorageError(str(error)) if isinstance(error, OSError) else DistrnnError(f"internal error: {type(error).__name__}: {error}")


def wording(entry: Entry) -> str:
    """A decision in one line."""
    version = f", {entry.version['name']}@v{entry.version['number']}" if entry.version else ""
    because = f": {entry.error or entry.reason}" if entry.error or entry.reason else ""
    again = f"; tried again at {entry.retry_at:%Y-%m-%d %H:%M:%S} UTC" if entry.retry_at else ""
    return f"{entry.outcome}{version}{because}{again}"
