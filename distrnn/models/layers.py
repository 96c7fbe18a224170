"""Pieces that several networks have in common."""

from typing import Any, Literal

import keras

Head = Literal["logits", "probabilities"]


def normalized(kind: str, features: Any, *, synchronized: bool) -> Any:
    """[N, L, F] -> [N, L, F], normalised over a batch or over the features of each token."""
    if kind == "none":
        return features
    if kind == "layer":
        return keras.layers.LayerNormalization(name="layer_normalization")(features)
    return keras.layers.BatchNormalization(synchronized=synchronized, name="batch_normalization")(features)


def output_layer(outputs: int, head: Head) -> keras.layers.Layer:
    """[…, F] -> [… , `outputs`]: logits, or probabilities by a sigmoid for one output and a softmax for several."""
    activation = None if head == "logits" else "sigmoid" if outputs == 1 else "softmax"
    return keras.layers.Dense(outputs, activation=activation, name="output")


def numbered(name: str, number: int, count: int) -> str:
    """The name of one of `count` layers, from 1; where there is one, the name alone."""
    return f"{name}_{number}" if count > 1 else name
