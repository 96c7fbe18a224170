"""Vectors of words: what they are learned from, and what their loss is."""

import math
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from distrnn.data.batches import Batches
from distrnn.data.contexts import ContextBatches
from distrnn.data.parts import WHOLE, Part
from distrnn.data.reader import ShardReader
from distrnn.models.embeddings import build_embedding, build_embedding_training
from distrnn.workflow.sections import EmbeddingModel


@dataclass(frozen=True)
class EmbeddingTask:
    """Words told apart from random ones by what stands around them.

    Shapes: B rows, W window, K random words, V ids.

    Attributes:
        model: the workflow's section.
        counts: occurrences of each id, 0 of those that are no words: int64 [V].
    """

    model: EmbeddingModel
    counts: npt.NDArray[np.int64] = field(compare=False, repr=False)

    @property
    def draws_random(self) -> bool:
        """Nothing is dropped out."""
        return False

    @property
    def labels_of_row(self) -> int:
        """What a row weighs at most: the words around its word."""
        return 2 * self.model.window

    @property
    def positions(self) -> int:
        """None is told apart."""
        return 0

    @property
    def loss_of_ignorance(self) -> float:
        """(1 + K) ln 2: each true word and each random one is as likely to be the one as the other."""
        return (1 + self.model.negatives) * math.log(2.0)

    def training_model(self, *, per_replica_batch_size: int, replicas: int) -> keras.Model:
        """int32 [B, 1 + 2W + K] -> logits, see `build_embedding_training`."""
        return build_embedding_training(self.model, vocabulary_size=len(self.counts))

    def published_model(self) -> keras.Model:
        """int32 [N, L] -> the sum of the vectors."""
        return build_embedding(self.model, vocabulary_size=len(self.counts))

    def training_batches(self, reader: ShardReader, *, global_batch_size: int, seed: int, part: Part = WHOLE) -> Batches:
        """Words with those around them, drawn and shuffled anew each epoch."""
        model = self.model
        return ContextBatches(
            reader,
            self.counts,
            batch=global_batch_size,
            window=model.window,
            negatives=model.negatives,
            subsampling=model.subsampling,
            seed=seed,
            part=part,
        )

    def loss_and_hits(self, labels: Any, logits: Any) -> tuple[Any, Any]:
        """The loss of one true word and its K random ones, and whether it is ahead of all of them; of a row with several words their mean.

        Args:
            labels: float32 [B, 2W], 1 where there is a word around.
            logits: of the true words (2W of a skip-gram, one of a cbow), then of K random ones.
        Returns:
            float32 [B] twice.
        """
        logits = tf.cast(logits, tf.float32)
        true, drawn = logits[:, : -self.model.negatives], logits[:, -self.model.negatives :]
        is_true = labels if self.model.type == "skip-gram" else tf.ones_like(true)  # [B, T]
        share = is_true / tf.maximum(tf.reduce_sum(is_true, axis=1, keepdims=True), 1.0)
        losses = tf.reduce_sum(share * tf.nn.softplus(-true), axis=1) + tf.reduce_sum(tf.nn.softplus(drawn), axis=1)
        ahead = tf.cast(true > tf.reduce_max(drawn, axis=1, keepdims=True), tf.float32)
        return losses, tf.reduce_sum(share * ahead, axis=1)
