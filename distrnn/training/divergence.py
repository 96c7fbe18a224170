"""When training has gone wrong for good, and which setting is the likely cause.

It has gone wrong at the first step whose loss is no number, or is 100 times that of a model that knows nothing: such a model is, over a
whole batch, so sure of what is wrong that chance is no explanation. Each step is judged by itself, so that the verdict does not depend on
how many of them are taken in one call. Weights are judged whenever they would be kept, so that a checkpoint is always one to go on from.
"""

import math
from collections.abc import Sequence

import numpy as np

from distrnn.errors import DivergedError
from distrnn.workflow.model_sections import LanguageModel, Model
from distrnn.workflow.sections import Train

EXPLODED = 100.0


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
        DivergedError: names the first such step and the likely cure.
    """
    highest = EXPLODED * knows_nothing
    for number, loss in enumerate(losses, start=step + 1):
        if not math.isfinite(loss):
            what, expected = f"the loss is {loss}", "a finite loss"
        elif loss > highest:
            what, expected = f"the loss is {loss:.4g}", f"at most {highest:.1f}, {EXPLODED:.0f} times that of a model that knows nothing"
        else:
            continue
        raise DivergedError(f"training diverged: {what} in {_place(epoch, number)}. Expected {expected}. {advice(train, model, epoch)}")


def check_weights(weights: Sequence[np.ndarray], *, epoch: int, step: int, train: Train, model: Model) -> None:
    """Refuse to keep weights that are no numbers.

    Args:
        weights: of the model.
        epoch: from 0.
        step: steps of the epoch that are done; 0 where the epoch before has just ended.
        train: the workflow's section.
        model: the workflow's section.
    Raises:
        DivergedError: names the last step and the likely cure.
    """
    if all(np.isfinite(weight).all() for weight in weights):
        return
    place = _place(epoch, step) if step else f"the last step of epoch {epoch}"
    ended = epoch if step else epoch - 1
    raise DivergedError(f"training diverged: a weight is not finite after {place}. Expected finite weights. {advice(train, model, ended)}")


def check_validation(loss: float, *, epoch: int, train: Train, model: Model) -> None:
    """Refuse to go on after a validation loss that is no number.

    Raises:
        DivergedError: names the epoch and the likely cure.
    """
    if not math.isfinite(loss):
        what = f"training diverged: the validation loss is {loss} after epoch {epoch + 1}. Expected a finite loss."
        raise DivergedError(f"{what} {advice(train, model, epoch)}")


def advice(train: Train, model: Model, epoch: int) -> str:
    """What to change and what to do then.

    Args:
        train: the workflow's section.
        model: the workflow's section.
        epoch: from 0, that in which training diverged; those before it have left checkpoints.
    """
    cures = [f"a smaller train.optimizer.learning_rate (now {train.optimizer.learning_rate:g})"]
    if train.learning_rate_schedule is not None:
        cures.append("a train.learning_rate_schedule that keeps it smaller")
    if train.precision == "mixed-float16":
        cures.insert(0, "train.precision mixed-bfloat16, whose numbers reach further")
    if train.clip_norm is None:
        cures.append("train.clip_norm, for instance 1.0")
    if getattr(model, "activation", None) == "relu":
        if isinstance(model, LanguageModel) and model.carries_state:
            cures.insert(0, "model.activation tanh or model.stateful false, because nothing bounds a state of relu that is carried on")
        else:
            cures.append("model.activation tanh, which is bounded")
    text = f"The likely cure: {'; or '.join(cures)}. Start a new run with it: going on with this one would end the same way."
    if epoch == 0:
        return text
    kept = f"The checkpoint of epoch {epoch}" if train.checkpoint_every_s is None else "The last checkpoint"
    return f"{text} {kept} is kept, and a run with train.epochs={epoch} ends with what it had learnt by then."


def _place(epoch: int, step: int) -> str:
    return f"epoch {epoch + 1}, step {step}"
