"""The one training loop: every strategy, classifiers and language models alike.

All workers run it side by side and must decide alike: what one of them wishes (to stop, to save, to end because the time is up) travels
with the figures of each call and is done by all after the same step; what is measured on the validation split worker 0 measures for all.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from distrnn.data.batches import Batches
from distrnn.progress import Event, Progress
from distrnn.training import divergence, variables
from distrnn.training.checkpoints import Arrays, Checkpoint, Position, record
from distrnn.training.kernels.choice import Kernels
from distrnn.training.kernels.dropout import draw_by_philox
from distrnn.training.kernels.layers import accelerate
from distrnn.training.plan import BatchPlan
from distrnn.training.prefetch import READY, Prefetched, grouped
from distrnn.training.schedules import learning_rate
from distrnn.training.step import FIGURES, Steps, Taken
from distrnn.training.strategy import ALONE, Member
from distrnn.training.tasks import Task
from distrnn.workflow.sections import Train

PROGRESS_EVERY_S = 0.5
CALL_S = 0.1
MOST_STEPS_PER_CALL = 64
SINGLE_STEPS = 2 + READY + 2  # the time of a step is known after two, when so many more may have been made ready
SHOWN = ("loss", "accuracy", "validation_loss", "validation_accuracy", "tokens_per_s", "samples_per_s")
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
        agree: what worker 0 finds, told to all workers.
        sample: what the model writes after so many epochs, or None; of worker 0 alone.
    """

    progress: Progress
    stop_requested: Callable[[], bool]
    save: Callable[[Checkpoint], None]
    validate: Callable[[keras.Model], tuple[float, float]] | None = None
    agree: Callable[[Callable[[], Any]], Any] = lambda find: find()
    sample: Callable[[keras.Model, int], str | None] | None = None


