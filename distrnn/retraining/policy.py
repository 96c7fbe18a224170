"""What is done about a schedule, and why: functions of a record and a moment, with no clock, no storage and no process in them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from distrnn.data.fingerprint import differences
from distrnn.retraining.state import FAILURES, SUCCESSES, Entry, Inputs, State, Turn
from distrnn.retraining.ticks import begins_at, missed_ticks
from distrnn.workflow.schedule_sections import Outcome, Retries, Schedule

LEASE = timedelta(minutes=3)
SKEW = timedelta(minutes=1)
REFUSED = 4
# Another attempt may go better: errors of networks and disks, a lost race, a signal, a process that was killed.
MAY_PASS = (1, 6, 130, 143)
KILLED = -9
SHOWN_DIFFERENCES = 3


@dataclass(frozen=True)
class Begin:
    """Take the lease and see to a turn.

    Attributes:
        turn: what to see to.
        taken: it was another scheduler's, which has stopped or is gone; its run may still be at work.
    """

    turn: Turn
    taken: bool = False


@dataclass(frozen=True)
class Verdict:
    """Whether to train, and why."""

    train: bool
    reason: str


@dataclass(frozen=True)
class LeftBehind:
    """What becomes of a turn that its scheduler has left.

    Attributes:
        outcome: abandoned, and it goes on; or failed: that was its last attempt.
        retry_at: when it goes on; None: it does not.
        error: in words.
    """

    outcome: Outcome
    retry_at: datetime | None
    error: str


def due(state: State, schedule: Schedule, now: datetime, run_id: str) -> Begin | None:
    """What a scheduler with nothing in hand does about a workflow.

    Args:
        state: of the workflow.
        schedule: of its file.
        now: the moment.
        run_id: a new run would have it.
    Returns:
        None: nothing, or somebody else is at it.
    """
    if state.holder is not None:
        if state.expires_at is not None and now <= state.expires_at + SKEW:
            return None
    if state.turn is not None:
        waits_until = state.turn.not_before
        if waits_until is not None and now < waits_until:
            return None
        return Begin(state.turn.model_copy(update={"began_at": now, "not_before": None}), taken=waits_until is None)
    found = missed_ticks(schedule, state.last_tick or state.since, now)
    if found is None:
        return None
    tick, missed = found
    if now < begins_at(state.workflow, schedule, tick):
        return None
    return Begin(Turn(tick=tick, missed=missed, attempt=1, run_id=run_id, began_at=now))


def judge(inputs: Inputs, before: Inputs | None, *, force: bool = False) -> Verdict:
    """Train unless nothing that decides the model has changed since the last run without an error.

    Args:
        inputs: as they are.
        before: of the last run without an error; None: there was none.
        force: train all the same.
    """
    if before is None:
        return Verdict(True, "the first run")
    changed = []
    if inputs.data != before.data:
        changed.append(f"the data changed: {_differences(before.data, inputs.data)}")
    if inputs.workflow != before.workflow:
        changed.append(f"the workflow changed: {_differences(before.workflow, inputs.workflow)}")
    if inputs.code != before.code:
        changed.append(f"the code changed: {before.code} is now {inputs.code}")
    if changed:
        return Verdict(True, "; ".join(changed))
    return Verdict(force, "nothing changed, and --force was given" if force else "data, workflow and code are unchanged")


def outcome_of(exit_code: int, result: Mapping[str, Any] | None) -> Outcome:
    """How a run ended, in the words of the history."""
    if exit_code == REFUSED:
        return "refused"
    if exit_code != 0:
        return "failed"
    return "promoted" if ((result or {}).get("promotion") or {}).get("decision") == "promoted" else "finished"


def retry_wait(exit_code: int, attempt: int, retries: Retries) -> timedelta | None:
    """How long to wait before a run that failed goes on; None: it does not.

    Args:
        exit_code: of the run; negative: the signal that killed it.
        attempt: that failed, from 1.
        retries: of the workflow.
    """
    if attempt > retries.count or not (exit_code < 0 or exit_code in MAY_PASS or exit_code > 128):
        return None
    return timedelta(seconds=retries.wait_s * 2 ** (attempt - 1))


def left_behind(state: State, turn: Turn, retries: Retries, holder: str, now: datetime) -> LeftBehind:
    """What becomes of a turn whose run is not found again.

    A scheduler that was stopped has given its turn back, which costs no attempt and goes on at once. One that is gone may have been taken
    down by the run itself: that is a failure like any other, or a run that takes its machine down would do so for ever.

    Args:
        state: of the workflow; nobody holds it, or somebody whose lease is over.
        turn: that was left.
        retries: of the workflow.
        holder: the scheduler that has found it.
        now: the moment.
    """
    if state.holder is None:
        return LeftBehind("abandoned", now, f"its scheduler was stopped; {holder} goes on")
    gone = f"its scheduler ({state.holder}) is gone"
    wait = retry_wait(KILLED, turn.attempt, retries)
    if wait is None:
        return LeftBehind("failed", None, f"{gone}, and attempt {turn.attempt} was the last one")
    return LeftBehind("abandoned", now + wait, f"{gone}; {holder} goes on")


def claimed(state: State, begin: Begin, schedule: Schedule, holder: str, now: datetime, *, fenced: bool) -> State:
    """The state once `holder` sees to a turn.

    Args:
        state: before.
        begin: what it sees to.
        schedule: of the file, for whoever looks.
        holder: the scheduler.
        now: the moment.
        fenced: the number grows, so that what the run before may still do does not count.
    """
    fence = state.fence + (1 if fenced else 0)
    lease = {"holder": holder, "expires_at": now + LEASE, "turn": begin.turn, "fence": fence}
    return state.model_copy(update={**lease, "cron": schedule.cron, "timezone": schedule.timezone})


def renewed(state: State, now: datetime) -> State:
    """The state of a holder that is still at it."""
    return state.model_copy(update={"expires_at": now + LEASE})


def released(state: State) -> State:
    """The state of a holder that stops and leaves its turn to whoever comes next."""
    return state.model_copy(update={"holder": None, "expires_at": None})


def concluded(state: State, entry: Entry, inputs: Inputs | None, *, left: bool = False) -> State:
    """The state after a decision: the turn is over, or waits to be tried again.

    Args:
        state: before.
        entry: the decision.
        inputs: that the run was made from, or that were found unchanged.
        left: whoever concludes is not the holder, whose run may still be at work: the number grows, so that it does not count.
    """
    counts = {**state.counts, entry.outcome: state.counts.get(entry.outcome, 0) + 1}
    free: dict[str, Any] = {"holder": None, "expires_at": None, "last_outcome": entry.outcome, "counts": counts}
    free["fence"] = state.fence + (1 if left else 0)
    if entry.retry_at is not None and state.turn is not None:
        given_back = entry.outcome == "abandoned" and state.holder is None
        waiting = {"attempt": entry.attempt + (0 if given_back else 1), "not_before": entry.retry_at}
        return state.model_copy(update={**free, "turn": state.turn.model_copy(update=waiting)})
    free |= {"turn": None, "last_tick": entry.tick}
    if inputs is not None:
        free |= {"last_check_at": entry.began_at}
    if entry.outcome in SUCCESSES:
        free |= {"inputs": inputs, "last_success_at": entry.ended_at, "seconds": entry.seconds}
    if entry.outcome in FAILURES:
        free |= {"last_failure_at": entry.ended_at}
    return state.model_copy(update=free)


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    found = differences(before, after)
    more = f" and {len(found) - SHOWN_DIFFERENCES} more" if len(found) > SHOWN_DIFFERENCES else ""
    return ", ".join(found[:SHOWN_DIFFERENCES]) + more
