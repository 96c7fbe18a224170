"""What becomes of the steps of a document: one row of features.

Padding is left out where a mask says so. A document without any token gives zeros, or where the largest counts, the lowest value that
there is.
"""

from typing import Any

import keras

LOWEST = {"relu": 0.0, "tanh": -1.0}  # what an activation never falls below, and so do states that are made of its values


def pooled(kind: str, features: Any, is_token: Any, *, activation: str) -> Any:
    """[N, L, F] -> [N, F], or [N, L·F] of all steps side by side.

    Args:
        kind: `max`, `mean`, `attention` or `flatten`.
        features: of each step.
        is_token: bool [N, L]; None: every step counts.
        activation: that the features come from.
    """
    if kind == "max":
        # What is lowest never wins; where there is no token at all, it is what remains.
        return keras.layers.GlobalMaxPooling1D(name="pooling")(only_tokens(features, is_token, LOWEST[activation]))
    if kind == "attention":
        return _attended(features, is_token)
    if kind == "flatten":
        return keras.layers.Flatten(name="flatten")(only_tokens(features, is_token, 0.0))
    return keras.layers.GlobalAveragePooling1D(name="pooling")(only_tokens(features, is_token, 0.0), mask=_counted(is_token))


def only_tokens(features: Any, is_token: Any, otherwise: float) -> Any:
    """[N, L, F] -> [N, L, F], with `otherwise` in the place of padding; as they are where nothing is masked."""
    return features if is_token is None else keras.ops.where(keras.ops.expand_dims(is_token, -1), features, otherwise)


def _attended(features: Any, is_token: Any) -> Any:
    """A mean with learned weights: the softmax over the steps of a weighted sum of each step's features.

    The sum has no bias, which would change no weight.

    Source: Bahdanau, Cho and Bengio (2015), Neural machine translation by jointly learning to align and translate, without a query.
    """
    scores = keras.layers.Dense(1, use_bias=False, name="attention")(features)  # [N, L, 1]
    mask = None if is_token is None else keras.ops.expand_dims(is_token, -1)
    weights = keras.layers.Softmax(axis=1, name="attention_weights")(scores, mask=mask)
    return keras.ops.sum(weights * features, axis=1)


def _counted(is_token: Any) -> Any:
    """The steps that a mean counts: bool [N, L]. Those of a document without a token all count, because nothing divides by zero then."""
    if is_token is None:
        return None
    return keras.ops.logical_or(is_token, keras.ops.logical_not(keras.ops.any(is_token, axis=1, keepdims=True)))
