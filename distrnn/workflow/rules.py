"""What must hold between the keys of a workflow, each rule with the message it gives."""

from collections.abc import Iterator

from distrnn.errors import UsageError
from distrnn.refs import check_alias
from distrnn.workflow.problems import Problem, show
from distrnn.workflow.sections import CORPUS_SOURCES, DOCUMENT_SOURCES, Promote, Workflow

CLASSIFIER_METRICS = ("accuracy", "auc", "loss")
LANGUAGE_METRICS = ("loss_nats", "bits_per_character", "perplexity")
SMALLER_IS_BETTER = ("loss", *LANGUAGE_METRICS)
FILELESS_SOURCES = ("synthetic-reviews", "python-docs")


def problems(workflow: Workflow) -> list[Problem]:
    """Every rule that `workflow` breaks, in the order of the sections."""
    return [*_data(workflow), *_splits(workflow), *_train(workflow), *_scaling(workflow), *_promotion(workflow)]


def _data(workflow: Workflow) -> Iterator[Problem]:
    data, task = workflow.data, workflow.model.task
    sources = DOCUMENT_SOURCES if task == "classifier" else CORPUS_SOURCES
    if data.source not in sources:
        yield Problem("data.source", f"one of {', '.join(sources)} for a {task} (model.task)", show(data.source))
    if data.source in FILELESS_SOURCES and data.path is not None:
        yield Problem("data.path", f"nothing, {data.source} needs no file", show(data.path))
    for key in ("path", "test_path"):
        if "://" in (getattr(data, key) or ""):
            yield Problem(f"data.{key}", "a file or folder", show(getattr(data, key)))
    if task == "language-model" and data.tokenizer.level != "char":
        yield Problem("data.tokenizer.level", "char for a language-model (model.task)", show(data.tokenizer.level))
    if data.tokenizer.level == "char" and data.tokenizer.html is not None:
        yield Problem("data.tokenizer.html", "nothing, characters are taken as they are", show(data.tokenizer.html))


def _splits(workflow: Workflow) -> Iterator[Problem]:
    data = workflow.data
    if data.test_path is not None and data.source != "imdb":
        yield Problem("data.test_path", "nothing, only imdb reads a second file", show(data.test_path))
    if data.test_path is not None and data.test_fraction is not None:
        yield Problem("data.test_fraction", "nothing beside data.test_path", show(data.test_fraction))
    if workflow.model.task == "classifier" and data.test_fraction == 0.0:
        yield Problem("data.test_fraction", "a number above 0 for a classifier", "0")
    if workflow.validation_fraction + (workflow.test_fraction or 0.0) >= 1.0:
        expected = f"less than 1 together with data.test_fraction ({workflow.test_fraction:g})"
        yield Problem("data.validation_fraction", expected, show(workflow.validation_fraction))


def _train(workflow: Workflow) -> Iterator[Problem]:
    train = workflow.train
    if train.early_stopping and workflow.validation_fraction == 0.0:
        yield Problem(
            "train.early_stopping", "a validation split to watch: set data.validation_fraction above 0", "data.validation_fraction 0"
        )
    schedule = train.learning_rate_schedule
    late = [epoch for epoch in schedule.epochs if epoch >= train.epochs] if schedule else []
    if late:
        yield Problem("train.learning_rate_schedule.epochs", f"epochs below train.epochs ({train.epochs}), counted from 0", show(late[0]))


def _scaling(workflow: Workflow) -> Iterator[Problem]:
    scaling, batch = workflow.scaling, workflow.train.global_batch_size
    replicas = scaling.replicas_per_worker
    if replicas != "auto" and batch % replicas:
        yield Problem("train.global_batch_size", f"a multiple of scaling.replicas_per_worker ({replicas})", show(batch))
    if scaling.device == "cpu" and scaling.gpus_per_worker not in ("auto", 0):
        yield Problem("scaling.gpus_per_worker", "nothing or 0 with scaling.device cpu", show(scaling.gpus_per_worker))
    if scaling.device == "gpu" and scaling.gpus_per_worker == 0:
        yield Problem("scaling.gpus_per_worker", "an integer of at least 1, or auto, with scaling.device gpu", "0")


def _promotion(workflow: Workflow) -> Iterator[Problem]:
    promote = workflow.register_.promote if workflow.register_ else None
    if promote is None:
        return
    metrics = CLASSIFIER_METRICS if workflow.model.task == "classifier" else LANGUAGE_METRICS
    if promote.metric not in metrics:
        yield Problem("register.promote.metric", f"one of {', '.join(metrics)} for a {workflow.model.task}", show(promote.metric))
    if not workflow.has_test_split:
        yield Problem("register.promote", "a test split to measure on: set data.test_fraction above 0", "data.test_fraction 0")
    yield from _gate(promote)


def _gate(promote: Promote) -> Iterator[Problem]:
    for key, alias in (("alias", promote.alias), ("better_than", promote.better_than)):
        if alias is not None and _is_reserved(alias):
            yield Problem(f"register.promote.{key}", "an alias; latest and v<digits> name versions by themselves", show(alias))
    if all(rule is None for rule in (promote.min, promote.max, promote.better_than)):
        yield Problem("register.promote", "a rule for the metric: min, max or better_than", "none of them")
    if promote.min is not None and promote.metric in SMALLER_IS_BETTER:
        yield Problem("register.promote.min", f"nothing for {promote.metric}, where smaller is better: use max", show(promote.min))
    if promote.min is not None and promote.max is not None and promote.min > promote.max:
        yield Problem("register.promote.min", f"at most register.promote.max ({promote.max:g})", show(promote.min))


def _is_reserved(alias: str) -> bool:
    try:
        check_alias(alias)
    except UsageError:
        return True
    return False
