"""A key of the model that its type has no use for is refused, and the line says why."""

import pytest

from distrnn.errors import WorkflowError
from distrnn.workflow import validate
from fixtures_workflow import CLASSIFIER, changed

RECURRENT = ["simple-rnn", "gru", "lstm"]


def model(type_, **keys):
    return changed(CLASSIFIER, "model", {"type": type_, "sequence_length": 80, **keys})


def refusal(document):
    with pytest.raises(WorkflowError) as caught:
        validate(document, "w.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("type_", "keys"),
    [
        ("mlp", {"mask_zero": True, "dropout": 0.5}),
        ("mlp", {"units": 16, "activation": "tanh"}),
        ("conv", {"units": 16, "kernel_size": 80, "activation": "tanh", "mask_zero": True, "dropout": 0.5}),
        *(
            (
                type_,
                {
                    "units": 16,
                    "activation": "relu",
                    "kernel_stddev": 0.001,
                    "recurrent_initializer": "identity",
                    "dropout": 0.2,
                    "recurrent_dropout": 0.2,
                    "mask_zero": True,
                },
            )
            for type_ in RECURRENT
        ),
    ],
)
def test_keys_that_mean_something_are_taken(type_, keys):
    assert validate(model(type_, **keys), "w.yaml").model.model_dump(include=set(keys)) == keys


@pytest.mark.parametrize("type_", ["mlp", "conv"])
@pytest.mark.parametrize(
    ("key", "value", "received"), [("kernel_stddev", 0.1, "0.1"), ("recurrent_initializer", "orthogonal", '"orthogonal"')]
)
def test_initial_weights_of_a_cell_are_for_a_cell(type_, key, value, received):
    assert refusal(model(type_, **{key: value})) == (
        f"w.yaml: key 'model.{key}': expected nothing for model.type {type_}, which has no recurrent cell. Received: {received}"
    )


@pytest.mark.parametrize("type_", ["mlp", "conv"])
def test_recurrent_dropout_is_for_a_cell(type_):
    assert refusal(model(type_, recurrent_dropout=0.1)) == (
        f"w.yaml: key 'model.recurrent_dropout': expected nothing for model.type {type_}, which has no recurrent cell. Received: 0.1"
    )


@pytest.mark.parametrize("type_", ["mlp", *RECURRENT])
def test_kernel_size_is_for_a_convolution(type_):
    assert refusal(model(type_, kernel_size=3)) == (
        f"w.yaml: key 'model.kernel_size': expected nothing for model.type {type_}, which has no convolution. Received: 3"
    )


@pytest.mark.parametrize(("keys", "received"), [({"kernel_size": 81}, "81"), ({"sequence_length": 4}, "5, the default")])
def test_convolution_is_no_wider_than_a_document(keys, received):
    length = keys.get("sequence_length", 80)
    assert refusal(model("conv", **keys)) == (
        f"w.yaml: key 'model.kernel_size': expected at most model.sequence_length ({length}). Received: {received}"
    )


def test_mlp_without_a_hidden_layer_has_no_activation():
    assert refusal(model("mlp", activation="relu")) == (
        "w.yaml: key 'model.activation': expected nothing for an mlp without model.units, which has no hidden layer. Received: \"relu\""
    )


def test_every_key_has_its_line():
    message = refusal(model("mlp", kernel_size=3, activation="tanh", kernel_stddev=0.1, recurrent_dropout=0.1))
    assert [line.split("'")[1] for line in message.splitlines()] == [
        "model.kernel_size",
        "model.activation",
        "model.kernel_stddev",
        "model.recurrent_dropout",
    ]
