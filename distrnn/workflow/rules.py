"""What must hold between the keys of a workflow, each rule with the message it gives."""

from collections.abc import Iterator
from dataclasses import dataclass

from distrnn.workflow.sections import CORPUS_SOURCES, DOCUMENT_SOURCES, Workflow

CLASSIFIER_METRICS = ("accuracy", "auc", "loss")
LANGUAGE_METRICS = ("loss_nats", "bits_per_character", "perplexity")


@dataclass(frozen=True)
class Problem:
    """One wrong key."""

    key: str
    expected: str
    received: str
    nearest: str | None = None
    unknown: bool = False

    def __str__(self) -> str:
        if self.unknown:
            hint = f" Did you mean {self.nearest!r}?" if self.nearest else ""
            return f"unknown key {self.key!r}.{hint} Expected {self.expected}."
        return f"key {self.key!r}: expected {self.expected}. Received: {self.received}"


def first_problem(workflow: Workflow) -> Problem | None:
    """The first rule that `workflow` breaks, or None."""
    return next(_problems(workflow), None)


def _problems(workflow: Workflow) -> Iterator[Problem]:
    yield from _data(workflow)
    yield from _train(workflow)
    yield from _scaling(workflow)
    yield from _promotion(workflow)


def _data(workflow: Workflow) -> Iterator[Problem]:
    data, task = workflow.data, workflow.model.task
    sources = DOCUMENT_SOURCES if task == "classifier" else CORPUS_SOURCES
    if data.source not in sources:
        yield Problem("data.source", f"one of {', '.join(sources)} for a {task}", data.source)
    if data.source in ("synthetic-reviews", "python-docs") and data.path is not None:
        yield Problem("data.path", f"nothing, {data.source} needs no file", data.path)
    if data.test_path is not None and data.source != "imdb":
        yield Problem("data.test_path", f"nothing, {data.source} is one text", data.test_path)
    if data.test_path is not None and data.test_fraction is not None:
        yield Problem("data.test_fraction", "nothing beside data.test_path", str(data.test_fraction))
    if task == "classifier" and data.test_fraction == 0.0:
        yield Problem("data.test_fraction", "more than 0 for a classifier", "0.0")
    if workflow.validation_fraction + (workflow.test_fraction or 0.0) >= 1.0:
        yield Problem("data.validation_fraction", "less than 1 together with data.test_fraction", str(workflow.validation_fraction))


def _train(workflow: Workflow) -> Iterator[Problem]:
    train = workflow.train
    if train.early_stopping and workflow.validation_fraction == 0.0:
        yield Problem("train.early_stopping", "a data.validation_fraction above 0 to watch", "data.validation_fraction 0")
    if train.learning_rate_schedule:
        late = [epoch for epoch in train.learning_rate_schedule.epochs if epoch >= train.epochs]
        if late:
            yield Problem("train.learning_rate_schedule.epochs", f"epochs below train.epochs ({train.epochs})", str(late[0]))


def _scaling(workflow: Workflow) -> Iterator[Problem]:
    replicas = workflow.scaling.replicas_per_worker
    if replicas != "auto" and workflow.train.global_batch_size % replicas:
        yield Problem(
            "train.global_batch_size", f"a multiple of scaling.replicas_per_worker ({replicas})", str(workflow.train.global_batch_size)
        )
    if workflow.scaling.device == "cpu" and workflow.scaling.gpus_per_worker not in ("auto", 0):
        yield Problem("scaling.gpus_per_worker", "nothing or 0 with scaling.device cpu", str(workflow.scaling.gpus_per_worker))
    if workflow.scaling.device == "gpu" and workflow.scaling.gpus_per_worker == 0:
        yield Problem("scaling.gpus_per_worker", "at least 1 with scaling.device gpu", "0")


def _promotion(workflow: Workflow) -> Iterator[Problem]:
    promote = workflow.register_.promote if workflow.register_ else None
    if promote is None:
        return
    metrics = CLASSIFIER_METRICS if workflow.model.task == "classifier" else LANGUAGE_METRICS
    if promote.metric not in metrics:
        yield Problem("register.promote.metric", f"one of {', '.join(metrics)} for a {workflow.model.task}", promote.metric)
    if not workflow.has_test_split:
        yield Problem("register.promote", "a test split to measure on (data.test_fraction above 0)", "data.test_fraction 0")
