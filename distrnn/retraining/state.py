"""What is known of a scheduled workflow: one document that is moved by compare-and-swap, and one that is never changed for each decision.

A *fence* is a number that grows with each decision. A run is told its own; whoever publishes looks whether it is still the newest, so a run
that everybody has given up cannot publish beside the one that took its place.
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Outcome = Literal["promoted", "refused", "finished", "skipped", "failed", "abandoned"]
SUCCESSES: tuple[Outcome, ...] = ("promoted", "refused", "finished")


class Record(BaseModel):
    """Keys that a newer program has added are kept out of sight."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Inputs(Record):
    """What decides the model that a run makes.

    Attributes:
        data: what the dataset is made from (`data.fingerprint`), and what is read beside it.
        workflow: the resolved workflow without what only says where and how fast.
        code: version of distrnn and digest of its files.
    """

    data: dict[str, Any]
    workflow: dict[str, Any]
    code: str


class Turn(Record):
    """A tick that somebody is at, or that waits to be tried again.

    Attributes:
        tick: the moment that the cron expression means.
        missed: how many ticks before it were not run, which this one stands for.
        attempt: counts from 1.
        run_id: the same for every attempt.
        began_at: of this attempt.
        not_before: where it waits: until when.
    """

    tick: datetime
    missed: int
    attempt: int
    run_id: str
    began_at: datetime
    not_before: datetime | None = None
    reason: str | None = None
    inputs: Inputs | None = None


class State(Record):
    """Where a workflow's schedule stands.

    Attributes:
        workflow: its name.
        cron: of whoever wrote last, so that others can tell when it is due.
        timezone: of the expression.
        since: when it was first seen; no tick before it is made up for.
        fence: of the newest decision.
        holder: the scheduler that is at it; None: nobody is.
        expires_at: when somebody else may take over.
        turn: what it is at, or what waits.
        last_tick: the newest one that is done with.
        last_check_at: when the inputs were last looked at.
        last_success_at: when a run last ended without an error.
        last_outcome: of the newest decision.
        inputs: those of the last run without an error.
        counts: of each outcome so far.
        seconds: of each stage of the last run.
    """

    schema_version: int = 1
    workflow: str
    cron: str
    timezone: str
    since: datetime
    fence: int = 0
    holder: str | None = None
    expires_at: datetime | None = None
    turn: Turn | None = None
    last_tick: datetime | None = None
    last_check_at: datetime | None = None
    last_success_at: datetime | None = None
    last_outcome: Outcome | None = None
    inputs: Inputs | None = None
    counts: dict[str, int] = Field(default_factory=dict)
    seconds: dict[str, float] = Field(default_factory=dict)


class Entry(Record):
    """One decision, as `schedule history` tells it.

    Attributes:
        number: its fence.
        workflow: whose.
        tick: what it was about.
        missed: how many ticks before it were not run.
        attempt: counts from 1.
        outcome: promoted, refused (by the gate), finished (there was no gate), skipped, failed, abandoned (its scheduler is gone).
        reason: why it was run or skipped.
        run_id: of the run; None where it was skipped.
        version: `name`, `number`, `digest` of what was published.
        promotion: the gate's decision.
        error: what a failure ended with.
        exit_code: of the run.
        retry_at: when it is tried again.
        began_at: when it was decided.
        ended_at: when it ended.
        scheduler: who did it.
        seconds: of each stage.
    """

    schema_version: int = 1
    number: int
    workflow: str
    tick: datetime
    missed: int
    attempt: int
    outcome: Outcome
    reason: str | None
    run_id: str | None = None
    version: dict[str, Any] | None = None
    promotion: dict[str, Any] | None = None
    error: str | None = None
    exit_code: int | None = None
    retry_at: datetime | None = None
    began_at: datetime
    ended_at: datetime
    scheduler: str
    seconds: dict[str, float] = Field(default_factory=dict)
