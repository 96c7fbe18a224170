"""The ratings of the lesson are what two embedding layers and their product learn in Keras."""

import keras
import numpy as np
import pytest

from distrnn.runtime.lesson.ratings import first_vectors, learn, made_ratings, rmse

pytestmark = pytest.mark.usefixtures("two_devices")


def learned_by_keras(vectors, ratings, learning_rate):
    users, items = (keras.Input((), dtype="int32") for _ in range(2))
    tables = [keras.layers.Embedding(*table.shape) for table in vectors]
    product = keras.ops.sum(tables[0](users) * tables[1](items), axis=-1)
    model = keras.Model([users, items], product)
    for layer, table in zip(tables, vectors, strict=True):
        layer.set_weights([table])
    model.compile(optimizer=keras.optimizers.SGD(learning_rate), loss="mean_squared_error")
    model.fit([ratings[0].astype(np.int32), ratings[1].astype(np.int32)], ratings[2], batch_size=1, epochs=1, shuffle=False, verbose=0)
    return [layer.get_weights()[0] for layer in tables]


def test_one_pass_ends_with_the_same_vectors():
    ratings = made_ratings(8, 9, known=0.7, seed=0)
    by_hand = first_vectors(8, 9, features=5, seed=0)
    by_keras = learned_by_keras([table.astype(np.float32) for table in by_hand], ratings, 0.02)
    list(learn(*by_hand, ratings, learning_rate=0.02, epochs=1))
    for one, other in zip(by_hand, by_keras, strict=True):
        assert one == pytest.approx(other, abs=1e-5)


def test_the_comparison_can_tell_a_pass_in_another_order():
    users, items, wanted = made_ratings(8, 9, known=0.7, seed=0)
    one, other = first_vectors(8, 9, features=5, seed=0), first_vectors(8, 9, features=5, seed=0)
    list(learn(*one, (users, items, wanted), learning_rate=0.02, epochs=1))
    list(learn(*other, (users[::-1], items[::-1], wanted[::-1]), learning_rate=0.02, epochs=1))
    assert abs(rmse(*one, (users, items, wanted)) - rmse(*other, (users, items, wanted))) > 1e-4
