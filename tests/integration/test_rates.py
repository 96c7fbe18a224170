"""The formulas for matrix products against the products in TensorFlow's own graph of a step, and the machine's rate against a stopwatch."""

import math
import time
from typing import Any

import keras
import pytest
import tensorflow as tf

from distrnn.models import build_classifier, build_language_model
from distrnn.training.matrix_rate import matrix_rate, matrix_rate_of_all
from distrnn.training.model_facts import GATES
from distrnn.training.plan import Placement
from distrnn.training.rates import matrix_flops_of_row
from distrnn.workflow.sections import ClassifierModel, LanguageModel

pytestmark = pytest.mark.usefixtures("two_devices")

ROWS, LENGTH, FEATURES, UNITS, VOCABULARY = 2, 9, 4, 6, 30
CONVOLUTIONS = ("Conv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter")


def operations(model: keras.Model) -> int:
    """Floating point operations of all matrix products and convolutions in the graph of a gradient, ROWS rows, steps unrolled."""
    for layer in model.layers:
        for cell in (getattr(layer, "forward_layer", layer), getattr(layer, "backward_layer", layer)):
            if isinstance(cell, keras.layers.RNN):
                cell.unroll = True

    @tf.function(input_signature=[tf.TensorSpec([ROWS, LENGTH], tf.int32)], autograph=False)
    def gradient(tokens: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(tokens, training=True) ** 2)
        return tape.gradient(loss, [variable.value for variable in model.trainable_variables])

    return sum(products(operation) for operation in gradient.get_concrete_function().graph.get_operations())


def of_initial_states(kind: str, cells: int = 1) -> int:
    """The one product of each cell that a real step need not make: nobody asks for the gradient of the states that a row begins with."""
    return cells * 2 * ROWS * UNITS * GATES.get(kind, 0) * UNITS


def products(operation: Any) -> int:
    if operation.type in ("MatMul", "BatchMatMulV2"):
        flag = "transpose_a" if operation.type == "MatMul" else "adj_x"
        inner = operation.inputs[0].shape[-2 if operation.get_attr(flag) else -1]
        return int(2 * inner * math.prod(operation.outputs[0].shape))
    if operation.type in CONVOLUTIONS:
        image = operation.outputs[0] if operation.type == "Conv2D" else operation.inputs[2]
        kernel = operation.outputs[0] if operation.type == "Conv2DBackpropFilter" else operation.inputs[1]
        return int(2 * math.prod(image.shape) * math.prod(kernel.shape[:3]))
    return 0


@pytest.mark.parametrize(
    ("type_", "keys", "cells"),
    [
        ("simple-rnn", {}, 1),
        ("gru", {}, 1),
        ("lstm", {}, 1),
        ("lstm", {"layers": 2, "bidirectional": True, "pooling": "attention"}, 4),
        ("conv", {}, 0),
        ("conv", {"kernel_sizes": [3, 4]}, 0),
        ("mlp", {"layers": 2}, 0),
        ("mlp", {"units": None}, 0),
        ("bag", {"layers": 2, "embedding_dim": None}, 0),
    ],
)
def test_classifiers_make_the_products_that_are_counted(type_: str, keys: dict[str, Any], cells: int) -> None:
    section = ClassifierModel(**{"type": type_, "sequence_length": LENGTH, "embedding_dim": FEATURES, "units": UNITS, **keys})
    model = build_classifier(section, vocabulary_size=VOCABULARY, head="logits", classes=3)
    assert operations(model) + of_initial_states(section.type, cells) == ROWS * matrix_flops_of_row(section, VOCABULARY, classes=3)


def test_language_models_make_the_products_that_are_counted() -> None:
    section = LanguageModel(task="language-model", type="lstm", window=LENGTH, embedding_dim=FEATURES, units=UNITS)
    sizes = {"vocabulary_size": VOCABULARY, "batch": ROWS, "window": LENGTH}
    model = build_language_model(section, **sizes, head="logits")
    assert operations(model) + of_initial_states(section.type) == ROWS * matrix_flops_of_row(section, VOCABULARY)


def test_the_rate_is_that_of_a_large_product() -> None:
    rate = matrix_rate("CPU")
    matrix = tf.random.normal([2048, 2048])
    tf.linalg.matmul(matrix, matrix)
    started = time.perf_counter()
    tf.linalg.matmul(matrix, matrix).numpy()
    other = 2 * 2048**3 / (time.perf_counter() - started)
    assert 0.2 < rate / other < 20  # others use this machine too


def test_workers_add_their_rates_and_replicas_of_a_processor_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distrnn.training.matrix_rate.matrix_rate", lambda _device, _precision: 10.0)
    rates = [
        matrix_rate_of_all(Placement(*placement), "float32") for placement in (("cpu", 2, 0, 2), ("cpu", 2, 0, 1, 3), ("gpu", 2, 4, 4, 2))
    ]
    assert rates == [10.0, 30.0, 80.0]


def test_a_device_without_memory_left_has_no_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_matrix: Any) -> None:
        raise tf.errors.ResourceExhaustedError(None, None, "out of memory")

    monkeypatch.setattr("distrnn.training.matrix_rate._multiply", full)
    assert matrix_rate_of_all(Placement("cpu", 1, 0, 1), "float32") is None
