"""What must hold between keys, and the line that says so."""

import json

import pytest

from distrnn.errors import WorkflowError
from distrnn.workflow import validate
from fixtures_workflow import CLASSIFIER, LANGUAGE_MODEL, changed


def refusal(document, *changes):
    for key, value in changes:
        document = changed(document, key, value)
    with pytest.raises(WorkflowError) as caught:
        validate(document, "w.yaml")
    return str(caught.value)


@pytest.mark.parametrize("document", [CLASSIFIER, LANGUAGE_MODEL], ids=["classifier", "language-model"])
def test_base_of_these_tests_is_right(document):
    assert validate(document, "w.yaml").name == document["name"]


def test_classifier_reads_documents():
    assert refusal(CLASSIFIER, ("data.source", "nietzsche")) == (
        "w.yaml: key 'data.source': expected one of imdb, synthetic-reviews, csv, jsonl, parquet, text for a classifier (model.task). "
        'Received: "nietzsche"'
    )


def test_language_model_reads_a_corpus():
    assert refusal(LANGUAGE_MODEL, ("data.source", "imdb")) == (
        "w.yaml: key 'data.source': expected one of nietzsche, python-docs, csv, jsonl, parquet, text for a language-model (model.task). "
        'Received: "imdb"'
    )


@pytest.mark.parametrize(
    ("document", "source"), [(CLASSIFIER, "synthetic-reviews"), (LANGUAGE_MODEL, "python-docs")], ids=["synthetic-reviews", "python-docs"]
)
def test_source_without_a_file_takes_no_path(document, source):
    assert refusal(document, ("data.source", source), ("data.path", "/x")) == (
        f"w.yaml: key 'data.path': expected nothing, {source} needs no file. Received: \"/x\""
    )


@pytest.mark.parametrize("html", ["strip", "keep"])
def test_html_rule_is_for_words(html):
    assert refusal(CLASSIFIER, ("data.tokenizer", {"level": "char", "html": html})) == (
        f"w.yaml: key 'data.tokenizer.html': expected nothing, characters are taken as they are. Received: \"{html}\""
    )


def test_buckets_take_the_place_of_a_vocabulary():
    assert refusal(CLASSIFIER, ("data.tokenizer", {"buckets": 100, "vocabulary_size": 50})) == (
        "w.yaml: key 'data.tokenizer.vocabulary_size': expected nothing beside data.tokenizer.buckets. Received: 50"
    )


def test_documents_of_a_classifier_are_apart_already():
    assert refusal(CLASSIFIER, ("data.tokenizer", {"boundaries": True})) == (
        "w.yaml: key 'data.tokenizer.boundaries': expected nothing for a classifier, whose documents are apart. Received: true"
    )


@pytest.mark.parametrize(("key", "value", "received"), [("ngrams", 2, "2"), ("layout", "bag", '"bag"'), ("buckets", 9, "9")])
def test_a_language_model_gives_one_token_after_another(key, value, received):
    assert refusal(LANGUAGE_MODEL, ("data.tokenizer", {"level": "char", key: value})) == (
        f"w.yaml: key 'data.tokenizer.{key}': expected nothing for a language-model, which gives one token after another. "
        f"Received: {received}"
    )


def test_test_path_is_for_files():
    assert refusal(CLASSIFIER, ("data.source", "synthetic-reviews"), ("data.test_path", "/x")) == (
        "w.yaml: key 'data.test_path': expected nothing, synthetic-reviews has no second file. Received: \"/x\""
    )


def test_test_split_has_one_origin():
    assert refusal(CLASSIFIER, ("data.test_path", "/x"), ("data.test_fraction", 0.1)) == (
        "w.yaml: key 'data.test_fraction': expected nothing beside data.test_path. Received: 0.1"
    )


def test_classifier_is_always_tested():
    assert refusal(CLASSIFIER, ("data.test_fraction", 0), ("register", None)) == (
        "w.yaml: key 'data.test_fraction': expected a number above 0 for a classifier. Received: 0"
    )


