"""Figures of a published model, computed with Keras and never with the training model, whose recurrent state they would overwrite."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from distrnn.data.reader import ShardReader
from distrnn.errors import DataError
from distrnn.training import variables
from distrnn.training.tasks import ClassifierTask, LanguageTask

EVALUATION_BATCH = 256
EVALUATION_WINDOW = 256
SMALLEST_PROBABILITY = 1e-7


class ClassifierEvaluator:
    """Probabilities of a classifier.

    Args:
        task: the classifier.
        compile_with_xla: compile the forward pass.
    """

    def __init__(self, task: ClassifierTask, *, compile_with_xla: bool) -> None:
        self._task = task
        self.model = task.published_model()
        self._forward = _compiled(self.model, compile_with_xla)

    def probabilities(self, reader: ShardReader) -> tuple[np.ndarray, np.ndarray]:
        """Probability of the second of two labels, or of each of more, and label of every document: float32 [N] or [N, C], float32 [N]."""
        parts, labels = [], []
        for batch in self._task.batches(reader, batch=EVALUATION_BATCH).epoch(0):
            rows = int(batch.weights.sum())
            found = self._forward(batch.tokens).numpy()[:rows]  # [rows, 1 or C]
            parts.append(found[:, 0] if self._task.classes == 2 else found)
            labels.append(batch.labels[:rows])
        return np.concatenate(parts), np.concatenate(labels)

    def validate(self, trained: keras.Model, reader: ShardReader) -> tuple[float, float]:
        """Mean loss (nats) and accuracy of `trained` on a split."""
        variables.copy_weights(trained, self.model)
        probabilities, labels = self.probabilities(reader)
        if probabilities.ndim == 1:
            right, hits = np.where(labels > 0.5, probabilities, 1 - probabilities), (probabilities > 0.5) == (labels > 0.5)
        else:
            truth = labels.astype(np.int64)
            right, hits = probabilities[np.arange(len(truth)), truth], probabilities.argmax(axis=1) == truth
        return float(-np.log(np.clip(right, SMALLEST_PROBABILITY, 1).astype(np.float64)).mean()), float(hits.mean())


class LanguageEvaluator:
    """The loss of a language model on one stream read from its start, its state carried: exact whatever the window.

    Args:
        task: the language model.
        compile_with_xla: compile the forward pass.
    """

    def __init__(self, task: LanguageTask, *, compile_with_xla: bool) -> None:
        self.model = task.published_model()
        self._forward = _compiled(self.model, compile_with_xla)

    def total_loss(self, reader: ShardReader) -> tuple[float, int, int]:
        """Loss in nats, right guesses and number of predictions over a split of N tokens: N - 1 predictions.

        Raises:
            DataError: fewer than two tokens.
        """
        count = reader.tokens - 1
        if count < 1:
            raise DataError(
                f"split {reader.name!r} must have at least two tokens. Received: {reader.tokens}. Hold out a larger part of the corpus."
            )
        variables.reset_recurrent_states(self.model)
        loss, hits = 0.0, 0
        for start in range(0, count, EVALUATION_WINDOW):
            piece = reader.span(start, min(start + EVALUATION_WINDOW, count) + 1).astype(np.int32)
            predictions = len(piece) - 1
            # [n] -> [1, window]; what fills the last window comes after every prediction that counts
            window = np.zeros((1, EVALUATION_WINDOW), np.int32)
            window[0, :predictions] = piece[:-1]
            probabilities = self._forward(window).numpy()[0, :predictions]  # [n, V]
            right = probabilities[np.arange(predictions), piece[1:]]
            loss -= float(np.log(np.clip(right, SMALLEST_PROBABILITY, 1), dtype=np.float64).sum())
            hits += int((probabilities.argmax(axis=1) == piece[1:]).sum())
        return loss, hits, count

    def validate(self, trained: keras.Model, reader: ShardReader) -> tuple[float, float]:
        """Mean loss (nats) and accuracy of `trained` on a split."""
        variables.copy_weights(trained, self.model)
        loss, hits, predictions = self.total_loss(reader)
        return loss / predictions, hits / predictions


def _compiled(model: keras.Model, compile_with_xla: bool) -> Callable[[Any], Any]:
    function: Callable[[Any], Any] = tf.function(lambda tokens: model(tokens, training=False), jit_compile=compile_with_xla)
    return function
