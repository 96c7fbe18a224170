"""The road of an alias through its gate: which figures are compared, and what is kept of the decision."""

import pytest

from distrnn.errors import GateRefusedError, NotFoundError, UsageError
from distrnn.registry import Registry, Rule
from distrnn.registry.rules import Slice

LONG = Slice(min_tokens=401)
OURS, THEIRS = "a" * 64, "b" * 64
BETTER = [Rule("accuracy", better_than="production")]


@pytest.fixture
def registry(tmp_path):
    return Registry(tmp_path / "registry")


@pytest.fixture
def publish(registry, tmp_path):
    """Publishes a version with an accuracy that was measured on an evaluation set."""

    def publish(accuracy, evaluation_set=None):
        folder = tmp_path / "model"
        folder.mkdir(exist_ok=True)
        (folder / "a.json").write_text(f"{accuracy} {len(list(registry.names()))} {evaluation_set}")
        lineage = {"evaluation_set": evaluation_set} if evaluation_set else {}
        return registry.publish("m", folder, metadata={"metrics": {"accuracy": accuracy, "examples": 10}, "lineage": lineage})

    return publish


class Measured:
    """Figures by version and evaluation set, and what was asked for."""

    def __init__(self, figures):
        self.figures, self.asked = figures, []

    def __call__(self, version, evaluation_set, slices):
        self.asked.append((version.number, evaluation_set, tuple(slices)))
        return self.figures[version.number, evaluation_set]


def last(registry):
    return registry.alias("m", "production").history[-1]


def test_an_alias_pins_the_set_of_its_first_version_and_its_holder_is_not_measured_again(registry, publish):
    first, second = publish(0.8, OURS), publish(0.9, THEIRS)
    measured = Measured({(2, OURS): {None: {"accuracy": 0.7}}})
    assert registry.promote(first, "production", BETTER, measure=measured).promoted
    decision = registry.promote(second, "production", BETTER, measure=measured)
    assert (decision.decision, decision.evaluation_set, measured.asked) == ("refused", OURS, [(2, OURS, ())])
    assert [(check.candidate, check.holder) for check in decision.rules] == [(0.7, 0.8)]


def test_a_promotion_may_replace_the_set_and_then_the_holder_is_measured_on_it(registry, publish):
    first, second = publish(0.8, OURS), publish(0.75, THEIRS)
    registry.promote(first, "production", BETTER)
    measured = Measured({(1, THEIRS): {None: {"accuracy": 0.7}}})
    decision = registry.promote(second, "production", BETTER, measure=measured, replace_evaluation_set=True)
    assert (decision.promoted, decision.evaluation_set, measured.asked) == (True, THEIRS, [(1, THEIRS, ())])
    assert registry.alias("m", "production").evaluation_set == THEIRS


def test_a_refusal_leaves_the_set_and_the_rules(registry, publish):
    first, second = publish(0.8, OURS), publish(0.75, THEIRS)
    registry.promote(first, "production", BETTER)
    measured = Measured({(1, THEIRS): {None: {"accuracy": 0.9}}})
    others = [Rule("accuracy", min=0.1, better_than="production")]
    decision = registry.promote(second, "production", others, measure=measured, replace_evaluation_set=True, run_id="r")
    record = registry.alias("m", "production")
    assert (decision.promoted, decision.replaced_rules, record.evaluation_set, record.rules) == (False, (), OURS, tuple(BETTER))
    assert last(registry).decision == decision.to_json()


def test_other_rules_than_the_guards_are_a_runs_to_give(registry, publish):
    first, second = publish(0.8), publish(0.7)
    registry.promote(first, "production", [Rule("accuracy", min=0.75)])
    lax = [Rule("accuracy", min=0.1)]
    with pytest.raises(GateRefusedError) as caught:
        registry.promote(second, "production", lax)
    assert caught.value.message == (
        "alias 'production' of 'm' is guarded by other rules (accuracy min=0.75). Nothing was moved. Leave --rule out to decide by those, "
        "or overrule them with --force --reason TEXT."
    )
    assert registry.promote(second, "production", lax, run_id="r").promoted


def test_a_set_that_is_not_there_replaces_none(registry, publish):
    with pytest.raises(UsageError) as caught:
        registry.promote(publish(0.8), "production", BETTER, replace_evaluation_set=True)
    assert caught.value.message == ("m@v1 was published without an evaluation set, so there is none that the alias 'production' could pin.")


def test_without_rules_those_of_the_alias_decide(registry, publish):
    first, second, third = publish(0.8), publish(0.7), publish(0.9)
    registry.promote(first, "production", BETTER)
    assert [registry.promote(version, "production").decision for version in (second, third)] == ["refused", "promoted"]


def test_without_any_rules_nothing_is_decided(registry, publish):
    with pytest.raises(UsageError) as caught:
        registry.promote(publish(0.8), "production")
    assert caught.value.message == (
        "alias 'production' of 'm' has no rules, so there is nothing to decide by. Give rules with --rule 'accuracy min=0.8', keep them "
        "with `distrnn models alias guard m production --rule …`, or move the alias with `distrnn models alias set m production v1`."
    )
    assert registry.alias("m", "production").history == ()


