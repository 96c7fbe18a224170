"""When training has gone wrong for good, and which setting is the likely cause."""

import math

from distrnn.errors import DivergedError
from distrnn.workflow.sections import ClassifierModel, LanguageModel, Train

EXPLODED = 100.0


Model = ClassifierModel | LanguageModel


def check_losses(losses: list[float], knows_nothing: float, *, epoch: int, step: int, train: Train, model: Model) -> None:
    """Refuse to go on after a loss that is no number, or many times that of a model that knows nothing.

    Args:
        losses: mean loss of each step of a call, in nats.
        knows_nothing: loss of a model that gives every class the same share, in nats.
        epoch: from 0.
        step: steps of the epoch that were done before.
        train: the workflow's section.
        model: the workflow's section.
    Raises:
        DivergedError: names the step and the likely cure.
    """
    for index, loss in enumerate(losses):
        if not math.isfinite(loss):
            raise DivergedError(_message(f"the loss is {loss}", epoch, step + index, "a finite loss", train, model))
    if losses and (mean := sum(losses) / len(losses)) > EXPLODED * knows_nothing:
        expected = f"less than {EXPLODED * knows_nothing:.1f}, {EXPLODED:.0f} times the loss of a model that knows nothing"
        raise DivergedError(_message(f"the loss is {mean:.1f}", epoch, step + len(losses) - 1, expected, train, model))


def cure(train: Train, model: Model) -> str:
    """The setting to change first."""
    cures = [f"a smaller train.optimizer.learning_rate (now {train.optimizer.learning_rate:g})"]
    if train.precision == "mixed-float16":
        cures.insert(0, "train.precision mixed-bfloat16, whose numbers reach further")
    if train.clip_norm is None:
        cures.append("train.clip_norm, for instance 1.0")
    if getattr(model, "activation", None) == "relu":
        cures.append("model.activation tanh, which is bounded")
    return "The likely cure: " + "; or ".join(cures) + "."


def _message(what: str, epoch: int, step: int, expected: str, train: Train, model: Model) -> str:
    return f"training diverged: {what} in epoch {epoch + 1}, step {step + 1}. Expected {expected}. {cure(train, model)}"
