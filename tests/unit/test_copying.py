"""How much of a text stands in another one: the same as looking every stretch up, wherever the other text is cut."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.evaluation.copying import Copied, copied


def ids(text: str) -> np.ndarray:
    return np.array([ord(character) for character in text], np.int64)


def looked_up(text: str, other: str, least: int) -> Copied:
    """The definition: every run of `text` is looked for in `other`."""
    covered, longest = [False] * len(text), 0
    for start in range(len(text)):
        for end in range(start + least, len(text) + 1):
            if text[start:end] in other:
                covered[start:end] = [True] * (end - start)
                longest = max(longest, end - start)
    return Copied(sum(covered) / len(text) if text else 0.0, longest, least)


@given(
    text=st.text("ab", max_size=24),
    other=st.text("ab", max_size=40),
    least=st.integers(2, 9),
    cuts=st.lists(st.integers(0, 40), max_size=6),
)
def test_copied_is_what_is_found_word_for_word(text: str, other: str, least: int, cuts: list[int]) -> None:
    blocks = np.split(ids(other), sorted(min(cut, len(other)) for cut in cuts))
    assert copied(ids(text), blocks, least) == looked_up(text, other, least)


@pytest.mark.parametrize("least", [2, 5, 20])
def test_a_text_is_copied_from_itself_as_a_whole(least: int) -> None:
    text = ids("what is done out of love always takes place beyond good and evil")
    assert copied(text, [text], least) == Copied(1.0, len(text), least)


def test_a_long_run_over_many_blocks_is_one_run() -> None:
    text = ids("0123456789" * 3 + "abcdefghijklmnopqrstuvwxyz")
    assert copied(text, np.split(text, range(4, len(text), 4)), 20).longest == len(text)


def test_random_text_is_not_copied() -> None:
    generator = np.random.default_rng(0)
    found = copied(generator.integers(1, 86, 400), [generator.integers(1, 86, 200_000) for _ in range(3)], 20)
    assert found == Copied(0.0, 0, 20)
