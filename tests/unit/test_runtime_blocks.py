"""Rows are cut into blocks so that every word is read once and little padding is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.runtime.blocks import blocks

ROWS = np.array([[0, 0, 0, 7, 0], [1, 2, 3, 4, 5], [0, 6, 0, 8, 0], [0, 0, 0, 0, 0]])


def cut(trim, most_rows=2, most_steps=100):
    return [
        (block.rows.tolist(), block.tokens.tolist(), block.skipped)
        for block in blocks(ROWS, trim, most_rows=most_rows, most_steps=most_steps)
    ]


def test_rows_stay_as_they_are_where_nothing_may_be_left_away():
    assert cut("nothing") == [([0, 1], ROWS[:2].tolist(), 0), ([2, 3], ROWS[2:].tolist(), 0)]


def test_what_all_rows_of_a_block_begin_with_is_left_away():
    assert cut("start") == [([1, 2], [[1, 2, 3, 4, 5], [0, 6, 0, 8, 0]], 0), ([0, 3], [[7, 0], [0, 0]], 3)]


def test_rows_begin_and_end_with_a_word_where_padding_changes_nothing():
    assert cut("both") == [([1, 2], [[1, 2, 3, 4, 5], [6, 0, 8, 0, 0]], 0), ([0, 3], [[7], [0]], 0)]


def test_long_rows_make_small_blocks():
    assert [rows for rows, _, _ in cut("both", most_rows=9, most_steps=6)] == [[1], [2, 0], [3]]
    assert [rows for rows, _, _ in cut("both", most_steps=0)] == [[1], [2], [0], [3]]


@pytest.mark.parametrize("trim", ["nothing", "start", "both"])
@given(
    rows=st.lists(st.lists(st.integers(0, 3), min_size=6, max_size=6), max_size=9),
    most_rows=st.integers(1, 4),
    most_steps=st.integers(0, 20),
)
def test_no_word_is_lost(trim, rows, most_rows, most_steps):
    tokens = np.array(rows, np.int32).reshape(-1, 6)
    found = {}
    for block in blocks(tokens, trim, most_rows=most_rows, most_steps=most_steps):
        assert block.rows.size <= most_rows
        assert block.rows.size == 1 or block.tokens.size <= most_steps
        found |= dict(zip(block.rows.tolist(), block.tokens.tolist(), strict=True))
    assert sorted(found) == list(range(len(rows)))
    for row, own in found.items():
        strip = "".join(map(str, rows[row])).strip("0") if trim == "both" else "".join(map(str, rows[row])).lstrip("0")
        given_back = "".join(map(str, own))
        assert (given_back.strip("0") if trim == "both" else given_back.lstrip("0")) == strip
