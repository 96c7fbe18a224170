"""The floating point operations of a row's matrix products, by hand, and the share of a machine's rate that they come to."""

from typing import Any

import pytest

from distrnn.training.rates import matrix_flops_of_row, matrix_share, throughput
from distrnn.workflow.sections import ClassifierModel, LanguageModel

LESSON = ClassifierModel(type="lstm", sequence_length=80, embedding_dim=128, units=128)


def test_operations_of_the_lesson_classifier() -> None:
    """Each of 80 tokens: 128 features and 128 units into 4 gates of 128 units; at the end 128 units into one."""
    assert matrix_flops_of_row(LESSON, 20_000) == 3 * 2 * (80 * (128 + 128) * 4 * 128 + 128) == 62_915_328


def test_operations_of_the_lesson_language_model() -> None:
    model = LanguageModel(task="language-model", type="lstm", window=8, embedding_dim=42, units=256)
    assert matrix_flops_of_row(model, 86) == 3 * 2 * 8 * ((42 + 256) * 4 * 256 + 256 * 86)


@pytest.mark.parametrize(
    ("type_", "keys", "multiplications"),
    [
        ("simple-rnn", {"units": 6}, 9 * (4 + 6) * 6 + 6),
        ("gru", {"units": 6}, 9 * (4 + 6) * 3 * 6 + 6),
        ("lstm", {"units": 6}, 9 * (4 + 6) * 4 * 6 + 6),
        ("lstm", {}, 9 * (4 + 128) * 4 * 128 + 128),
        ("lstm", {"units": 6, "layers": 2}, 9 * (4 + 6) * 4 * 6 + 9 * (6 + 6) * 4 * 6 + 6),
        ("gru", {"units": 6, "bidirectional": True, "pooling": "attention"}, 2 * 9 * (4 + 6) * 3 * 6 + 9 * 12 + 12),
        ("lstm", {"units": 6, "layers": 2, "pooling": "flatten"}, 9 * (4 + 6) * 4 * 6 + 9 * (6 + 6) * 4 * 6 + 9 * 6),
        ("conv", {"units": 6, "kernel_sizes": [3, 4], "pooling": "flatten"}, 9 * 7 * 4 * 6 + 9 * 12),
        ("conv", {"units": 6, "kernel_sizes": [3]}, 9 * 3 * 4 * 6 + 6),
        ("conv", {"units": 6, "kernel_sizes": [3, 4]}, 9 * 7 * 4 * 6 + 12),
        ("conv", {"units": 6}, 9 * 5 * 4 * 6 + 6),
        ("mlp", {"units": 6}, 9 * 4 * 6 + 6),
        ("mlp", {"units": 6, "layers": 3}, 9 * 4 * 6 + 2 * 6 * 6 + 6),
        ("mlp", {}, 9 * 4),
        ("bag", {"units": 6, "layers": 2}, 6 * 6 + 6),
        ("bag", {}, 0),
    ],
)
def test_operations_of_each_type(type_: str, keys: dict[str, Any], multiplications: int) -> None:
    model = ClassifierModel(type=type_, sequence_length=9, embedding_dim=None if type_ == "bag" else 4, **keys)
    assert matrix_flops_of_row(model, 1000) == 6 * multiplications


def test_share_of_the_rate() -> None:
    assert matrix_share(LESSON, 20_000, samples_per_s=1000.0, rate=629_153_280_000.0) == pytest.approx(0.1)


def test_without_a_rate_there_is_no_share() -> None:
    assert matrix_share(LESSON, 20_000, samples_per_s=1000.0, rate=None) is None


def test_throughput_is_that_of_the_last_epoch() -> None:
    history = [{"tokens_per_s": 1.0, "samples_per_s": 0.1}, {"tokens_per_s": 2.0, "samples_per_s": 0.2}]
    assert throughput(history, 0.3) == {"tokens_per_s": 2.0, "samples_per_s": 0.2, "matrix_share": 0.3}
