"""The fused layers compute what Keras' layers compute: outputs, states, every gradient, and weights after training, within 1e-5.

Both layers are made with the same seeds, so their dropout masks are the same too.
"""

from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from distrnn.training.kernels import cells, layers, recurrence, rows
from distrnn.training.kernels.layers import FusedGRU, FusedLSTM, FusedSimpleRNN, accelerate

pytestmark = pytest.mark.usefixtures("two_devices")

TOLERANCE = 1e-5
ROWS, STEPS, FEATURES, UNITS = 6, 7, 6, 4
PAIRS = {
    "simple-rnn": (keras.layers.SimpleRNN, FusedSimpleRNN),
    "gru": (keras.layers.GRU, FusedGRU),
    "lstm": (keras.layers.LSTM, FusedLSTM),
}


def lengths_mask(kind: str | None) -> np.ndarray | None:
    """bool [B, T]: rows of random length with a whole one, and one with no step at all."""
    generator = np.random.default_rng(4)
    lengths = np.array([STEPS, 0, 3, 5, 1, 6])
    match kind:
        case "leading":
            return np.arange(STEPS)[::-1] < lengths[:, None]
        case "trailing":
            return np.arange(STEPS) < lengths[:, None]
        case "inner":
            return generator.random((ROWS, STEPS)) < 0.6
    return None


@dataclass
class Pair:
    """Keras' layer and ours, of the same weights and seeds."""

    cell: str
    settings: dict[str, Any] = field(default_factory=dict)
    parts: int = 2

    def __post_init__(self) -> None:
        self.layers = [one(UNITS, seed=11, return_state=True, **self.settings) for one in PAIRS[self.cell]]
        generator = np.random.default_rng(1)
        for layer in self.layers:
            layer.build((ROWS, STEPS, FEATURES))
        values = [generator.normal(0.0, 0.5, weight.shape).astype("float32") for weight in self.layers[0].trainable_weights]
        for layer in self.layers:
            layer.set_weights([*values, *[np.asarray(weight) for weight in layer.weights[len(values) :]]])
        self.layers[1].row_parts = self.parts

    def results(self, layer: Any, mask: np.ndarray | None, initial: Any = None, jit: bool | None = None) -> dict[str, np.ndarray]:
        """Outputs, states and the gradients of a random sum of them all, by name."""
        generator = np.random.default_rng(2)
        inputs = tf.constant(generator.normal(size=(ROWS, STEPS, FEATURES)), tf.float32)
        initial = [tf.constant(generator.normal(size=(ROWS, UNITS)), tf.float32) for _ in range(1 + (self.cell == "lstm"))]
        passed = {} if layer.stateful else {"initial_state": initial}

        def step() -> Any:
            with tf.GradientTape() as tape:
                tape.watch([inputs, *initial])
                results = layer(inputs, mask=None if mask is None else tf.constant(mask), training=True, **passed)
                weighed = np.random.default_rng(3)
                total = tf.add_n([tf.reduce_sum(one * weighed.normal(size=one.shape).astype("float32")) for one in results])
            sources = [inputs, *layer.trainable_weights, *([] if layer.stateful else initial)]
            return results, tape.gradient(total, [getattr(one, "value", one) if hasattr(one, "path") else one for one in sources])

        results, gradients = tf.function(step, jit_compile=jit)()
        named = {f"result {index}": one.numpy() for index, one in enumerate(results)}
        return named | {f"gradient {index}": one.numpy() for index, one in enumerate(gradients)}

    def difference(self, mask: np.ndarray | None, calls: int = 1, jit: bool | None = None) -> dict[str, float]:
        """The largest differences of all calls by name, as shares of the largest value where that is above 1."""
        found: dict[str, float] = {}
        for _ in range(calls):
            theirs, ours = (self.results(layer, mask, jit=jit) for layer in self.layers)
            assert theirs.keys() == ours.keys()
            for name, value in theirs.items():
                assert value.shape == ours[name].shape, name
                found[name] = max(found.get(name, 0.0), float(np.abs(value - ours[name]).max() / max(1.0, np.abs(value).max())))
        return found


