"""Document classifiers.

The published model consists of layers and operations that Keras brings along, so whoever loads it needs nothing of ours. How weights began
is of no use to it: it has Keras' own initializers, whatever the workflow says.
"""

from typing import Any, Literal

import keras

from distrnn.models.cells import KERAS_LAYERS, RecurrentLayers, initial_weights
from distrnn.workflow.sections import ClassifierModel

Head = Literal["logits", "probabilities"]
LOWEST = {"relu": 0.0, "tanh": -1.0}  # what the activation never falls below


def build_classifier(
    model: ClassifierModel, *, vocabulary_size: int, head: Head, recurrent: RecurrentLayers = KERAS_LAYERS, any_length: bool = False
) -> keras.Model:
    """Embedding ► what reads the tokens ► one unit.

    Shapes: N documents, L = `model.sequence_length` tokens, F = `model.embedding_dim` features, U = `model.units`.

    Args:
        model: the workflow's section.
        vocabulary_size: ids in use, reserved ones included.
        head: `logits` to train (the loss is computed from them without loss of digits), `probabilities` to publish.
        recurrent: the layer of each recurrent type.
        any_length: take documents padded to any length, not to `model.sequence_length` alone.
    Returns:
        int32 [N, L] -> float32 [N, 1]; the probability of the positive class, or its logit.
    """
    model = model.resolved()
    tokens = keras.Input((None if any_length else model.sequence_length,), dtype="int32", name="tokens")
    embedding = keras.layers.Embedding(
        vocabulary_size, model.embedding_dim, mask_zero=model.mask_zero and model.is_recurrent, name="embedding"
    )
    features = embedding(tokens)  # [N, L, F]
    if model.is_recurrent:
        features = _read_in_order(model, features, recurrent, head)
    else:
        is_token = keras.ops.expand_dims(keras.ops.not_equal(tokens, 0), -1) if model.mask_zero else None  # [N, L, 1]
        read = _read_neighbours if model.type == "conv" else _read_side_by_side
        features = read(model, features, is_token)
    output = keras.layers.Dense(1, activation="sigmoid" if head == "probabilities" else None, name="output")
    return keras.Model(tokens, output(features), name="classifier")


def _read_in_order(model: ClassifierModel, features: Any, recurrent: RecurrentLayers, head: Head) -> Any:
    """[N, L, F] -> [N, U], the state after the last token."""
    layer = recurrent[model.type](
        model.units,
        activation=model.activation,
        dropout=model.dropout,
        recurrent_dropout=model.recurrent_dropout,
        name=model.type.replace("-", "_"),
        **(initial_weights(model) if head == "logits" else {}),
    )
    return layer(features)


def _read_neighbours(model: ClassifierModel, features: Any, is_token: Any) -> Any:
    """[N, L, F] -> [N, U], of each filter the largest output over all positions, or those of tokens."""
    convolution = keras.layers.Conv1D(model.units, model.kernel_size, padding="same", activation=model.activation, name="conv")
    features = convolution(_only_tokens(features, is_token, 0.0))  # [N, L, U]
    # What is lowest never wins; where there is no token at all, it is what remains.
    features = _only_tokens(features, is_token, LOWEST[str(model.activation)])
    return _dropped(model, keras.layers.GlobalMaxPooling1D(name="pooling")(features))


def _read_side_by_side(model: ClassifierModel, features: Any, is_token: Any) -> Any:
    """[N, L, F] -> [N, U], or [N, L·F] without a hidden layer."""
    features = keras.layers.Flatten(name="flatten")(_only_tokens(features, is_token, 0.0))  # [N, L·F]
    if model.units is not None:
        features = keras.layers.Dense(model.units, activation=model.activation, name="hidden")(features)
    return _dropped(model, features)


def _only_tokens(features: Any, is_token: Any, otherwise: float) -> Any:
    """[N, L, F] -> [N, L, F], with `otherwise` in the place of padding; as they are where nothing is masked."""
    return features if is_token is None else keras.ops.where(is_token, features, otherwise)


def _dropped(model: ClassifierModel, features: Any) -> Any:
    return keras.layers.Dropout(model.dropout, name="dropout")(features) if model.dropout else features
