"""Language models whose state goes on from one window to the next."""

import keras

from distrnn.models.layers import Head, normalized, output_layer
from distrnn.models.readers import CELLS
from distrnn.workflow.sections import LanguageModel


def build_language_model(
    model: LanguageModel, *, vocabulary_size: int, batch: int, window: int | None, head: Head, synchronized: bool = False
) -> keras.Model:
    """Embedding ► normalisation ► stateful LSTM ► one distribution a step.

    Shapes: B = `batch` rows, W = `window` tokens, V = `vocabulary_size`.

    Args:
        model: the workflow's section.
        vocabulary_size: V, the padding id included.
        batch: rows of one replica while training; 1 to publish.
        window: tokens of a call; None for any number.
        head: `logits` to train, `probabilities` to publish.
        synchronized: normalise over the rows of all replicas, so that several equal one.
    Returns:
        int32 [B, W] -> float32 [B, W, V]; row b of one call continues row b of the call before.
    """
    tokens = keras.Input(batch_shape=(batch, window), dtype="int32", name="tokens")
    features = keras.layers.Embedding(vocabulary_size, model.embedding_dim, name="embedding")(tokens)
    features = normalized(model.embedding_normalization, features, synchronized=synchronized)
    cell = CELLS[model.type](
        model.units,
        dropout=model.dropout,
        recurrent_dropout=model.recurrent_dropout,
        return_sequences=True,
        stateful=True,
        name=model.type,
    )
    return keras.Model(tokens, output_layer(vocabulary_size, head)(cell(features)), name="language_model")
