"""The interface of all kinds of model."""

from typing import Any, Protocol

import keras

from distrnn.data.batches import Batches
from distrnn.data.parts import WHOLE, Part
from distrnn.data.reader import ShardReader
from distrnn.workflow.model_sections import Model


class Task(Protocol):
    """A kind of model; B rows, W or L tokens a row, V vocabulary."""

    @property
    def model(self) -> Model:
        """The workflow's section."""

    @property
    def draws_random(self) -> bool:
        """Whether training drops out anything."""

    @property
    def labels_of_row(self) -> int:
        """Labels of one row of a batch."""

    @property
    def positions(self) -> int:
        """Places within a row whose losses are told apart; 0 where a row has one label."""

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
