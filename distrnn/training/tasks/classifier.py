"""Classifiers: what they begin with, what they read, and what their loss is."""

import math
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from distrnn.data.batches import Batches, ClassifierBatches
from distrnn.data.buckets import BucketBatches
from distrnn.data.initial_weights import Arrays
from distrnn.data.parts import WHOLE, Part
from distrnn.data.reader import ShardReader
from distrnn.data.vectors import PretrainedVectors
from distrnn.models import build_classifier
from distrnn.progress import log
from distrnn.text import PADDING_ID
from distrnn.training.initial_weights import begin_with
from distrnn.workflow.sections import ClassifierModel


@dataclass(frozen=True)
class ClassifierTask:
    """One label a document.

    Shapes: B documents, L tokens of each, C labels; of two labels one logit, or probability, says both.

    Attributes:
        model: the workflow's section.
        vocabulary_size: ids in use.
        length_buckets: `train.length_buckets`.
        classes: C.
        vectors: that the embedding begins with, instead of drawn ones.
        weights: of another model that layers of the same name begin with.
    """

    model: ClassifierModel
    vocabulary_size: int
    length_buckets: int | None = None
    classes: int = 2
    vectors: PretrainedVectors | None = field(default=None, compare=False, repr=False)
    weights: Arrays | None = field(default=None, compare=False, repr=False)

    @property
    def draws_random(self) -> bool:
        """Whether training drops out anything."""
        return self.model.draws_random

    @property
    def labels_of_row(self) -> int:
        """One."""
        return 1

    @property
    def positions(self) -> int:
        """None: a document has one label."""
        return 0

    @property
    def loss_of_ignorance(self) -> float:
        """Ln C."""
        return math.log(self.classes)

    def training_model(self, *, per_replica_batch_size: int, replicas: int) -> keras.Model:
        """int32 [B, L] -> logits [B, 1] or [B, C], with the weights that training begins with."""
        model = build_classifier(
            self.model,
            vocabulary_size=self.vocabulary_size,
            classes=self.classes,
            head="logits",
            any_length=self.length_buckets is not None,
            synchronized=replicas > 1,
        )
        if self.vectors is not None:
            _set_vectors(model.get_layer("embedding"), self.vectors)
        if self.weights is not None:
            log(f"weights of another model: {', '.join(begin_with(model, self.weights))}")
        return model

    def published_model(self) -> keras.Model:
        """int32 [B, L] -> probabilities [B, 1] or [B, C]."""
        return build_classifier(self.model, vocabulary_size=self.vocabulary_size, classes=self.classes, head="probabilities")

    def batches(self, reader: ShardReader, *, batch: int, seed: int = 0, shuffle: bool = False, part: Part = WHOLE) -> ClassifierBatches:
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
        """Labels float32 [B], or a teacher's [B, C]; logits [B, 1] or [B, C] -> float32 [B] twice.

        A label of [B] is the number of a class; of two classes also a teacher's probability of the second one.
        """
        logits = tf.cast(logits, tf.float32)
        if self.classes == 2:
            logits = logits[:, 0]
            losses = tf.nn.sigmoid_cross_entropy_with_logits(labels, logits)
            return losses, tf.cast(tf.equal(logits > 0, labels > 0.5), tf.float32)
        if labels.shape.rank == 2:
            losses, truth = tf.nn.softmax_cross_entropy_with_logits(labels, logits), tf.argmax(labels, axis=-1, output_type=tf.int32)
        else:
            truth = tf.cast(labels, tf.int32)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(truth, logits)
        return losses, tf.cast(tf.equal(tf.argmax(logits, axis=-1, output_type=tf.int32), truth), tf.float32)


def _set_vectors(embedding: keras.layers.Embedding, vectors: PretrainedVectors) -> None:
    """Let an embedding begin with vectors; tokens that have none keep what was drawn for them, and padding is zeros.

    Shapes: V ids, D features; the embedding [V, D].
    """
    begun = np.where(vectors.known[:, None], vectors.matrix, np.asarray(embedding.embeddings))
    begun[PADDING_ID] = 0.0
    embedding.embeddings.assign(begun)