def assert_equal(found: dict[str, float]) -> None:
    assert max(found.values()) < TOLERANCE, found


@pytest.fixture
def loops(monkeypatch):
    """How often the fused loop was entered: a fall back to Keras' would make any of these tests pass."""
    entered = []
    original = layers.run
    monkeypatch.setattr(layers, "run", lambda *arguments: entered.append(arguments) or original(*arguments))
    return entered


@pytest.mark.parametrize(
    ("mask", "sequences", "parts"),
    [
        (None, False, 1),
        (None, True, 2),
        ("leading", False, 2),
        ("leading", True, 2),
        ("trailing", True, 2),
        ("inner", False, 2),
        ("inner", True, 4),
    ],
)
@pytest.mark.parametrize("cell", PAIRS)
def test_outputs_states_and_gradients_equal_keras(cell, mask, sequences, parts, loops):
    assert_equal(Pair(cell, {"return_sequences": sequences}, parts).difference(lengths_mask(mask)))
    assert len(loops) == 1


@pytest.mark.slow
@pytest.mark.parametrize("rates", [(0.4, 0.0), (0.3, 0.4)])
@pytest.mark.parametrize("cell", PAIRS)
def test_dropout_masks_are_those_that_keras_draws(cell, rates, loops):
    settings = {"dropout": rates[0], "recurrent_dropout": rates[1], "return_sequences": True}
    pair = Pair(cell, settings)
    assert_equal(pair.difference(lengths_mask("leading")))
    theirs, ours = (np.asarray(layer.cell.seed_generator.state) for layer in pair.layers)
    assert (theirs == ours).all()
    assert loops


@pytest.mark.slow
@pytest.mark.parametrize("mask", [None, "leading"])
@pytest.mark.parametrize("cell", PAIRS)
def test_a_carried_state_is_the_same_in_the_second_call(cell, mask, loops):
    pair = Pair(cell, {"stateful": True, "return_sequences": True})
    assert_equal(pair.difference(lengths_mask(mask), calls=2))
    states = [np.concatenate([np.asarray(state) for state in layer.states]) for layer in pair.layers]
    assert np.abs(states[0] - states[1]).max() < TOLERANCE
    assert np.abs(states[0]).max() > 0.1
    assert loops


@pytest.mark.slow
@pytest.mark.parametrize("cell", PAIRS)
def test_relu(cell, loops):
    settings = {"activation": "relu", "return_sequences": True}
    assert_equal(Pair(cell, settings).difference(lengths_mask("leading")))
    assert loops


@pytest.mark.parametrize("mask", [None, "leading", "inner"])
@pytest.mark.parametrize("sequences", [False, True])
def test_backwards(mask, sequences, loops):
    assert_equal(Pair("gru", {"go_backwards": True, "return_sequences": sequences}).difference(lengths_mask(mask)))
    assert loops


@pytest.mark.parametrize("sequences", [False, True])
def test_zeros_for_skipped_steps(sequences, loops):
    settings = {"zero_output_for_mask": True, "return_sequences": sequences}
    for mask in ("leading", "trailing", "inner"):
        assert_equal(Pair("lstm", settings).difference(lengths_mask(mask)))
    assert len(loops) == 3


@pytest.mark.parametrize("cell", PAIRS)
def test_inside_a_compiled_step(cell, loops):
    assert_equal(Pair(cell, {"return_sequences": True}).difference(lengths_mask("leading"), jit=True))
    assert loops


@pytest.mark.parametrize(
    ("cell", "settings"),
    [
        ("lstm", {"recurrent_activation": "hard_sigmoid"}),
        ("lstm", {"activation": "elu"}),
        ("lstm", {"use_bias": False}),
        ("lstm", {"unroll": True}),
        ("gru", {"reset_after": False}),
    ],
)
def test_what_is_not_covered_goes_to_keras(cell, settings, loops):
    assert_equal(Pair(cell, settings).difference(None))
    assert loops == []


