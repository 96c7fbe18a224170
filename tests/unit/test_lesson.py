"""The lesson: derivatives by hand against finite differences, what a mask does, and that descent goes down."""

import doctest
import operator
from itertools import accumulate, islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distrnn.runtime.lesson import network, scan
from distrnn.runtime.lesson.cells import BIAS, GRU, KERNEL, LSTM, RECURRENT, Cell, ResetBeforeGRU, SimpleRNN, Weights
from distrnn.runtime.lesson.network import CELLS, descend, first_weights, learn, loss_and_derivatives, windows
from distrnn.runtime.lesson.through_time import backward, forward

CELL_KINDS: dict[str, Cell] = {
    "tanh": SimpleRNN(),
    "relu": SimpleRNN("relu"),
    "gru": GRU(),
    "gru, reset before": ResetBeforeGRU(),
    "lstm": LSTM(),
}
DELTA = 1e-6
SHAPES = {"steps": st.integers(1, 6), "rows": st.integers(1, 3), "features": st.integers(1, 4), "units": st.integers(1, 4)}


def test_scan_carries_a_sum_along() -> None:
    assert list(scan.scan(operator.add, 0, range(5))) == [0, 1, 3, 6, 10]
    assert doctest.testmod(scan).failed == 0


@given(items=st.lists(st.integers(), max_size=9), start=st.integers())
def test_scan_is_what_accumulate_is(items: list[int], start: int) -> None:
    assert list(scan.scan(operator.sub, start, items)) == list(accumulate(items, operator.sub, initial=start))[1:]


def random_weights(cell: Cell, features: int, units: int, generator: np.random.Generator) -> Weights:
    columns = cell.gates * units
    bias = (2, columns) if isinstance(cell, GRU) else (columns,)
    shapes = {KERNEL: (features, columns), RECURRENT: (units, columns), BIAS: bias}
    return {name: generator.normal(0.0, 0.7, shape) for name, shape in shapes.items()}