def test_splits_leave_something_to_train_on():
    assert refusal(CLASSIFIER, ("data.test_fraction", 0.5), ("data.validation_fraction", 0.5)) == (
        "w.yaml: key 'data.validation_fraction': expected less than 1 together with data.test_fraction (0.5). Received: 0.5"
    )


def test_early_stopping_needs_a_validation_split():
    assert refusal(CLASSIFIER, ("train.early_stopping", {}), ("data.validation_fraction", 0)) == (
        "w.yaml: key 'train.early_stopping': expected a validation split to watch: set data.validation_fraction above 0. "
        "Received: data.validation_fraction 0"
    )


def test_learning_rate_changes_before_the_end():
    assert refusal(CLASSIFIER, ("train.learning_rate_schedule", {"epochs": [1, 3]})) == (
        "w.yaml: key 'train.learning_rate_schedule.epochs': expected epochs below train.epochs (3), counted from 0. Received: 3"
    )


def test_batch_is_shared_evenly_by_the_replicas():
    assert refusal(CLASSIFIER, ("scaling.replicas_per_worker", 3)) == (
        "w.yaml: key 'train.global_batch_size': expected a multiple of scaling.replicas_per_worker (3). Received: 32"
    )


def test_no_gpus_on_cpu():
    assert refusal(CLASSIFIER, ("scaling.device", "cpu"), ("scaling.gpus_per_worker", 1)) == (
        "w.yaml: key 'scaling.gpus_per_worker': expected nothing or 0 with scaling.device cpu. Received: 1"
    )


def test_gpus_on_gpu():
    assert refusal(CLASSIFIER, ("scaling.device", "gpu"), ("scaling.gpus_per_worker", 0)) == (
        "w.yaml: key 'scaling.gpus_per_worker': expected an integer of at least 1, or auto, with scaling.device gpu. Received: 0"
    )


@pytest.mark.parametrize(
    ("document", "metric", "known"),
    [(CLASSIFIER, "perplexity", "accuracy, auc, loss"), (LANGUAGE_MODEL, "accuracy", "loss_nats, bits_per_character, perplexity")],
    ids=["classifier", "language-model"],
)
def test_gate_measures_what_the_model_has(document, metric, known):
    task = document["model"].get("task", "classifier")
    rule = {"alias": "production", "metric": metric, "max": 1.0}
    assert refusal(document, ("register.promote", rule)) == (
        f"w.yaml: key 'register.promote.metric': expected one of {known} for a {task}. Received: \"{metric}\""
    )


def test_gate_needs_a_test_split():
    assert refusal(LANGUAGE_MODEL, ("data.test_fraction", 0)) == (
        "w.yaml: key 'register.promote': expected a test split to measure on: set data.test_fraction above 0. "
        "Received: data.test_fraction 0"
    )


def test_gate_needs_a_rule():
    assert refusal(CLASSIFIER, ("register.promote.min", None)) == (
        "w.yaml: key 'register.promote': expected a rule for the metric: min, max or better_than. Received: none of them"
    )


def test_gate_on_a_loss_takes_max():
    assert refusal(LANGUAGE_MODEL, ("register.promote.min", 2.0)) == (
        "w.yaml: key 'register.promote.min': expected nothing for perplexity, where smaller is better: use max. Received: 2.0"
    )


def test_gate_can_be_passed():
    assert refusal(CLASSIFIER, ("register.promote.max", 0.7)) == (
        "w.yaml: key 'register.promote.min': expected at most register.promote.max (0.7). Received: 0.8"
    )


@pytest.mark.parametrize("key", ["alias", "better_than"])
@pytest.mark.parametrize("word", ["latest", "v3"])
def test_reserved_words_are_no_alias(key, word):
    assert refusal(CLASSIFIER, (f"register.promote.{key}", word)) == (
        f"w.yaml: key 'register.promote.{key}': expected an alias; latest and v<digits> name versions by themselves. Received: \"{word}\""
    )


