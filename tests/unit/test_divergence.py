"""When training ends because it has gone wrong: at which step, and what the message advises."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from distrnn.errors import DivergedError
from distrnn.training.divergence import check_losses, check_validation, check_weights
from distrnn.workflow.sections import ClassifierModel, Optimizer, Train

LN2 = math.log(2.0)
RATE = "a smaller train.optimizer.learning_rate (now 0.5)"
CLIP = "train.clip_norm, for instance 1.0"
ANEW = "Start a new run with it: going on with this one would end the same way."
LSTM = ClassifierModel(type="lstm", sequence_length=8)


def train(**keys: Any) -> Train:
    return Train(epochs=5, optimizer=Optimizer(learning_rate=0.5), **keys)


def judge(losses: list[float], *, epoch: int = 0, step: int = 0, model: ClassifierModel = LSTM, **keys: Any) -> None:
    check_losses(losses, LN2, epoch=epoch, step=step, train=train(**keys), model=model)


def message(check: Callable[[], None]) -> str:
    with pytest.raises(DivergedError) as caught:
        check()
    return caught.value.message


def test_a_loss_that_is_no_number_is_told_with_its_step() -> None:
    told = message(lambda: judge([0.7, 0.6, math.nan, math.nan], step=40))
    start = "training diverged: the loss is nan in epoch 1, step 43. Expected a finite loss."
    assert told == f"{start} The likely cure: {RATE}; or {CLIP}. {ANEW}"


def test_a_loss_that_explodes_is_told_with_its_step() -> None:
    told = message(lambda: judge([0.7, 812.34, 3.0], step=40))
    expected = "Expected at most 69.3, 100 times that of a model that knows nothing."
    assert told == f"training diverged: the loss is 812.3 in epoch 1, step 42. {expected} The likely cure: {RATE}; or {CLIP}. {ANEW}"


def test_after_an_epoch_its_checkpoint_is_named() -> None:
    told = message(lambda: judge([math.inf], epoch=3))
    kept = "The checkpoint of epoch 3 is kept, and a run with train.epochs=3 ends with what it had learnt by then."
    assert told.startswith("training diverged: the loss is inf in epoch 4, step 1. ")
    assert told.endswith(f" {ANEW} {kept}")


def test_with_checkpoints_within_an_epoch_the_last_one_is_kept() -> None:
    told = message(lambda: judge([math.inf], epoch=3, checkpoint_every_s=60.0))
    assert told.endswith("The last checkpoint is kept, and a run with train.epochs=3 ends with what it had learnt by then.")


@pytest.mark.parametrize("losses", [[], [0.7], [100 * LN2 - 0.1, 60.0]])
def test_a_bad_loss_is_no_divergence(losses: list[float]) -> None:
    judge(losses)


@pytest.mark.parametrize("together", [1, 2, 8])
def test_the_verdict_does_not_depend_on_how_many_steps_a_call_takes(together: int) -> None:
    losses = [0.7, 0.6, 0.7, 0.5, 0.6, 90.0, 0.6, 0.5]

    def in_calls() -> None:
        for start in range(0, len(losses), together):
            judge(losses[start : start + together], step=start)

    assert message(in_calls).startswith("training diverged: the loss is 90 in epoch 1, step 6. ")


@pytest.mark.parametrize(
    ("keys", "model", "cures"),
    [
        ({"clip_norm": 1.0}, {}, [RATE]),
        ({"precision": "mixed-float16"}, {}, ["train.precision mixed-bfloat16, whose numbers reach further", RATE, CLIP]),
        (
            {"learning_rate_schedule": {"type": "step", "epochs": [2], "factor": 1e6}},
            {},
            [RATE, "a train.learning_rate_schedule that keeps it smaller", CLIP],
        ),
        ({}, {"activation": "relu"}, [RATE, CLIP, "model.activation tanh, which is bounded"]),
    ],
)
def test_the_cure_fits_the_settings(keys: dict[str, Any], model: dict[str, Any], cures: list[str]) -> None:
    told = message(lambda: judge([math.nan], model=LSTM.model_copy(update=model), **keys))
    assert f" The likely cure: {'; or '.join(cures)}. Start" in told


@pytest.mark.parametrize(
    ("epoch", "step", "place"), [(0, 7, "epoch 1, step 7"), (1, 0, "the last step of epoch 1"), (2, 7, "epoch 3, step 7")]
)
def test_weights_that_are_no_numbers_are_not_kept(epoch: int, step: int, place: str) -> None:
    weights = [np.zeros(3, np.float32), np.array([[1.0, np.inf]], np.float32)]
    told = message(lambda: check_weights(weights, epoch=epoch, step=step, train=train(), model=LSTM))
    assert told.startswith(f"training diverged: a weight is not finite after {place}. Expected finite weights. The likely cure: {RATE}; ")
    assert ("is kept" in told) == (epoch == 2)


def test_finite_weights_are_kept() -> None:
    check_weights([np.zeros(3, np.float32)], epoch=0, step=1, train=train(), model=LSTM)


def test_a_validation_loss_that_is_no_number_is_told() -> None:
    told = message(lambda: check_validation(math.nan, epoch=0, train=train(), model=LSTM))
    start = "training diverged: the validation loss is nan after epoch 1. Expected a finite loss."
    assert told == f"{start} The likely cure: {RATE}; or {CLIP}. {ANEW}"
