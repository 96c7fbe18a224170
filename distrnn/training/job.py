"""What the worker does with a dataset: train, evaluate on the held-out split, write the model in its published forms."""

import time
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np

from distrnn.data import initial_weights
from distrnn.data.batches import Batches
from distrnn.data.dataset import Dataset
from distrnn.data.inputs import NOTHING, Inputs
from distrnn.data.parts import Part
from distrnn.data.pretrained import read_vectors
from distrnn.data.reader import ShardReader
from distrnn.data.subsets import open_split
from distrnn.data.vectors import Coverage
from distrnn.progress import Event, log
from distrnn.training import variables
from distrnn.training.checkpoints import Checkpoint
from distrnn.training.evaluate import ClassifierEvaluator, LanguageEvaluator
from distrnn.training.export import export, write_numpy
from distrnn.training.kernel_plan import kernels_for
from distrnn.training.loop import Hooks, Trainer
from distrnn.training.matrix_rate import matrix_rate_of_all
from distrnn.training.mixture import is_mixed, mixed_batches
from distrnn.training.plan import Placement, plan_batches
from distrnn.training.rates import matrix_share
from distrnn.training.samples import Samples
from distrnn.training.strategy import ALONE, Member, make_strategy
from distrnn.training.tasks import ClassifierTask, EmbeddingTask, LanguageTask, Task
from distrnn.workflow import ClassifierModel, EmbeddingModel, Workflow


@dataclass(frozen=True)
class HeldOut:
    """What the published model says about the test split.

    Attributes:
        probabilities: of a classifier, in the order of the dataset: float32 [N], or [N, C] of C labels that are not two.
        labels: int [N].
        total_loss: nats, of a language model.
        tokens: predictions that loss is summed over.
    """

    probabilities: np.ndarray | None = None
    labels: np.ndarray | None = None
    total_loss: float = 0.0
    tokens: int = 0


@dataclass(frozen=True)
class Outcome:
    """A finished training.

    Attributes:
        history: one entry an epoch.
        held_out: None where nothing is held out.
        parameters: weights of the published model.
        seconds: of each stage.
        matrix_share: of the devices' rate of matrix products that the last epoch made use of; None where that is not known.
        coverage: of the vocabulary by the vectors that the embedding began with; None where it was drawn.
    """

    history: list[dict[str, Any]]
    held_out: HeldOut | None
    parameters: int
    seconds: dict[str, float]
    matrix_share: float | None
    coverage: Coverage | None = None


@dataclass(frozen=True)
class Trained:
    """A model at the end of its training; it holds the best epoch's weights where validation is watched.

    Attributes:
        task: what was trained.
        model: giving logits.
        judge: measures it.
        history: one entry an epoch.
    """

    task: Task
    model: keras.Model
    judge: "Judge"
    history: list[dict[str, Any]]


def train(
    workflow: Workflow,
    dataset: Dataset,
    placement: Placement,
    hooks: Hooks,
    checkpoint: Checkpoint | None,
    member: Member = ALONE,
    *,
    inputs: Inputs = NOTHING,
) -> Trained:
    """Train to the end; the test split is not looked at.

    Args:
        workflow: what to do.
        dataset: prepared.
        placement: devices and replicas of each worker.
        hooks: where progress, stop requests and checkpoints go; the job adds validation and samples.
        checkpoint: where to go on, if anywhere.
        member: this worker among them.
        inputs: what is read beside the dataset.
    Raises:
        DataError: one of them is another one, or broken.
        DivergedError: the loss is not finite, or has exploded.
        Interrupted: a stop was requested.
    """
    plan = plan_batches(workflow.train.rows_of_step, placement.all_replicas)
    strategy = make_strategy(placement, member)
    task = make_task(workflow, dataset, inputs)
    batches = _batches(workflow, dataset, task, Part(member.rank, member.workers), inputs)
    kernels = kernels_for(workflow.model, workflow.train, placement)
    log(f"kernels: {kernels.reason}")
    trainer = Trainer(task, workflow.train, plan, strategy, kernels=kernels, member=member)
    judge = Judge(task, dataset, workflow, compile_with_xla=placement.device == "cpu")
    samples = Samples(workflow, dataset, judge.write_numpy) if isinstance(task, LanguageTask) and member.rank == 0 else None
    hooks = replace(hooks, validate=judge.validate if workflow.validates else None, sample=samples.after if samples else None)
    position = trainer.fit(batches, hooks, checkpoint)
    return Trained(task, trainer.model, judge, position.history)


def train_and_export(
    workflow: Workflow,
    dataset: Dataset,
    placement: Placement,
    hooks: Hooks,
    checkpoint: Checkpoint | None,
    folder: Path,
    member: Member = ALONE,
    *,
    inputs: Inputs = NOTHING,
) -> Outcome | None:
    """Train to the end, evaluate, and fill `folder` with the published forms.

    Args:
        workflow: what to do.
        dataset: prepared.
        placement: devices and replicas of each worker.
        hooks: where progress, stop requests and checkpoints go.
        checkpoint: where to go on, if anywhere.
        folder: exists and is empty; worker 0 fills it.
        member: this worker among them.
        inputs: what is read beside the dataset.
    Returns:
        what worker 0 found; None from the others.
    Raises:
        DataError: one of them is another one, or broken.
        DivergedError: the loss is not finite, or has exploded.
        Interrupted: a stop was requested.
    """
    started = time.perf_counter()
    trained = train(workflow, dataset, placement, hooks, checkpoint, member, inputs=inputs)
    ended = time.perf_counter()
    if member.rank != 0:
        return None
    hooks.progress(Event("evaluate", 0, 1, "splits"))
    share = _matrix_share(workflow, dataset, placement, trained.history)
    judge = trained.judge
    held_out = judge.held_out(trained.model) if workflow.has_test_split else None
    judge.take(trained.model)
    export(judge.model, folder, window=judge.window)
    hooks.progress(Event("evaluate", 1, 1, "splits"))
    seconds = {"train": ended - started, "evaluate": time.perf_counter() - ended}
    begun = trained.task.vectors if isinstance(trained.task, ClassifierTask) else None
    return Outcome(trained.history, held_out, judge.model.count_params(), seconds, share, begun.coverage if begun else None)