def test_gate_needs_a_metric_or_rules():
    assert refusal(CLASSIFIER, ("register.promote", {"alias": "production"})) == (
        "w.yaml: key 'register.promote.metric': expected one of accuracy, auc, loss; the key is required where there are no "
        "register.promote.rules. Received: nothing"
    )


def test_gate_is_written_one_way():
    rules = [{"metric": "accuracy", "min": 0.8}]
    assert refusal(CLASSIFIER, ("register.promote.rules", rules)) == (
        "w.yaml: key 'register.promote.metric': expected nothing beside register.promote.rules: put it into a rule. Received: \"accuracy\""
    )


@pytest.mark.parametrize(
    ("rule", "key", "expected"),
    [
        ({"metric": "perplexity", "max": 1}, ".metric", 'one of accuracy, auc, loss for a classifier. Received: "perplexity"'),
        ({"metric": "accuracy"}, "", "a rule for the metric: min, max or better_than. Received: none of them"),
        ({"metric": "accuracy", "min_tokens": 5}, "", "a rule for the metric: min, max or better_than. Received: none of them"),
        (
            {"metric": "accuracy", "min": 0.5, "min_delta": 0.01},
            ".min_delta",
            "better_than beside it, the alias whose holder to beat by that much. Received: 0.01",
        ),
        ({"metric": "loss", "min": 0.5}, ".min", "nothing for loss, where smaller is better: use max. Received: 0.5"),
        (
            {"metric": "loss", "better_than": "latest"},
            ".better_than",
            'an alias; latest and v<digits> name versions by themselves. Received: "latest"',
        ),
        (
            {"metric": "accuracy", "min": 0.5, "min_tokens": 9, "max_tokens": 8},
            ".min_tokens",
            "at most register.promote.rules.1.max_tokens (8). Received: 9",
        ),
        (
            {"metric": "auc", "min": 0.5, "label": "positive"},
            ".label",
            'nothing for auc, which needs documents of every label. Received: "positive"',
        ),
    ],
)
def test_each_of_several_rules_is_checked(rule, key, expected):
    promote = {"alias": "production", "rules": [{"metric": "accuracy", "min": 0.8}, rule]}
    assert refusal(CLASSIFIER, ("register.promote", promote)) == f"w.yaml: key 'register.promote.rules.1{key}': expected {expected}"


@pytest.mark.parametrize(("key", "value"), [("min_tokens", 401), ("max_tokens", 10), ("label", "positive")])
def test_language_model_has_no_slices(key, value):
    expected = f"expected nothing for a language-model, whose text is one stream. Received: {json.dumps(value)}"
    assert refusal(LANGUAGE_MODEL, (f"register.promote.{key}", value)) == f"w.yaml: key 'register.promote.{key}': {expected}"


def test_two_rules_may_name_two_aliases():
    rules = [{"metric": "accuracy", "better_than": "production"}, {"metric": "loss", "better_than": "champion", "min_delta": 0.01}]
    workflow = validate(changed(CLASSIFIER, "register.promote", {"alias": "production", "rules": rules}), "w.yaml")
    assert [rule.better_than for rule in workflow.register_.promote.gate] == ["production", "champion"]


def test_short_form_means_one_rule():
    rule = {"metric": "accuracy", "min": 0.8, "better_than": "production", "min_delta": 0.01, "min_tokens": 401}
    short, long = (
        validate(changed(CLASSIFIER, "register.promote", {"alias": "production", **keys}), "w.yaml") for keys in (rule, {"rules": [rule]})
    )
    assert short.register_.promote.gate == long.register_.promote.gate
    assert short.resolved() == long.resolved()


def test_every_broken_rule_has_its_line():
    message = refusal(CLASSIFIER, ("scaling.replicas_per_worker", 3), ("register.promote.alias", "v1"))
    assert [line.split("'")[1] for line in message.splitlines()] == ["train.global_batch_size", "register.promote.alias"]


FILES = ("data", {"source": "csv", "path": "/x.csv"})


