"""What must hold between the keys of a model: a key that its type has no use for is an error, not ignored."""

from collections.abc import Iterator

from distrnn.workflow.problems import Problem, show
from distrnn.workflow.sections import ClassifierModel, Workflow

RECURRENT_KEYS = ("kernel_stddev", "recurrent_initializer")


def model_problems(workflow: Workflow) -> Iterator[Problem]:
    """Every rule about `model` that `workflow` breaks."""
    model = workflow.model
    if not isinstance(model, ClassifierModel):
        return
    yield from _convolution(model)
    if model.type == "mlp" and model.units is None and model.activation is not None:
        yield Problem("model.activation", "nothing for an mlp without model.units, which has no hidden layer", show(model.activation))
    if not model.is_recurrent:
        given = {key: value for key in RECURRENT_KEYS if (value := getattr(model, key)) is not None}
        if model.recurrent_dropout:
            given["recurrent_dropout"] = model.recurrent_dropout
        for key, value in given.items():
            yield Problem(f"model.{key}", f"nothing for model.type {model.type}, which has no recurrent cell", show(value))


def _convolution(model: ClassifierModel) -> Iterator[Problem]:
    size = model.resolved().kernel_size
    if model.type != "conv" and model.kernel_size is not None:
        yield Problem("model.kernel_size", f"nothing for model.type {model.type}, which has no convolution", show(model.kernel_size))
    elif size is not None and size > model.sequence_length:
        received = show(size) if model.kernel_size else f"{size}, the default"
        yield Problem("model.kernel_size", f"at most model.sequence_length ({model.sequence_length})", received)
