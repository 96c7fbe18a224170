"""Rows side by side in place of one: each prediction is made once, by a row that is warm."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.training.warm_rows import MOST_ROWS, SHORTEST, WARM_UP, WarmRows


@given(predictions=st.integers(2 * SHORTEST, 200 * SHORTEST), steps=st.integers(1, 600))
def test_each_prediction_counts_once(predictions: int, steps: int) -> None:
    rows = WarmRows.of(predictions)
    assert rows is not None
    made = []
    for start in range(0, rows.length, steps):
        row, step = np.nonzero(rows.counts(start, steps))
        made.append(rows.stride * row + start + step)
    assert np.array_equal(np.sort(np.concatenate(made)), np.arange(predictions))


@given(predictions=st.integers(2 * SHORTEST, 200 * SHORTEST))
def test_only_the_first_row_counts_before_it_is_warm(predictions: int) -> None:
    rows = WarmRows.of(predictions)
    assert rows is not None
    cold = rows.counts(0, WARM_UP)
    assert cold[0].all()
    assert not cold[1:].any()


@pytest.mark.parametrize(("predictions", "rows"), [(0, None), (2 * SHORTEST - 1, None), (2 * SHORTEST, 2), (SHORTEST << 20, MOST_ROWS)])
def test_rows_are_long_enough_to_be_worth_their_warming_up(predictions: int, rows: int | None) -> None:
    found = WarmRows.of(predictions)
    assert (found and found.rows) == rows
