"""What a comparison says of two versions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.evaluation.comparison import churn, compare_versions, evaluation_set_of, figures, sizes, workflow_differences
from distrnn.registry import FileEntry, Manifest, ModelVersion

CLASSES = st.integers(0, 2)


def manifest(files, **metadata):
    entries = tuple(FileEntry(path, size, "0" * 64, path.partition("/")[0] if "/" in path else None) for path, size in files.items())
    return Manifest("m", 1, "a", "2026-11-21T00:00:00Z", entries, metadata)


def version(number=1, **metadata):
    return ModelVersion("m", number, "sha256:" + "1" * 64, manifest({"numpy/weights.npz": 10, "card": 1}, **metadata), b"")


def test_figures_stand_side_by_side():
    assert figures({"accuracy": 0.5, "auc": None}, {"accuracy": 0.75, "loss": 0.25}) == [
        {"metric": "accuracy", "a": 0.5, "b": 0.75, "difference": 0.25},
        {"metric": "auc", "a": None, "b": None, "difference": None},
        {"metric": "loss", "a": None, "b": 0.25, "difference": None},
    ]


def test_workflows_differ_in_dotted_keys():
    a = {"name": "w", "train": {"epochs": 3, "optimizer": {"name": "adam"}}, "register": None, "list": [1, 2]}
    b = {"name": "w", "train": {"epochs": 4, "optimizer": {"name": "adam", "decay": 0.1}}, "register": {"name": "m"}, "list": [1, 3]}
    assert workflow_differences(a, b) == [
        {"key": "train.epochs", "a": 3, "b": 4},
        {"key": "list.1", "a": 2, "b": 3},
        {"key": "train.optimizer.decay", "a": None, "b": 0.1},
        {"key": "register.name", "a": None, "b": "m"},
    ]


WORKFLOWS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3) | st.lists(inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from("abc"), WORKFLOWS))
def test_a_workflow_does_not_differ_from_itself(workflow):
    assert workflow_differences(workflow, workflow) == []


def test_size_of_a_form_counts_what_every_form_needs():
    a = manifest({"preprocessing.json": 5, "numpy/w": 10, "keras/m": 100}, parameters=7)
    b = manifest({"preprocessing.json": 6, "numpy/w": 20})
    assert sizes(a, b) == {
        "bytes": [
            {"form": "keras", "a": 105, "b": None, "difference": None},
            {"form": "numpy", "a": 15, "b": 26, "difference": 11},
            {"form": "all", "a": 115, "b": 26, "difference": -89},
        ],
        "parameters": {"a": 7, "b": None, "difference": None},
    }


def test_churn_by_hand():
    truth = np.array([0, 0, 1, 1, 2])
    found = churn(np.array([0, 1, 1, 0, 0]), np.array([0, 0, 0, 1, 1]), truth)
    assert found == {"documents": 5, "changed": 4, "share": 0.8, "became_right": 2, "became_wrong": 1}


@given(st.lists(st.tuples(CLASSES, CLASSES, CLASSES), min_size=1))
def test_churn_explains_the_change_of_accuracy(rows):
    a, b, truth = np.array(rows).T
    found = churn(a, b, truth)
    gain = int((b == truth).sum()) - int((a == truth).sum())
    assert found["became_right"] - found["became_wrong"] == gain
    assert found["became_right"] + found["became_wrong"] <= found["changed"] == int((a != b).sum())


@pytest.mark.parametrize("lineage", [None, [], {}, {"workflow": 3}, {"evaluation_set": 3}])
def test_metadata_of_any_shape_is_compared(lineage):
    odd = version(lineage=lineage, metrics="good", task=3, parameters="many")
    found = compare_versions(odd, version(metrics={"accuracy": 0.5}))
    assert (found["metrics"], found["workflow"]) == ([{"metric": "accuracy", "a": None, "b": 0.5, "difference": None}], [])
    assert evaluation_set_of(odd) is None


def test_versions_are_named():
    found = compare_versions(version(1, task="classifier"), version(2, task="language-model"))
    assert [(found[side]["number"], found[side]["task"]) for side in ("a", "b")] == [(1, "classifier"), (2, "language-model")]
