"""The section of a language model: what its type decides, and what is refused because it would mean nothing."""

import pytest

from distrnn.errors import WorkflowError
from distrnn.workflow import validate
from fixtures_workflow import LANGUAGE_MODEL, changed


def model(**keys):
    return validate(changed(LANGUAGE_MODEL, "model", {**LANGUAGE_MODEL["model"], **keys}), "w.yaml").model


def refusal(**keys):
    with pytest.raises(WorkflowError) as caught:
        model(**keys)
    return str(caught.value)


@pytest.mark.parametrize(
    ("keys", "stateful", "normalization"),
    [
        ({}, True, "batch"),
        ({"type": "gru", "stateful": False}, False, "batch"),
        ({"type": "dense"}, False, "batch"),
        ({"type": "dense", "embedding_dim": None}, False, "none"),
        ({"embedding_normalization": "layer"}, True, "layer"),
    ],
)
def test_defaults_follow_from_the_type(keys, stateful, normalization):
    resolved = model(**keys).resolved()
    assert (resolved.stateful, resolved.embedding_normalization) == (stateful, normalization)
    assert (resolved.layers, resolved.activation) == (1, "tanh")
    assert resolved.resolved() == resolved


@pytest.mark.parametrize(("predict", "predictions"), [("every", 8), ("last", 1)])
def test_a_window_teaches_so_many_tokens(predict, predictions):
    assert model(predict=predict).predictions == predictions


def test_what_is_unrolled_by_hand_is_published_as_the_cell_that_it_is():
    published = model(type="dense", predict="last", activation="relu").published
    assert (published.type, published.predict, published.stateful, published.activation) == ("simple-rnn", "every", False, "relu")


def test_a_one_hot_token_has_no_embedding_to_begin_with():
    assert model(embedding_dim=None).resolved().initializers.embeddings is None
    assert model().resolved().initializers.embeddings.type == "uniform"


@pytest.mark.parametrize("key", ["embedding_dropout", "dropout", "recurrent_dropout", "output_dropout"])
def test_each_dropout_is_random(key):
    assert not model().draws_random
    assert model(**{key: 0.1}).draws_random


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (
            {"type": "dense", "stateful": True},
            "stateful': expected false for model.type dense, whose steps begin anew with each window. Received: true",
        ),
        ({"type": "dense", "layers": 2}, "layers': expected 1 for model.type dense, which is unrolled by hand. Received: 2"),
        ({"type": "dense", "dropout": 0.1}, "dropout': expected nothing for model.type dense, which has no recurrent cell. Received: 0.1"),
        (
            {"type": "dense", "recurrent_dropout": 0.1},
            "recurrent_dropout': expected nothing for model.type dense, which has no recurrent cell. Received: 0.1",
        ),
        (
            {"embedding_dim": None, "embedding_normalization": "batch"},
            'embedding_normalization\': expected none without an embedding (model.embedding_dim null). Received: "batch"',
        ),
        (
            {"embedding_dim": None, "weights_from": "other"},
            "weights_from': expected nothing without an embedding (model.embedding_dim null), whose weights belong to one vocabulary. "
            'Received: "other"',
        ),
        (
            {"embedding_dim": None, "embedding_dropout": 0.1},
            "embedding_dropout': expected nothing without an embedding (model.embedding_dim null). Received: 0.1",
        ),
        (
            {"embedding_dim": None, "initializers": {"embeddings": {"type": "zeros"}}},
            'initializers.embeddings\': expected nothing for model.type lstm, which has no embedding. Received: {"type": "zeros"}',
        ),
        (
            {"initializers": {"kernel": {"type": "identity"}}},
            'initializers.kernel.type\': expected another one: identity is for recurrent weights. Received: "identity"',
        ),
    ],
)
def test_a_key_that_means_nothing_is_refused(keys, line):
    assert refusal(**keys) == f"w.yaml: key 'model.{line}"


def test_words_are_too_many_for_one_hot_vectors():
    document = changed(changed(LANGUAGE_MODEL, "data.tokenizer.level", "word"), "model.embedding_dim", None)
    with pytest.raises(WorkflowError) as caught:
        validate(document, "w.yaml")
    assert str(caught.value) == (
        "w.yaml: key 'model.embedding_dim': expected a number for words, of which there are too many for one-hot vectors. Received: null"
    )