class Trainer:
    """A model, its optimizer and the compiled steps.

    Args:
        task: what is trained.
        train: the workflow's section.
        plan: global batch and replicas of all workers.
        strategy: over the devices of all workers.
        member: this worker among them.
        kernels: what computes the step.
    """

    def __init__(
        self,
        task: Task,
        train: Train,
        plan: BatchPlan,
        strategy: tf.distribute.Strategy,
        *,
        kernels: Kernels,
        member: Member = ALONE,
    ) -> None:
        self.train, self._task, self._member = train, task, member
        keras.utils.set_random_seed(train.seed)
        keras.config.set_dtype_policy(train.precision.replace("-", "_"))
        with strategy.scope():
            self.model = task.training_model(per_replica_batch_size=plan.per_replica_batch_size, replicas=plan.replicas)
            draw_by_philox(self.model)
            if kernels.layers == "fused":
                accelerate(self.model, row_parts=kernels.layer_parts)
            optimizer = OPTIMIZERS[train.optimizer.name](train.optimizer.learning_rate, global_clipnorm=train.clip_norm)
            if train.precision == "mixed-float16":
                optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
            optimizer.build(self.model.trainable_variables)
        keras.config.set_dtype_policy("float32")
        self._variables = variables.TrainingVariables(
            self.model,
            optimizer,
            strategy,
            first_replica=member.rank * (plan.replicas // member.workers),
            draws_random=task.draws_random,
        )
        self.steps = Steps(
            task,
            self.model,
            optimizer,
            strategy,
            per_replica_batch_size=plan.per_replica_batch_size,
            replicas_per_worker=plan.replicas // member.workers,
            kernels=kernels,
        )
        self._size = 1 if train.steps_per_call == "auto" else train.steps_per_call
        self._groups = self._taken = 0
        self._step_s: float | None = None
        self._best: Arrays | None = None

    def fit(self, batches: Batches, hooks: Hooks, checkpoint: Checkpoint | None = None) -> Position:
        """Train to the end, from the start or from a checkpoint; the model then holds the best epoch's weights if validation is watched.

        Args:
            batches: this worker's part of the training split.
            hooks: the surroundings.
            checkpoint: where to go on.
        Returns:
            the last position; its history has one entry an epoch.
        Raises:
            DivergedError: the loss or a weight is not finite, or the loss has exploded; no checkpoint of that state is saved.
            Interrupted: a stop was requested; the checkpoint is saved.
        """
        position = Position()
        if checkpoint:
            self._variables.restore(checkpoint.shared, checkpoint.own)
            self._best, position = checkpoint.best, checkpoint.position
        while not position.finished and position.epoch < self.train.epochs:
            position = self._epoch(batches, hooks, position)
            hooks.save(self.checkpoint(position))
        if self._best is not None:
            variables.set_weights_from_arrays(self.model, self._best)
        return position

    def checkpoint(self, position: Position) -> Checkpoint:
        """Everything that training needs to go on from `position`, where the variables stand.

        Raises:
            DivergedError: a weight is not finite.
        """
        where = {"epoch": position.epoch, "step": position.step}
        divergence.check_weights(self.model.get_weights(), **where, train=self.train, model=self._task.model)
        return Checkpoint(position, self._variables.shared(), self._variables.own(), self._best)

    def _epoch(self, batches: Batches, hooks: Hooks, position: Position) -> Position:
        if position.step == 0:
            variables.reset_recurrent_states(self.model)
        position, in_time = self._through(batches, hooks, position)
        validation_loss, validation_accuracy = self._validated(hooks, position)
        entry: dict[str, Any] = {
            "epoch": position.epoch,
            "steps": position.step,
            **self._figures(position),
            **self._position_losses(position),
            "validation_loss": validation_loss,
            "validation_accuracy": validation_accuracy,
            "learning_rate": learning_rate(self.train, position.epoch, position.step - 1, batches.steps),
            "seconds": position.seconds,
            "data_wait_s": position.data_wait_s,
        }
        if hooks.sample is not None and (text := hooks.sample(self.model, position.epoch + 1)) is not None:
            entry["sample"] = text
        hooks.progress(self._event(position, entry, batches))
        stopping = self.train.early_stopping
        watched = stopping.metric if stopping else self.train.keep_best
        following, improved = record(
            position,
            entry,
            None if watched is None else validation_accuracy if watched == "accuracy" else validation_loss,
            larger_is_better=watched == "accuracy",
            patience=stopping.patience if stopping else None,
        )
        if improved:
            self._best = variables.weights_as_arrays(self.model)
        return following if in_time else replace(following, finished=True)

    def _validated(self, hooks: Hooks, position: Position) -> tuple[float | None, float | None]:
        validate = hooks.validate
        if validate is None:
            return None, None
        loss, accuracy = hooks.agree(lambda: validate(self.model))
        divergence.check_validation(loss, epoch=position.epoch, train=self.train, model=self._task.model)
        return loss, accuracy

    def _through(self, batches: Batches, hooks: Hooks, position: Position) -> tuple[Position, bool]:
        """All steps of the epoch that are left; whether the time was enough for them."""
        clock = _Clock(self.train, position)
        with Prefetched(grouped(batches.epoch(position.epoch, position.step), self._next_size)) as groups:
            for group in clock.waiting(groups):
                taken = self._take(group, position, batches, clock.wishes(hooks, leads=self._member.rank == 0))
                position = position.at(position.step + len(taken.losses), taken.totals, clock.seconds, clock.waited)
                self._adapt(clock, hooks, len(taken.losses))
                last = position.step == batches.steps
                if clock.is_time_to_tell() or last:
                    hooks.progress(self._event(position, self._figures(position), batches))
                stop, save, time_is_up = taken.flags
                if stop:
                    hooks.save(self.checkpoint(position))
                    raise Interrupted
                if time_is_up:
                    return position, False
                if save and not last:
                    hooks.save(self.checkpoint(position))
                    clock.saved()
        return position, True

    def _take(self, group: Any, position: Position, batches: Batches, flags: np.ndarray) -> Taken:
        steps = range(position.step, position.step + len(group.tokens))
        rates = np.array([learning_rate(self.train, position.epoch, step, batches.steps) for step in steps], np.float32)
        totals = np.zeros(self.steps.figures)
        totals[: len(position.totals)] = position.totals
        taken = self.steps.take(group, rates, flags, totals)
        where = {"epoch": position.epoch, "step": position.step}
        divergence.check_losses(taken.losses.tolist(), self._task.loss_of_ignorance, **where, train=self.train, model=self._task.model)
        return taken

    def _next_size(self) -> int:
        """How many steps the next group has, on all workers alike: one, until the time of a step is known to the thread that asks."""
        self._groups += 1
        return 1 if self._groups <= SINGLE_STEPS else self._size

    def _adapt(self, clock: "_Clock", hooks: Hooks, steps: int) -> None:
        """Choose the steps of a call once the time of one is known; the first compiles and says nothing."""
        seconds, self._taken = clock.lap(), self._taken + 1
        self._step_s = seconds / steps
        if self.train.steps_per_call == "auto" and self._taken == 2:
            self._size = hooks.agree(lambda: max(1, min(MOST_STEPS_PER_CALL, int(CALL_S / max(seconds, 1e-6)))))

    def _figures(self, position: Position) -> dict[str, float]:
        loss, hits, labels, tokens = position.totals[:FIGURES]
        rows = labels / self._task.labels_of_row
        seconds = max(position.seconds, 1e-9)
        return {"loss": loss / labels, "accuracy": hits / labels, "tokens_per_s": tokens / seconds, "samples_per_s": rows / seconds}

    def _position_losses(self, position: Position) -> dict[str, list[float]]:
        """The mean loss at each position of a row, where the task tells them apart; of each there are as many labels."""
        losses, labels = position.totals[FIGURES:], position.totals[2]
        return {"position_losses": [loss * len(losses) / labels for loss in losses]} if losses else {}

    def _event(self, position: Position, figures: dict[str, Any], batches: Batches) -> Event:
        shown = {key: figures[key] for key in SHOWN if figures.get(key) is not None}
        info = {"epoch": position.epoch + 1, "epochs": self.train.epochs, "step": position.step, "steps": batches.steps, **shown}
        info |= {"data_wait_s": position.data_wait_s, "step_s": self._step_s}
        return Event("train", position.epoch * batches.steps + position.step, self.train.epochs * batches.steps, "steps", info)


class _Clock:
    """The times of one epoch, on this worker.

    Args:
        train: the workflow's section.
        position: at its start, or where it goes on.
    """

    def __init__(self, train: Train, position: Position) -> None:
        now = time.perf_counter()
        self._train = train
        self._started, self.waited = now - position.seconds, position.data_wait_s
        self._before = sum(entry["seconds"] for entry in position.history)
        self._told = self._saved = self._lap = now

    @property
    def seconds(self) -> float:
        """Time spent in this epoch."""
        return time.perf_counter() - self._started

    def waiting(self, items: Any) -> Iterator[Any]:
        """The items, the time until each of them being counted."""
        iterator = iter(items)
        while True:
            asked = time.perf_counter()
            item = next(iterator, None)
            self.waited += time.perf_counter() - asked
            if item is None:
                return
            yield item

    def wishes(self, hooks: Hooks, *, leads: bool) -> np.ndarray:
        """Whether to stop, to save, and to end because the time is up: float32 [3]; the clock of worker 0 decides."""
        due = self._train.checkpoint_every_s is not None and time.perf_counter() - self._saved >= self._train.checkpoint_every_s
        up = self._train.max_time_s is not None and self._before + self.seconds >= self._train.max_time_s
        return np.array([hooks.stop_requested(), leads and due, leads and up], np.float32)

    def is_time_to_tell(self) -> bool:
        """Whether progress is due; if so, the next is due later."""
        now = time.perf_counter()
        if now - self._told < PROGRESS_EVERY_S:
            return False
        self._told = now
        return True

    def saved(self) -> None:
        """A checkpoint was kept; its time is not that of a step."""
        self._saved = self._lap = time.perf_counter()

    def lap(self) -> float:
        """Seconds since the last lap."""
        now = time.perf_counter()
        seconds, self._lap = now - self._lap, now
        return seconds
