"""Reading a workflow file: YAML, overrides, relative paths, and what it means once every default is written out."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from distrnn.errors import NotFoundError, WorkflowError
from distrnn.workflow import load_workflow, overrides_as_mapping, storage_root, validate
from distrnn.workflow.document import local_paths
from distrnn.workflow.sections import Train
from fixtures_workflow import CLASSIFIER, LANGUAGE_MODEL, changed

TRAIN_KEYS = ", ".join(Train.model_fields)
PLAIN = {"buckets": None, "ngrams": 1, "layout": "sequence", "boundaries": False}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "w.yaml"
    path.write_text(yaml.safe_dump(CLASSIFIER), encoding="utf-8")
    return path


def refusal(file, overrides=()):
    with pytest.raises(WorkflowError) as caught:
        load_workflow(file, overrides)
    return str(caught.value)


def text_refusal(tmp_path, text):
    file = tmp_path / "w.yaml"
    file.write_text(text, encoding="utf-8")
    return refusal(file).replace(str(file), "w.yaml")


def test_file_that_does_not_exist():
    with pytest.raises(NotFoundError) as caught:
        load_workflow("no/such.yaml")
    assert str(caught.value) == "no workflow file at 'no/such.yaml'. Write one with: distrnn init NAME"


def test_local_paths_are_those_that_lie_in_no_object_store():
    document = {
        "data": {"path": "/here/a.csv", "test_path": "s3://bucket/b.csv"},
        "model": {"type": "lstm", "pretrained": {"path": "/here/v.txt", "trainable": False}},
        "train": {"epochs": 1, "pseudo_labels": None},
        "storage": {"root": "file:///here"},
    }
    assert local_paths(document) == {
        "data.path": "/here/a.csv",
        "model.pretrained.path": "/here/v.txt",
        "storage.root": "file:///here",
    }


def test_folder_is_no_file(tmp_path):
    with pytest.raises(NotFoundError) as caught:
        load_workflow(tmp_path)
    assert str(caught.value) == f"no workflow file at {str(tmp_path)!r}. Write one with: distrnn init NAME"


def test_bytes_that_are_no_text(tmp_path):
    file = tmp_path / "w.yaml"
    file.write_bytes(b"name: \xff\n")
    assert refusal(file) == (
        f"{file}: expected a readable UTF-8 file. Received: 'utf-8' codec can't decode byte 0xff in position 6: invalid start byte"
    )


@pytest.mark.parametrize(
    ("text", "received"),
    [
        ("a: [", "expected the node content, but found '<stream end>' (line 1, column 5)"),
        ("name: x\ntrain: {epochs: 1,\n  epochs: 2}\n", "the key 'epochs' is given twice (line 3, column 3)"),
        (
            "name: !!python/object:os.system {}\n",
            "could not determine a constructor for the tag 'tag:yaml.org,2002:python/object:os.system' (line 1, column 7)",
        ),
        ("name: \x00\n", "special characters are not allowed"),
    ],
    ids=["unfinished", "key given twice", "python object", "control character"],
)
def test_text_that_is_no_yaml(tmp_path, text, received):
    assert text_refusal(tmp_path, text) == f"w.yaml: expected YAML. Received: {received}"


@pytest.mark.parametrize(("text", "received"), [("", "nothing"), ("- 1\n", "a list"), ("hello", "a text")], ids=["empty", "list", "text"])
def test_document_that_is_no_mapping(tmp_path, text, received):
    assert text_refusal(tmp_path, text) == f"w.yaml: expected a mapping with the keys name, data, model, train. Received: {received}"


@pytest.mark.parametrize("text", ["1e-3", "1E-3", "0.001", "1.0e-3", "+1e-3"])
def test_number_is_a_number_however_it_is_written(file, text):
    assert load_workflow(file, [f"train.optimizer.learning_rate={text}"]).workflow.train.optimizer.learning_rate == 0.001


def test_override_replaces_a_value(file):
    assert load_workflow(file, ["train.epochs=7"]).workflow.train.epochs == 7


def test_override_makes_a_missing_section(file):
    assert load_workflow(file, ["train.early_stopping.patience=4"]).workflow.train.early_stopping.patience == 4


def test_override_may_be_a_section(file):
    assert load_workflow(file, ["data.tokenizer={level: char}"]).workflow.data.tokenizer.level == "char"


def test_override_may_take_a_section_away(file):
    assert load_workflow(file, ["register=null"]).workflow.register_ is None


def test_value_of_an_override_may_hold_an_equals_sign(file):
    assert load_workflow(file, ["storage.root=s3://bucket/a=b"]).workflow.storage.root == "s3://bucket/a=b"


def test_last_override_wins(file):
    assert load_workflow(file, ["train.epochs=7", "train.epochs=8"]).workflow.train.epochs == 8


def test_overrides_may_be_a_mapping(file):
    assert load_workflow(file, {"train.epochs": 7}).workflow.train.epochs == 7


def test_override_touches_one_of_two_sections_that_share_an_anchor(tmp_path):
    text = "data: {source: imdb, tokenizer: &rules {level: word}}\n"
    file = tmp_path / "w.yaml"
    file.write_text("name: a\n" + text + "model: {type: lstm, sequence_length: 5}\ntrain: {epochs: 1, optimizer: *rules}\n")
    assert refusal(file, ["data.tokenizer.vocabulary_size=9"]).splitlines() == [
        f"{file}: unknown key 'train.optimizer.level'. Did you mean 'data.tokenizer.level'? Expected one of name, learning_rate."
    ]


@pytest.mark.parametrize("text", ["train.epochs", "=3", "a..b=3", ".=3", ""])
def test_override_that_is_no_assignment(file, text):
    assert refusal(file, [text]) == f"--set must be KEY=VALUE, for instance train.epochs=3. Received: {text!r}"


def test_override_whose_value_is_no_yaml(file):
    assert refusal(file, ["train.epochs=[1"]) == "--set train.epochs: expected a YAML value. Received: '[1'"


def test_override_below_a_value(file):
    assert refusal(file, ["train.epochs.x=3"]) == "--set train.epochs.x: expected 'epochs' to be a section. Received: 3, a value"


def test_message_about_an_override_says_that_it_was_one(file):
    assert refusal(file, ["train.epoch=3"]) == (
        f"{file} with --set: unknown key 'train.epoch'. Did you mean 'train.epochs'? Expected one of {TRAIN_KEYS}."
    )


def test_message_about_the_file_does_not_blame_the_overrides(file):
    file.write_text(yaml.safe_dump(changed(CLASSIFIER, "train.epochs", 0)))
    assert refusal(file, ["train.seed=3"]) == f"{file}: key 'train.epochs': expected an integer of at least 1. Received: 0"


@pytest.mark.parametrize(("key", "read"), [("data.path", lambda w: w.data.path), ("storage.root", lambda w: w.storage.root)])
def test_path_in_a_file_is_relative_to_the_file(file, monkeypatch, key, read):
    file.write_text(yaml.safe_dump(changed(CLASSIFIER, key, "../x")))
    monkeypatch.chdir("/")
    assert read(load_workflow(file).workflow) == str(file.parent.parent / "x")


def test_path_in_an_override_is_relative_to_the_working_folder(file, tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    assert load_workflow(file, ["data.path=../x"]).workflow.data.path == str(tmp_path / "x")


def test_path_of_a_mapping_is_relative_to_the_working_folder(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_workflow(file, {"data.test_path": "x"}).workflow.data.test_path == str(tmp_path / "x")


@pytest.mark.parametrize("pattern", ["data/*.csv", "data/**/x[0-9]?.csv"])
def test_a_glob_in_a_file_is_relative_to_the_file(file, monkeypatch, pattern):
    file.write_text(yaml.safe_dump(changed(CLASSIFIER, "data", {"source": "csv", "path": pattern, "test_path": "s3://bucket/*.csv"})))
    monkeypatch.chdir("/")
    data = load_workflow(file).workflow.data
    assert (data.path, data.test_path) == (str(file.parent / pattern), "s3://bucket/*.csv")


def test_path_may_begin_with_the_home_folder(file):
    assert load_workflow(file, ["data.path=~/x"]).workflow.data.path == str(Path.home() / "x")


@pytest.mark.parametrize("path", ["/data/x", "s3://bucket/x"])
def test_path_that_is_absolute_stays(file, path):
    assert load_workflow(file, [f"storage.root={path}"]).workflow.storage.root == path


def test_resolved_workflow_writes_the_dependent_defaults_out(file):
    data = load_workflow(file).to_json()["data"]
    assert data == {
        "source": "imdb",
        "path": None,
        **dict.fromkeys(("test_path", "text_column", "label_column", "labels", "document", "invalid_utf8")),
        "test_fraction": None,
        "validation_fraction": 0.2,
        **dict.fromkeys(("limit", "train_limit", "validation_limit")),
        "duplicates": "keep",
        "tokenizer": {"level": "word", "vocabulary_size": 20_000, **PLAIN, "case": "fold", "html": "strip"},
    }


def test_resolved_corpus_keeps_every_character_and_tests_on_a_tenth(tmp_path):
    file = tmp_path / "w.yaml"
    file.write_text(yaml.safe_dump(LANGUAGE_MODEL))
    data = load_workflow(file).to_json()["data"]
    assert (data["test_fraction"], data["validation_fraction"]) == (0.1, 0.0)
    assert data["tokenizer"] == {"level": "char", "vocabulary_size": None, **PLAIN, "case": "keep", "html": None}


KINDS = ("kernel", "recurrent", "embeddings")
INITIALIZERS = {
    "kernel": {"type": "glorot-uniform", "limit": None, "stddev": None, "gain": None},
    "recurrent": {"type": "orthogonal", "limit": None, "stddev": None, "gain": 1.0},
    "embeddings": {"type": "uniform", "limit": 0.05, "stddev": None, "gain": None},
}


@pytest.mark.parametrize(
    ("type_", "weights", "written"),
    [
        ("mlp", ("embeddings",), {}),
        ("simple-rnn", KINDS, {"units": 128, "layers": 1, "pooling": "last", "activation": "tanh"}),
        ("gru", KINDS, {"units": 128, "layers": 1, "pooling": "last", "activation": "tanh", "recurrent_activation": "sigmoid"}),
        ("lstm", KINDS, {"units": 128, "layers": 1, "pooling": "last", "activation": "tanh", "recurrent_activation": "sigmoid"}),
        ("conv", ("kernel", "embeddings"), {"units": 128, "kernel_sizes": [5], "pooling": "max", "activation": "relu"}),
        ("bag", ("kernel",), {"embedding_dim": None}),
    ],
)
def test_resolved_model_writes_out_what_depends_on_its_type(file, type_, weights, written):
    layout = "bag" if type_ == "bag" else "sequence"
    model = load_workflow(file, [f"model.type={type_}", f"data.tokenizer.layout={layout}"]).to_json()["model"]
    assert model == {
        "task": "classifier",
        "type": type_,
        "sequence_length": 80,
        "padding": "pre",
        "truncating": "pre",
        "mask_zero": False,
        "embedding_dim": 128,
        "embedding_normalization": "none",
        "bidirectional": False,
        **dict.fromkeys(("pretrained", "weights_from", "units", "layers", "kernel_sizes", "pooling", "activation", "recurrent_activation")),
        **dict.fromkeys(("embedding_dropout", "dropout", "recurrent_dropout", "output_dropout"), 0.0),
        "initializers": dict.fromkeys((*KINDS, "bias")) | {kind: INITIALIZERS[kind] for kind in weights},
        "regularizers": dict.fromkeys((*KINDS, "bias")),
        "constraints": dict.fromkeys((*KINDS, "bias")),
        **written,
    }


def test_the_parameters_of_initializers_and_constraints_are_written_out(file):
    changes = ["model.initializers.kernel.type=normal", "model.constraints.bias.type=max-norm"]
    model = load_workflow(file, changes).to_json()["model"]
    assert model["initializers"]["kernel"] == {"type": "normal", "limit": None, "stddev": 0.05, "gain": None}
    assert model["constraints"]["bias"] == {"type": "max-norm", "max_norm": 2.0}


def test_hidden_layer_of_an_mlp_has_an_activation(file):
    model = load_workflow(file, ["model.type=mlp", "model.units=9"]).to_json()["model"]
    assert (model["activation"], model["layers"]) == ("relu", 1)


@given(
    case=st.sampled_from([(CLASSIFIER, "word"), (CLASSIFIER, "char"), (LANGUAGE_MODEL, "char")]),
    validation=st.none() | st.floats(0, 0.5),
    size=st.none() | st.integers(4, 10**6),
    limit=st.none() | st.integers(1, 10**6),
    type_=st.sampled_from(["mlp", "simple-rnn", "gru", "lstm", "conv", "bag"]),
    units=st.none() | st.integers(1, 500),
)
def test_resolved_workflow_means_the_same(case, validation, size, limit, type_, units):
    document, level = case
    if document is CLASSIFIER:
        document = changed(changed(document, "model.type", type_), "model.units", units)
    document = changed(changed(document, "data.validation_fraction", validation), "data.limit", limit)
    layout = "bag" if document["model"]["type"] == "bag" else "sequence"
    workflow = validate(changed(document, "data.tokenizer", {"level": level, "vocabulary_size": size, "layout": layout}), "w.yaml")
    again = validate(workflow.resolved().model_dump(mode="json", by_alias=True), "w.yaml")
    assert again == workflow.resolved()
    assert again.data.tokenizer.spec() == workflow.data.tokenizer.spec()


def test_paths_in_an_override_of_a_whole_section_are_seen_from_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert overrides_as_mapping(["storage={root: here}", "data.path=there", "train.epochs=3"]) == {
        "storage": {"root": str(tmp_path / "here")},
        "data.path": str(tmp_path / "there"),
        "train.epochs": 3,
    }


def test_the_storage_root_is_found_in_a_file_that_needs_overrides(tmp_path):
    file = tmp_path / "w.yaml"
    file.write_text("name: unfinished\nstorage: {root: inside}\n")
    assert storage_root(file, {}) == str(tmp_path / "inside")
    assert storage_root(file, {"storage.root": "s3://bucket/root"}) == "s3://bucket/root"
