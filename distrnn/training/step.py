"""Steps of training, several to a call: what one replica computes, how replicas are brought together, and the optimizer's update.

Each replica takes its rows of the batch and computes the gradient of the loss summed over its labels, divided by the labels that a full
batch has. Gradients and figures are added up over all replicas in one reduction, and scaled to the labels that the batch really had; then
every replica makes the same update, clipped, if at all, by the norm of the whole gradient. So any number of replicas takes the same step, a
short last batch included (its missing rows weigh nothing).

What large weights cost (`model.regularizers`) is added once to the mean loss of a batch, so each share of the rows adds it times the labels
that the share has. The loss that is told is the one without it.

The update is made outside of the replicas: Keras clips before it reduces when it is called within them (keras 3.15), and then each replica
clips its own part.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from distrnn.data.batches import Batch
from distrnn.training.kernels.choice import Kernels
from distrnn.training.row_parts import RowParts
from distrnn.training.tasks import Task

FIGURES = 4  # loss (nats), hits, labels, tokens; behind them the loss at each position of a row, where a task tells them apart
FLAGS = 3


@dataclass(frozen=True)
class Taken:
    """What a call did.

    Shapes: K steps, P positions that the task tells apart.

    Attributes:
        losses: float32 [K], mean loss of each step, in nats.
        totals: float64 [4 + P], loss, hits, labels, tokens and the loss at each position, added up since the epoch's start.
        flags: what the workers wish, added up: bool [3].
    """

    losses: npt.NDArray[np.float32]
    totals: npt.NDArray[np.float64]
    flags: npt.NDArray[np.bool_]


class Steps:
    """The compiled steps of a model under a strategy.

    Shapes: K steps of a call, b rows of this worker's part of a batch, L tokens of a row.

    Args:
        task: what is trained.
        model: giving logits.
        optimizer: built.
        strategy: that both were made under.
        per_replica_batch_size: rows of a replica.
        replicas_per_worker: this worker's replicas.
        kernels: what XLA compiles.
    """

    def __init__(
        self,
        task: Task,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        strategy: tf.distribute.Strategy,
        *,
        per_replica_batch_size: int,
        replicas_per_worker: int,
        kernels: Kernels,
    ) -> None:
        self._task, self._model, self._optimizer, self._strategy = task, model, optimizer, strategy
        self._rows = per_replica_batch_size
        self.figures = FIGURES + task.positions
        self._full_labels = per_replica_batch_size * strategy.num_replicas_in_sync * task.labels_of_row
        self._penalised = [variable for variable in model.trainable_variables if variable.regularizer is not None]
        self._local_replicas, self._is_distributed = replicas_per_worker, strategy.num_replicas_in_sync > 1
        self.gradient: Callable[..., Any] = self._gradient_of_rows
        if kernels.compiled == "gradient":
            self.gradient = RowParts(self._gradient_of_rows, model, kernels.step_parts)
        self.update: Callable[..., Any] = _compiled(self._apply) if kernels.compiled in ("gradient", "update") else self._apply
        self._alone: Callable[..., Any] = _compiled(self._on_one_device) if kernels.compiled == "step" else self._on_one_device
        self._calls: dict[int, Callable[..., Any]] = {}

    def take(self, group: Batch, rates: npt.NDArray[np.float32], flags: npt.NDArray[np.float32], totals: npt.NDArray[np.float64]) -> Taken:
        """Take the steps of a group of batches.

        Args:
            group: tokens [K, b, L], labels [K, b, ...], weights [K, b, ...].
            rates: float32 [K], the learning rate of each step.
            flags: float32 [3], what this worker wishes.
            totals: float64 [`figures`], those before.
        """
        length = group.tokens.shape[2]
        if length not in self._calls:  # each length has its own graph, because shapes must be known to compile it well
            self._calls[length] = self._graph(group)
        taken = self._calls[length](*group, rates, flags, totals)
        losses, new_totals, wishes = (value.numpy() for value in taken)
        return Taken(losses, new_totals, wishes > 0)

    def _graph(self, group: Batch) -> Callable[..., Any]:
        # the number of steps changes at the end of an epoch
        specs = [tf.TensorSpec([None, *array.shape[1:]], array.dtype) for array in group]
        specs += [tf.TensorSpec([None], tf.float32), tf.TensorSpec([FLAGS], tf.float32), tf.TensorSpec([self.figures], tf.float64)]
        function: Callable[..., Any] = tf.function(self._several, input_signature=specs)
        return function

    def _several(self, tokens: Any, labels: Any, weights: Any, rates: Any, flags: Any, totals: Any) -> Any:
        steps = tf.shape(tokens)[0]
        losses = tf.TensorArray(tf.float32, steps)
        wishes = flags
        for step in tf.range(steps):
            self._optimizer.learning_rate.assign(rates[step])
            figures = self._one(tokens[step], labels[step], weights[step], flags)
            losses = losses.write(step, figures[0] / figures[2])
            totals += tf.cast(figures[: self.figures], tf.float64)
            wishes = figures[self.figures :]
        return losses.stack(), totals, wishes

    def _one(self, tokens: Any, labels: Any, weights: Any, flags: Any) -> Any:
        if not self._is_distributed:
            return tf.concat([self._alone(tokens, labels, weights), flags], 0)
        summed = self._strategy.run(self._replica, args=(tokens, labels, weights, flags))
        # equal on all replicas: the first of them speaks for all
        *gradients, figures = [self._strategy.experimental_local_results(value)[0] for value in summed]
        self.update(gradients, self._full_labels / figures[2])
        return figures

    def _on_one_device(self, tokens: Any, labels: Any, weights: Any) -> Any:
        *gradients, figures = self.gradient(tokens, labels, weights)
        self.update(gradients, self._full_labels / figures[2])
        return figures

    def _replica(self, tokens: Any, labels: Any, weights: Any, flags: Any) -> Any:
        context = tf.distribute.get_replica_context()
        replica = context.replica_id_in_sync_group % self._local_replicas
        rows = (
            # [b, ...] -> [b / replicas, ...], the rows of this replica
            tf.slice(array, [replica * self._rows] + [0] * (array.shape.rank - 1), [self._rows, *array.shape[1:]])
            for array in (tokens, labels, weights)
        )
        *gradients, figures = self.gradient(*rows)
        wishes = tf.where(tf.equal(replica, 0), flags, tf.zeros_like(flags))
        summed = context.all_reduce(tf.distribute.ReduceOp.SUM, [*gradients, tf.concat([figures, wishes], 0)])
        return tuple(summed)

    def _gradient_of_rows(self, tokens: Any, labels: Any, weights: Any) -> Any:
        """Gradients of all weights, dense, and float32 [4 + P]: loss, hits, labels, tokens, loss at each position."""
        variables = [variable.value for variable in self._model.trainable_variables]
        with tf.GradientTape() as tape:
            losses, hits = self._task.loss_and_hits(labels, self._model(tokens, training=True))
            weighed = losses * weights  # [b], or [b, P]
            loss, count = tf.reduce_sum(weighed), tf.reduce_sum(weights)
            penalised = loss if not self._penalised else loss + count * _penalty(self._penalised)
            scaled = self._scaled(penalised / self._full_labels)
        gradients = [tf.convert_to_tensor(gradient) for gradient in tape.gradient(scaled, variables)]
        real_tokens = tf.cast(tf.math.count_nonzero(tokens), tf.float32)
        figures = tf.stack([loss, tf.reduce_sum(hits * weights), count, real_tokens])
        return [*gradients, tf.concat([figures, tf.reduce_sum(weighed, axis=0)], 0) if self._task.positions else figures]

    def _scaled(self, loss: Any) -> Any:
        """The loss as the optimizer wants it: float16 needs a larger one, so that no gradient vanishes."""
        return self._optimizer.scale_loss(loss)

    def _apply(self, gradients: Any, factor: Any) -> None:
        """Update the weights with gradients of a full batch's mean loss, times `factor` for a batch that was not full."""
        self._optimizer.apply([gradient * factor for gradient in gradients], self._model.trainable_variables)


def _penalty(weights: Sequence[keras.Variable]) -> Any:
    """What weights cost: float32 []. Keras' own `Model.losses` knows no weight in a stateless scope, which the parts of the rows run in."""
    return tf.add_n([tf.cast(weight.regularizer(weight.value), tf.float32) for weight in weights])


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    compiled: Callable[..., Any] = tf.function(function, jit_compile=True, autograph=False)
    return compiled
