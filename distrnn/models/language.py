"""Language models whose state goes on from one window to the next."""

from typing import Any

import keras

from distrnn.models.cells import KERAS_LAYERS, RecurrentLayers
from distrnn.models.classifiers import Head
from distrnn.workflow.sections import LanguageModel


def build_language_model(
    model: LanguageModel,
    *,
    vocabulary_size: int,
    batch: int,
    window: int | None,
    head: Head,
    synchronized: bool = False,
    recurrent: RecurrentLayers = KERAS_LAYERS,
) -> keras.Model:
    """Embedding ► batch normalisation ► stateful LSTM ► one distribution a step.

    Shapes: B = `batch` rows, W = `window` tokens, V = `vocabulary_size`.

    Args:
        model: the workflow's section.
        vocabulary_size: V, the padding id included.
        batch: rows of one replica while training; 1 to publish.
        window: tokens of a call; None for any number.
        head: `logits` to train, `probabilities` to publish.
        synchronized: normalise over the rows of all replicas, so that several equal one.
        recurrent: the layer of each recurrent type.
    Returns:
        int32 [B, W] -> float32 [B, W, V]; row b of one call continues row b of the call before.
    """
    layers: list[Any] = [
        keras.Input(batch_shape=(batch, window), dtype="int32", name="tokens"),
        keras.layers.Embedding(vocabulary_size, model.embedding_dim, name="embedding"),
    ]
    if model.embedding_normalization == "batch":
        layers.append(keras.layers.BatchNormalization(synchronized=synchronized, name="batch_normalization"))
    layers += [
        recurrent[model.type](
            model.units,
            dropout=model.dropout,
            recurrent_dropout=model.recurrent_dropout,
            return_sequences=True,
            stateful=True,
            name=model.type,
        ),
        keras.layers.Dense(vocabulary_size, activation="softmax" if head == "probabilities" else None, name="output"),
    ]
    return keras.Sequential(layers, name="language_model")
