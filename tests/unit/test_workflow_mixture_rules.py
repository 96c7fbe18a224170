"""What must hold where a step has other documents in it than those of the training split."""

import pytest

from distrnn.errors import WorkflowError
from distrnn.workflow import load_workflow, validate
from fixtures_workflow import CLASSIFIER, LANGUAGE_MODEL, changed

SECTION = {"teacher": "teacher@production", "path": "more.parquet", "rows": 16}
LOOKED_AT = "nothing beside train.validation_rows, which trains on the documents that it would look at"


def refusal(document, *changes):
    for key, value in changes:
        document = changed(document, key, value)
    with pytest.raises(WorkflowError) as caught:
        validate(document, "w.yaml")
    return str(caught.value)


def of_pseudo_labels(**keys):
    return ("train.pseudo_labels", {**SECTION, **keys})


def test_a_step_has_the_rows_of_all_its_documents():
    document = changed(changed(CLASSIFIER, *of_pseudo_labels()), "train.validation_rows", 4)
    workflow = validate(changed(document, "train.global_batch_size", 44), "w.yaml")
    assert (workflow.train.rows_of_step, workflow.validates) == (64, False)
    plain = validate(CLASSIFIER, "w.yaml")
    assert (plain.train.rows_of_step, plain.validates) == (32, True)


@pytest.mark.parametrize(("key", "value", "shown"), [(*of_pseudo_labels(), None), ("train.validation_rows", 4, "4")])
def test_a_stream_is_not_mixed(key, value, shown):
    message = refusal(LANGUAGE_MODEL, ("data.validation_fraction", 0.1), (key, value))
    assert message.startswith(
        f"w.yaml: key '{key}': expected nothing for a language-model, whose text is one stream. Received: {shown or ''}"
    )


@pytest.mark.parametrize(("key", "value"), [of_pseudo_labels(), ("train.validation_rows", 4)])
def test_mixed_batches_have_one_length(key, value):
    assert refusal(CLASSIFIER, ("model.mask_zero", True), ("train.length_buckets", 4), (key, value)) == (
        f"w.yaml: key 'train.length_buckets': expected nothing beside {key}, whose batches are of one length. Received: 4"
    )


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ({"path": "http://x/y"}, 'path\': expected a file or folder, or an s3:// URL. Received: "http://x/y"'),
        (
            {"source": "text", "text_column": "body"},
            'text_column\': expected nothing, text has no columns to choose from. Received: "body"',
        ),
        ({"limit": 15}, "limit': expected at least train.pseudo_labels.rows (16). Received: 15"),
        ({"threshold": 1}, "threshold': expected a number above 0 and below 1. Received: 1"),
    ],
)
def test_wrong_keys_of_pseudo_labels(keys, line):
    assert refusal(CLASSIFIER, of_pseudo_labels(**keys)) == f"w.yaml: key 'train.pseudo_labels.{line}"


def test_a_teacher_is_a_reference():
    assert refusal(CLASSIFIER, of_pseudo_labels(teacher="Teacher@v0")) == (
        "w.yaml: key 'train.pseudo_labels.teacher': expected NAME, NAME@ALIAS, NAME@v3 or NAME@sha256:…, in lower case, of a published "
        'classifier. Received: "Teacher@v0"'
    )


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (("train.early_stopping", {"metric": "loss"}), f"train.early_stopping': expected {LOOKED_AT}. Received: "),
        (("train.keep_best", "loss"), f'train.keep_best\': expected {LOOKED_AT}. Received: "loss"'),
        (("register.threshold", "validation"), f'register.threshold\': expected {LOOKED_AT}. Received: "validation"'),
    ],
)
def test_nothing_is_selected_on_documents_that_are_trained_on(change, line):
    assert refusal(CLASSIFIER, ("train.validation_rows", 4), change).startswith(f"w.yaml: key '{line}")


def test_rows_of_the_validation_split_need_one():
    assert refusal(CLASSIFIER, ("data.validation_fraction", 0), ("train.validation_rows", 4)) == (
        "w.yaml: key 'train.validation_rows': expected nothing without a validation split: set data.validation_fraction above 0. "
        "Received: 4"
    )


def test_all_rows_of_a_step_are_shared_out():
    assert refusal(CLASSIFIER, of_pseudo_labels(rows=15), ("scaling.workers", 2)) == (
        "w.yaml: key 'train.global_batch_size': expected a multiple of scaling.workers (2) together with the other rows of a step. "
        "Received: 47"
    )


def test_documents_are_looked_for_beside_the_workflow(tmp_path):
    (tmp_path / "w.yaml").write_text(
        "name: w\ndata: {source: imdb}\nmodel: {type: lstm, sequence_length: 9}\n"
        "train: {epochs: 1, pseudo_labels: {teacher: t, path: more.parquet, rows: 2}}\n"
    )
    assert load_workflow(tmp_path / "w.yaml").workflow.train.pseudo_labels.path == str(tmp_path / "more.parquet")
