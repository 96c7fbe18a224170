"""Document classifiers."""

from typing import Any, Literal

import keras

from distrnn.workflow.sections import ClassifierModel

Head = Literal["logits", "probabilities"]


def build_classifier(model: ClassifierModel, *, vocabulary_size: int, head: Head) -> keras.Model:
    """Embedding ► LSTM ► one unit.

    Shapes: N documents, L = `model.sequence_length` tokens.

    Args:
        model: the workflow's section.
        vocabulary_size: ids in use, reserved ones included.
        head: `logits` to train (the loss is computed from them without loss of digits), `probabilities` to publish.
    Returns:
        int32 [N, L] -> float32 [N, 1]; the probability of the positive class, or its logit.
    """
    layers: list[Any] = [
        keras.Input((model.sequence_length,), dtype="int32", name="tokens"),
        keras.layers.Embedding(vocabulary_size, model.embedding_dim, mask_zero=model.mask_zero, name="embedding"),
        keras.layers.LSTM(model.units, dropout=model.dropout, recurrent_dropout=model.recurrent_dropout, name="lstm"),
        keras.layers.Dense(1, activation="sigmoid" if head == "probabilities" else None, name="output"),
    ]
    return keras.Sequential(layers, name="classifier")
