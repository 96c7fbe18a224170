"""Recurrent layers by the name that the workflow gives them, exchangeable for faster ones with the same weights."""

from collections.abc import Callable, Mapping
from typing import Any

import keras

from distrnn.models.initializers import IdentityGates
from distrnn.workflow.sections import ClassifierModel

RecurrentLayers = Mapping[str, Callable[..., Any]]
"""For each type a layer with the arguments of Keras' own, and the same weights in the same order."""

KERAS_LAYERS: RecurrentLayers = {"simple-rnn": keras.layers.SimpleRNN, "gru": keras.layers.GRU, "lstm": keras.layers.LSTM}


def initial_weights(model: ClassifierModel) -> dict[str, Any]:
    """Arguments of a recurrent layer that say how its weights begin."""
    arguments: dict[str, Any] = {}
    if model.kernel_stddev is not None:
        arguments["kernel_initializer"] = keras.initializers.RandomNormal(stddev=model.kernel_stddev)
    if model.recurrent_initializer == "identity":
        arguments["recurrent_initializer"] = IdentityGates()
    return arguments
