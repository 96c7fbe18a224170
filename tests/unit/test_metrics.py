import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.errors import DataError, DivergedError
from distrnn.evaluation import metrics

# few distinct scores, so that ties are the rule
SCORED = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=40)


def auc_by_pairs(scores, positive):
    pairs = [(p, n) for p, is_p in zip(scores, positive, strict=True) if is_p for n, is_n in zip(scores, positive, strict=True) if not is_n]
    return sum(1.0 if p > n else 0.5 if p == n else 0.0 for p, n in pairs) / len(pairs) if pairs else None


@given(SCORED)
def test_auc_equals_counting_every_pair(scored):
    scores, positive = np.array([s / 6 for s, _ in scored]), np.array([p for _, p in scored])
    assert metrics.auc(scores, positive) == pytest.approx(auc_by_pairs(scores, positive))


@given(SCORED)
def test_auc_depends_on_the_order_of_scores_only(scored):
    scores, positive = np.array([s / 6 for s, _ in scored]), np.array([p for _, p in scored])
    assert metrics.auc(np.exp(3 * scores), positive) == metrics.auc(scores, positive)


def test_auc_of_one_class_is_none():
    assert metrics.auc(np.array([0.1, 0.9]), np.array([True, True])) is None


def test_binary_figures_by_hand():
    found = metrics.classifier_metrics(np.array([0.8, 0.4, 0.3, 0.1], np.float32), np.array([1, 1, 0, 0]))
    assert found == {
        "accuracy": 0.75,
        "loss": pytest.approx(-(math.log(0.8) + math.log(0.4) + math.log(0.7) + math.log(0.9)) / 4, rel=1e-6),
        "auc": 1.0,
        "examples": 4,
    }


def test_one_half_is_the_negative_class():
    assert metrics.confusion_matrix(np.array([0.5], np.float32), np.array([0])).tolist() == [[1, 0], [0, 0]]


def test_another_threshold_moves_the_answers_and_nothing_else():
    probabilities, labels = np.array([0.3, 0.4, 0.6, 0.2], np.float32), np.array([0, 1, 1, 0])
    plain, moved = (metrics.classifier_metrics(probabilities, labels, threshold) for threshold in (0.5, 0.35))
    assert moved == plain | {"accuracy": 1.0}
    assert metrics.confusion_matrix(probabilities, labels, 0.35).tolist() == [[2, 0], [0, 2]]
    assert metrics.confident_mistakes(probabilities, labels, list("abcd"), ("no", "yes"), threshold=0.35) == []


def test_of_three_classes_no_threshold_is_asked():
    probabilities = np.array([[0.4, 0.3, 0.3]], np.float32)
    assert metrics.confusion_matrix(probabilities, np.array([0]), 0.1).tolist()[0] == [1, 0, 0]


def test_two_columns_say_what_one_says():
    one = np.array([0.9, 0.5, 0.2, 0.7], np.float32)
    labels = np.array([1, 1, 0, 0])
    assert metrics.classifier_metrics(np.stack([1 - one, one], 1), labels) == pytest.approx(metrics.classifier_metrics(one, labels))


def test_figures_of_three_classes():
    probabilities = np.array([[0.7, 0.2, 0.1], [0.2, 0.5, 0.3], [0.4, 0.3, 0.3]], np.float32)
    found = metrics.classifier_metrics(probabilities, np.array([0, 1, 2]))
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["loss"] == pytest.approx(-(math.log(0.7) + math.log(0.5) + math.log(0.3)) / 3, rel=1e-6)
    assert found["auc"] == pytest.approx((1.0 + 1.0 + 0.75) / 3)


def test_a_certain_mistake_costs_a_finite_loss():
    assert metrics.classifier_metrics(np.array([0.0], np.float32), np.array([1]))["loss"] == pytest.approx(-math.log(1e-7))


def test_figures_are_plain_json():
    found = metrics.classifier_metrics(np.array([0.9, 0.2], np.float32), np.array([1, 1]))
    assert json.loads(json.dumps(found, allow_nan=False)) == {"accuracy": 0.5, "loss": found["loss"], "auc": None, "examples": 2}


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60))
def test_confusion_counts_every_example_once(pairs):
    truth, predicted = np.array(pairs).T
    expected = np.zeros((4, 4), np.int64)
    for row, column in pairs:
        expected[row, column] += 1
    assert metrics.confusion_matrix(np.eye(4, dtype=np.float32)[predicted], truth).tolist() == expected.tolist()


