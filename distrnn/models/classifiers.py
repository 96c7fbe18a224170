"""Document classifiers.

The published model consists of layers and operations that Keras brings along, so whoever loads it needs nothing of ours. How weights began
is of no use to it: it has Keras' own initializers, whatever the workflow says.
"""

from typing import Any

import keras

from distrnn.models.layers import Head, normalized, output_layer
from distrnn.models.readers import read_in_order, read_neighbours, read_side_by_side, read_words
from distrnn.models.weights import weight_arguments
from distrnn.workflow.sections import ClassifierModel


def build_classifier(
    model: ClassifierModel, *, vocabulary_size: int, head: Head, classes: int = 2, any_length: bool = False, synchronized: bool = False
) -> keras.Model:
    """Embedding ► what reads the tokens ► one unit, or one for each label.

    Shapes: N documents, L = `model.sequence_length` tokens, F = `model.embedding_dim` features, C = `classes`.

    Args:
        model: the workflow's section.
        vocabulary_size: ids in use, reserved ones included.
        head: `logits` to train (the loss is computed from them without loss of digits), `probabilities` to publish.
        classes: labels, 2 or more.
        any_length: take documents padded to any length, not to `model.sequence_length` alone; not where positions have weights.
        synchronized: normalise over the rows of all replicas, so that several equal one.
    Returns:
        int32 [N, L] -> float32 [N, 1] of two labels, the probability of the second one, or its logit; of more labels [N, C].
    """
    model = model.resolved()
    outputs = 1 if classes == 2 else classes
    tokens = keras.Input((None if any_length else model.sequence_length,), dtype="int32", name="tokens")
    if model.type == "bag":
        features = read_words(model, tokens, vocabulary_size, outputs, head)
        if model.units is None:  # a logistic regression
            activation = "linear" if head == "logits" else "sigmoid" if outputs == 1 else "softmax"
            return keras.Model(tokens, keras.layers.Activation(activation, name="output")(features), name="classifier")
    else:
        is_token = keras.ops.not_equal(tokens, 0) if model.mask_zero else None  # [N, L]
        embedded = _embedded(model, tokens, vocabulary_size, head, synchronized)  # [N, L, F]
        read = read_in_order if model.is_recurrent else read_neighbours if model.type == "conv" else read_side_by_side
        features = read(model, embedded, is_token, head)
    if model.output_dropout:
        features = keras.layers.Dropout(model.output_dropout, name="output_dropout")(features)
    return keras.Model(tokens, output_layer(outputs, head)(features), name="classifier")


def _embedded(model: ClassifierModel, tokens: Any, vocabulary_size: int, head: Head, synchronized: bool) -> Any:
    """Int [N, L] -> [N, L, F]."""
    embedding = keras.layers.Embedding(
        vocabulary_size,
        model.embedding_dim,
        mask_zero=model.mask_zero and model.is_recurrent,
        trainable=model.pretrained is None or model.pretrained.trainable,
        name="embedding",
        **weight_arguments(model, head, embeddings="embeddings"),
    )
    features = normalized(model.embedding_normalization, embedding(tokens), synchronized=synchronized)
    if model.embedding_dropout:
        features = keras.layers.SpatialDropout1D(model.embedding_dropout, name="embedding_dropout")(features)
    return features
