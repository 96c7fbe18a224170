"""Language models: what they read, and what their loss is."""

import math
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from distrnn.data.batches import Batches
from distrnn.data.parts import WHOLE, Part
from distrnn.data.reader import ShardReader
from distrnn.data.streams import StreamBatches
from distrnn.models import build_language_model
from distrnn.workflow.sections import LanguageModel


@dataclass(frozen=True)
class LanguageTask:
    """The next token after every token."""

    model: LanguageModel
    vocabulary_size: int

    @property
    def draws_random(self) -> bool:
        """Whether training drops out anything."""
        return self.model.draws_random

    @property
    def labels_of_row(self) -> int:
        """One a token."""
        return self.model.window

    @property
    def loss_of_ignorance(self) -> float:
        """Ln V."""
        return math.log(self.vocabulary_size)

    def training_model(self, *, per_replica_batch_size: int, replicas: int) -> keras.Model:
        """int32 [b, W] -> logits [b, W, V], b rows of one replica."""
        return build_language_model(
            self.model,
            vocabulary_size=self.vocabulary_size,
            batch=per_replica_batch_size,
            window=self.model.window,
            head="logits",
            synchronized=replicas > 1,
        )

    def published_model(self) -> keras.Model:
        """int32 [1, any] -> probabilities [1, any, V]."""
        return build_language_model(self.model, vocabulary_size=self.vocabulary_size, batch=1, window=None, head="probabilities")

    def training_batches(self, reader: ShardReader, *, global_batch_size: int, seed: int, part: Part = WHOLE) -> Batches:
        """Contiguous streams, never shuffled: row b of a batch continues row b of the batch before."""
        return StreamBatches(reader, batch=global_batch_size, window=self.model.window, part=part)

    def loss_and_hits(self, labels: Any, logits: Any) -> tuple[Any, Any]:
        """Labels int32 [B, W], logits [B, W, V] -> float32 [B, W] twice."""
        logits = tf.cast(logits, tf.float32)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        return losses, tf.cast(tf.equal(tf.argmax(logits, axis=-1, output_type=tf.int32), labels), tf.float32)
