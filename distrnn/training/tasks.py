"""What differs between a classifier and a language model, behind one interface; everything else in the engine is common."""

import math
from dataclasses import dataclass
from typing import Any, Protocol

import keras
import tensorflow as tf

from distrnn.data.batches import Batches, ClassifierBatches
from distrnn.data.buckets import BucketBatches
from distrnn.data.parts import WHOLE, Part
from distrnn.data.reader import ShardReader
from distrnn.data.streams import StreamBatches
from distrnn.models import build_classifier, build_language_model
from distrnn.workflow.sections import ClassifierModel, LanguageModel


class Task(Protocol):
    """A kind of model; B rows, W or L tokens a row, V vocabulary."""

    @property
    def model(self) -> ClassifierModel | LanguageModel:
        """The workflow's section."""

    @property
    def draws_random(self) -> bool:
        """Whether training drops out anything."""

    @property
    def labels_of_row(self) -> int:
        """Labels of one row of a batch."""

    @property
    def loss_of_ignorance(self) -> float:
        """Loss, in nats, of giving every class the same share."""

    def training_model(self, *, per_replica_batch_size: int, replicas: int) -> keras.Model:
        """The model that gives logits."""

    def published_model(self) -> keras.Model:
        """The same weights, giving probabilities, for any caller."""

    def training_batches(self, reader: ShardReader, *, global_batch_size: int, seed: int, part: Part = WHOLE) -> Batches:
        """Batches in the order of training."""

    def loss_and_hits(self, labels: Any, logits: Any) -> tuple[Any, Any]:
        """Cross-entropy in nats and whether the guess was right, one for each label."""


@dataclass(frozen=True)
class ClassifierTask:
    """One label a document.

    Attributes:
        model: the workflow's section.
        vocabulary_size: ids in use.
        length_buckets: `train.length_buckets`.
    """

    model: ClassifierModel
    vocabulary_size: int
    length_buckets: int | None = None

    @property
    def draws_random(self) -> bool:
        """Whether training drops out anything."""
        return self.model.dropout > 0.0 or self.model.recurrent_dropout > 0.0

    @property
    def labels_of_row(self) -> int:
        """One."""
        return 1

    @property
    def loss_of_ignorance(self) -> float:
        """Ln 2."""
        return math.log(2.0)

    def training_model(self, *, per_replica_batch_size: int, replicas: int) -> keras.Model:
        """int32 [B, L] -> logits [B, 1]."""
        any_length = self.length_buckets is not None
        return build_classifier(self.model, vocabulary_size=self.vocabulary_size, head="logits", any_length=any_length)

    def published_model(self) -> keras.Model:
        """int32 [B, L] -> probabilities [B, 1]."""
        return build_classifier(self.model, vocabulary_size=self.vocabulary_size, head="probabilities")

    def batches(
        self, reader: ShardReader, *, batch: int, seed: int = 0, shuffle: bool = False, part: Part = WHOLE
    ) -> ClassifierBatches:
        """Batches of padded documents; without `shuffle` in the order of the dataset."""
        return ClassifierBatches(
            reader,
            sequence_length=self.model.sequence_length,
            padding=self.model.padding,
            truncating=self.model.truncating,
            batch=batch,
            seed=seed,
            shuffle=shuffle,
            part=part,
        )

    def training_batches(self, reader: ShardReader, *, global_batch_size: int, seed: int, part: Part = WHOLE) -> Batches:
        """Documents shuffled anew each epoch, those of about the same length together if that is wanted."""
        if self.length_buckets is not None:
            return BucketBatches(
                reader,
                sequence_length=self.model.sequence_length,
                padding=self.model.padding,
                truncating=self.model.truncating,
                batch=global_batch_size,
                seed=seed,
                multiple=-(-self.model.sequence_length // self.length_buckets),
                part=part,
            )
        return self.batches(reader, batch=global_batch_size, seed=seed, shuffle=True, part=part)

    def loss_and_hits(self, labels: Any, logits: Any) -> tuple[Any, Any]:
        """Labels float32 [B], logits [B, 1] -> float32 [B] twice."""
        logits = tf.cast(logits[:, 0], tf.float32)
        losses = tf.nn.sigmoid_cross_entropy_with_logits(labels, logits)
        return losses, tf.cast(tf.equal(logits > 0, labels > 0.5), tf.float32)


@dataclass(frozen=True)
class LanguageTask:
    """The next token after every token."""

    model: LanguageModel
    vocabulary_size: int

    @property
    def draws_random(self) -> bool:
        """Whether training drops out anything."""
        return self.model.dropout > 0.0 or self.model.recurrent_dropout > 0.0

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