def test_no_rules_at_all_are_not_a_way_around_those_of_the_alias(registry, publish):
    first, second = publish(0.8), publish(0.7)
    registry.promote(first, "production", BETTER)
    assert not registry.promote(second, "production", []).promoted


def test_rules_that_take_the_place_of_others_are_recorded(registry, publish):
    first, second = publish(0.8), publish(0.7)
    registry.promote(first, "production", BETTER)
    decision = registry.promote(second, "production", [Rule("accuracy", min=0.5)], run_id="r")
    assert decision.replaced_rules == tuple(BETTER)
    assert last(registry).decision["replaced_rules"] == ["accuracy better_than=production"]
    assert registry.alias("m", "production").rules == (Rule("accuracy", min=0.5),)


def test_a_slice_is_measured_even_on_the_own_set_and_the_rest_is_as_published(registry, publish):
    figures = {None: {"accuracy": 0.80001, "examples": 10}, LONG: {"accuracy": 0.6, "examples": 3}}
    measured = Measured({(1, OURS): figures})
    rules = [Rule("accuracy", min=0.8), Rule("accuracy", min=0.5, slice=LONG), Rule("accuracy", max=0.9, slice=LONG)]
    decision = registry.promote(publish(0.8, OURS), "production", rules, measure=measured)
    assert [(check.candidate, check.examples) for check in decision.rules] == [(0.8, 10), (0.6, 3), (0.6, 3)]
    assert measured.asked == [(1, OURS, (LONG,))]


@pytest.mark.parametrize(
    ("rules", "evaluation_set", "where"),
    [
        ([Rule("accuracy", min=0.5, slice=LONG)], OURS, "evaluation set aaaaaaaaaaaa, on its documents of 401 tokens or more"),
        (
            [Rule("accuracy", min=0.5, slice=LONG)],
            None,
            "an evaluation set (it was published without one), on its documents of 401 tokens or more",
        ),
    ],
)
def test_figures_that_nobody_can_measure_stop_the_decision(registry, publish, rules, evaluation_set, where):
    version = publish(0.8, evaluation_set)
    with pytest.raises(GateRefusedError) as caught:
        registry.promote(version, "production", rules)
    assert caught.value.message == (
        f"the decision needs figures of m@v1 on {where}, and they were not recorded. Nothing was moved. Run the workflow, or "
        "`distrnn models promote` with the storage root that has the evaluation set: both measure."
    )
    assert registry.aliases("m") == {}


def test_somebody_who_answers_for_the_move_is_not_stopped_by_missing_figures(registry, publish):
    rules = [Rule("accuracy", min=0.5, slice=LONG)]
    decision = registry.promote(publish(0.8, OURS), "production", rules, force=True, reason="the demo is today")
    assert [(check.candidate, check.passed) for check in decision.rules] == [(None, False)]
    move = last(registry)
    assert (move.action, move.forced, move.reason, move.decision["forced"]) == ("promote", True, "the demo is today", True)


def test_a_reason_is_recorded_where_nothing_was_forced(registry, publish):
    registry.promote(publish(0.8), "production", BETTER, reason="monthly")
    assert (last(registry).reason, last(registry).forced) == ("monthly", False)


@pytest.mark.parametrize("reason", [None, "", " "])
def test_force_needs_a_reason(registry, publish, reason):
    with pytest.raises(UsageError):
        registry.promote(publish(0.8), "production", BETTER, force=True, reason=reason)


def test_two_holders_are_beaten_one_by_each_rule(registry, publish):
    versions = [publish(figure) for figure in (0.8, 0.85, 0.9)]
    for alias, version in zip(("production", "champion"), versions, strict=False):
        registry.set_alias("m", alias, version)
    rules = [Rule("accuracy", better_than="champion", min_delta=0.02), Rule("accuracy", better_than="production", min_delta=0.1)]
    decision = registry.promote(versions[2], "production", rules)
    assert [(check.holder, check.required, check.passed) for check in decision.rules] == [(0.85, 0.87, True), (0.8, 0.9, True)]


def test_the_holder_itself_has_nobody_to_beat(registry, publish):
    first = publish(0.8)
    assert [registry.promote(first, "production", BETTER).decision for _ in range(2)] == ["promoted", "promoted"]


def test_a_version_that_was_deleted_is_not_promoted(registry, publish):
    from distrnn.registry.maintenance import Maintenance

    first = publish(0.8)
    Maintenance(registry).delete("m@v1", reason="wrong data")
    with pytest.raises(NotFoundError, match=r"^m@v1 was deleted on .*: wrong data\."):
        registry.promote(first, "production", BETTER)


@pytest.mark.parametrize("metadata", [{}, {"metrics": None}, {"metrics": [1], "lineage": "x"}, {"lineage": {"evaluation_set": 3}}])
def test_a_version_without_figures_is_refused(registry, tmp_path, metadata):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "a.json").write_text("{}")
    version = registry.publish("m", tmp_path / "model", metadata=metadata)
    assert registry.promote(version, "production", [Rule("accuracy", min=0.0)]).decision == "refused"