def test_confident_mistakes_come_surest_first():
    found = metrics.confident_mistakes(
        np.array([0.6, 0.99, 0.1, 0.02], np.float32), np.array([0, 1, 1, 1]), ["a", "b", "c", "d"], ("negative", "positive"), count=2
    )
    assert found == [
        {"text": "d", "label": "positive", "predicted": "negative", "probability": pytest.approx(0.98)},
        {"text": "c", "label": "positive", "predicted": "negative", "probability": pytest.approx(0.9)},
    ]


def test_no_mistakes_is_an_empty_list():
    assert metrics.confident_mistakes(np.array([0.9], np.float32), np.array([1]), ["a"], ("no", "yes")) == []


def test_probabilities_that_are_no_numbers_are_refused():
    with pytest.raises(DivergedError) as caught:
        metrics.classifier_metrics(np.array([0.3, np.nan], np.float32), np.array([0, 1]))
    assert str(caught.value) == (
        "expected probabilities from the model. Received: values that are not numbers. Lower train.optimizer.learning_rate and train again."
    )


def test_no_example_is_refused():
    with pytest.raises(DataError) as caught:
        metrics.classifier_metrics(np.zeros(0, np.float32), np.zeros(0, int))
    assert str(caught.value) == (
        "evaluation needs at least one example. Received: none. Hold out more documents (data.test_fraction, data.limit)."
    )


def test_a_label_the_model_does_not_have_is_refused():
    with pytest.raises(DataError) as caught:
        metrics.classifier_metrics(np.array([0.3, 0.4], np.float32), np.array([0, 2]))
    assert str(caught.value) == (
        "labels must be from 0 to 1, the classes of the model. Received: 0 to 2. "
        "Evaluate on data with the labels that the model was trained on."
    )


@pytest.mark.parametrize(("shape", "labels"), [((3,), 2), ((3, 1), 3), ((3, 2, 2), 3), ((), 0)])
def test_shapes_that_do_not_fit_are_refused(shape, labels):
    with pytest.raises(ValueError, match=r"^probabilities must be \[N\] or \[N, C\], C of 2 or more, and labels \[N\]\. Received: "):
        metrics.classifier_metrics(np.zeros(shape, np.float32), np.zeros(labels, int))


def test_logits_are_refused():
    with pytest.raises(ValueError, match=r"^probabilities must be from 0 to 1\. Received: -2\.0 to 3\.0$"):
        metrics.classifier_metrics(np.array([-2.0, 3.0], np.float32), np.array([0, 1]))


def test_a_uniform_language_model_has_the_perplexity_of_its_alphabet():
    assert metrics.language_metrics(100 * math.log(64), 100) == {
        "loss_nats": pytest.approx(math.log(64)),
        "bits_per_character": pytest.approx(6.0),
        "perplexity": pytest.approx(64.0),
        "tokens": 100,
    }


def test_bits_of_longer_tokens_are_shared_by_their_characters():
    assert metrics.language_metrics(100 * math.log(64), 100, characters=300)["bits_per_character"] == pytest.approx(2.0)


@pytest.mark.parametrize("total", [math.nan, math.inf, 1e6])
def test_a_loss_without_a_perplexity_is_refused(total):
    with pytest.raises(DivergedError) as caught:
        metrics.language_metrics(total, 1)
    assert str(caught.value) == (
        f"expected a finite loss on the held-out text. Received: {total} nats a token. Lower train.optimizer.learning_rate."
    )


def test_no_token_is_refused():
    with pytest.raises(DataError) as caught:
        metrics.language_metrics(0.0, 0)
    assert str(caught.value) == (
        "evaluation needs at least one predicted token. Received: 0. "
        "Hold out more text (data.test_fraction), or take a smaller model.window."
    )


def test_the_characters_of_words_are_those_of_the_text():
    assert metrics.characters_of(["A film,", " again."], "word") == 14


def test_a_token_that_is_a_character_needs_no_count():
    assert metrics.characters_of(["A film"], "char") is None
