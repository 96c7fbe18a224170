"""The lesson's cells are Keras' own, outputs and derivatives, over random shapes, masks and lengths; and the scan learns the same."""

from functools import partial
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from distrnn.runtime.lesson.cells import GRU, LSTM, Cell, ResetBeforeGRU, SimpleRNN
from distrnn.runtime.lesson.network import CELLS, first_weights, learn, windows
from distrnn.runtime.lesson.through_time import backward, forward
from distrnn.training.scan_lesson import STEPS, ScanLearner

pytestmark = pytest.mark.usefixtures("two_devices")

KINDS: dict[str, tuple[Cell, Any]] = {
    "tanh": (SimpleRNN(), keras.layers.SimpleRNN),
    "relu": (SimpleRNN("relu"), keras.layers.SimpleRNN),
    "gru": (GRU(), keras.layers.GRU),
    "gru, reset before": (ResetBeforeGRU(), partial(keras.layers.GRU, reset_after=False)),
    "lstm": (LSTM(), keras.layers.LSTM),
}
OUTPUTS, GRADIENTS = 1e-5, 1e-4
RATES = {"rnn": 0.01, "lstm": 0.05}


def near(found: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    """Every value within `tolerance` of the largest."""
    np.testing.assert_allclose(found, expected, atol=tolerance * max(1.0, float(np.abs(expected).max(initial=0.0))), rtol=tolerance)


def lengths_as_mask(generator: np.random.Generator, rows: int, steps: int) -> np.ndarray:
    """Rows of random lengths, some padded before and some behind, each with one step at least: bool [B, T]."""
    lengths, places = generator.integers(1, steps + 1, (rows, 1)), np.arange(steps)
    return np.where(generator.random((rows, 1)) < 0.5, places < lengths, places >= steps - lengths)


@settings(max_examples=6, deadline=None)
@pytest.mark.parametrize("kind", KINDS)
@given(
    rows=st.integers(1, 4),
    steps=st.integers(1, 7),
    features=st.integers(1, 5),
    units=st.integers(1, 6),
    masked=st.booleans(),
    seed=st.integers(0, 1 << 16),
)
def test_outputs_and_derivatives_are_keras_own(
    kind: str, rows: int, steps: int, features: int, units: int, masked: bool, seed: int
) -> None:
    cell, layer_type = KINDS[kind]
    generator = np.random.default_rng(seed)
    layer = layer_type(units, return_sequences=True, return_state=True, **({"activation": kind} if kind in ("tanh", "relu") else {}))
    layer.build((rows, steps, features))
    for variable in layer.weights:
        variable.assign(generator.normal(0.0, 0.6, variable.shape))
    weights = {variable.path.rpartition("/")[2]: np.asarray(variable) for variable in layer.weights}
    inputs = generator.normal(size=(rows, steps, features)).astype(np.float32)
    # A row begins with a step that counts: before that Keras gives zeros whatever the state is, which the lesson leaves out
    keep = lengths_as_mask(generator, rows, steps) if masked else None
    state = [np.zeros((rows, units), np.float32) if masked else generator.normal(size=(rows, units)).astype(np.float32)] * cell.states
    d_outputs = generator.normal(size=(rows, steps, units)).astype(np.float32)

    x, begin = tf.Variable(inputs), [tf.Variable(each) for each in state]
    with tf.GradientTape() as tape:
        outputs, *after = layer(x, initial_state=begin, mask=keep)
        loss = tf.reduce_sum(outputs * d_outputs)
    expected = tape.gradient(loss, [x, *begin, *(variable.value for variable in layer.weights)])

    by_step = None if keep is None else keep.T
    through = forward(cell, weights, inputs.swapaxes(0, 1), tuple(state), by_step)
    d_inputs, d_state, d_weights = backward(cell, weights, through.memories, d_outputs.swapaxes(0, 1), by_step)
    near(through.outputs.swapaxes(0, 1), outputs.numpy(), OUTPUTS)
    for one, other in zip(through.state, after, strict=True):
        near(one, other.numpy(), OUTPUTS)
    near(d_inputs.swapaxes(0, 1), expected[0].numpy(), GRADIENTS)
    for name, gradient in zip(weights, expected[1 + len(begin) :], strict=True):
        near(d_weights[name], np.asarray(gradient), GRADIENTS)
    if not masked:
        for one, gradient in zip(d_state, expected[1 : 1 + len(begin)], strict=True):
            near(one, np.asarray(gradient), GRADIENTS)


@pytest.mark.parametrize("cell", STEPS)
def test_derivatives_by_hand_learn_as_automatic_ones_do_step_by_step(cell: str) -> None:
    generator = np.random.default_rng(0)
    ids = np.cumsum(generator.integers(0, 3, 1201)) % 29 + 1
    weights = first_weights(CELLS[cell], characters=30, units=24, seed=0, dtype=np.float64)
    scan = ScanLearner(cell, weights, RATES[cell])
    sequences = list(windows(ids, 8))
    by_scan = scan.learn(*(np.concatenate(side, axis=1).T for side in zip(*sequences, strict=True)))
    by_hand = np.array(list(learn(CELLS[cell], weights, sequences, RATES[cell])))
    assert len(by_hand) == 150
    np.testing.assert_allclose(by_hand, by_scan, rtol=1e-9)
    assert by_hand[-30:].mean() < 0.9 * by_hand[:30].mean()
    for name, learned in scan.weights.items():
        np.testing.assert_allclose(weights[name], learned, atol=1e-9)
