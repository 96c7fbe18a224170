"""A key of the model that its type has no use for is refused, and the line says why."""

import pytest

from distrnn.errors import WorkflowError
from distrnn.workflow import validate
from fixtures_workflow import CLASSIFIER, changed

RECURRENT = ["simple-rnn", "gru", "lstm"]
WHOLE = ["mlp", "bag"]
NO_CELL = "which has no recurrent cell"


def model(type_, **keys):
    document = changed(CLASSIFIER, "model", {"type": type_, "sequence_length": 80, **keys})
    return changed(document, "data.tokenizer", {"layout": "bag"}) if type_ == "bag" else document


def refusal(document):
    with pytest.raises(WorkflowError) as caught:
        validate(document, "w.yaml")
    return str(caught.value)


def given(type_, keys):
    """The keys as a validated model gives them back."""
    return validate(model(type_, **keys), "w.yaml").model.model_dump(include=set(keys), exclude_none=True)


OF_EMBEDDING = {"embedding_dim": 8, "embedding_dropout": 0.1, "output_dropout": 0.5, "mask_zero": True}
OF_CELLS = {
    **OF_EMBEDDING,
    "embedding_normalization": "layer",
    "units": 16,
    "layers": 2,
    "bidirectional": True,
    "pooling": "attention",
    "activation": "relu",
    "dropout": 0.2,
    "recurrent_dropout": 0.2,
    "initializers": {"kernel": {"type": "normal", "stddev": 0.001}, "recurrent": {"type": "identity", "gain": 0.5}},
    "regularizers": {"recurrent": {"l2": 0.1}, "embeddings": {"l1": 0.1, "l2": 0.2}},
    "constraints": {"recurrent": {"type": "unit-norm"}, "bias": {"type": "max-norm", "max_norm": 1.0}},
}


@pytest.mark.parametrize(
    ("type_", "keys"),
    [
        ("mlp", OF_EMBEDDING),
        ("mlp", {"units": 16, "layers": 3, "activation": "tanh", "initializers": {"bias": {"type": "ones"}}}),
        ("conv", {**OF_EMBEDDING, "units": 16, "kernel_sizes": [3, 80], "activation": "tanh", "pooling": "mean"}),
        ("conv", {"embedding_normalization": "batch", "constraints": {"kernel": {"type": "non-negative"}}}),
        ("bag", {"units": 16, "layers": 2, "activation": "tanh", "output_dropout": 0.5, "regularizers": {"kernel": {"l1": 0.1}}}),
        *((type_, OF_CELLS) for type_ in RECURRENT),
        *((type_, {"recurrent_activation": "hard-sigmoid"}) for type_ in ("gru", "lstm")),
    ],
)
def test_keys_that_mean_something_are_taken(type_, keys):
    assert given(type_, keys) == keys


@pytest.mark.parametrize("type_", ["mlp", "conv", "bag"])
@pytest.mark.parametrize(
    ("key", "value", "received"),
    [("recurrent_dropout", 0.1, "0.1"), ("bidirectional", True, "true")],
)
def test_what_belongs_to_a_cell_is_for_a_cell(type_, key, value, received):
    assert refusal(model(type_, **{key: value})) == (
        f"w.yaml: key 'model.{key}': expected nothing for model.type {type_}, {NO_CELL}. Received: {received}"
    )


@pytest.mark.parametrize("type_", ["mlp", "conv", "bag"])
def test_dropout_before_the_output_has_a_name_of_its_own(type_):
    assert refusal(model(type_, dropout=0.1)) == (
        f"w.yaml: key 'model.dropout': expected nothing for model.type {type_}, {NO_CELL}: before the output it is model.output_dropout. "
        "Received: 0.1"
    )


@pytest.mark.parametrize("type_", ["mlp", "conv", "bag", "simple-rnn"])
def test_recurrent_activation_is_for_gates(type_):
    assert refusal(model(type_, recurrent_activation="sigmoid")) == (
        f"w.yaml: key 'model.recurrent_activation': expected nothing for model.type {type_}, which has no gates. Received: \"sigmoid\""
    )


@pytest.mark.parametrize("type_", ["mlp", "bag", *RECURRENT])
def test_kernel_sizes_are_for_a_convolution(type_):
    assert refusal(model(type_, kernel_sizes=[3])) == (
        f"w.yaml: key 'model.kernel_sizes': expected nothing for model.type {type_}, which has no convolution. Received: [3]"
    )


