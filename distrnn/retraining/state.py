"""What is known of a scheduled workflow: one document that is moved by compare-and-swap, and one that is never changed for each decision.

A *fence* is a number that grows with each decision. A run is told its own; whoever publishes looks whether it is still the newest, so a run
that everybody has given up cannot publish beside the one that took its place.

Whoever may write to the registry may write anything here, so a record is checked as a whole when it is read: what holds for the types below
is what the rest relies on. That a crontab comes true and that a zone exists is not among it: neither is needed to export a state.
"""

import re
from abc import ABC, abstractmethod
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from distrnn.errors import UsageError
from distrnn.registry.layout import MAX_NUMBER, decision_key, schedule_key
from distrnn.runs import check_run_id
from distrnn.workflow.schedule_rules import is_crontab
from distrnn.workflow.schedule_sections import Outcome

SUCCESSES: tuple[Outcome, ...] = ("promoted", "refused", "finished")
FAILURES: tuple[Outcome, ...] = ("failed", "abandoned")
YEARS = range(1970, 9000)
MOST = 2**53
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+/-]{0,63}")


def _in_years(moment: AwareDatetime) -> AwareDatetime:
    """In every zone, and a lease later, it is a moment still."""
    if moment.year not in YEARS:
        raise ValueError(f"expected a year from {YEARS[0]} to {YEARS[-1]}")
    return moment


def _cron(text: str) -> str:
    if not is_crontab(text):
        raise ValueError("expected five fields of a crontab")
    return text


def _zone(text: str) -> str:
    if not _ZONE.fullmatch(text):
        raise ValueError("expected the name of a time zone")
    return text


def _run_id(text: str) -> str:
    try:
        return check_run_id(text)
    except UsageError:
        raise ValueError("expected the id of a run") from None


def _version(made: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(made.get("name"), str) or type(made.get("number")) is not int:
        raise ValueError("expected name and number of a version")
    return made


Moment = Annotated[AwareDatetime, AfterValidator(_in_years)]
RunId = Annotated[str, AfterValidator(_run_id)]
Count = Annotated[int, Field(ge=0, le=MOST)]
Number = Annotated[int, Field(ge=0, le=MAX_NUMBER)]
Attempt = Annotated[int, Field(ge=1, le=MOST)]
Stage = Annotated[str, Field(pattern=r"^[a-z0-9_.-]{1,64}$")]
Seconds = dict[Stage, Annotated[float, Field(ge=0.0, le=MOST, allow_inf_nan=False)]]


class Part(BaseModel):
    """Keys that a newer program has added are kept out of sight."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Record(Part, ABC):
    """A document."""

    @property
    @abstractmethod
    def key(self) -> str:
        """Where it lies."""


class Inputs(Part):
    """What decides the model that a run makes.

    Attributes:
        data: what the dataset is made from (`data.fingerprint`), and what is read beside it.
        workflow: the resolved workflow without what only says where and how fast.
        code: version of distrnn and digest of its files.
    """

    data: dict[str, Any]
    workflow: dict[str, Any]
    code: str


class Turn(Part):
    """A tick that somebody is at, or that waits to be tried again.

    Attributes:
        tick: the moment that the cron expression means.
        missed: how many ticks before it were not run, which this one stands for.
        attempt: counts from 1.
        run_id: the same for every attempt.
        began_at: of this attempt.
        not_before: where it waits: until when.
    """

    tick: Moment
    missed: Count
    attempt: Attempt
    run_id: RunId
    began_at: Moment
    not_before: Moment | None = None
    reason: str | None = None
    inputs: Inputs | None = None


class State(Record):
    """Where a workflow's schedule stands.

    Attributes:
        workflow: its name.
        cron: of whoever wrote last, so that others can tell when it is due.
        timezone: of the expression.
        since: when it was first seen; no tick before it is made up for.
        fence: of the newest decision, or of the one that is being made; one more where a run may still be at work that does not count.
        holder: the scheduler that is at it; None: nobody is.
        expires_at: when somebody else may take over.
        turn: what it is at, or what waits.
        last_tick: the newest one that is done with.
        last_check_at: when the inputs were last looked at.
        last_success_at: when a run last ended without an error.
        last_failure_at: when a tick was last given up, its last attempt having failed.
        last_outcome: of the newest decision.
        inputs: those of the last run without an error.
        counts: of each outcome so far.
        seconds: of each stage of the last run.
    """

    schema_version: int = 1
    workflow: str
    cron: Annotated[str, Field(max_length=1000), AfterValidator(_cron)]
    timezone: Annotated[str, AfterValidator(_zone)]
    since: Moment
    fence: Number = 0
    holder: str | None = None
    expires_at: Moment | None = None
    turn: Turn | None = None
    last_tick: Moment | None = None
    last_check_at: Moment | None = None
    last_success_at: Moment | None = None
    last_failure_at: Moment | None = None
    last_outcome: Outcome | None = None
    inputs: Inputs | None = None
    counts: dict[Outcome, Count] = Field(default_factory=dict)
    seconds: Seconds = Field(default_factory=dict)

    @property
    def key(self) -> str:
        """Where it lies."""
        return schedule_key(self.workflow)


class Entry(Record):
    """One decision, as `schedule history` tells it.

    Attributes:
        number: its fence.
        workflow: whose.
        tick: what it was about.
        missed: how many ticks before it were not run.
        attempt: counts from 1.
        outcome: promoted, refused (by the gate), finished (there was no gate), skipped, failed, abandoned (its scheduler is gone or was
            stopped, and another one goes on).
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
    number: Number
    workflow: str
    tick: Moment
    missed: Count
    attempt: Attempt
    outcome: Outcome
    reason: str | None
    run_id: RunId | None = None
    version: Annotated[dict[str, Any], AfterValidator(_version)] | None = None
    promotion: dict[str, Any] | None = None
    error: str | None = None
    exit_code: int | None = None
    retry_at: Moment | None = None
    began_at: Moment
    ended_at: Moment
    scheduler: str
    seconds: Seconds = Field(default_factory=dict)

    @property
    def key(self) -> str:
        """Where it lies."""
        return decision_key(self.workflow, self.number)
