"""The expected calibration error and the threshold, by hand and against counting everything."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.errors import DataError
from distrnn.evaluation.calibration import BINS, calibration
from distrnn.evaluation.threshold import choose_threshold

# few distinct probabilities, so that ties are the rule; 0, 1 and one half among them
SCORED = st.lists(st.tuples(st.integers(0, 10), st.integers(0, 1)), min_size=1, max_size=30)


def arrays(scored):
    return np.array([score / 10 for score, _ in scored]), np.array([label for _, label in scored])


def test_the_error_by_hand():
    # two answers of 0.9 and 0.8 confidence: the one of 0.9 right, of two with 0.8 one is wrong
    found = calibration(np.array([0.9, 0.2, 0.8]), np.array([1, 0, 0]))
    assert found == {
        "ece": pytest.approx((2 * 0.3 + 0.1) / 3),
        "bins": [
            {"low": 11 / 15, "high": 12 / 15, "confidence": pytest.approx(0.8), "accuracy": 0.5, "examples": 2},
            {"low": 13 / 15, "high": 14 / 15, "confidence": pytest.approx(0.9), "accuracy": 1.0, "examples": 1},
        ],
    }


def test_a_model_that_is_sure_and_right_has_no_error():
    assert calibration(np.array([1.0, 0.0]), np.array([1, 0]))["ece"] == 0.0


def test_a_model_that_is_sure_and_wrong_has_the_largest_error():
    assert calibration(np.array([1.0, 0.0]), np.array([0, 1]))["ece"] == 1.0


def test_of_more_classes_the_likeliest_counts():
    found = calibration(np.array([[0.2, 0.5, 0.3], [0.5, 0.25, 0.25]]), np.array([1, 1]))
    assert (found["ece"], found["bins"][0]["accuracy"]) == (0.0, 0.5)


@given(SCORED)
def test_every_example_is_in_one_bin(scored):
    probabilities, labels = arrays(scored)
    found = calibration(probabilities, labels)
    assert sum(part["examples"] for part in found["bins"]) == len(labels)
    assert all(part["low"] - 1e-12 <= part["confidence"] <= part["high"] + 1e-12 for part in found["bins"])
    assert len(found["bins"]) <= BINS
    assert 0.0 <= found["ece"] <= 1.0
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_no_example_is_refused():
    with pytest.raises(DataError, match=r"^evaluation needs at least one example\."):
        calibration(np.zeros(0), np.zeros(0, int))


def test_the_best_threshold_lies_between_the_labels():
    found = choose_threshold(np.array([0.1, 0.2, 0.4, 0.9]), np.array([0, 0, 1, 1]))
    assert found == {"threshold": pytest.approx(0.3), "accuracy": 1.0, "accuracy_at_half": 0.75, "examples": 4}


def test_one_half_stays_where_nothing_is_gained():
    found = choose_threshold(np.array([0.1, 0.9]), np.array([0, 1]))
    assert (found["threshold"], found["accuracy"]) == (0.5, 1.0)


def test_a_threshold_may_make_all_answers_one():
    assert choose_threshold(np.array([0.6, 0.9]), np.array([0, 0]))["threshold"] == pytest.approx(0.95)


@given(SCORED)
def test_no_threshold_is_better(scored):
    probabilities, labels = arrays(scored)
    found = choose_threshold(probabilities, labels)

    def accuracy(threshold):
        return np.mean((probabilities > threshold) == labels)

    assert found["accuracy"] == accuracy(found["threshold"])
    assert found["accuracy_at_half"] == accuracy(0.5)
    assert found["accuracy"] == max(accuracy(threshold) for threshold in np.arange(0, 1.01, 0.05))
    assert 0.0 <= found["threshold"] <= 1.0
    assert found["threshold"] == 0.5 or found["accuracy"] > found["accuracy_at_half"]
