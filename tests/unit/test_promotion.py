"""The gate's decision, as a table and as properties."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.registry import Check, Decision, Rule, decide
from distrnn.registry.promotion import is_better

FIGURES = st.floats(allow_nan=False, allow_infinity=False, width=32)


@pytest.mark.parametrize(
    ("rule", "candidate", "holder", "passed"),
    [
        (Rule("accuracy", min=0.8), 0.80, None, True),
        (Rule("accuracy", min=0.8), 0.79, None, False),
        (Rule("loss", max=0.5), 0.5, None, True),
        (Rule("loss", max=0.5), 0.51, None, False),
        (Rule("accuracy", better_than="production"), 0.81, 0.80, True),
        (Rule("accuracy", better_than="production"), 0.80, 0.80, False),
        (Rule("perplexity", better_than="production"), 3.9, 4.0, True),
        (Rule("perplexity", better_than="production"), 4.1, 4.0, False),
        (Rule("accuracy", better_than="production"), 0.1, None, True),
        (Rule("accuracy", min=0.8, better_than="production"), 0.1, None, False),
        (Rule("accuracy", min=0.8, better_than="production"), 0.85, 0.9, False),
        (Rule("accuracy"), 0.1, 0.9, True),
    ],
)
def test_a_rule_decides(rule, candidate, holder, passed):
    decision = decide("production", [rule], {rule.metric: candidate}, None if holder is None else {rule.metric: holder})
    assert decision.promoted is passed


@pytest.mark.parametrize("figure", [math.nan, math.inf, None, True, "0.9", ...])
@pytest.mark.parametrize(
    "rule", [Rule("accuracy"), Rule("accuracy", min=0.0), Rule("accuracy", max=1.0), Rule("accuracy", better_than="production")]
)
def test_a_figure_that_is_no_number_never_passes(rule, figure):
    metrics = {} if figure is ... else {"accuracy": figure}
    assert decide("production", [rule], metrics, None).decision == "refused"


def test_a_decision_shows_its_figures():
    decision = decide("production", [Rule("accuracy", min=0.8, better_than="production")], {"accuracy": 0.84}, {"accuracy": 0.85})
    assert decision == Decision(
        "production", "refused", (Check("accuracy", 0.84, 0.85, 0.8, True), Check("accuracy", 0.84, 0.85, 0.85, False)), forced=False
    )
    assert decision.to_json() == {
        "alias": "production",
        "decision": "refused",
        "rules": [
            {"metric": "accuracy", "candidate": 0.84, "holder": 0.85, "required": 0.8, "passed": True},
            {"metric": "accuracy", "candidate": 0.84, "holder": 0.85, "required": 0.85, "passed": False},
        ],
        "forced": False,
    }


def test_a_forced_promotion_says_so_and_keeps_its_figures():
    decision = decide("production", [Rule("accuracy", min=0.8)], {"accuracy": 0.5}, None, forced=True)
    assert decision == Decision("production", "promoted", (Check("accuracy", 0.5, None, 0.8, False),), forced=True)


@given(FIGURES, FIGURES)
def test_of_two_figures_at_most_one_is_better(one, other):
    for metric in ("accuracy", "loss"):
        assert is_better(metric, one, other) + is_better(metric, other, one) == (one != other)


@given(FIGURES, FIGURES, FIGURES)
def test_all_rules_must_pass(candidate, lowest, holder):
    rules = [Rule("auc", min=lowest), Rule("auc", better_than="production")]
    decision = decide("production", rules, {"auc": candidate}, {"auc": holder})
    assert decision.promoted is (candidate >= lowest and candidate > holder)


def test_a_rule_reads_as_it_is_meant():
    rules = [Rule("accuracy", min=0.8, better_than="production"), Rule("loss", max=0.5), Rule("auc")]
    assert [str(rule) for rule in rules] == ["accuracy at least 0.8 and better than production", "loss at most 0.5", "auc measured"]
