"""The gradient of parts of the rows, added up, is that of the whole batch; each part drops out features of its own."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from distrnn.training.row_parts import RowParts
from distrnn.training.variables import is_random

pytestmark = pytest.mark.usefixtures("two_devices")

ROWS, STEPS, VOCABULARY = 7, 5, 20
TOLERANCE = 1e-6
CELLS = {"simple-rnn": keras.layers.SimpleRNN, "gru": keras.layers.GRU, "lstm": keras.layers.LSTM}


def network(cell: str, **settings: Any) -> keras.Model:
    keras.utils.set_random_seed(3)
    embedding = keras.layers.Embedding(VOCABULARY, 4, mask_zero=True)
    return keras.Sequential([keras.Input((STEPS,), dtype="int32"), embedding, CELLS[cell](6, **settings), keras.layers.Dense(1)])


def tokens() -> Any:
    return tf.constant(np.random.default_rng(0).integers(0, VOCABULARY, (ROWS, STEPS)), tf.int32)


def gradient_of(model: keras.Model) -> Any:
    def gradient(rows: Any) -> list[Any]:
        with tf.GradientTape() as tape:
            outputs = model(rows, training=True)
            loss = tf.reduce_sum(tf.square(outputs))
        return [*map(tf.convert_to_tensor, tape.gradient(loss, [weight.value for weight in model.trainable_variables])), loss]

    return gradient


def in_parts(model: keras.Model, parts: int) -> list[np.ndarray]:
    computed = RowParts(gradient_of(model), model, parts)
    return [value.numpy() for value in tf.function(lambda rows: computed(rows), autograph=False)(tokens())]


@pytest.mark.parametrize("parts", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_the_parts_add_up_to_the_whole(cell, parts):
    model = network(cell)
    whole = [value.numpy() for value in gradient_of(model)(tokens())]
    for one, other in zip(whole, in_parts(model, parts), strict=True):
        np.testing.assert_allclose(other, one, atol=TOLERANCE)


def dropped(parts: int) -> np.ndarray:
    """Which features each row lost: bool [ROWS, 16]."""
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((16,)), keras.layers.Dropout(0.5)])

    def outputs(rows: Any, places: Any) -> list[Any]:
        return [tf.matmul(places, model(rows, training=True), transpose_a=True)]  # [16 of part, …] -> [ROWS, 16]

    computed = RowParts(outputs, model, parts)
    rows, places = tf.ones((ROWS, 16)), tf.eye(ROWS)
    return tf.function(lambda: computed(rows, places), autograph=False)()[0].numpy() == 0.0


def test_no_part_repeats_the_masks_of_another():
    masks = dropped(2)
    assert not np.array_equal(masks[:3], masks[4:])
    assert 0.3 < masks.mean() < 0.7


def test_each_call_draws_anew_and_leaves_the_generators_where_one_call_does():
    whole, cut = network("lstm", dropout=0.5), network("lstm", dropout=0.5)
    gradient_of(whole)(tokens())
    first = in_parts(cut, 2)
    states = [[variable.numpy().tolist() for variable in model.non_trainable_variables if is_random(variable)] for model in (whole, cut)]
    assert states[0] == states[1]
    assert not np.array_equal(first[-1], in_parts(cut, 2)[-1])