@pytest.mark.parametrize("type_", WHOLE)
def test_pooling_is_for_steps(type_):
    assert refusal(model(type_, pooling="max")) == (
        f"w.yaml: key 'model.pooling': expected nothing for model.type {type_}, which has no steps to bring together. Received: \"max\""
    )


def test_convolutions_have_one_layer():
    assert refusal(model("conv", layers=2)) == (
        "w.yaml: key 'model.layers': expected nothing for model.type conv, whose convolutions stand side by side. Received: 2"
    )


@pytest.mark.parametrize(
    ("keys", "lack"),
    [
        ({"embedding_dim": 128}, "which has no embedding"),
        ({"embedding_dropout": 0.1}, "which has no embedding"),
        ({"embedding_normalization": "layer"}, "which has no embedding"),
        ({"pretrained": {"path": "v.txt"}}, "which has no embedding"),
        ({"mask_zero": True}, "which never counts padding"),
    ],
)
def test_a_bag_has_no_embedding(keys, lack):
    ((key, _),) = keys.items()
    assert refusal(model("bag", **keys)).startswith(f"w.yaml: key 'model.{key}': expected nothing for model.type bag, {lack}. Received: ")


def test_a_bag_counts_a_word_once():
    document = changed(CLASSIFIER, "model", {"type": "bag", "sequence_length": 80})
    assert refusal(document) == (
        "w.yaml: key 'data.tokenizer.layout': expected bag for model.type bag, which counts a word once. Received: \"sequence\""
    )


@pytest.mark.parametrize(
    ("keys", "expected", "received"),
    [
        ({"kernel_sizes": [3, 81]}, "sizes of at most model.sequence_length (80)", "[3, 81]"),
        ({"sequence_length": 4}, "sizes of at most model.sequence_length (4)", "[5], the default"),
        ({"kernel_sizes": [3, 3]}, "sizes that differ: more filters of one size are model.units", "[3, 3]"),
    ],
)
def test_convolutions_differ_and_are_no_wider_than_a_document(keys, expected, received):
    assert refusal(model("conv", **keys)) == f"w.yaml: key 'model.kernel_sizes': expected {expected}. Received: {received}"


def test_a_convolution_has_no_last_step():
    assert refusal(model("conv", pooling="last")) == (
        "w.yaml: key 'model.pooling': expected one of mean, max, attention, flatten for model.type conv, whose steps do not follow "
        'each other. Received: "last"'
    )


@pytest.mark.parametrize(("type_", "article"), [("mlp", "an mlp"), ("bag", "a bag")])
@pytest.mark.parametrize(("key", "value", "received"), [("activation", "relu", '"relu"'), ("layers", 2, "2")])
def test_without_a_hidden_layer_there_is_nothing_to_say_of_it(type_, article, key, value, received):
    assert refusal(model(type_, **{key: value})) == (
        f"w.yaml: key 'model.{key}': expected nothing for {article} without model.units, which has no hidden layer. Received: {received}"
    )


def test_the_output_of_a_bag_without_a_hidden_layer_drops_nothing():
    assert refusal(model("bag", output_dropout=0.5)) == (
        "w.yaml: key 'model.output_dropout': expected nothing for a bag without model.units, whose output is the sum of its words. "
        "Received: 0.5"
    )


def test_batch_normalization_and_a_mask_exclude_each_other():
    assert refusal(model("lstm", embedding_normalization="batch", mask_zero=True)) == (
        "w.yaml: key 'model.embedding_normalization': expected none or layer beside model.mask_zero, because the averages of a batch would "
        'count padding. Received: "batch"'
    )


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            ("model.pretrained.path", "https://x/v.txt"),
            'model.pretrained.path\': expected a file, or an s3:// URL of one. Received: "https://x/v.txt"',
        ),
        (
            ("data.tokenizer", {"level": "char"}),
            'data.tokenizer.level\': expected word beside model.pretrained, whose file holds vectors of words. Received: "char"',
        ),
        (
            ("data.tokenizer", {"buckets": 50}),
            "data.tokenizer.buckets': expected nothing beside model.pretrained: hashed tokens have no words. Received: 50",
        ),
        (
            ("model.regularizers", {"embeddings": {"l2": 0.5}}),
            "model.regularizers.embeddings': expected nothing beside model.pretrained.trainable false: vectors that stay as they are cost "
            'nothing. Received: {"l2": 0.5}',
        ),
        (
            ("model.constraints", {"embeddings": {"type": "unit-norm"}}),
            "model.constraints.embeddings': expected nothing beside model.pretrained.trainable false: vectors that stay as they are are "
            'never brought back. Received: {"type": "unit-norm"}',
        ),
    ],
)
def test_vectors_of_a_file_are_those_of_words(change, line):
    document = model("lstm", pretrained={"path": "v.txt", "trainable": False})
    assert refusal(changed(document, *change)) == f"w.yaml: key '{line}"