@pytest.mark.parametrize("source", ["csv", "jsonl", "parquet", "text"])
def test_files_need_a_path(source):
    assert refusal(CLASSIFIER, ("data.source", source)) == (
        f"w.yaml: key 'data.path': expected a file, a folder, a glob or an s3:// URL of one; the key is required for {source}. "
        "Received: nothing"
    )


@pytest.mark.parametrize(
    "data",
    [
        {"source": "csv", "path": "s3://bucket/*.csv", "test_path": "s3://bucket/test"},
        {"source": "imdb", "path": "s3://bucket/reviews.csv", "test_path": "s3://bucket/test.csv"},
        {"source": "imdb", "path": "s3://bucket/aclImdb"},
    ],
)
def test_files_may_lie_in_s3(data):
    validate(changed(CLASSIFIER, "data", data), "w.yaml")


def test_a_corpus_may_lie_in_s3():
    validate(changed(LANGUAGE_MODEL, "data.path", "s3://bucket/nietzsche.txt"), "w.yaml")


def test_files_lie_on_no_other_server():
    assert refusal(CLASSIFIER, FILES, ("data.path", "https://x/y.csv")) == (
        "w.yaml: key 'data.path': expected a file or folder, or an s3:// URL. Received: \"https://x/y.csv\""
    )


def test_the_file_of_keras_is_opened_from_a_disk_alone():
    assert refusal(CLASSIFIER, ("data.path", "s3://bucket/imdb.npz")) == (
        "w.yaml: key 'data.path': expected parquet files, aclImdb or a CSV file in S3; Keras' imdb.npz is opened from a disk alone: name a "
        'local file, or leave the key out to download it. Received: "s3://bucket/imdb.npz"'
    )


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("text_column", "body", 'nothing, imdb has no columns to choose from. Received: "body"'),
        ("label_column", "stars", 'nothing, imdb has no columns to choose from. Received: "stars"'),
        ("labels", "none", 'nothing for imdb. Received: "none"'),
        ("document", "line", 'nothing, only text has files that hold several documents. Received: "line"'),
        ("invalid_utf8", "refuse", 'nothing for imdb. Received: "refuse"'),
    ],
)
def test_keys_of_files_are_for_files(key, value, expected):
    assert refusal(CLASSIFIER, (f"data.{key}", value)) == f"w.yaml: key 'data.{key}': expected {expected}"


@pytest.mark.parametrize(
    ("changes", "key", "expected"),
    [
        ({"label_column": "x", "labels": "none"}, "label_column", 'nothing where no labels are read. Received: "x"'),
        ({"label_column": "text"}, "label_column", 'another column than data.text_column. Received: "text"'),
        ({"labels": {1: "a", 2: "a"}}, "labels", 'two labels or more. Received: {"1": "a", "2": "a"}'),
        ({"labels": ["a", "b", "a"]}, "labels", 'names that differ. Received: "a"'),
        ({"labels": list(range(32_768))}, "labels", "at most 32,767 labels. Received: 32,768"),
    ],
)
def test_labels_of_files_make_sense(changes, key, expected):
    assert refusal(CLASSIFIER, ("data", FILES[1] | changes)) == f"w.yaml: key 'data.{key}': expected {expected}"


@pytest.mark.parametrize("labels", [["a"], "nothing", 3, {"x": 1}])
def test_labels_are_names_a_mapping_or_none(labels):
    assert refusal(CLASSIFIER, FILES, ("data.labels", labels)).startswith(
        "w.yaml: key 'data.labels': expected none, or a list of 2 or more, each a text, or an integer, or a mapping from values to a text. "
    )


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("labels", ["a", "b"], 'nothing for a language-model. Received: ["a", "b"]'),
        ("document", "line", 'nothing for a corpus without data.tokenizer.boundaries. Received: "line"'),
        ("test_path", "/y.txt", 'nothing for a language-model, which is tested on the tail of its text. Received: "/y.txt"'),
    ],
)
def test_language_model_takes_its_files_as_one_text(key, value, expected):
    data = {"source": "text", "path": "/x.txt", "tokenizer": {"level": "char"}, key: value}
    assert refusal(LANGUAGE_MODEL, ("data", data)) == f"w.yaml: key 'data.{key}': expected {expected}"


