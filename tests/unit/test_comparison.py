"""What a comparison says of several versions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.evaluation.comparison import churn, figures, sizes, times, workflow_differences
from distrnn.registry import FileEntry, Manifest

CLASSES = st.integers(0, 2)


def manifest(files, **metadata):
    entries = tuple(FileEntry(path, size, "0" * 64, path.partition("/")[0] if "/" in path else None) for path, size in files.items())
    return Manifest("m", 1, "a", "2026-11-21T00:00:00Z", entries, metadata)


def test_figures_stand_side_by_side():
    assert figures([{"accuracy": 0.5, "auc": None}, {"accuracy": 0.75, "loss": 0.25}, {"accuracy": 0.25}]) == [
        {"metric": "accuracy", "values": [0.5, 0.75, 0.25], "differences": [0.25, -0.25]},
        {"metric": "auc", "values": [None, None, None], "differences": [None, None]},
        {"metric": "loss", "values": [None, 0.25, None], "differences": [None, None]},
    ]


def test_workflows_differ_in_dotted_keys():
    a = {"name": "w", "train": {"epochs": 3, "optimizer": {"name": "adam"}}, "register": None, "list": [1, 2]}
    b = {"name": "w", "train": {"epochs": 4, "optimizer": {"name": "adam", "decay": 0.1}}, "register": {"name": "m"}, "list": [1, 3]}
    assert workflow_differences([a, b, a]) == [
        {"key": "train.epochs", "values": [3, 4, 3]},
        {"key": "list.1", "values": [2, 3, 2]},
        {"key": "train.optimizer.decay", "values": [None, 0.1, None]},
        {"key": "register.name", "values": [None, "m", None]},
    ]


WORKFLOWS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3) | st.lists(inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from("abc"), WORKFLOWS))
def test_a_workflow_does_not_differ_from_itself(workflow):
    assert workflow_differences([workflow, workflow]) == []


def test_size_of_a_form_counts_what_every_form_needs():
    a = manifest({"preprocessing.json": 5, "numpy/w": 10, "keras/m": 100}, parameters=7)
    b = manifest({"preprocessing.json": 6, "numpy/w": 20})
    assert sizes([a, b, None]) == {
        "bytes": [
            {"form": "keras", "values": [105, None, None], "differences": [None, None]},
            {"form": "numpy", "values": [15, 26, None], "differences": [11, None]},
            {"form": "all", "values": [115, 26, None], "differences": [-89, None]},
        ],
        "parameters": {"values": [7, None, None], "differences": [None, None]},
    }


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ({}, (None, None, None, None)),
        ({"seconds": "long", "history": 3}, (None, None, None, None)),
        (
            {"seconds": {"train": 9.0, "prepare": 1.5}, "history": [{"seconds": 5.0}, {"seconds": 1.0}, {"seconds": 3.0}]},
            (9.0, 3, 2.0, 10.5),
        ),
        ({"seconds": {"train": 9.0}, "history": [{"seconds": 5.0}]}, (9.0, 1, 5.0, 9.0)),
    ],
)
def test_times_leave_out_the_epoch_that_compiles(run, expected):
    assert tuple(times(run).values()) == expected


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