@settings(max_examples=12, deadline=None)
@pytest.mark.parametrize("kind", CELL_KINDS)
@given(**SHAPES, masked=st.booleans(), seed=st.integers(0, 1 << 16))
def test_derivatives_are_finite_differences(kind: str, steps: int, rows: int, features: int, units: int, masked: bool, seed: int) -> None:
    cell, generator = CELL_KINDS[kind], np.random.default_rng(seed)
    weights = random_weights(cell, features, units, generator)
    inputs = generator.normal(size=(steps, rows, features))
    state = tuple(generator.normal(size=(rows, units)) for _ in range(cell.states))
    d_outputs = generator.normal(size=(steps, rows, units))
    keep = generator.random((steps, rows)) < 0.6 if masked else None
    arrays = {"inputs": inputs, **{f"state {place}": each for place, each in enumerate(state)}, **weights}

    def loss() -> float:
        return float((forward(cell, weights, inputs, state, keep).outputs * d_outputs).sum())

    through = forward(cell, weights, inputs, state, keep)
    d_inputs, d_state, d_weights = backward(cell, weights, through.memories, d_outputs, keep)
    derivatives = {"inputs": d_inputs, **{f"state {place}": each for place, each in enumerate(d_state)}, **d_weights}
    assert set(derivatives) == set(arrays)
    for name, array in arrays.items():
        for place in islice(np.ndindex(array.shape), 0, None, max(1, array.size // 5)):
            value = array[place]
            array[place] = value + DELTA
            above = loss()
            array[place] = value - DELTA
            expected = (above - loss()) / (2 * DELTA)
            array[place] = value
            assert derivatives[name][place] == pytest.approx(expected, rel=1e-4, abs=1e-6), (name, place)


@pytest.mark.parametrize("kind", CELL_KINDS)
def test_a_skipped_step_is_as_good_as_none(kind: str) -> None:
    cell, generator = CELL_KINDS[kind], np.random.default_rng(1)
    weights = random_weights(cell, 3, 4, generator)
    inputs, state = generator.normal(size=(5, 2, 3)), tuple(generator.normal(size=(2, 4)) for _ in range(cell.states))
    keep = np.ones((5, 2), bool)
    keep[[1, 3]] = False
    masked = forward(cell, weights, inputs, state, keep)
    short = forward(cell, weights, inputs[[0, 2, 4]], state)
    np.testing.assert_array_equal(masked.outputs[[0, 2, 4]], short.outputs)
    for one, other in zip(masked.state, short.state, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_the_loss_of_the_whole_network_changes_as_its_derivatives_say(cell: str, masked: bool) -> None:
    generator = np.random.default_rng(2)
    weights = first_weights(CELLS[cell], characters=7, units=5, seed=1, dtype=np.float64)
    weights = {name: weight + generator.normal(0.0, 0.1, weight.shape) for name, weight in weights.items()}
    ids, following = generator.integers(0, 7, (2, 4, 3))
    keep = generator.random((4, 3)) < 0.7 if masked else None

    def loss() -> float:
        return loss_and_derivatives(CELLS[cell], weights, ids, following, keep)[0]

    _, derivatives = loss_and_derivatives(CELLS[cell], weights, ids, following, keep)
    for name, weight in weights.items():
        direction = generator.normal(size=weight.shape)
        weight += DELTA * direction
        above = loss()
        weight -= 2 * DELTA * direction
        expected = (above - loss()) / (2 * DELTA)
        weight += DELTA * direction
        assert (derivatives[name] * direction).sum() == pytest.approx(expected, rel=1e-5), name


def test_the_loss_is_summed_over_the_steps_and_the_mean_over_the_rows() -> None:
    cell = CELLS["rnn"]
    weights = {name: np.zeros_like(weight) for name, weight in first_weights(cell, characters=4, units=3, seed=0).items()}
    ids = np.zeros((8, 5), int)
    assert loss_and_derivatives(cell, weights, ids, ids)[0] == pytest.approx(8 * np.log(4))


def test_first_weights_are_as_the_lesson_draws_them() -> None:
    weights = first_weights(CELLS["lstm"], characters=80, units=64, seed=3)
    assert all(weight.dtype == np.float32 for weight in weights.values())
    np.testing.assert_array_equal(weights[RECURRENT], np.concatenate([np.eye(64)] * 4, axis=1))
    assert weights[KERNEL].std() == pytest.approx(np.sqrt(2 / 80), rel=0.02)
    assert weights[network.OUTPUT_KERNEL].std() == pytest.approx(np.sqrt(2 / 64), rel=0.02)
    assert not weights[BIAS].any()
    assert not weights[network.OUTPUT_BIAS].any()


def test_windows_do_not_overlap_and_say_what_comes_next() -> None:
    found = [(ids.ravel().tolist(), following.ravel().tolist()) for ids, following in windows(np.arange(10), 3)]
    assert found == [([0, 1, 2], [1, 2, 3]), ([3, 4, 5], [4, 5, 6]), ([6, 7, 8], [7, 8, 9])]


@pytest.mark.parametrize("cell", CELLS)
def test_descent_goes_down(cell: str) -> None:
    ids = np.tile(np.arange(1, 6), 200)
    weights = first_weights(CELLS[cell], characters=6, units=16, seed=0)
    losses = list(learn(CELLS[cell], weights, windows(ids, 8), 0.05))
    assert losses[0] > 8.0
    assert losses[-1] < 1.0


def test_descent_is_a_small_step_against_the_derivative() -> None:
    weights: dict[str, Any] = {"a": np.array([1.0, 2.0], np.float32)}
    descend(weights, {"a": np.array([10.0, -10.0])}, 0.01)
    assert weights["a"].tolist() == pytest.approx([0.9, 2.1])
    assert weights["a"].dtype == np.float32
