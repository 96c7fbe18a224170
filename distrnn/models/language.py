"""Language models: a distribution over the next token, from recurrent cells or from a recurrence that is unrolled by hand.

The recurrence by hand is the network as one draws it: three dense layers, shared by all steps. What an input and the state before it
contribute are summed, and the activation of the sum is the new state:

    state = activation(input_hidden(token) + hidden_hidden(state))        from zeros, for each token of the window
    prediction = output(state)

That is a SimpleRNN with the same weights in the same order (kernel, recurrent kernel, bias), and as such it is published.
"""

from typing import Any

import keras
import numpy as np

from distrnn.models.layers import Head, normalized, numbered, output_layer
from distrnn.models.readers import cell
from distrnn.models.sampled_output import SampledOutput
from distrnn.models.weights import weight_arguments
from distrnn.workflow.sections import LanguageModel


def build_language_model(
    model: LanguageModel, *, vocabulary_size: int, batch: int | None, window: int | None, head: Head, synchronized: bool = False
) -> keras.Model:
    """Embedding or one-hot tokens ► recurrence ► perhaps a dense layer ► distributions.

    Shapes: B = `batch` rows, W = `window` tokens, V = `vocabulary_size`, F features of a token, U = `model.units`.

    Args:
        model: the workflow's section, or what is published of it (`model.published`).
        vocabulary_size: V, the padding id included.
        batch: rows of one replica while training; to publish 1, or None for any number where no state is carried.
        window: tokens of a call; None for any number, but not for a recurrence by hand.
        head: `logits` to train, `probabilities` to publish.
        synchronized: normalise over the rows of all replicas, so that several equal one.
    Returns:
        int32 [B, W] -> float32 [B, W, V], or [B, V] where only the token after the last one is predicted. Where the state is carried, row b
        of one call continues row b of the call before. Where the softmax is sampled, what `SampledOutput` gives instead of logits.
    """
    model = model.resolved()
    tokens = keras.Input(batch_shape=(batch, window), dtype="int32", name="tokens")
    features = _tokens_as_features(model, tokens, vocabulary_size, head, synchronized)  # [B, W, F]
    features = _by_hand(model, features, head) if model.type == "dense" else _by_cells(model, features, head)
    if model.hidden_units is not None:
        features = keras.layers.Dense(model.hidden_units, activation="relu", name="hidden")(features)
    if model.output_dropout:
        features = keras.layers.Dropout(model.output_dropout, name="output_dropout")(features)
    if model.sampled_softmax is not None and head == "logits":
        output: keras.layers.Layer = SampledOutput(vocabulary_size, samples=model.sampled_softmax, name="output")
    else:
        output = output_layer(vocabulary_size, head)
    return keras.Model(tokens, output(features), name="language_model")


def _tokens_as_features(model: LanguageModel, tokens: Any, vocabulary_size: int, head: Head, synchronized: bool) -> Any:
    """Int [B, W] -> [B, W, F]; a one-hot vector is looked up as a row of the identity."""
    if model.embedding_dim is None:
        identity = keras.layers.Embedding(vocabulary_size, vocabulary_size, trainable=False, name="one_hot")
        identity.build()
        identity.embeddings.assign(np.eye(vocabulary_size, dtype=np.float32))
        return identity(tokens)
    embedding = keras.layers.Embedding(
        vocabulary_size, model.embedding_dim, name="embedding", **weight_arguments(model, head, embeddings="embeddings")
    )
    features = normalized(str(model.embedding_normalization), embedding(tokens), synchronized=synchronized)
    if model.embedding_dropout:
        features = keras.layers.SpatialDropout1D(model.embedding_dropout, name="embedding_dropout")(features)
    return features


def _by_cells(model: LanguageModel, features: Any, head: Head) -> Any:
    """[B, W, F] -> [B, W, U] or [B, U]."""
    layers = model.layers or 1
    for number in range(1, layers + 1):
        name = numbered(model.type.replace("-", "_"), number, layers)
        every = number < layers or model.predict == "every"
        features = cell(model, head, name, return_sequences=every, stateful=model.carries_state)(features)
    return features


def _by_hand(model: LanguageModel, features: Any, head: Head) -> Any:
    """[B, W, F] -> [B, W, U] or [B, U]."""
    from_input = keras.layers.Dense(model.units, use_bias=False, name="input_hidden", **weight_arguments(model, head, kernel="kernel"))
    from_state = keras.layers.Dense(model.units, name="hidden_hidden", **weight_arguments(model, head, recurrent="kernel", bias="bias"))
    activate = keras.layers.Activation(model.activation, name="activation")
    contributions = [from_input(features[:, step]) for step in range(features.shape[1])]  # [B, U] each
    state, states = keras.ops.zeros_like(contributions[0]), []
    for contribution in contributions:
        state = activate(contribution + from_state(state))
        states.append(state)
    return keras.ops.stack(states, axis=1) if model.predict == "every" else state
