"""What a person reads when a key of a workflow is unknown, missing, or has a value it does not take."""

import pytest

from distrnn.errors import WorkflowError
from distrnn.workflow import validate
from distrnn.workflow.sections import Train
from fixtures_workflow import CLASSIFIER, LANGUAGE_MODEL, changed

TOP_KEYS = "name, data, model, train, scaling, register, storage, sweep, schedule, notify"
TRAIN_KEYS = ", ".join(Train.model_fields)
TOKENIZER_KEYS = "level, vocabulary_size, buckets, ngrams, layout, boundaries, case, html"
CLASSIFIER_KEYS = (
    "task, type, sequence_length, padding, truncating, mask_zero, embedding_dim, embedding_normalization, pretrained, weights_from, "
    "units, layers, bidirectional, kernel_sizes, pooling, activation, recurrent_activation, embedding_dropout, dropout, recurrent_dropout, "
    "output_dropout, initializers, regularizers, constraints"
)
INITIALIZERS = "zeros, ones, uniform, normal, glorot-uniform, glorot-normal, he-uniform, he-normal, orthogonal, identity"
TYPES = "one of mlp, simple-rnn, gru, lstm, conv, bag"
LANGUAGE_KEYS = (
    "task, type, window, stateful, predict, embedding_dim, embedding_normalization, weights_from, units, layers, activation, hidden_units, "
    "embedding_dropout, dropout, recurrent_dropout, output_dropout, sampled_softmax, initializers"
)
METRICS = "accuracy, auc, loss, loss_nats, bits_per_character, perplexity"
NAME = "a name of lower-case letters, digits, '.', '_' or '-', the first a letter or digit, 63 at most"


def message(document):
    with pytest.raises(WorkflowError) as caught:
        validate(document, "w.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("trian", {}, f"unknown key 'trian'. Did you mean 'train'? Expected one of {TOP_KEYS}."),
        ("zzz", 1, f"unknown key 'zzz'. Expected one of {TOP_KEYS}."),
        ("train.epoch", 3, f"unknown key 'train.epoch'. Did you mean 'train.epochs'? Expected one of {TRAIN_KEYS}."),
        ("train.batch_size", 3, f"unknown key 'train.batch_size'. Did you mean 'train.global_batch_size'? Expected one of {TRAIN_KEYS}."),
        ("train.units", 3, f"unknown key 'train.units'. Did you mean 'model.units'? Expected one of {TRAIN_KEYS}."),
        ("epochs", 3, f"unknown key 'epochs'. Did you mean 'train.epochs'? Expected one of {TOP_KEYS}."),
        (
            "data.tokenizer.levle",
            "char",
            f"unknown key 'data.tokenizer.levle'. Did you mean 'data.tokenizer.level'? Expected one of {TOKENIZER_KEYS}.",
        ),
        ("model.window", 8, f"unknown key 'model.window'. Expected one of {CLASSIFIER_KEYS}."),
    ],
)
def test_unknown_key_names_the_nearest_and_the_valid_ones(key, value, expected):
    assert message(changed(CLASSIFIER, key, value)) == f"w.yaml: {expected}"


def test_keys_of_the_other_model_are_unknown_to_a_language_model():
    wrong = changed(LANGUAGE_MODEL, "model.sequence_length", 80)
    assert message(wrong) == f"w.yaml: unknown key 'model.sequence_length'. Expected one of {LANGUAGE_KEYS}."


def test_key_that_is_no_text_is_unknown():
    assert message({**CLASSIFIER, 1: 2}) == f"w.yaml: unknown key '1'. Expected one of {TOP_KEYS}."