def test_documents_without_labels_need_no_test_split():
    data = FILES[1] | {"labels": "none", "test_fraction": 0}
    assert validate(changed(changed(CLASSIFIER, "data", data), "register", None), "w.yaml").test_fraction == 0


@pytest.mark.parametrize("labels", [None, "none", ["a", "b"], {0: "a", True: "b", 2.5: "c"}])
def test_resolved_files_mean_the_same(labels):
    workflow = validate(changed(CLASSIFIER, "data", FILES[1] | {"labels": labels}), "w.yaml")
    again = validate(json.loads(workflow.resolved().model_dump_json(by_alias=True)), "w.yaml")
    assert again.resolved().model_dump_json() == workflow.resolved().model_dump_json()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"type": "mlp"}, "nothing for an mlp, which reads all documents at one length. Received: 8"),
        (
            {"pooling": "flatten", "mask_zero": True},
            "nothing for model.pooling flatten, which reads all documents at one length. Received: 8",
        ),
        (
            {"type": "lstm"},
            "model.mask_zero true beside it, or the model would learn from less padding than it meets later. "
            "Received: model.mask_zero false",
        ),
        ({"type": "lstm", "mask_zero": True, "sequence_length": 4}, "at most model.sequence_length (4). Received: 8"),
    ],
)
def test_length_buckets_need_a_model_that_does_not_see_padding(model, message):
    changes = [(f"model.{key}", value) for key, value in {"sequence_length": 80, **model}.items()]
    refused = refusal(CLASSIFIER, *changes, ("train.length_buckets", 8))
    assert refused == f"w.yaml: key 'train.length_buckets': expected {message}"


@pytest.mark.parametrize(
    ("document", "changes", "problem"),
    [
        (LANGUAGE_MODEL, [], 'nothing for a model that gives no label. Received: "validation"'),
        (
            CLASSIFIER,
            [("data.validation_fraction", 0)],
            "a validation split to choose on: set data.validation_fraction above 0. Received: data.validation_fraction 0",
        ),
        (
            CLASSIFIER,
            [("data", {"source": "csv", "path": "x.csv", "labels": ["a", "b", "c"], "validation_fraction": 0.1})],
            "nothing for more than two labels, of which the likeliest is the answer. Received: 3 labels",
        ),
    ],
)
def test_a_threshold_is_for_two_labels_with_a_validation_split(document, changes, problem):
    name = {"name": "mine", "threshold": "validation"}
    assert refusal(document, ("train.early_stopping", None), *changes, ("register", name)) == (
        f"w.yaml: key 'register.threshold': expected {problem}"
    )


def test_a_threshold_is_chosen_on_validation_data_only():
    assert refusal(CLASSIFIER, ("register", {"name": "mine", "threshold": 0.4})) == (
        "w.yaml: key 'register.threshold': expected validation. Received: 0.4"
    )


@pytest.mark.parametrize("key", ["train_limit", "validation_limit"])
def test_a_stream_is_not_limited_by_documents(key):
    assert refusal(LANGUAGE_MODEL, (f"data.{key}", 100)) == (
        f"w.yaml: key 'data.{key}': expected nothing for a language-model, whose text is one stream: use data.limit. Received: 100"
    )


def test_the_documents_to_train_on_fill_a_batch():
    assert refusal(CLASSIFIER, ("data.train_limit", 31)) == (
        "w.yaml: key 'data.train_limit': expected at least train.global_batch_size (32). Received: 31"
    )


def test_without_a_validation_split_nothing_of_it_is_limited():
    assert refusal(CLASSIFIER, ("data.validation_fraction", 0), ("data.validation_limit", 100)) == (
        "w.yaml: key 'data.validation_limit': expected nothing without a validation split: set data.validation_fraction above 0. "
        "Received: 100"
    )