def test_weights_come_from_a_published_model():
    assert refusal(model("lstm", weights_from="no name")) == (
        "w.yaml: key 'model.weights_from': expected NAME, NAME@ALIAS, NAME@v3 or NAME@sha256:…, in lower case, of a published model. "
        'Received: "no name"'
    )


def test_weights_of_a_model_and_vectors_of_a_file_exclude_each_other():
    assert refusal(model("lstm", weights_from="encoder@v2", pretrained={"path": "v.txt"})) == (
        "w.yaml: key 'model.pretrained': expected nothing beside model.weights_from, which has an embedding. Received: \"v.txt\""
    )


def test_every_key_has_its_line():
    message = refusal(
        model("mlp", kernel_sizes=[3], activation="tanh", recurrent_dropout=0.1, initializers={"recurrent": {"type": "ones"}})
    )
    assert [line.split("'")[1] for line in message.splitlines()] == [
        "model.kernel_sizes",
        "model.recurrent_dropout",
        "model.activation",
        "model.initializers.recurrent",
    ]


@pytest.mark.parametrize(
    ("type_", "kind", "lack"),
    [
        ("mlp", "recurrent", "recurrent cell"),
        ("conv", "recurrent", "recurrent cell"),
        ("bag", "recurrent", "recurrent cell"),
        ("bag", "embeddings", "embedding"),
        ("mlp", "kernel", "hidden layer"),
        ("mlp", "bias", "hidden layer"),
    ],
)
@pytest.mark.parametrize(
    ("section", "value", "received"),
    [
        ("initializers", {"type": "zeros"}, '{"type": "zeros"}'),
        ("regularizers", {"l1": 0.1}, '{"l1": 0.1}'),
        ("constraints", {"type": "non-negative"}, '{"type": "non-negative"}'),
    ],
)
def test_weights_that_a_model_does_not_have(type_, kind, lack, section, value, received):
    assert refusal(model(type_, **{section: {kind: value}})) == (
        f"w.yaml: key 'model.{section}.{kind}': expected nothing for model.type {type_}, which has no {lack}. Received: {received}"
    )


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("initializers.kernel", {"type": "normal", "limit": 1.0}, ".limit': expected nothing for normal. Received: 1.0"),
        ("initializers.kernel", {"type": "zeros", "gain": 1.0}, ".gain': expected nothing for zeros. Received: 1.0"),
        (
            "initializers.kernel",
            {"type": "identity"},
            '.type\': expected another one: identity is for recurrent weights. Received: "identity"',
        ),
        (
            "initializers.bias",
            {"type": "orthogonal"},
            '.type\': expected one of zeros, ones, uniform, normal for a bias, which is no matrix. Received: "orthogonal"',
        ),
        ("regularizers.bias", {}, "': expected l1, l2 or both. Received: neither"),
        ("constraints.bias", {"type": "unit-norm", "max_norm": 1.0}, ".max_norm': expected nothing for unit-norm. Received: 1.0"),
    ],
)
def test_settings_of_weights_that_make_no_sense(key, value, problem):
    section, kind = key.split(".")
    assert refusal(model("lstm", **{section: {kind: value}})) == f"w.yaml: key 'model.{key}{problem}"


def test_buckets_of_length_are_for_models_that_ignore_padding():
    for type_, keys in (("bag", {}), ("conv", {"mask_zero": True}), ("gru", {"mask_zero": True, "bidirectional": True})):
        validate(changed(model(type_, **keys), "train.length_buckets", 4), "w.yaml")
