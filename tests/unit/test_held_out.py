"""Figures of published models on raw text, by slice, and what two of them say about the same documents."""

from dataclasses import replace

import numpy as np
import pytest

from distrnn import Registry
from distrnn.client import load_folder
from distrnn.errors import NotFoundError, UsageError
from distrnn.evaluation.held_out import measure, measure_version
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
