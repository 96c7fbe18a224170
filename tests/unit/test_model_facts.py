"""What is known of a model before it is built: its parameters, and what keeps cuDNN away."""

from typing import Any

import pytest

from distrnn.training.model_facts import cudnn_obstacles, parameter_counts
from distrnn.workflow.sections import ClassifierModel, LanguageModel

LANGUAGE = {"task": "language-model", "type": "lstm", "window": 8}


def classifier(type_: str, **keys: Any) -> ClassifierModel:
    return ClassifierModel(type=type_, sequence_length=80, **keys)


def test_parameters_of_the_lesson_classifier() -> None:
    counts = parameter_counts(classifier("lstm", embedding_dim=128, units=128), 20_000)
    assert counts == {"embedding": 2_560_000, "lstm": 131_584, "output": 129}


def test_parameters_of_the_lesson_language_model() -> None:
    counts = parameter_counts(LanguageModel(**LANGUAGE, embedding_dim=42, units=256), 86)
    assert counts == {"embedding": 3612, "batch_normalization": 168, "lstm": 306_176, "output": 22_102}


def test_parameters_of_the_lesson_networks() -> None:
    """Without the head: Embedding 10,000 × 32 with one and with four SimpleRNN 32; SimpleRNN 5 on Embedding 50, and that network in all."""
    one, four = (parameter_counts(classifier("simple-rnn", embedding_dim=32, units=32, layers=layers), 10_000) for layers in (1, 4))
    tiny = parameter_counts(classifier("simple-rnn", embedding_dim=50, units=5, activation="relu"), 20_000)
    assert [sum(counts.values()) - counts["output"] for counts in (one, four)] == [322_080, 328_320]
    assert tiny == {"embedding": 1_000_000, "simple_rnn": 280, "output": 6}
    assert sum(tiny.values()) == 1_000_286


@pytest.mark.parametrize(
    ("type_", "keys", "counts"),
    [
        ("simple-rnn", {"units": 32}, {"simple_rnn": 32 * (32 + 32 + 1), "output": 33}),
        ("gru", {"units": 32}, {"gru": 3 * 32 * (32 + 32 + 2), "output": 33}),
        ("conv", {"units": 32, "kernel_sizes": [3]}, {"conv_3": (3 * 32 + 1) * 32, "output": 33}),
        ("conv", {"units": 9, "kernel_sizes": [3, 4]}, {"conv_3": (3 * 32 + 1) * 9, "conv_4": (4 * 32 + 1) * 9, "output": 19}),
        ("conv", {}, {"conv_5": (5 * 32 + 1) * 128, "output": 129}),
        ("conv", {"units": 9, "pooling": "attention"}, {"conv_5": (5 * 32 + 1) * 9, "attention": 9, "output": 10}),
        ("conv", {"units": 9, "pooling": "flatten"}, {"conv_5": (5 * 32 + 1) * 9, "output": 80 * 9 + 1}),
        ("gru", {"units": 8, "pooling": "flatten"}, {"gru": 3 * 8 * (32 + 8 + 2), "output": 80 * 8 + 1}),
        ("mlp", {"units": 16}, {"hidden": (80 * 32 + 1) * 16, "output": 17}),
        ("mlp", {"units": 16, "layers": 2}, {"hidden_1": (80 * 32 + 1) * 16, "hidden_2": 17 * 16, "output": 17}),
        ("mlp", {}, {"output": 80 * 32 + 1}),
        ("lstm", {"units": 8, "layers": 2}, {"lstm_1": 4 * 8 * (32 + 8 + 1), "lstm_2": 4 * 8 * (8 + 8 + 1), "output": 9}),
        ("lstm", {"units": 8, "embedding_normalization": "layer"}, {"layer_normalization": 64, "lstm": 4 * 8 * 41, "output": 9}),
        ("lstm", {"units": 8, "embedding_normalization": "batch"}, {"batch_normalization": 128, "lstm": 4 * 8 * 41, "output": 9}),
        (
            "gru",
            {"units": 8, "layers": 2, "bidirectional": True, "pooling": "attention"},
            {"gru_1": 2 * 3 * 8 * (32 + 8 + 2), "gru_2": 2 * 3 * 8 * (16 + 8 + 2), "attention": 16, "output": 17},
        ),
    ],
)
def test_parameters_of_each_type(type_: str, keys: dict[str, Any], counts: dict[str, int]) -> None:
    assert parameter_counts(classifier(type_, embedding_dim=32, **keys), 1000) == {"embedding": 32_000, **counts}


@pytest.mark.parametrize(
    ("keys", "counts"),
    [
        ({"units": 16}, {"words": 16_000, "words_bias": 16, "output": 3 * 17}),
        ({"units": 16, "layers": 2}, {"words": 16_000, "words_bias": 16, "hidden_2": 17 * 16, "output": 3 * 17}),
        ({}, {"words": 3000, "words_bias": 3}),
    ],
)
def test_parameters_of_a_bag_with_three_labels(keys: dict[str, Any], counts: dict[str, int]) -> None:
    assert parameter_counts(classifier("bag", **keys), 1000, classes=3) == counts


def test_cudnn_is_prevented_by_name() -> None:
    keys = {"activation": "relu", "recurrent_activation": "hard-sigmoid", "recurrent_dropout": 0.2, "mask_zero": True, "padding": "pre"}
    assert cudnn_obstacles(classifier("gru", **keys)) == [
        "model.activation is not tanh",
        "model.recurrent_activation is not sigmoid",
        "model.recurrent_dropout is not 0",
        "model.mask_zero with model.padding pre (the mask must be right-padded)",
    ]


def test_cudnn_is_prevented_in_a_language_model_by_recurrent_dropout() -> None:
    assert cudnn_obstacles(LanguageModel(**LANGUAGE, recurrent_dropout=0.2)) == ["model.recurrent_dropout is not 0"]


@pytest.mark.parametrize("type_", ["gru", "lstm"])
@pytest.mark.parametrize("keys", [{}, {"activation": "tanh", "dropout": 0.5}, {"mask_zero": True, "padding": "post"}])
def test_cudnn_can_be_used_without_obstacles(type_: str, keys: dict[str, Any]) -> None:
    assert cudnn_obstacles(classifier(type_, **keys)) == []


def test_a_simple_rnn_has_no_kernel_of_cudnn() -> None:
    assert cudnn_obstacles(classifier("simple-rnn", recurrent_dropout=0.2)) == ["model.type simple-rnn has no fused kernel"]


@pytest.mark.parametrize("type_", ["mlp", "conv"])
def test_nothing_is_in_the_way_where_nothing_is_recurrent(type_: str) -> None:
    assert cudnn_obstacles(classifier(type_, mask_zero=True)) == []
