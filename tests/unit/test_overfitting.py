"""What learning curves say of overfitting, on made ones."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.evaluation.overfitting import jitter, judge, of_history, told

FALLING = [0.7, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.02]
LEAST = 0.01
LOSS = st.none() | st.floats(0.0, 10.0) | st.just(math.nan)


def rows(losses, held, accuracies=None, held_accuracies=None):
    columns = [losses, held, accuracies or [None] * len(losses), held_accuracies or [None] * len(losses)]
    keys = ("loss", "validation_loss", "accuracy", "validation_accuracy")
    return [dict(zip(keys, row, strict=True)) for row in zip(*columns, strict=True)]


def test_a_curve_that_falls_to_the_end_is_not_overfitted():
    verdict = judge(FALLING, [0.7, 0.6, 0.5, 0.45, 0.42, 0.40, 0.39, 0.385], LEAST)
    assert (verdict.state, verdict.best_epoch, verdict.from_epoch, verdict.worse_by) == ("none", 8, None, 0.0)


@pytest.mark.parametrize("best", [1, 2, 3, 5])
def test_a_curve_that_turns_is_overfitted_from_the_next_epoch(best):
    verdict = judge(FALLING, [0.4 + 0.03 * abs(epoch - best) for epoch in range(1, 9)], LEAST)
    assert (verdict.state, verdict.best_epoch, verdict.from_epoch) == ("overfits", best, best + 1)


def test_a_steep_start_does_not_hide_the_rise():
    assert judge(FALLING[:5], [0.60, 0.45, 0.47, 0.55, 0.66], LEAST).from_epoch == 3


def test_noise_that_is_as_large_as_the_rise_is_no_verdict():
    assert judge(FALLING, [0.5, 0.35, 0.50, 0.36, 0.52, 0.37, 0.51, 0.40], LEAST).state == "unclear"


def test_one_worse_epoch_is_no_verdict():
    assert judge(FALLING[:4], [0.6, 0.5, 0.4, 0.5], LEAST).state == "unclear"


def test_a_rise_while_training_gets_worse_too_is_no_overfitting():
    assert judge([0.3, 0.2, 0.3, 0.4, 0.5], [0.5, 0.4, 0.5, 0.6, 0.7], LEAST).state == "unclear"


def test_a_rise_too_small_to_speak_of_is_none():
    assert judge(FALLING, [0.5, 0.4, 0.401, 0.402, 0.403, 0.404, 0.405, 0.406], LEAST).state == "none"


@pytest.mark.parametrize("held", [[0.2, 0.1, 0.0], [0.0, 0.0, 0.0], [0.1, 0.0, 0.0, 0.0]])
def test_a_loss_of_nothing_at_the_end_is_not_overfitted(held):
    assert of_history(rows(FALLING[: len(held)], held))["loss"].state == "none"


@pytest.mark.parametrize("held", [[], [0.5], [0.5, 0.6], [None] * 5, [0.5, math.nan, None, 0.6, math.inf]])
def test_without_three_epochs_nothing_is_known(held):
    assert judge(FALLING[: len(held)], held, LEAST).state == "unknown"


def test_epochs_without_a_figure_keep_their_numbers():
    verdict = judge(FALLING, [None, 0.5, 0.4, None, 0.45, 0.5, 0.55, 0.6], LEAST)
    assert (verdict.best_epoch, verdict.from_epoch) == (3, 5)


def test_level_noisy_curves_are_called_overfitted_about_once_in_twenty_times():
    generator = np.random.default_rng(0)
    found = [judge(np.linspace(0.5, 0.2, 10).tolist(), (0.4 + 0.01 * generator.normal(size=10)).tolist(), 0.012) for _ in range(1_000)]
    assert sum(verdict.state == "overfits" for verdict in found) / 1_000 <= 0.06


def test_jitter_of_noise_and_of_a_smooth_turn():
    noise = np.random.default_rng(1).normal(size=5_000)
    assert jitter(noise.tolist()) == pytest.approx(1.0, rel=0.05)
    assert jitter([(epoch - 3.0) ** 2 for epoch in range(9)]) == 0.0


@given(st.lists(st.tuples(LOSS, LOSS), max_size=12))
def test_any_curve_has_a_verdict(pairs):
    train, held = [trained for trained, _ in pairs], [figure for _, figure in pairs]
    verdict = judge(train, held, LEAST)
    assert (verdict.best_epoch is None) == (verdict.state == "unknown")
    assert (verdict.from_epoch is None) == (verdict.state != "overfits")
    assert verdict.worse_by is None or verdict.worse_by >= 0.0
    assert told(rows(train, held))


@given(st.lists(st.tuples(LOSS, LOSS, LOSS, LOSS), max_size=8))
def test_any_history_is_told_in_whole_sentences(figures):
    columns = [list(column) for column in zip(*figures, strict=True)] or [[], [], [], []]
    assert told(rows(*columns), kept_by="loss").endswith(".")


def test_a_history_is_judged_by_loss_and_by_accuracy():
    verdicts = of_history(rows(FALLING, [0.6, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0], [0.5] * 8, [0.8] * 8))
    assert (verdicts["loss"].state, verdicts["accuracy"].state) == ("overfits", "none")


@pytest.mark.parametrize(
    ("history", "sentence"),
    [
        ([], "Its learning curves are not known."),
        (rows(FALLING, [None] * 8), "Whether it overfits is not known: it had no validation split."),
        (rows(FALLING[:1], [0.5]), "Whether it overfits is not known: 1 epoch is too few."),
        (rows(FALLING[:2], [0.5, 0.4]), "Whether it overfits is not known: 2 epochs are too few."),
        (rows(FALLING[:3], [0.5, 0.4, 0.3]), "No overfitting: validation loss ends at its best in the last epoch."),
        (rows(FALLING[:4], [0.5, 0.4, 0.3, 0.301]), "No overfitting: validation loss ends as good as at its best (epoch 3)."),
        (
            rows(FALLING[:4], [0.5, 0.4, 0.3, 0.5]),
            "No clear overfitting: validation loss is best in epoch 3 and ends worse, but for one epoch only, by little more than its "
            "jitter, or while training does not improve.",
        ),
        (
            rows(FALLING[:4], [0.5, 0.3, 0.4, 0.5], [0.6, 0.7, 0.8, 0.9], [0.6, 0.8, 0.7, 0.6]),
            "Overfits from epoch 3: validation loss rises from 0.300 to 0.500 while training loss falls from 0.500 to 0.300. Validation "
            "accuracy falls from epoch 3.",
        ),
        (
            rows(FALLING[:4], [0.5, 0.3, 0.4, 0.5], [0.6, 0.7, 0.8, 0.9], [0.6, 0.8, 0.8, 0.8]),
            "Overfits from epoch 3: validation loss rises from 0.300 to 0.500 while training loss falls from 0.500 to 0.300. Validation "
            "accuracy does not fall with it.",
        ),
        (
            rows([0.60, 0.50, 0.40, 0.30, 0.20], [0.4] * 5, [0.70, 0.80, 0.86, 0.90, 0.94], [0.82, 0.85, 0.81, 0.77, 0.73]),
            "Overfits from epoch 3 by accuracy: validation accuracy falls from 0.850 to 0.730 while training accuracy rises from 0.800 to "
            "0.940. Validation loss ends as good as at its best (epoch 1).",
        ),
        (
            rows(FALLING[:4], [0.6, 0.5, 0.45, 0.4], [0.7, 0.8, 0.9, 0.94], [0.85, 0.81, 0.77, 0.73]),
            "Overfits from epoch 2 by accuracy: validation accuracy falls from 0.850 to 0.730 while training accuracy rises from 0.700 to "
            "0.940. Validation loss ends at its best in the last epoch.",
        ),
        (
            rows(FALLING[:4], [0.5, 0.4, 0.3, 0.5], [0.7, 0.8, 0.9, 0.94], [0.85, 0.81, 0.77, 0.73]),
            "Overfits from epoch 2 by accuracy: validation accuracy falls from 0.850 to 0.730 while training accuracy rises from 0.700 to "
            "0.940. Validation loss is best in epoch 3 and ends worse, but for one epoch only, by little more than its jitter, or while "
            "training does not improve.",
        ),
        (
            rows(FALLING[:4], [None] * 4, [0.7, 0.8, 0.9, 0.94], [0.85, 0.81, 0.77, 0.73]),
            "Overfits from epoch 2 by accuracy: validation accuracy falls from 0.850 to 0.730 while training accuracy rises from 0.700 to "
            "0.940.",
        ),
        (
            rows(FALLING[:5], [0.5, 0.3, 0.4, 0.5, None], [0.6, 0.7, 0.8, 0.9, 0.95], [0.6, 0.8, 0.8, 0.8, None]),
            "Overfits from epoch 3: validation loss rises from 0.300 to 0.500 while training loss falls from 0.500 to 0.300. Validation "
            "accuracy does not fall with it.",
        ),
    ],
)
def test_the_verdict_in_words(history, sentence):
    assert told(history) == sentence


@pytest.mark.parametrize("metric", ["loss", "accuracy"])
def test_a_model_of_the_best_epoch_is_told_as_such(metric):
    sentence = told(rows(FALLING[:4], [0.5, 0.3, 0.4, 0.5]), kept_by=metric)
    assert sentence.endswith(f"to 0.300. The model is that of the epoch with the best validation {metric}.")


def test_accuracy_that_falls_after_the_epoch_that_is_kept_is_told_with_it():
    history = rows(FALLING[:4], [0.4] * 4, [0.7, 0.8, 0.9, 0.94], [0.85, 0.81, 0.77, 0.73])
    assert told(history, kept_by="accuracy").endswith("(epoch 1). The model is that of the epoch with the best validation accuracy.")
