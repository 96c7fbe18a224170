"""Whether to train, how a run ended, whether it goes on: each decision and its reason."""

from datetime import timedelta

import pytest

from distrnn.retraining.policy import Verdict, judge, outcome_of, retry_wait
from distrnn.retraining.state import Inputs
from distrnn.workflow.schedule_sections import Retries

BEFORE = Inputs(data={"source": {"sha256": "a"}}, workflow={"train": {"epochs": 3}}, code="0.1.0 (aa)")
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
