"""Dropout whose generator is named draws the masks that Keras draws, and training uses it."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from distrnn.training.kernels.dropout import PhiloxDropout, draw_by_philox

INPUTS = np.random.default_rng(0).normal(size=(5, 7, 11)).astype(np.float32)
WAYS: dict[str, Callable[[Any], Any]] = {
    "at once": lambda call: call,
    "as a graph": lambda call: tf.function(call, autograph=False),
    "compiled": lambda call: tf.function(call, autograph=False, jit_compile=True),
}


@pytest.mark.parametrize("way", WAYS)
def test_masks_are_those_of_keras_in_every_call(way):
    layers = (keras.layers.Dropout(0.3, seed=4), PhiloxDropout(0.3, seed=4))
    calls = [WAYS[way](lambda layer=layer: layer(INPUTS, training=True)) for layer in layers]
    drawn = [[np.asarray(call()) for call in calls] for _ in range(3)]
    for theirs, ours in drawn:
        np.testing.assert_array_equal(ours, theirs)
    assert (drawn[0][1] != drawn[1][1]).any()
    assert 0.2 < (drawn[0][1] == 0).mean() < 0.4


def test_nothing_is_dropped_but_in_training():
    np.testing.assert_array_equal(PhiloxDropout(0.3)(INPUTS, training=False), INPUTS)


def test_a_mask_of_another_shape_is_drawn_by_keras():
    whole_steps = np.asarray(PhiloxDropout(0.3, noise_shape=(5, 7, 1), seed=4)(INPUTS, training=True))
    assert set(np.unique((whole_steps == 0).sum(axis=2))) == {0, 11}


def test_layers_of_a_model_keep_their_generators():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dropout(0.5), keras.layers.Dense(1)])
    _, dropout, _ = model.layers
    generator = dropout.seed_generator
    draw_by_philox(model)
    assert type(dropout) is PhiloxDropout
    assert dropout.seed_generator is generator
