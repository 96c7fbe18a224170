"""What a finished training amounts to: figures, calibration, and a threshold that the validation split chooses."""

import numpy as np
import pytest
import yaml

from distrnn.client import load_folder
from distrnn.evaluation.metrics import classifier_metrics
from distrnn.evaluation.threshold import choose_threshold
from distrnn.runtime import Preprocessing
from distrnn.storage import open_store
from distrnn.workflow import validate
from fixtures_data import document_workflow, prepare_here
from fixtures_runtime import tiny_layers, write_form

EPOCH = {"epoch": 0, "loss": 0.6, "accuracy": 0.7, "tokens_per_s": 1000.0, "samples_per_s": 10.0}


@pytest.fixture
def describe(review_folder, tmp_path):
    """Judge a small model that was never trained; the register section is given."""
    from distrnn.cluster import outcome
    from distrnn.training.job import HeldOut, Outcome

    loaded = document_workflow(review_folder, validation_fraction=0.3)
    dataset = prepare_here(loaded, open_store(str(tmp_path / "storage")))

    def run(register):
        workflow = validate({**yaml.safe_load(yaml.safe_dump(loaded.to_json())), "register": register}, "w.yaml")
        folder = tmp_path / "model"
        write_form(folder / "numpy", *tiny_layers(ids=dataset.vocabulary.size))
        outcome.preprocessing(workflow, dataset).write(folder)
        _, texts, labels = dataset.evaluation_texts()
        held_out = HeldOut(load_folder(folder).predict(texts), np.asarray(labels, np.int64))
        found = outcome.describe(workflow, dataset, Outcome([EPOCH], held_out, 7, {"train": 1.0}, None), folder)
        return found, held_out, dataset, folder

    return run


def test_a_threshold_is_chosen_on_the_validation_split_and_published(describe):
    found, held_out, dataset, folder = describe({"name": "mine", "threshold": "validation"})
    model, reader = load_folder(folder), dataset.reader("validation")
    probabilities = model.class_probabilities(reader.pad_rows(np.arange(reader.rows), 10, "pre", "pre"))[:, 1]
    expected = choose_threshold(probabilities, reader.labels)
    assert found["details"]["threshold"] == expected
    assert model.threshold == expected["threshold"] != 0.5
    assert found["metrics"] == classifier_metrics(held_out.probabilities, held_out.labels, expected["threshold"])
    assert np.sum(found["details"]["confusion"]) == found["metrics"]["examples"]


@pytest.mark.parametrize("register", [{"name": "mine"}, None])
def test_without_the_key_one_half_decides_and_nothing_is_written(describe, register):
    found, held_out, _, folder = describe(register)
    assert found["details"]["threshold"] is None
    assert Preprocessing.read(folder).threshold is None
    assert found["metrics"] == classifier_metrics(held_out.probabilities, held_out.labels)


def test_a_classifier_is_calibrated_on_the_test_split(describe):
    found, held_out, *_ = describe(None)
    calibration = found["details"]["calibration"]
    assert sum(part["examples"] for part in calibration["bins"]) == len(held_out.labels)
