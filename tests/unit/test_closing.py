"""What counts as opened, and as closed."""

import pytest

from closing import closed_share, opened


@pytest.mark.parametrize(
    ("text", "distances"),
    [
        ('He said "no" and left.', [3]),
        ("one (two) three [four]", [4, 5]),
        ('"a" "b"', [2, 2]),
        ("nothing at all", []),
        ('"never closed' + "." * 20, [None]),
        ('"too far' + "." * 20 + '" and "near"', [None, 5]),
        ('as he said--"no"--and left, ("no")', [3, 3, 5]),
    ],
)
def test_signs_that_open_something(text: str, distances: list[int | None]) -> None:
    assert [sign.closed_after for sign in opened(text + " " * 10, within=10)] == distances


def test_what_is_opened_at_the_very_end_is_left_out() -> None:
    assert list(opened("the end is (open", within=10)) == []


def test_a_closing_bracket_alone_opens_nothing() -> None:
    assert list(opened("a) b] c" + " " * 10, within=5)) == []


def test_shares_are_of_all_texts_together() -> None:
    assert closed_share(["(a) " + " " * 10, "(b" + " " * 10], within=5) == (0.5, 2)


def test_nothing_opened_has_no_share() -> None:
    assert closed_share(["plain"]) == (None, 0)
