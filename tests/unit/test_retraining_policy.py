"""Whether to train, how a run ended, whether it goes on: each decision and its reason."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.retraining.policy import LeftBehind, Verdict, concluded, judge, left_behind, outcome_of, retry_wait
from distrnn.retraining.state import Entry, Inputs, State, Turn
from distrnn.workflow.schedule_sections import Retries

BEFORE = Inputs(data={"source": {"sha256": "a"}}, workflow={"train": {"epochs": 3}}, code="0.1.0 (aa)")
NOW = datetime(2026, 11, 1, 3, tzinfo=UTC)
UNCHANGED = "data, workflow and code are unchanged"


@pytest.mark.parametrize(
    ("now", "before", "verdict"),
    [
        (BEFORE, None, Verdict(True, "the first run")),
        (BEFORE, BEFORE, Verdict(False, UNCHANGED)),
        (
            BEFORE.model_copy(update={"data": {"source": {"sha256": "b"}}}),
            BEFORE,
            Verdict(True, "the data changed: the source's bytes changed"),
        ),
        (
            BEFORE.model_copy(update={"workflow": {"train": {"epochs": 5}}}),
            BEFORE,
            Verdict(True, "the workflow changed: train.epochs 3 is now 5"),
        ),
        (
            BEFORE.model_copy(update={"code": "0.2.0 (bb)"}),
            BEFORE,
            Verdict(True, "the code changed: 0.1.0 (aa) is now 0.2.0 (bb)"),
        ),
    ],
)
def test_training_has_a_reason(now, before, verdict):
    assert judge(now, before) == verdict


def test_several_changes_are_all_told_of_up_to_three_keys():
    now = Inputs(data={"source": {"sha256": "b"}}, workflow={"train": {"epochs": 5, "a": 1, "b": 2, "c": 3}}, code=BEFORE.code)
    assert judge(now, BEFORE).reason == (
        "the data changed: the source's bytes changed; the workflow changed: train.a null is now 1, train.b null is now 2, "
        "train.c null is now 3 and 1 more"
    )


def test_force_trains_and_says_so():
    assert judge(BEFORE, BEFORE, force=True) == Verdict(True, "nothing changed, and --force was given")


@pytest.mark.parametrize(
    ("code", "result", "outcome"),
    [
        (0, {"promotion": {"decision": "promoted"}}, "promoted"),
        (0, {"promotion": None}, "finished"),
        (4, {"promotion": {"decision": "refused"}}, "refused"),
        (1, None, "failed"),
        (0, None, "finished"),
        (-9, None, "failed"),
    ],
)
def test_outcomes(code, result, outcome):
    assert outcome_of(code, result) == outcome


@pytest.mark.parametrize(
    ("code", "attempt", "wait"),
    [(1, 1, 60), (1, 2, 120), (1, 3, 240), (1, 4, None), (-9, 1, 60), (137, 1, 60), (6, 1, 60), (2, 1, None), (8, 1, None), (5, 1, None)],
)
def test_only_what_may_pass_is_tried_again_and_later_each_time(code, attempt, wait):
    expected = timedelta(seconds=wait) if wait else None
    assert retry_wait(code, attempt, Retries(count=3, wait_s=60)) == expected


def left(attempt, holder="killed", outcome=None, retry_at=None):
    """A state whose turn was left at an attempt, and a decision on it."""
    facts = {"tick": NOW, "missed": 0, "attempt": attempt, "began_at": NOW}
    state = State(
        workflow="reviews", cron="0 3 * * *", timezone="UTC", since=NOW, fence=7, holder=holder, turn=Turn(**facts, run_id="reviews-1")
    )
    if outcome is None:
        return state
    return state, Entry(
        **facts, number=7, workflow="reviews", outcome=outcome, reason=None, retry_at=retry_at, ended_at=NOW, scheduler="next"
    )


@pytest.mark.parametrize(
    ("state", "found"),
    [
        (left(1), LeftBehind("abandoned", NOW + timedelta(minutes=1), "its scheduler (killed) is gone; next goes on")),
        (left(2), LeftBehind("abandoned", NOW + timedelta(minutes=2), "its scheduler (killed) is gone; next goes on")),
        (left(3), LeftBehind("failed", None, "its scheduler (killed) is gone, and attempt 3 was the last one")),
        (left(3, holder=None), LeftBehind("abandoned", NOW, "its scheduler was stopped; next goes on")),
    ],
)
def test_a_turn_that_was_left_goes_on_until_its_attempts_are_used_up(state, found):
    assert left_behind(state, state.turn, Retries(count=2, wait_s=60), "next", NOW) == found


@pytest.mark.parametrize(
    ("holder", "outcome", "attempt"), [("killed", "abandoned", 3), ("killed", "failed", 3), (None, "abandoned", 2), (None, "failed", 3)]
)
def test_only_a_turn_that_was_given_back_keeps_its_attempt(holder, outcome, attempt):
    state, entry = left(2, holder, outcome, NOW)
    assert concluded(state, entry, None, left=True).turn.attempt == attempt


@pytest.mark.parametrize("outcome", ["failed", "abandoned"])
def test_a_tick_has_failed_once_it_is_not_tried_again(outcome):
    state, entry = left(2, "killed", outcome, NOW)
    assert concluded(state, entry, None).last_failure_at is None
    state, entry = left(2, "killed", outcome, None)
    assert concluded(state, entry, None).last_failure_at == entry.ended_at


def test_what_the_run_of_a_left_turn_may_still_do_does_not_count():
    state, entry = left(1, "killed", "failed")
    assert (concluded(state, entry, None, left=True).fence, concluded(state, entry, None).fence) == (8, 7)


@given(st.integers(0, 20))
def test_however_often_schedulers_die_a_tick_ends(count):
    state, outcomes = left(1), []
    while state.turn is not None:
        found = left_behind(state, state.turn, Retries(count=count), "next", NOW)
        _, entry = left(state.turn.attempt, "killed", found.outcome, found.retry_at)
        state = concluded(state, entry, None, left=True).model_copy(update={"holder": "next"})
        outcomes.append(found.outcome)
    assert outcomes == ["abandoned"] * count + ["failed"]
    assert sum(state.counts.values()) == count + 1
