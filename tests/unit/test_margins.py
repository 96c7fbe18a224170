"""Whether the best model's margin is real, in words."""

import pytest

from distrnn.evaluation.margins import answer, judged, leader, p_words, question


def pair(one, other, better, p, margin=0.0125):
    return {"models": [one, other], "better": better, "margin": margin, "documents": 400, "p": p}


def asked(names, *pairs):
    found = judged(pairs)
    return question(names, found), answer(names, found)


def test_two_models():
    assert asked("ab", pair("a", "b", "b", 0.0123)) == ("Is b's margin real?", "Yes: b is 1.25 points ahead of a (p = 0.0123).")
    assert asked("ab", pair("a", "b", "a", 0.34)) == (
        "Is a's margin real?",
        "No, it may be chance: a is 1.25 points ahead of b (p = 0.34).",
    )
    assert asked("ab", pair("a", "b", None, 1.0)) == (
        "Is any margin real?",
        "No model is ahead of all others. No margin between two of them is real.",
    )


@pytest.mark.parametrize(
    ("p_values", "expected"),
    [
        ((0.00001, 0.01, 0.2), "Yes, over each of the others (p = 0.0200 at most, corrected for 3 tests)."),
        ((0.3, 0.4, 0.2), "No, over none of the others (p = 0.60 at least, corrected for 3 tests)."),
        ((0.001, 0.04, 0.2), "In part: over b, but not over c (p = 0.0800, corrected for 3 tests)."),
    ],
)
def test_three_models_are_corrected_for_three_tests(p_values, expected):
    pairs = [pair("a", "b", "a", p_values[0]), pair("a", "c", "a", p_values[1]), pair("b", "c", "b", p_values[2])]
    assert asked("abc", *pairs) == ("Is a's margin real?", expected)


def test_level_leaders_leave_the_real_margins_to_tell():
    pairs = [pair("a", "b", None, 1.0), pair("a", "c", "a", 0.001), pair("b", "c", "b", 0.001)]
    assert asked("abc", *pairs) == ("Is any margin real?", "No model is ahead of all others. Real: a over c and b over c.")
    assert leader("abc", pairs) is None


def test_a_margin_without_documents_is_in_bits():
    bits = {"models": ["a", "b"], "better": "a", "margin": 0.01234, "p": 0.00001}
    assert asked("ab", bits)[1] == "Yes: a is 0.0123 bits a token ahead of b (p < 0.0001)."


@pytest.mark.parametrize(("p", "words"), [(0.0, "p < 0.0001"), (0.0312, "p = 0.0312"), (0.5, "p = 0.50"), (1.0, "p = 1.00")])
def test_a_chance_in_words(p, words):
    assert p_words(p) == words
