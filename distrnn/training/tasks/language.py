"""Language models: what they read, and what their loss is."""

import math
from dataclasses import dataclass, field
from typing import Any

import keras
import tensorflow as tf

from distrnn.data.batches import Batches
from distrnn.data.initial_weights import BY_NEXT_TOKEN, BY_TOKEN, Arrays
from distrnn.data.parts import WHOLE, Part
from distrnn.data.reader import ShardReader
from distrnn.data.streams import StreamBatches
from distrnn.data.windows import WindowBatches
from distrnn.models import build_language_model
from distrnn.progress import log
from distrnn.training.initial_weights import begin_with
from distrnn.training.tasks.sampled_softmax import sampled_loss_and_hits
from distrnn.workflow.sections import LanguageModel


@dataclass(frozen=True)
class LanguageTask:
    """The next token after every token of a window, or after its last.

    Shapes: b rows of one replica, W tokens of a window, V ids.

    Attributes:
        model: the workflow's section.
        vocabulary_size: V.
        weights: of another model that layers of the same name begin with.
    """

    model: LanguageModel
    vocabulary_size: int
    weights: Arrays | None = field(default=None, compare=False, repr=False)

    @property
    def draws_random(self) -> bool:
        """Whether training drops out anything."""
        return self.model.draws_random

    @property
    def labels_of_row(self) -> int:
        """One a token, or one."""
        return self.model.predictions

    @property
    def positions(self) -> int:
        """W, where the loss of each token of a window is told apart; 0 where there is but one."""
        return self.model.window if self.model.predict == "every" else 0

    @property
    def loss_of_ignorance(self) -> float:
        """Ln V."""
        return math.log(self.vocabulary_size)

    def training_model(self, *, per_replica_batch_size: int, replicas: int) -> keras.Model:
        """int32 [b, W] -> logits [b, W, V], or [b, V] after the last token; with the weights that training begins with."""
        model = build_language_model(
            self.model,
            vocabulary_size=self.vocabulary_size,
            batch=per_replica_batch_size,
            window=self.model.window,
            head="logits",
            synchronized=replicas > 1,
        )
        if self.weights is not None:
            log(f"weights of another model: {', '.join(begin_with(model, self.weights, BY_TOKEN | BY_NEXT_TOKEN))}")
        return model

    def published_model(self, rows: int = 1) -> keras.Model:
        """int32 [`rows`, any] -> probabilities [`rows`, any, V]; rows of any number where no state is carried."""
        model, batch = self.model.published, rows if self.model.carries_state else None
        return build_language_model(model, vocabulary_size=self.vocabulary_size, batch=batch, window=None, head="probabilities")

    @property
    def published_window(self) -> int | None:
        """The last so many tokens that a published model is given; None where it carries its state."""
        return None if self.model.carries_state else self.model.window

    def training_batches(self, reader: ShardReader, *, global_batch_size: int, seed: int, part: Part = WHOLE) -> Batches:
        """Streams whose row b continues row b of the batch before, never shuffled; or windows by themselves, shuffled anew each epoch."""
        window, only_last = self.model.window, self.model.predict == "last"
        if self.model.carries_state:
            return StreamBatches(reader, batch=global_batch_size, window=window, only_last=only_last, part=part)
        return WindowBatches(reader, batch=global_batch_size, window=window, only_last=only_last, seed=seed, part=part)

    def loss_and_hits(self, labels: Any, logits: Any) -> tuple[Any, Any]:
        """Labels int32 [B, W] or [B], logits of them [..., V] -> float32 of their shape, twice.

        Where the softmax is sampled, both are those among the true token and the drawn ones.
        """
        if self.model.sampled_softmax is not None:
            return sampled_loss_and_hits(labels, *logits)
        logits = tf.cast(logits, tf.float32)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        return losses, tf.cast(tf.equal(tf.argmax(logits, axis=-1, output_type=tf.int32), labels), tf.float32)
