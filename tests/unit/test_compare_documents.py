"""What several classifiers say about the same documents."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.client import load_folder
from distrnn.errors import UsageError
from distrnn.evaluation.compare_documents import Answers, by_length, compare_documents, disagreements, pairs
from distrnn.evaluation.metrics import classifier_metrics

TEXTS = ["good film", "the bad film", "not good", "bad bad bad film", "the good not bad film"]
LABELS = np.array([1, 0, 0, 0, 1], np.int8)


def two_classes(*probabilities):
    """Answers of models that give these probabilities to the second of two labels: [M, N]."""
    last = np.array(probabilities)
    return Answers(np.stack([1.0 - last, last], axis=2), (last > 0.5).astype(int), [])


def test_models_are_judged_on_the_same_documents(tiny_classifier):
    models = [load_folder(tiny_classifier(f"m{seed}", seed=seed)) for seed in (1, 5, 9)]
    events = []
    found = compare_documents("abc", models, TEXTS, LABELS, events.append)
    expected = [classifier_metrics(model.predict(TEXTS), LABELS) for model in models]
    assert {row["metric"]: row["values"] for row in found["metrics"]} == {key: [one[key] for one in expected] for key in expected[0]}
    assert [share["share"] for share in found["accuracy"]] == [one["accuracy"] for one in expected]
    assert [pair["models"] for pair in found["pairs"]] == [["a", "b"], ["a", "c"], ["b", "c"]]
    assert [(group["low"], group["high"], group["examples"]) for group in found["lengths"]] == [(2, 5, 5)]
    assert [(event.stage, event.done, event.total) for event in events] == [("evaluate", 5, 15), ("evaluate", 10, 15), ("evaluate", 15, 15)]


def test_models_of_different_labels_are_not_compared(tiny_classifier):
    models = [load_folder(tiny_classifier("two")), load_folder(tiny_classifier("three", labels=("a", "b", "c")))]
    with pytest.raises(UsageError, match=r"^they have different labels: negative, positive, and a, b, c$"):
        compare_documents("ab", models, TEXTS, LABELS)


def test_a_pair_by_hand():
    truth = np.array([0, 0, 1, 1, 1, 1, 1, 1])
    one, other = np.array([0, 0, 0, 0, 0, 0, 0, 1]), np.array([0, 1, 1, 1, 1, 1, 1, 1])
    (found,) = pairs("ab", np.stack([one, other]), truth)
    assert (found["became_right"], found["became_wrong"], found["changed"], found["documents"]) == (5, 1, 6, 8)
    assert (found["better"], found["margin"], found["real"]) == ("b", 0.5, False)
    assert found["p"] == found["corrected"] == pytest.approx(2 * 7 / 64)


@given(st.lists(st.tuples(*[st.integers(0, 2)] * 4), min_size=1, max_size=30))
def test_a_margin_is_the_difference_of_the_accuracies(rows):
    truth, *classes = np.array(rows).T
    right = [float((one == truth).mean()) for one in classes]
    for found in pairs("012", np.stack(classes), truth):
        one, other = (right[int(name)] for name in found["models"])
        assert found["margin"] == pytest.approx(abs(one - other))
        assert found["better"] == (None if one == other else found["models"][0 if one > other else 1])


def test_groups_of_length_hold_every_document_once():
    words = np.random.default_rng(0).integers(1, 400, 1_000)
    right = np.random.default_rng(1).random((2, 1_000)) < 0.8
    groups = by_length(words, right)
    assert len(groups) == 6
    assert sum(group["examples"] for group in groups) == 1_000
    assert all(group["high"] + 1 == after["low"] for group, after in itertools.pairwise(groups))
    assert [sum(group["models"][model]["right"] for group in groups) for model in (0, 1)] == right.sum(axis=1).tolist()


@given(st.lists(st.integers(0, 5), min_size=1, max_size=400))
def test_equal_lengths_are_in_one_group(words):
    groups = by_length(np.array(words), np.ones((1, len(words)), np.bool_))
    assert sum(group["examples"] for group in groups) == len(words)
    assert all(group["low"] <= group["high"] and group["examples"] for group in groups)


def test_the_widest_disagreement_comes_first():
    told = two_classes([0.9, 0.5, 0.1, 0.3], [0.8, 0.5, 0.9, 0.8])
    found = disagreements(told, ["t0", "t1", "t2", "t3"], np.array([1, 1, 0, 1]), ("no", "yes"))
    assert [(row["text"], row["label"], row["about"], row["answers"]) for row in found] == [
        ("t2", "no", "yes", ["no", "yes"]),
        ("t3", "yes", "yes", ["no", "yes"]),
        ("t0", "yes", "yes", ["yes", "yes"]),
    ]
    assert found[0]["probabilities"] == [0.1, 0.9]
    assert found[0]["spread"] == pytest.approx(0.8)
    assert len(disagreements(told, ["t"] * 4, np.zeros(4, int), ("no", "yes"), count=1)) == 1


def test_with_several_labels_the_one_they_disagree_on_is_told():
    scores = np.array([[[0.2, 0.7, 0.1]], [[0.2, 0.1, 0.7]], [[0.3, 0.3, 0.4]]])
    (row,) = disagreements(Answers(scores, scores.argmax(axis=2), []), ["text"], np.array([0]), ("a", "b", "c"))
    assert (row["about"], row["probabilities"], row["answers"]) == ("b", [0.7, 0.1, 0.3], ["b", "c", "c"])
