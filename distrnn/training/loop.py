"""The one training loop: every strategy, classifiers and language models alike.

Each step takes the global batch; replica r takes its rows of it, computes the loss summed over its labels and divided by the labels of
the *global* batch, and the optimizer adds up the gradients. So any number of replicas takes the same step, a short last batch included
(its missing rows weigh nothing).
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from distrnn.data.batches import Batches
from distrnn.errors import DivergedError
from distrnn.progress import Event, Progress
from distrnn.training import variables
from distrnn.training.checkpoints import Arrays, Checkpoint, Position, Totals, record
from distrnn.training.plan import BatchPlan, learning_rate
from distrnn.training.tasks import Task
from distrnn.workflow.sections import Train

PROGRESS_EVERY_S = 0.5
OPTIMIZERS = {"adam": keras.optimizers.Adam, "rmsprop": keras.optimizers.RMSprop, "sgd": keras.optimizers.SGD}


class Interrupted(Exception):
    """Training stopped because it was asked to, after its checkpoint."""


@dataclass(frozen=True)
class Hooks:
    """What the loop asks of its surroundings.

    Attributes:
        progress: told about twice a second.
        stop_requested: asked as often.
        save: keeps a checkpoint; returns when it is safe.
        validate: loss (nats) and accuracy of the model on the validation split, or None where there is none.
    """

    progress: Progress
    stop_requested: Callable[[], bool]
    save: Callable[[Checkpoint], None]
    validate: Callable[[keras.Model], tuple[float, float]] | None = None


class Trainer:
    """A model, its optimizer and the compiled step.

    Args:
        task: what is trained.
        train: the workflow's section.
        plan: global batch and replicas.
        strategy: over the worker's devices.
        compile_with_xla: compile the step.
    """

    def __init__(self, task: Task, train: Train, plan: BatchPlan, strategy: tf.distribute.Strategy, *, compile_with_xla: bool) -> None:
        self.train = train
        self._strategy = strategy
        keras.utils.set_random_seed(train.seed)
        with strategy.scope():
            self.model = task.training_model(per_replica_batch_size=plan.per_replica_batch_size, replicas=plan.replicas)
            self._optimizer = OPTIMIZERS[train.optimizer.name](train.optimizer.learning_rate)
            self._optimizer.build(self.model.trainable_variables)
        self._variables = variables.TrainingVariables(self.model, self._optimizer, strategy)
        self._step = self._compile(task, plan, compile_with_xla)
        self._best: Arrays | None = None

    def _compile(self, task: Task, plan: BatchPlan, compile_with_xla: bool) -> Callable[..., Any]:
        rows = plan.per_replica_batch_size

        def replica_step(tokens: Any, labels: Any, weights: Any, global_labels: Any) -> Any:
            if plan.replicas > 1:
                replica = tf.distribute.get_replica_context().replica_id_in_sync_group
                tokens, labels, weights = (
                    # [B, ...] -> [b, ...], the rows of this replica
                    tf.slice(array, [replica * rows] + [0] * (array.shape.rank - 1), [rows, *array.shape[1:]])
                    for array in (tokens, labels, weights)
                )
            with tf.GradientTape() as tape:
                losses, hits = task.loss_and_hits(labels, self.model(tokens, training=True))
                loss = tf.reduce_sum(losses * weights)
                mean = loss / global_labels
            self._optimizer.apply(tape.gradient(mean, self.model.trainable_variables), self.model.trainable_variables)
            real_tokens = tf.cast(tf.math.count_nonzero(tokens), tf.float32)
            return tf.stack([loss, tf.reduce_sum(hits * weights), tf.reduce_sum(weights), real_tokens])

        compiled = tf.function(replica_step, jit_compile=True) if compile_with_xla else replica_step

        def step(tokens: Any, labels: Any, weights: Any, totals: Any) -> Any:
            sums = self._strategy.run(compiled, args=(tokens, labels, weights, tf.reduce_sum(weights)))
            return totals + tf.cast(self._strategy.reduce("SUM", sums, axis=None), tf.float64)

        compiled_step: Callable[..., Any] = tf.function(step)
        return compiled_step

    def fit(self, batches: Batches, hooks: Hooks, checkpoint: Checkpoint | None = None) -> Position:
        """Train to the end, from the start or from a checkpoint; the model then holds the best epoch's weights if validation is watched.

        Args:
            batches: the training split.
            hooks: the surroundings.
            checkpoint: where to go on.
        Returns:
            the last position; its history has one entry an epoch.
        Raises:
            DivergedError: the loss is not finite.
            Interrupted: a stop was requested; the checkpoint is saved.
        """
        position = Position()
        if checkpoint:
            self._variables.restore(checkpoint.variables)
            self._best, position = checkpoint.best, checkpoint.position
        while not position.finished and position.epoch < self.train.epochs:
            position = self._epoch(batches, hooks, position)
            hooks.save(self._checkpoint(position))
        if self._best is not None:
            variables.set_weights_from_arrays(self.model, self._best)
        if not all(np.isfinite(weight).all() for weight in self.model.get_weights()):
            raise DivergedError("a weight is not finite after the last step. A smaller train.optimizer.learning_rate is the likely cure.")
        return position

    def _checkpoint(self, position: Position) -> Checkpoint:
        return Checkpoint(position, self._variables.capture(), self._best)

    def _epoch(self, batches: Batches, hooks: Hooks, position: Position) -> Position:
        rate = learning_rate(self.train, position.epoch)
        self._optimizer.learning_rate.assign(rate)
        if position.step == 0:
            variables.reset_recurrent_states(self.model)
        position = self._steps(batches, hooks, position)
        loss, accuracy = _means(position.totals)
        validation_loss, validation_accuracy = hooks.validate(self.model) if hooks.validate else (None, None)
        if validation_loss is not None and not math.isfinite(validation_loss):
            raise DivergedError(_diverged("validation loss", validation_loss, position.epoch, position.step))
        entry = {
            "epoch": position.epoch,
            "loss": loss,
            "accuracy": accuracy,
            "validation_loss": validation_loss,
            "validation_accuracy": validation_accuracy,
            "learning_rate": rate,
            "seconds": position.seconds,
            "tokens_per_s": position.totals[3] / position.seconds,
        }
        hooks.progress(self._event(position, entry, batches))
        stopping = self.train.early_stopping
        watched = None if stopping is None else validation_accuracy if stopping.metric == "accuracy" else validation_loss
        following, improved = record(
            position,
            entry,
            watched,
            larger_is_better=stopping is not None and stopping.metric == "accuracy",
            patience=stopping.patience if stopping else None,
        )
        if improved:
            self._best = variables.weights_as_arrays(self.model)
        return following

    def _steps(self, batches: Batches, hooks: Hooks, position: Position) -> Position:
        started = time.perf_counter() - position.seconds
        told = saved = time.perf_counter()
        totals = tf.constant(position.totals, tf.float64)
        step = position.step
        for batch in batches.epoch(position.epoch, position.step):
            totals = self._step(batch.tokens, batch.labels, batch.weights, totals)
            step += 1
            now = time.perf_counter()
            if now - told < PROGRESS_EVERY_S and step < batches.steps:
                continue
            told = now
            current = position.at(step, _finite(totals.numpy(), position.epoch, step), now - started)
            hooks.progress(self._event(current, self._running(current), batches))
            if hooks.stop_requested():
                hooks.save(self._checkpoint(current))
                raise Interrupted
            if self.train.checkpoint_every_s and now - saved >= self.train.checkpoint_every_s and step < batches.steps:
                hooks.save(self._checkpoint(current))
                saved = time.perf_counter()
        return position.at(step, _finite(totals.numpy(), position.epoch, step), time.perf_counter() - started)

    def _running(self, position: Position) -> dict[str, Any]:
        loss, accuracy = _means(position.totals)
        return {"loss": loss, "accuracy": accuracy, "tokens_per_s": position.totals[3] / position.seconds}

    def _event(self, position: Position, figures: dict[str, Any], batches: Batches) -> Event:
        shown = {key: figures[key] for key in ("loss", "accuracy", "validation_loss", "tokens_per_s") if figures.get(key) is not None}
        info = {"epoch": position.epoch + 1, "epochs": self.train.epochs, "step": position.step, "steps": batches.steps, **shown}
        return Event("train", position.epoch * batches.steps + position.step, self.train.epochs * batches.steps, "steps", info)


def _means(totals: Totals) -> tuple[float, float]:
    loss, hits, labels, _ = totals
    return loss / labels, hits / labels


def _finite(totals: np.ndarray, epoch: int, step: int) -> Totals:
    loss, hits, labels, tokens = (float(total) for total in totals)
    if not math.isfinite(loss):
        raise DivergedError(_diverged("training loss", loss, epoch, step))
    return loss, hits, labels, tokens


def _diverged(what: str, loss: float, epoch: int, step: int) -> str:
    return (
        f"the {what} is {loss} in epoch {epoch + 1}, step {step}. Expected a finite loss; "
        "a smaller train.optimizer.learning_rate is the likely cure."
    )
