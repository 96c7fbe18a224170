"""When a threshold can be chosen: for the two labels of a classifier, on a validation split."""

from collections.abc import Iterator

from distrnn.workflow.problems import Problem, show
from distrnn.workflow.sections import Workflow

KEY = "register.threshold"


def problems(workflow: Workflow) -> Iterator[Problem]:
    """Every rule about the threshold that `workflow` breaks."""
    wanted = workflow.register_.threshold if workflow.register_ else None
    if wanted is None:
        return
    if workflow.model.task != "classifier":
        yield Problem(KEY, "nothing for a model that gives no label", show(wanted))
        return
    if workflow.validation_fraction == 0.0:
        yield Problem(KEY, "a validation split to choose on: set data.validation_fraction above 0", "data.validation_fraction 0")
    labels = workflow.data.labels
    names = list(dict.fromkeys(labels.values())) if isinstance(labels, dict) else labels
    if isinstance(names, list) and len(names) > 2:
        yield Problem(KEY, "nothing for more than two labels, of which the likeliest is the answer", f"{len(names):,} labels")