def _batches(workflow: Workflow, dataset: Dataset, task: Task, part: Part, inputs: Inputs) -> Batches:
    """This worker's part of the batches of training."""
    if is_mixed(workflow):
        return mixed_batches(workflow, dataset, part, inputs.pseudo_labels)
    reader, train = open_split(dataset, workflow, "train"), workflow.train
    return task.training_batches(reader, global_batch_size=train.global_batch_size, seed=train.seed, part=part)


def _matrix_share(workflow: Workflow, dataset: Dataset, placement: Placement, history: list[dict[str, Any]]) -> float | None:
    if workflow.train.length_buckets is not None:
        return None  # how long the rows were nobody has kept
    if isinstance(workflow.model, EmbeddingModel):
        return None  # it looks vectors up, and multiplies no matrices to speak of
    rate = matrix_rate_of_all(placement, workflow.train.precision)
    classes = len(dataset.manifest.labels)
    return matrix_share(workflow.model, dataset.vocabulary.size, history[-1]["samples_per_s"], rate, classes)


def make_task(workflow: Workflow, dataset: Dataset, inputs: Inputs = NOTHING) -> Task:
    """The task that the workflow's model asks for, with the ids and labels of a dataset, and with what its weights begin with.

    Raises:
        DataError: a file of vectors is another one, or broken.
        NotFoundError: it is not there, or the weights are not.
        IntegrityError: the weights are altered.
    """
    size = dataset.vocabulary.size
    weights = initial_weights.read(dataset.store, inputs.weights) if inputs.weights else None
    if isinstance(workflow.model, ClassifierModel):
        vectors = read_vectors(workflow, dataset, inputs.vectors)
        return ClassifierTask(workflow.model, size, workflow.train.length_buckets, len(dataset.manifest.labels), vectors, weights)
    if isinstance(workflow.model, EmbeddingModel):
        first = dataset.vocabulary.spec.first_id
        return EmbeddingTask(workflow.model, np.array([0] * first + [count for _, count in dataset.vocabulary_counts], np.int64))
    return LanguageTask(workflow.model, size, weights)


class Judge:
    """Measures the training model's weights on the validation and test splits, in the model that is published.

    Args:
        task: what is trained.
        dataset: with its splits.
        workflow: says which documents of them are used.
        compile_with_xla: compile the forward pass.
    """

    def __init__(self, task: Task, dataset: Dataset, workflow: Workflow, *, compile_with_xla: bool) -> None:
        self._dataset, self._workflow = dataset, workflow
        self._evaluator: ClassifierEvaluator | LanguageEvaluator | None = None
        if isinstance(task, ClassifierTask):
            self._evaluator = ClassifierEvaluator(task, compile_with_xla=compile_with_xla)
        elif isinstance(task, LanguageTask):
            self._evaluator = LanguageEvaluator(task, compile_with_xla=compile_with_xla)
        self.model = self._evaluator.model if self._evaluator else task.published_model()
        self.window = task.published_window if isinstance(task, LanguageTask) else None

    def take(self, trained: keras.Model) -> None:
        """Give the published model the weights of the training model."""
        if self._evaluator is None:  # vectors of words: those by which words are predicted are not published
            self.model.get_layer("embedding").set_weights(trained.get_layer("embedding").get_weights())
        else:
            variables.copy_weights(trained, self.model)

    def write_numpy(self, trained: keras.Model, folder: Path) -> None:
        """Write the NumPy form that the training model would have if it were published now."""
        self.take(trained)
        write_numpy(self.model, folder, window=self.window)

    def validate(self, trained: keras.Model) -> tuple[float, float]:
        """Mean loss (nats) and accuracy on the validation split."""
        return self._measuring.validate(trained, self._validation)

    @property
    def _measuring(self) -> ClassifierEvaluator | LanguageEvaluator:
        if self._evaluator is None:
            raise AssertionError("the workflow's rules hold nothing out for a model that is not measured")
        return self._evaluator

    @cached_property
    def _validation(self) -> ShardReader:
        return open_split(self._dataset, self._workflow, "validation")

    def held_out(self, trained: keras.Model) -> HeldOut:
        """What the test split says; it selects nothing."""
        self.take(trained)
        reader, evaluator = self._dataset.reader("test"), self._measuring
        if isinstance(evaluator, ClassifierEvaluator):
            probabilities, labels = evaluator.probabilities(reader)
            return HeldOut(probabilities=probabilities, labels=labels.astype(np.int64))
        loss, _, tokens = evaluator.total_loss(reader)
        return HeldOut(total_loss=loss, tokens=tokens)
