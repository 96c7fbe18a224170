"""What is said of a language model before it is built: its parameters, its layers, its matrix products and its kernels."""

from typing import Any

import pytest

from distrnn.training.architecture import BATCH, architecture
from distrnn.training.divergence import advice
from distrnn.training.kernel_plan import kernels_for
from distrnn.training.model_facts import cudnn_obstacles, parameter_counts
from distrnn.training.plan import Placement
from distrnn.training.rates import matrix_flops_of_row
from distrnn.workflow.sections import LanguageModel, Train

V, W, F, U, H = 50, 5, 8, 4, 6
ONE = Placement("cpu", 1, 0, 1)


def model(**keys: Any) -> LanguageModel:
    return LanguageModel.model_validate({"task": "language-model", "type": "lstm", "window": W, "embedding_dim": F, "units": U, **keys})


CASES = [
    ({"type": "dense", "embedding_normalization": "none"}, {"embedding": V * F, "simple_rnn": U * (F + U + 1), "output": V * (U + 1)}),
    ({"type": "gru", "embedding_dim": None}, {"one_hot": V * V, "gru": 3 * U * (V + U + 2), "output": V * (U + 1)}),
    (
        {"layers": 2, "hidden_units": H, "embedding_normalization": "layer"},
        {
            "embedding": V * F,
            "layer_normalization": 2 * F,
            "lstm_1": 4 * U * (F + U + 1),
            "lstm_2": 4 * U * (U + U + 1),
            "hidden": H * (U + 1),
            "output": V * (H + 1),
        },
    ),
]


@pytest.mark.parametrize(("keys", "counts"), CASES)
def test_parameters_of_each_layer(keys: dict[str, Any], counts: dict[str, int]) -> None:
    assert parameter_counts(model(**keys), V) == counts


@pytest.mark.parametrize("keys", [keys for keys, _ in CASES])
def test_every_layer_with_parameters_is_drawn(keys: dict[str, Any]) -> None:
    drawn = {stage.layer: stage.parameters for stage in architecture(model(**keys), V) if stage.parameters is not None}
    assert drawn == parameter_counts(model(**keys), V)


def test_a_writer_is_drawn() -> None:
    writer = model(layers=2, hidden_units=H, dropout=0.2, embedding_dropout=0.1, output_dropout=0.3)
    assert [(stage.layer, stage.does, stage.output) for stage in architecture(writer, V)] == [
        ("tokens", "window of a stream", (BATCH, W)),
        ("embedding", "a vector for each of 50 ids", (BATCH, W, F)),
        ("batch_normalization", "of the features", (BATCH, W, F)),
        ("embedding_dropout", "drops 0.1 of the features", (BATCH, W, F)),
        ("lstm_1", "tanh, state carried on, dropout 0.2", (BATCH, W, U)),
        ("lstm_2", "tanh, state carried on, dropout 0.2", (BATCH, W, U)),
        ("hidden", "relu", (BATCH, W, H)),
        ("output_dropout", "drops 0.3", (BATCH, W, H)),
        ("output", "softmax over 50 ids", (BATCH, W, V)),
    ]


def test_a_recurrence_by_hand_is_drawn() -> None:
    by_hand = model(type="dense", predict="last", embedding_dim=None)
    assert [(stage.layer, stage.does, stage.output) for stage in architecture(by_hand, V)] == [
        ("tokens", "window by itself", (BATCH, W)),
        ("one_hot", "one of 50", (BATCH, W, V)),
        ("simple_rnn", "tanh, unrolled by hand, from zeros", (BATCH, U)),
        ("output", "softmax over 50 ids", (BATCH, V)),
    ]


@pytest.mark.parametrize(
    ("keys", "products"),
    [
        ({"type": "dense", "predict": "last"}, W * (F + U) * U + U * V),
        ({"type": "gru", "embedding_dim": None}, W * (V + U) * 3 * U + W * U * V),
        ({"layers": 2, "hidden_units": H}, W * ((F + U) * 4 * U + (U + U) * 4 * U) + W * (U * H + H * V)),
    ],
)
def test_matrix_products_of_a_window(keys: dict[str, Any], products: int) -> None:
    assert matrix_flops_of_row(model(**keys), V) == 3 * 2 * products


@pytest.mark.parametrize(
    ("keys", "layers", "compiled"),
    [
        ({}, "fused", "step"),
        ({"type": "simple-rnn", "activation": "relu", "stateful": False, "embedding_normalization": "none"}, "fused", "step"),
        ({"type": "dense"}, "keras", "step"),
    ],
)
def test_kernels_of_one_device(keys: dict[str, Any], layers: str, compiled: str) -> None:
    kernels = kernels_for(model(**keys), Train(epochs=1), ONE)
    assert (kernels.layers, kernels.compiled) == (layers, compiled)


@pytest.mark.parametrize(
    ("keys", "parts"),
    [({"stateful": False, "embedding_normalization": "none"}, 2), ({"stateful": False}, 1), ({}, 1)],
)
def test_rows_are_cut_only_where_they_do_not_meet(keys: dict[str, Any], parts: int) -> None:
    """Batch normalisation looks at all rows, and a state belongs to a row."""
    assert kernels_for(model(window=40, **keys), Train(epochs=1), Placement("cpu", 2, 0, 1)).step_parts == parts


def test_what_keeps_cudnn_away() -> None:
    assert cudnn_obstacles(model(type="dense")) == ["model.type dense has no fused kernel"]
    assert cudnn_obstacles(model(activation="relu")) == ["model.activation is not tanh"]
    assert cudnn_obstacles(model()) == []


CARRIED = "model.activation tanh or model.stateful false, because nothing bounds a state of relu that is carried on"


@pytest.mark.parametrize(
    ("keys", "start"),
    [
        ({"activation": "relu"}, CARRIED),
        ({"activation": "relu", "stateful": False}, "a smaller train.optimizer.learning_rate (now 0.001)"),
        ({}, "a smaller train.optimizer.learning_rate (now 0.001)"),
    ],
)
def test_a_state_that_nothing_bounds_is_named_first_where_training_diverges(keys: dict[str, Any], start: str) -> None:
    told = advice(Train(epochs=1), model(type="simple-rnn", **keys), 0)
    assert told.startswith(f"The likely cure: {start}; or ")
    assert ("model.activation tanh, which is bounded" in told) == (keys.get("stateful") is False)