@pytest.mark.parametrize(
    ("key", "value", "expected", "received"),
    [
        ("train.epochs", "three", "an integer of at least 1", '"three"'),
        ("train.epochs", "3", "an integer of at least 1", '"3"'),
        ("train.epochs", 2.5, "an integer of at least 1", "2.5"),
        ("train.epochs", True, "an integer of at least 1", "true"),
        ("train.epochs", 0, "an integer of at least 1", "0"),
        ("train.epochs", None, "an integer of at least 1", "null"),
        ("train.seed", 2**31, "an integer of at least 0 and below 2147483648", "2147483648"),
        ("train.optimizer.learning_rate", 0, "a number above 0", "0"),
        ("train.optimizer.learning_rate", float("nan"), "a number above 0", "NaN"),
        ("train.early_stopping.patience", 0, "an integer of at least 1", "0"),
        ("train.learning_rate_schedule.epochs", [], "a list of 1 or more, each an integer of at least 1", "[]"),
        ("train.optimizer.name", "adma", "one of adam, rmsprop, sgd", '"adma"'),
        ("data.validation_fraction", 1.0, "a number of at least 0 and below 1", "1.0"),
        ("data.validation_fraction", "20%", "a number of at least 0 and below 1", '"20%"'),
        ("data.source", "imbd", "one of imdb, nietzsche, synthetic-reviews, python-docs, csv, jsonl, parquet, text", '"imbd"'),
        ("data.path", 3, "a text", "3"),
        ("model.mask_zero", "no", "true or false", '"no"'),
        ("model.type", "gruu", TYPES, '"gruu"'),
        ("model.initializers.kernel", "normal", "a section with the keys type, limit, stddev, gain", '"normal"'),
        ("model.initializers.bias.type", "zero", f"one of {INITIALIZERS}", '"zero"'),
        ("model.kernel_sizes", [], "a list of 1 or more, each an integer of at least 1", "[]"),
        ("model.task", "clasifier", "one of classifier, language-model, embedding", '"clasifier"'),
        ("model", [1], f"a section with the keys {CLASSIFIER_KEYS}", "[1]"),
        ("data.tokenizer", "word", f"a section with the keys {TOKENIZER_KEYS}", '"word"'),
        ("scaling.actors", 0, "an integer of at least 1, or auto", "0"),
        ("scaling.actors", "many", "an integer of at least 1, or auto", '"many"'),
        ("name", "IMDB LSTM", NAME, '"IMDB LSTM"'),
        ("register.promote.min", "high", "a number", '"high"'),
    ],
)
def test_wrong_value_says_what_the_key_takes(key, value, expected, received):
    line = f"key {key!r}: expected {expected}. Received: {received}"
    assert message(changed(CLASSIFIER, key, value)) == f"w.yaml: {line}"


def test_item_of_a_list_is_named_by_its_position():
    wrong = changed(CLASSIFIER, "train.learning_rate_schedule", {"epochs": [1, "x"]})
    assert message(wrong) == "w.yaml: key 'train.learning_rate_schedule.epochs.1': expected an integer of at least 1. Received: \"x\""


