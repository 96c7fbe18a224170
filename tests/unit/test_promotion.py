"""The gate's rules and its decision, as a table and as properties."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.errors import UsageError
from distrnn.refs import NAME_PATTERN
from distrnn.registry import Check, Decision, Rule, decide
from distrnn.registry.promotion import is_better
from distrnn.registry.rules import Slice

FIGURES = st.floats(allow_nan=False, allow_infinity=False, width=32)
LONG = Slice(min_tokens=401)


def judged(rule, candidate, holder):
    """The decision where candidate and holder have these figures on the documents the rule looks at."""
    holders = {} if holder is None else {rule.better_than: {rule.slice: {rule.metric: holder}}}
    return decide("production", [rule], {rule.slice: {rule.metric: candidate}}, holders)


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
        (Rule("accuracy", better_than="production", min_delta=0.05), 0.85, 0.80, True),
        (Rule("accuracy", better_than="production", min_delta=0.05), 0.8499, 0.80, False),
        (Rule("accuracy", better_than="production", min_delta=0.0), 0.80, 0.80, False),
        (Rule("accuracy", better_than="production", min_delta=0.05), 0.1, None, True),
        (Rule("loss", better_than="production", min_delta=0.1), 0.4, 0.5, True),
        (Rule("loss", better_than="production", min_delta=0.1), 0.41, 0.5, False),
        (Rule("loss", better_than="production", min_delta=0.1), 0.7, 0.5, False),
        (Rule("accuracy", min=0.8, slice=LONG), 0.8, None, True),
        (Rule("accuracy", better_than="production", slice=LONG), 0.79, 0.8, False),
        (Rule("accuracy"), 0.1, 0.9, True),
    ],
)
def test_a_rule_decides(rule, candidate, holder, passed):
    assert judged(rule, candidate, holder).promoted is passed


@pytest.mark.parametrize("figure", [math.nan, math.inf, None, True, "0.9", ...])
@pytest.mark.parametrize(
    "rule", [Rule("accuracy"), Rule("accuracy", min=0.0), Rule("accuracy", max=1.0), Rule("accuracy", better_than="production")]
)
def test_a_figure_that_is_no_number_never_passes(rule, figure):
    metrics = {} if figure is ... else {"accuracy": figure}
    assert decide("production", [rule], {None: metrics}, {}).decision == "refused"


def test_a_holder_that_was_not_measured_is_not_beaten():
    decision = decide("production", [Rule("accuracy", better_than="production")], {None: {"accuracy": 0.9}}, {"production": {None: {}}})
    assert decision.rules == (Check("accuracy", 0.9, None, None, False),)


def test_a_slice_without_documents_is_refused():
    decision = decide("production", [Rule("accuracy", min=0.1, slice=LONG)], {None: {"accuracy": 0.9}, LONG: {"examples": 0}}, {})
    assert decision.rules == (Check("accuracy", None, None, 0.1, False, LONG, 0),)


def test_each_rule_is_measured_against_its_own_holder():
    rules = [Rule("accuracy", better_than="production"), Rule("loss", better_than="champion", min_delta=0.1)]
    holders = {"production": {None: {"accuracy": 0.8, "loss": 0.1}}, "champion": {None: {"accuracy": 0.99, "loss": 0.5}}}
    decision = decide("production", rules, {None: {"accuracy": 0.85, "loss": 0.3}}, holders)
    assert [(check.holder, check.required, check.passed) for check in decision.rules] == [(0.8, 0.8, True), (0.5, 0.4, True)]


def test_a_decision_shows_its_figures():
    rules = [Rule("accuracy", min=0.8, better_than="production"), Rule("accuracy", min=0.5, slice=LONG)]
    figures = {None: {"accuracy": 0.84, "examples": 100}, LONG: {"accuracy": 0.6, "examples": 7}}
    decision = decide("production", rules, figures, {"production": {None: {"accuracy": 0.85}}})
    assert decision == Decision(
        "production",
        "refused",
        (
            Check("accuracy", 0.84, 0.85, 0.8, True, None, 100),
            Check("accuracy", 0.84, 0.85, 0.85, False, None, 100),
            Check("accuracy", 0.6, None, 0.5, True, LONG, 7),
        ),
    )
    first, _, last = decision.to_json()["rules"]
    assert first == {
        "metric": "accuracy",
        "candidate": 0.84,
        "holder": 0.85,
        "required": 0.8,
        "passed": True,
        "slice": None,
        "examples": 100,
    }
    assert (last["slice"], last["examples"]) == ({"min_tokens": 401, "max_tokens": None, "label": None}, 7)
    others = {key: value for key, value in decision.to_json().items() if key != "rules"}
    assert others == {"alias": "production", "decision": "refused", "forced": False, "evaluation_set": None, "replaced_rules": []}


def test_a_forced_promotion_says_so_and_keeps_its_figures():
    decision = decide("production", [Rule("accuracy", min=0.8)], {None: {"accuracy": 0.5}}, {}, forced=True)
    assert decision == Decision("production", "promoted", (Check("accuracy", 0.5, None, 0.8, False),), forced=True)


@given(FIGURES, FIGURES)
def test_of_two_figures_at_most_one_is_better(one, other):
    for metric in ("accuracy", "loss"):
        assert is_better(metric, one, other) + is_better(metric, other, one) == (one != other)


@given(FIGURES, FIGURES, FIGURES)
def test_all_rules_must_pass(candidate, lowest, holder):
    rules = [Rule("auc", min=lowest), Rule("auc", better_than="production")]
    decision = decide("production", rules, {None: {"auc": candidate}}, {"production": {None: {"auc": holder}}})
    assert decision.promoted is (candidate >= lowest and candidate > holder)


@given(st.sampled_from(["accuracy", "loss"]), st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 1000))
def test_a_gain_counted_in_documents_is_judged_exactly(metric, candidate, holder, delta):
    gain = holder - candidate if metric == "loss" else candidate - holder
    rule = Rule(metric, better_than="production", min_delta=delta / 1000)
    assert judged(rule, candidate / 1000, holder / 1000).promoted is (gain > 0 and gain >= delta)


# the line of text


def slices():
    parts = st.fixed_dictionaries(
        {},
        optional={
            "min_tokens": st.integers(1, 500),
            "max_tokens": st.integers(500, 10**6),
            "label": st.text(min_size=1, max_size=8) | st.just("very 'good' = \"bad\"\n"),
        },
    )
    return parts.map(lambda keys: Slice(**keys) if keys else None)


def rules():
    finite = st.floats(allow_nan=False, allow_infinity=False)
    aliases = st.from_regex(NAME_PATTERN, fullmatch=True).filter(lambda name: name != "latest" and not name[1:].isdigit())
    rivals = st.none().map(lambda _: {}) | st.fixed_dictionaries(
        {"better_than": aliases}, optional={"min_delta": st.floats(0, 1e300) | st.integers(0, 9)}
    )
    bounds = st.lists(finite, max_size=2).map(lambda values: dict(zip(("min", "max"), sorted(values), strict=False)))
    metrics = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True)
    return st.builds(lambda metric, low, rival, part: Rule(metric, **low, **rival, slice=part), metrics, bounds, rivals, slices())


@given(rules())
def test_a_rule_survives_its_line_and_its_json(rule):
    assert Rule.parse(str(rule)) == rule
    assert Rule.from_json(rule.to_json()) == rule
    assert Rule.of(rule) == rule


def test_a_line_reads_as_in_a_workflow():
    line = "accuracy min=0.8 better_than=production min_delta=0.005 min_tokens=401 label='very good'"
    assert Rule.parse(line) == Rule("accuracy", 0.8, None, "production", 0.005, Slice(401, None, "very good"))
    assert str(Rule.parse(line)) == line


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "a rule must be METRIC KEY=VALUE …, for instance: accuracy min=0.8 better_than=production min_delta=0.005 min_tokens=401."),
        ("accuracy 'min=3", "a rule must be METRIC KEY=VALUE …"),
        ("min=0.8", "a rule must begin with the name of a figure, for instance accuracy. Received: 'min=0.8'"),
        (
            "accuracy minimum=1",
            "rule 'accuracy minimum=1': expected one of min, max, better_than, min_delta, min_tokens, max_tokens, label, as KEY=VALUE. "
            "Received: 'minimum=1'",
        ),
        ("accuracy min", "rule 'accuracy min': expected one of "),
        ("accuracy min=1 min=2", "rule 'accuracy min=1 min=2': expected each key once. Received: 'min=2'"),
        ("accuracy min=high", "rule 'accuracy min=high': expected a number for min. Received: 'high'"),
        ("accuracy min=nan", "min of a rule must be a number. Received: nan"),
        ("accuracy min=1 max=0", "min of a rule must be at most its max (0). Received: 1"),
        (
            "accuracy min_delta=0.1",
            "min_delta says how much better than the holder of an alias, so it needs better_than. Received: accuracy min_delta=0.1",
        ),
        ("accuracy better_than=production min_delta=-1", "min_delta must be 0 or more. Received: -1"),
        ("accuracy better_than=latest", "alias 'latest' is reserved"),
        ("accuracy min=0.5 min_tokens=0", "min_tokens must be a whole number of at least 1. Received: 0"),
        (
            "accuracy min=0.5 min_tokens=4.5",
            "rule 'accuracy min=0.5 min_tokens=4.5': expected a whole number for min_tokens. Received: '4.5'",
        ),
        ("accuracy min=0.5 min_tokens=9 max_tokens=8", "min_tokens must be at most max_tokens (8). Received: 9"),
        ("accuracy label=''", "label must be the name of a label. Received: ''"),
    ],
)
def test_a_line_that_is_no_rule_says_why(line, message):
    with pytest.raises(UsageError) as caught:
        Rule.parse(line)
    assert caught.value.message.startswith(message)


def test_a_rule_of_an_alias_that_is_older_than_slices_is_read():
    old = {"metric": "accuracy", "min": 0.8, "max": None, "better_than": "production"}
    assert Rule.from_json(old) == Rule("accuracy", min=0.8, better_than="production")


@pytest.mark.parametrize(
    "document",
    [
        None,
        "accuracy",
        {},
        {"metric": 3},
        {"metric": "accuracy", "min": "0.8"},
        {"metric": "accuracy", "min": math.nan},
        {"metric": "accuracy", "min_delta": 0.1},
        {"metric": "accuracy", "better_than": 3},
        {"metric": "accuracy", "slice": {}},
        {"metric": "accuracy", "slice": {"min_tokens": True}},
        {"metric": "accuracy", "slice": 401},
    ],
)
def test_json_that_is_no_rule_is_refused(document):
    with pytest.raises(ValueError, match=r"^no rule: "):
        Rule.from_json(document)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (Slice(min_tokens=401), "401 tokens or more"),
        (Slice(max_tokens=50), "50 tokens or fewer"),
        (Slice(10, 20, "positive"), "10 to 20 tokens, label positive"),
        (Slice(label="negative"), "label negative"),
    ],
)
def test_a_slice_in_words(part, words):
    assert part.words == words


def test_a_slice_is_of_something():
    with pytest.raises(UsageError) as caught:
        Slice()
    assert caught.value.message == "a slice needs min_tokens, max_tokens or label. Received: none of them"
