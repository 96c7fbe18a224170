"""What reads the embedded tokens of a document, by `model.type`: [N, L, F] -> [N, features], padding left out where the mask says so.

Shapes: N documents, L tokens, F features of a token, U = `model.units`, V ids.
"""

from typing import Any

import keras

from distrnn.models.layers import Head, numbered
from distrnn.models.pooling import only_tokens, pooled
from distrnn.models.weights import weight_arguments
from distrnn.workflow.model_sections import ClassifierModel, LanguageModel

CELLS = {"simple-rnn": keras.layers.SimpleRNN, "gru": keras.layers.GRU, "lstm": keras.layers.LSTM}
RECURRENT_ACTIVATIONS = {"sigmoid": "sigmoid", "hard-sigmoid": "hard_sigmoid"}


def read_in_order(model: ClassifierModel, features: Any, is_token: Any, head: Head) -> Any:
    """[N, L, F] -> [N, U], or [N, 2·U] of both directions, L times as many of a flatten. The cells take the mask from the embedding."""
    layers = model.layers or 1
    for number in range(1, layers + 1):
        all_steps = number < layers or model.pooling != "last"
        layer = cell(model, head, numbered(model.type.replace("-", "_"), number, layers), return_sequences=all_steps)
        if model.bidirectional:
            layer = keras.layers.Bidirectional(layer, merge_mode="concat", name=layer.name)
        features = layer(features)
    return features if model.pooling == "last" else pooled(str(model.pooling), features, is_token, activation=str(model.activation))


def cell(model: ClassifierModel | LanguageModel, head: Head, name: str, *, return_sequences: bool, stateful: bool = False) -> Any:
    """A recurrent layer as a workflow's section says: [N, L, any] -> [N, U] or [N, L, U].

    Args:
        model: resolved.
        head: of the network that it is for.
        name: of the layer.
        return_sequences: give the output of every step.
        stateful: go on with the next call where this one ended, row by row.
    """
    arguments = weight_arguments(model, head, kernel="kernel", recurrent="recurrent", bias="bias")
    if model.type == "lstm" and "bias_initializer" in arguments:
        arguments["unit_forget_bias"] = False  # what is asked for, and nothing else
    if isinstance(model, ClassifierModel) and model.recurrent_activation is not None:
        arguments["recurrent_activation"] = RECURRENT_ACTIVATIONS[model.recurrent_activation]
    return CELLS[model.type](
        model.units,
        activation=model.activation,
        dropout=model.dropout,
        recurrent_dropout=model.recurrent_dropout,
        return_sequences=return_sequences,
        stateful=stateful,
        name=name,
        **arguments,
    )


def read_neighbours(model: ClassifierModel, features: Any, is_token: Any, head: Head) -> Any:
    """[N, L, F] -> [N, K·U], of K convolutions of different widths, L times as many of a flatten."""
    features = only_tokens(features, is_token, 0.0)
    filters = [
        keras.layers.Conv1D(
            model.units,
            size,
            padding="same",
            activation=model.activation,
            name=f"conv_{size}",
            **weight_arguments(model, head, kernel="kernel", bias="bias"),
        )(features)
        for size in model.kernel_sizes or ()
    ]
    together = filters[0] if len(filters) == 1 else keras.layers.Concatenate(name="filters")(filters)  # [N, L, K·U]
    return pooled(str(model.pooling), together, is_token, activation=str(model.activation))


def read_side_by_side(model: ClassifierModel, features: Any, is_token: Any, head: Head) -> Any:
    """[N, L, F] -> [N, U], or [N, L·F] without a hidden layer."""
    return hidden(model, pooled("flatten", features, is_token, activation="linear"), head, first=1)


def read_words(model: ClassifierModel, tokens: Any, vocabulary_size: int, outputs: int, head: Head) -> Any:
    """Int [N, L], distinct tokens -> [N, U], or logits [N, `outputs`] without a hidden layer.

    It is what a dense layer makes of multi-hot words: the sum of the rows of its kernel that belong to the words, and a bias. The kernel
    begins as that of the dense layer would; padding adds nothing. The sum touches the words that there are, not all that there could be.
    """
    units = model.units or outputs
    words = keras.layers.Embedding(
        vocabulary_size,
        units,
        name="words",
        **{"embeddings_initializer": "glorot_uniform", **weight_arguments(model, head, kernel="embeddings")},
    )
    bias = keras.layers.Embedding(
        1, units, name="words_bias", **{"embeddings_initializer": "zeros", **weight_arguments(model, head, bias="embeddings")}
    )
    summed = keras.ops.sum(only_tokens(words(tokens), keras.ops.not_equal(tokens, 0), 0.0), axis=1)  # [N, U]
    features = summed + bias(keras.ops.zeros_like(tokens[:, 0]))
    if model.units is None:
        return features
    return hidden(model, keras.layers.Activation(model.activation, name="words_activation")(features), head, first=2)


def hidden(model: ClassifierModel, features: Any, head: Head, *, first: int) -> Any:
    """[N, any] -> [N, U] through the hidden layers from number `first` on; as it is where there is none."""
    layers = model.layers or 0
    for number in range(first, layers + 1):
        arguments = weight_arguments(model, head, kernel="kernel", bias="bias")
        name = numbered("hidden", number, layers)
        features = keras.layers.Dense(model.units, activation=model.activation, name=name, **arguments)(features)
    return features