def test_the_comparison_notices_a_lost_gradient(monkeypatch):
    """The control: the forget gate's gradient dropped."""
    right = cells.LSTMCell.coefficients

    def wrong(self: Any, activation: str, saved: Any, new: Any, old: Any) -> Any:
        gates, *rest = right(self, activation, saved, new, old)
        i, f, g, o = tf.split(gates, 4, axis=2)
        return tf.concat([i, tf.zeros_like(f), g, o], axis=2), *rest

    monkeypatch.setattr(cells.LSTMCell, "coefficients", wrong)
    rows.compiled.cache_clear()
    found = Pair("lstm").difference(None)
    rows.compiled.cache_clear()
    assert max(value for name, value in found.items() if name.startswith("result")) < TOLERANCE
    assert max(value for name, value in found.items() if name.startswith("gradient")) > 1e-3


def test_both_directions_are_accelerated(loops):
    def outputs(*, fused: bool) -> np.ndarray:
        keras.utils.set_random_seed(5)
        both = keras.layers.Bidirectional(keras.layers.LSTM(UNITS, return_sequences=True))
        model = keras.Sequential([keras.Input((STEPS,), dtype="int32"), keras.layers.Embedding(30, FEATURES, mask_zero=True), both])
        if fused:
            accelerate(model, row_parts=1)
        tokens = tf.constant(np.random.default_rng(6).integers(0, 30, (ROWS, STEPS)), tf.int32)
        return tf.function(lambda: model(tokens, training=True))().numpy()

    assert np.abs(outputs(fused=True) - outputs(fused=False)).max() < TOLERANCE
    assert len(loops) == 2


def trained(layer: Any, optimizer: keras.optimizers.Optimizer, *, fused: bool) -> list[np.ndarray]:
    """The weights of a small classifier after 20 steps."""
    keras.utils.set_random_seed(5)
    model = keras.Sequential(
        [
            keras.Input((STEPS,), dtype="int32"),
            keras.layers.Embedding(30, FEATURES, mask_zero=True),
            layer(UNITS, dropout=0.2, recurrent_dropout=0.2, seed=3),
            keras.layers.Dense(1),
        ]
    )
    if fused:
        accelerate(model, row_parts=2)
        assert type(model.layers[1]) is not layer
    optimizer.build(model.trainable_variables)
    apply = tf.function(lambda gradients: optimizer.apply(gradients, model.trainable_variables), jit_compile=fused, autograph=False)
    generator = np.random.default_rng(6)

    @tf.function
    def step(tokens: Any, labels: Any) -> None:
        with tf.GradientTape() as tape:
            logits = model(tokens, training=True)[:, 0]
            loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels, logits))
        # Dense, as the engine has them: of looked-up rows Keras squares each occurrence of a token for itself
        apply([tf.convert_to_tensor(gradient) for gradient in tape.gradient(loss, model.trainable_variables)])

    for _ in range(20):
        step(tf.constant(generator.integers(0, 30, (8, STEPS)), tf.int32), tf.constant(generator.integers(0, 2, 8), tf.float32))
    return [np.asarray(weight) for weight in [*model.trainable_variables, *optimizer.variables] if weight.dtype == "float32"]


@pytest.mark.parametrize(("cell", "name"), [("simple-rnn", "RMSprop"), ("gru", "SGD"), ("lstm", "Adam")])
def test_twenty_steps_end_with_the_weights_and_moments_of_keras(cell, name, loops):
    layer = PAIRS[cell][0]
    theirs, ours = (trained(layer, getattr(keras.optimizers, name)(0.01), fused=fused) for fused in (False, True))
    differences = [np.abs(one - other).max() for one, other in zip(theirs, ours, strict=True)]
    assert max(differences) < TOLERANCE
    assert loops


def test_rows_are_cut_as_evenly_as_can_be():
    call = recurrence.Call(tf.zeros((5, 2, 3)), (tf.zeros(1),), (tf.zeros((5, 4)),), keep=(tf.ones((5, 2)),))
    parts = rows.split(call, 2)
    assert [part.inputs.shape[0] for part in parts] == [3, 2]
    assert [part.keep[0].shape[0] for part in parts] == [3, 2]
    assert all(part.weights is call.weights for part in parts)
