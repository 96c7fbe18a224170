"""When a step may have other documents in it than those of the training split: pseudo-labelled ones, and some of the validation split."""

from collections.abc import Iterator

from distrnn.errors import UsageError
from distrnn.refs import ModelRef
from distrnn.workflow.problems import REFERENCE, Problem, show, with_article
from distrnn.workflow.sections import TABLE_SOURCES, PseudoLabels, Workflow

KEYS = ("pseudo_labels", "validation_rows")
ALONE = "nothing beside train.validation_rows, which trains on the documents that it would look at"


def mixture_problems(workflow: Workflow) -> Iterator[Problem]:
    """Every rule about the documents of a step that `workflow` breaks."""
    train = workflow.train
    for key in KEYS:
        value = getattr(train, key)
        if value is None:
            continue
        if (task := workflow.model.task) != "classifier":
            yield Problem(f"train.{key}", f"nothing for {with_article(task)}, whose text is one stream", _shown(value))
        elif train.length_buckets is not None:
            yield Problem(
                "train.length_buckets", f"nothing beside train.{key}, whose batches are of one length", show(train.length_buckets)
            )
    if train.pseudo_labels is not None:
        yield from _pseudo_labels(train.pseudo_labels)
    if train.validation_rows is not None:
        yield from _validation_rows(workflow)


def _pseudo_labels(section: PseudoLabels) -> Iterator[Problem]:
    at = "train.pseudo_labels"
    try:
        ModelRef.parse(section.teacher)
    except UsageError:
        yield Problem(f"{at}.teacher", f"{REFERENCE} of a published classifier", show(section.teacher))
    if "://" in section.path and not section.path.startswith("s3://"):
        yield Problem(f"{at}.path", "a file or folder, or an s3:// URL", show(section.path))
    if section.text_column is not None and section.source not in TABLE_SOURCES:
        yield Problem(f"{at}.text_column", f"nothing, {section.source} has no columns to choose from", show(section.text_column))
    if section.limit is not None and section.limit < section.rows:
        yield Problem(f"{at}.limit", f"at least {at}.rows ({section.rows})", show(section.limit))


def _validation_rows(workflow: Workflow) -> Iterator[Problem]:
    train, rows = workflow.train, workflow.train.validation_rows
    if workflow.validation_fraction == 0.0:
        yield Problem("train.validation_rows", "nothing without a validation split: set data.validation_fraction above 0", show(rows))
    for key in ("early_stopping", "keep_best"):
        if (value := getattr(train, key)) is not None:
            yield Problem(f"train.{key}", ALONE, _shown(value))
    if workflow.register_ is not None and workflow.register_.threshold is not None:
        yield Problem("register.threshold", ALONE, show(workflow.register_.threshold))


def _shown(value: object) -> str:
    """A value as a workflow would have it: of a section its keys are enough."""
    return show(value.model_dump(exclude_none=True)) if hasattr(value, "model_dump") else show(value)
