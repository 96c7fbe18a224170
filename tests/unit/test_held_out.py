"""Figures of published models on raw text, by slice, and what two of them say about the same documents."""

import math
from dataclasses import replace

import numpy as np
import pytest

from distrnn import Registry
from distrnn.client import load_folder
from distrnn.errors import NotFoundError, UsageError
from distrnn.evaluation.held_out import compare, measure, measure_version
from distrnn.evaluation.metrics import classifier_metrics
from distrnn.registry.rules import Slice
from distrnn.runtime import Preprocessing
from distrnn.storage import open_store

TEXTS = ["good film", "the bad film", "not good", "bad bad bad film", "the good not bad film"]
LABELS = np.array([1, 0, 0, 0, 1], np.int8)


def test_a_slice_has_the_figures_of_its_documents(tiny_classifier):
    model = load_folder(tiny_classifier())
    long, none = Slice(min_tokens=4), Slice(min_tokens=99)
    found = measure(model, TEXTS, LABELS, [long, none])
    assert found[None] == classifier_metrics(model.predict(TEXTS), LABELS)
    assert found[long] == classifier_metrics(model.predict(TEXTS)[3:], LABELS[3:])
    assert found[none] == {"examples": 0}


def test_a_model_is_judged_with_its_own_threshold(tiny_classifier):
    folder = tiny_classifier()
    probabilities = load_folder(folder).predict(TEXTS)
    threshold = float(np.sort(probabilities)[2])
    replace(Preprocessing.read(folder), threshold=threshold).write(folder)
    model = load_folder(folder)
    part = Slice(min_tokens=1)
    expected = classifier_metrics(probabilities, LABELS, threshold)
    assert measure(model, TEXTS, LABELS, [part]) == {None: expected, part: expected}
    assert compare(model, model, TEXTS, LABELS)["metrics"]["a"] == expected
    assert expected["accuracy"] == np.mean((probabilities > threshold) == LABELS)


def test_a_slice_of_a_language_model_is_refused(tiny_language_model):
    with pytest.raises(UsageError) as caught:
        measure(load_folder(tiny_language_model()), ["a cab"], LABELS, [Slice(min_tokens=4)])
    assert caught.value.message == (
        "the model is a language model, whose text is one stream. Expected rules without min_tokens, max_tokens and label. "
        "Received: min_tokens=4"
    )


def test_a_version_is_measured_on_a_set_by_its_digest(tmp_path, tiny_classifier, keep_evaluation_set):
    registry, store = Registry(tmp_path / "registry"), open_store(str(tmp_path / "storage"))
    version = registry.publish("m", tiny_classifier(), metadata={})
    digest = keep_evaluation_set(store, TEXTS, LABELS.tolist())
    found = measure_version(registry, store, version, digest, [Slice(label="positive")])
    assert {part and str(part): figures["examples"] for part, figures in found.items()} == {None: 5, "label=positive": 2}


def test_a_set_that_is_elsewhere_says_where_to_look(tmp_path, tiny_classifier):
    registry = Registry(tmp_path / "registry")
    version = registry.publish("m", tiny_classifier(), metadata={})
    with pytest.raises(NotFoundError) as caught:
        measure_version(registry, open_store(str(tmp_path / "storage")), version, "e5" * 32)
    assert caught.value.message == (
        f"the evaluation set e5e5e5e5e5e5 is not in {tmp_path}/storage. Name the storage root that it was made in (--storage, or "
        "storage.root of the workflow)."
    )


def test_two_classifiers_are_compared_on_the_same_documents(tiny_classifier):
    one, other = load_folder(tiny_classifier("one", seed=1)), load_folder(tiny_classifier("other", seed=5))
    found = compare(one, other, TEXTS, LABELS)
    said = [model.predict(TEXTS) > 0.5 for model in (one, other)]
    assert found["metrics"] == {"a": measure(one, TEXTS, LABELS)[None], "b": measure(other, TEXTS, LABELS)[None]}
    assert found["churn"]["changed"] == int((said[0] != said[1]).sum()) > 0


def test_a_model_does_not_churn_against_itself(tiny_classifier):
    model = load_folder(tiny_classifier(labels=("a", "b", "c")))
    assert compare(model, model, TEXTS, LABELS)["churn"] == {
        "documents": 5,
        "changed": 0,
        "share": 0.0,
        "became_right": 0,
        "became_wrong": 0,
    }


def test_two_language_models_are_compared_by_their_loss(tiny_language_model):
    models = [load_folder(tiny_language_model(name, seed=seed)) for name, seed in (("one", 1), ("other", 2))]
    found = compare(*models, ["a cab fed", " a bad egg"], LABELS)
    assert found["churn"] is None
    assert [found["metrics"][side]["tokens"] for side in ("a", "b")] == [18, 18]
    assert found["metrics"]["a"]["perplexity"] == pytest.approx(math.exp(found["metrics"]["a"]["loss_nats"]))


def test_what_cannot_be_compared_says_why(tiny_classifier, tiny_language_model):
    two, three = load_folder(tiny_classifier("two")), load_folder(tiny_classifier("three", labels=("a", "b", "c")))
    with pytest.raises(UsageError, match=r"^the two have different labels: negative, positive, and a, b, c$"):
        compare(two, three, TEXTS, LABELS)
    with pytest.raises(UsageError, match=r"^one is a classifier and the other a language model$"):
        compare(two, load_folder(tiny_language_model()), TEXTS, LABELS)
