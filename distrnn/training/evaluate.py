"""Figures of a published model, computed with Keras and never with the training model, whose recurrent state they would overwrite."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from distrnn.data.reader import ShardReader
from distrnn.errors import DataError
from distrnn.training import variables
from distrnn.training.tasks import ClassifierTask, LanguageTask
from distrnn.training.warm_rows import WarmRows

EVALUATION_BATCH = 256
EVALUATION_WINDOW = 256
MOST_FLOATS = 1 << 26  # probabilities of a call, where rows stand side by side
SMALLEST_PROBABILITY = 1e-7

Predicted = tuple[np.ndarray, np.ndarray]  # probabilities [n, V] and what came: int [n]


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
    """The loss of a language model on one stream read from its start, as it is published.

    Its state is carried, so that it is the same however the stream is cut; or where it learned from windows by themselves, each prediction
    follows from the last tokens alone. Validation, which comes after every epoch, reads a long stream whose state is carried in rows side
    by side (`warm_rows`): many times as fast, and almost the same.

    Args:
        task: the language model.
        compile_with_xla: compile the forward pass.
    """

    def __init__(self, task: LanguageTask, *, compile_with_xla: bool) -> None:
        self._task, self._compile_with_xla = task, compile_with_xla
        self.model, self._window = task.published_model(), task.published_window
        self._forward = _compiled(self.model, compile_with_xla)
        self._of_rows: tuple[int, keras.Model, Callable[[Any], Any]] | None = None

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
        loss, hits = _summed(self._carried(reader, count) if self._window is None else self._windowed(reader, count, self._window))
        return loss, hits, count

    def _carried(self, reader: ShardReader, count: int) -> Iterator[Predicted]:
        """Piece by piece, each from the state that the one before has left."""
        variables.reset_recurrent_states(self.model)
        for start in range(0, count, EVALUATION_WINDOW):
            piece = reader.span(start, min(start + EVALUATION_WINDOW, count) + 1).astype(np.int32)
            predictions = len(piece) - 1
            # [n] -> [1, window]; what fills the last window comes after every prediction that counts
            window = np.zeros((1, EVALUATION_WINDOW), np.int32)
            window[0, :predictions] = piece[:-1]
            yield self._forward(window).numpy()[0, :predictions], piece[1:]

    def _windowed(self, reader: ShardReader, count: int, window: int) -> Iterator[Predicted]:
        """The first tokens from as many as there are before them, then a batch of overlapping windows at a time.

        Shapes: W window.
        """
        rows = np.zeros((EVALUATION_BATCH, window), np.int32)
        piece = reader.span(0, min(window, count) + 1).astype(np.int32)
        rows[0, : len(piece) - 1] = piece[:-1]
        yield self._forward(rows).numpy()[0, : len(piece) - 1], piece[1:]
        for start in range(window, count, EVALUATION_BATCH):
            piece = reader.span(start - window + 1, min(start + EVALUATION_BATCH, count) + 1).astype(np.int32)
            windows = np.lib.stride_tricks.sliding_window_view(piece[:-1], window)  # [n, W]
            rows[: len(windows)] = windows
            yield self._forward(rows).numpy()[: len(windows), -1], piece[window:]

    def validate(self, trained: keras.Model, reader: ShardReader) -> tuple[float, float]:
        """Mean loss (nats) and accuracy of `trained` on a split."""
        if self._window is None and (rows := WarmRows.of(reader.tokens - 1)) is not None:
            loss, hits = _summed(self._side_by_side(trained, reader, rows))
            return loss / rows.predictions, hits / rows.predictions
        variables.copy_weights(trained, self.model)
        loss, hits, predictions = self.total_loss(reader)
        return loss / predictions, hits / predictions

    def _side_by_side(self, trained: keras.Model, reader: ShardReader, rows: WarmRows) -> Iterator[Predicted]:
        """Window by window of all rows.

        Shapes: R rows, T steps of a window.
        """
        if self._of_rows is None or self._of_rows[0] != rows.rows:
            model = self._task.published_model(rows.rows)
            self._of_rows = rows.rows, model, _compiled(model, self._compile_with_xla)
        _, model, forward = self._of_rows
        variables.copy_weights(trained, model)
        variables.reset_recurrent_states(model)
        steps = min(EVALUATION_WINDOW, max(1, MOST_FLOATS // (rows.rows * self._task.vocabulary_size)))
        for start in range(0, rows.length, steps):
            spans = [reader.span(first, first + steps + 1) for first in range(start, start + rows.rows * rows.stride, rows.stride)]
            window = np.stack([np.pad(span, (0, steps + 1 - len(span))) for span in spans]).astype(np.int32)  # [R, T + 1]
            counts = rows.counts(start, steps)
            yield forward(window[:, :-1]).numpy()[counts], window[:, 1:][counts]


def _summed(predicted: Iterator[Predicted]) -> tuple[float, int]:
    """Loss in nats, and right guesses."""
    loss, hits = 0.0, 0
    for probabilities, truth in predicted:
        right = probabilities[np.arange(len(truth)), truth]
        loss -= float(np.log(np.clip(right, SMALLEST_PROBABILITY, 1), dtype=np.float64).sum())
        hits += int((probabilities.argmax(axis=1) == truth).sum())
    return loss, hits


def _compiled(model: keras.Model, compile_with_xla: bool) -> Callable[[Any], Any]:
    function: Callable[[Any], Any] = tf.function(lambda tokens: model(tokens, training=False), jit_compile=compile_with_xla)
    return function
