"""Filters and orders of a listing."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.errors import UsageError
from distrnn.registry.query import COMPARISONS, Condition, Order, Selection, TagTerm, figure


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("accuracy>0.85", Condition("accuracy", ">", 0.85)),
        (" accuracy >= .85 ", Condition("accuracy", ">=", 0.85)),
        ("bits_per_character<2", Condition("bits_per_character", "<", 2.0)),
        ("loss<=-1e-3", Condition("loss", "<=", -0.001)),
        ("examples=3000", Condition("examples", "=", 3000.0)),
        ("examples==3000", Condition("examples", "==", 3000.0)),
        ("top.5-rate!=1", Condition("top.5-rate", "!=", 1.0)),
    ],
)
def test_condition(text, expected):
    assert Condition.parse(text) == expected


@pytest.mark.parametrize(
    "text", ["", "accuracy", "accuracy>", ">0.5", "accuracy>high", "accuracy=>1", "a b>1", "accuracy>nan", "loss<inf", "loss<1 2"]
)
def test_condition_that_is_none(text):
    with pytest.raises(UsageError) as caught:
        Condition.parse(text)
    assert caught.value.message == (
        "expected a figure, one of >, >=, <, <=, =, ==, !=, and a number, for instance 'accuracy>0.85' (in quotes, or the shell takes the "
        f"> for itself). Received: {text!r}"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a>1", False), ("a>=1", True), ("a<1", False), ("a<=1", True), ("a=1", True), ("a==1", True), ("a!=1", False), ("a!=2", True)],
)
def test_condition_on_a_figure(text, expected):
    assert Condition.parse(text).holds({"a": 1}) is expected


@pytest.mark.parametrize("comparison", COMPARISONS)
@pytest.mark.parametrize("metrics", [None, {}, {"a": None}, {"a": math.nan}, {"a": math.inf}, {"a": True}, {"a": "1"}])
def test_figure_that_is_none_fulfils_nothing(comparison, metrics):
    assert Condition("a", comparison, 0.0).holds(metrics) is False


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_every_comparison_has_its_opposite(value, number):
    held = {comparison: Condition("a", comparison, number).holds({"a": value}) for comparison in COMPARISONS}
    assert held[">"] != held["<="]
    assert held["<"] != held[">="]
    assert held["="] == held["=="] != held["!="]


@pytest.mark.parametrize(
    ("text", "tags", "expected"),
    [
        ("stage", {"stage": "x"}, True),
        ("stage", {"stag": "x"}, False),
        ("stage=x", {"stage": "x"}, True),
        ("stage=x", {"stage": "xy"}, False),
        ("stage=", {"stage": ""}, True),
        ("stage=", {"stage": "x"}, False),
        ("url=a=b", {"url": "a=b"}, True),
    ],
)
def test_tag(text, tags, expected):
    assert TagTerm.parse(text).holds(tags) is expected


@pytest.mark.parametrize("text", ["", "=x", " =x"])
def test_tag_without_a_key(text):
    with pytest.raises(UsageError) as caught:
        TagTerm.parse(text)
    assert caught.value.message == f"expected a tag's key, or key=value. Received: {text!r}"


def test_selection_wants_all_of_it():
    selection = Selection.parse(["stage=x", "team"], ["accuracy>0.8", "accuracy<0.9"])
    facts = {"tags": {"stage": "x", "team": "a"}, "metrics": {"accuracy": 0.85}}
    assert selection.keeps(facts)
    assert not selection.keeps({**facts, "tags": {"stage": "x"}})
    assert not selection.keeps({**facts, "metrics": {"accuracy": 0.95}})
    assert not selection.keeps({"tags": None, "metrics": None})


def test_selection_of_nothing_keeps_everything():
    assert (bool(Selection.parse([], [])), Selection().keeps({"metrics": None})) == (False, True)
    assert Selection.parse(["a"], [])
    assert Selection.parse([], ["a>1"])


ROWS = [
    {"name": "b", "number": 2, "created_at": "2026-01-02", "size_bytes": 9, "metrics": {"accuracy": 0.8}},
    {"name": "a", "number": 10, "created_at": "2026-01-03", "size_bytes": 10, "metrics": None},
    {"name": "c", "number": 1, "created_at": "2026-01-01", "size_bytes": 8, "metrics": {"accuracy": 0.9}},
    {"name": "d", "number": 2, "created_at": "2026-01-04", "size_bytes": 7, "metrics": {"accuracy": math.nan}},
]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("name", "abcd"),
        ("name:desc", "dcba"),
        ("version:asc", "cbda"),
        ("version:desc", "abdc"),
        ("created", "cbad"),
        ("size", "dcba"),
        ("accuracy", "bcad"),
        ("accuracy:desc", "cbad"),
    ],
)
def test_order(text, names):
    assert "".join(row["name"] for row in Order.parse(text).sorted(ROWS, lambda row: row)) == names


@pytest.mark.parametrize("text", ["", ":desc", "accuracy:down", "accuracy:", "a b", "name,size"])
def test_order_that_is_none(text):
    with pytest.raises(UsageError) as caught:
        Order.parse(text)
    assert caught.value.message == f"expected name, version, created, size or a figure, then :desc for falling values. Received: {text!r}"


def test_figure_keeps_a_whole_number():
    assert figure({"examples": 3000}, "examples") == 3000
