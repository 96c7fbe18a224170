"""Intervals and tests, against published and hand-computed values."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.evaluation.significance import holm, mcnemar, wilson_interval

P_VALUES = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("right", "examples", "low", "high"),
    # Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17 (1998), table I, method 3
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_interval_of_the_literature(right, examples, low, high):
    assert wilson_interval(right, examples) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 30_000).flatmap(lambda examples: st.tuples(st.integers(0, examples), st.just(examples))))
def test_interval_holds_its_share_within_0_and_1(case):
    right, examples = case
    low, high = wilson_interval(right, examples)
    assert 0.0 <= low <= right / examples <= high <= 1.0


@pytest.mark.parametrize(("right", "examples"), [(0, 0), (-1, 3), (4, 3)])
def test_interval_of_nothing_is_refused(right, examples):
    with pytest.raises(ValueError, match=r"^right must be from 0 to examples, and examples 1 or more\. Received: "):
        wilson_interval(right, examples)


@pytest.mark.parametrize(
    ("one", "other", "p"),
    [(0, 0, 1.0), (5, 5, 1.0), (0, 1, 1.0), (0, 6, 2 / 64), (1, 8, 2 * (1 + 9) / 512), (9, 2, 2 * (1 + 11 + 55) / 2048)],
)
def test_mcnemar_by_hand(one, other, p):
    assert mcnemar(one, other) == pytest.approx(p, rel=1e-12)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_binomial_test(one, other):
    trials = one + other
    tail = sum(math.comb(trials, count) for count in range(min(one, other) + 1)) / 2**trials
    assert mcnemar(one, other) == mcnemar(other, one) == pytest.approx(min(1.0, 2 * tail), rel=1e-9)


def test_mcnemar_of_many_documents_does_not_overflow():
    assert 0.0 <= mcnemar(1, 20_000) < 1e-300
    assert mcnemar(6_200, 6_300) == pytest.approx(math.erfc((100 - 1) / math.sqrt(12_500) / math.sqrt(2)), rel=0.01)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_one_test_needs_no_correction():
    assert holm([0.03]) == [0.03]


@given(P_VALUES)
def test_holm_keeps_the_order_and_never_helps(p_values):
    corrected = holm(p_values)
    assert all(before <= after <= 1.0 for before, after in zip(p_values, corrected, strict=True))
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    assert sorted(corrected) == [corrected[index] for index in order]
    assert all(after <= len(p_values) * before for before, after in zip(p_values, corrected, strict=True))