STEP_KEYS = "type, epochs, factor"
COSINE_KEYS = "type, warmup_epochs, final_factor"


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (
            {"epochs": [1], "facto": 0.1},
            f"unknown key 'train.learning_rate_schedule.facto'. Did you mean 'train.learning_rate_schedule.factor'? "
            f"Expected one of {STEP_KEYS}.",
        ),
        (
            {"type": "cosine", "warmup": 1},
            "unknown key 'train.learning_rate_schedule.warmup'. Did you mean 'train.learning_rate_schedule.warmup_epochs'? "
            f"Expected one of {COSINE_KEYS}.",
        ),
        (
            {"type": "cosine", "factor": 0.1},
            "unknown key 'train.learning_rate_schedule.factor'. Did you mean 'train.learning_rate_schedule.final_factor'? "
            f"Expected one of {COSINE_KEYS}.",
        ),
        (
            {"type": "one-cycle", "peak_at": 1},
            "key 'train.learning_rate_schedule.peak_at': expected a number above 0 and below 1. Received: 1",
        ),
        (
            {"type": "cosin"},
            "key 'train.learning_rate_schedule.type': expected one of step, cosine, one-cycle. Received: \"cosin\"",
        ),
        ("cosine", f"key 'train.learning_rate_schedule': expected a section with the keys {STEP_KEYS}. Received: \"cosine\""),
        (
            {"factor": 0.1},
            "key 'train.learning_rate_schedule.epochs': expected a list of 1 or more, each an integer of at least 1; the key is required. "
            "Received: nothing",
        ),
    ],
)
def test_keys_of_a_schedule_are_those_of_its_type(schedule, expected):
    assert message(changed(CLASSIFIER, "train.learning_rate_schedule", schedule)) == f"w.yaml: {expected}"


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("name", NAME),
        ("train.epochs", "an integer of at least 1"),
        ("model.type", TYPES),
        ("model.sequence_length", "an integer of at least 1"),
        ("train", f"a section with the keys {TRAIN_KEYS}"),
    ],
)
def test_missing_key_says_what_it_takes(key, expected):
    assert message(changed(CLASSIFIER, key, ...)) == f"w.yaml: key {key!r}: expected {expected}; the key is required. Received: nothing"


RULE_KEYS = "metric, min, max, better_than, min_delta, min_tokens, max_tokens, label"


@pytest.mark.parametrize(
    ("rules", "key", "expected"),
    [
        ([], "rules", f"a list of 1 or more, each a section with the keys {RULE_KEYS}. Received: []"),
        ([{"min": 0.5}], "rules.0.metric", f"one of {METRICS}; the key is required. Received: nothing"),
        ([{"metric": "accuracy", "min_delta": -1}], "rules.0.min_delta", "a number of at least 0. Received: -1"),
        ([{"metric": "accuracy", "min_tokens": 0}], "rules.0.min_tokens", "an integer of at least 1. Received: 0"),
        ([{"metric": "accuracy", "better_than": "A"}], "rules.0.better_than", f'{NAME}. Received: "A"'),
    ],
)
def test_wrong_rule_is_named_by_its_position(rules, key, expected):
    wrong = changed(CLASSIFIER, "register.promote", {"alias": "production", "rules": rules})
    assert message(wrong) == f"w.yaml: key 'register.promote.{key}': expected {expected}"


def test_unknown_key_of_a_rule_names_the_valid_ones():
    rules = [{"metric": "accuracy", "minimum": 0.5}]
    assert message(changed(CLASSIFIER, "register.promote", {"alias": "production", "rules": rules})) == (
        f"w.yaml: unknown key 'register.promote.rules.0.minimum'. Did you mean 'register.promote.rules.0.min'? Expected one of {RULE_KEYS}."
    )


def test_missing_model_is_one_line():
    expected = f"a section with the keys {CLASSIFIER_KEYS}; the key is required"
    assert message(changed(CLASSIFIER, "model", ...)) == f"w.yaml: key 'model': expected {expected}. Received: nothing"


def test_every_wrong_key_has_its_line():
    wrong = changed(changed(CLASSIFIER, "train.epochs", 0), "data.limit", 0)
    assert message(wrong).splitlines() == [
        "w.yaml: key 'data.limit': expected an integer of at least 1. Received: 0",
        "w.yaml: key 'train.epochs': expected an integer of at least 1. Received: 0",
    ]


def test_long_value_is_cut():
    received = message(changed(CLASSIFIER, "train.epochs", "x" * 500)).partition("Received: ")[2]
    assert received == '"' + "x" * 98 + "…"


def test_fields_are_those_of_the_first_problem():
    with pytest.raises(WorkflowError) as caught:
        validate(changed(CLASSIFIER, "train.epoch", 1), "w.yaml")
    assert caught.value.fields == {
        "file": "w.yaml",
        "key": "train.epoch",
        "expected": f"one of {TRAIN_KEYS}",
        "received": "epoch",
        "nearest": "train.epochs",
    }
