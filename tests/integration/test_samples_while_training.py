"""Samples are written while a language model learns, and the model learns as it would have without them."""

import numpy as np
import pytest

from distrnn.client import load_folder
from distrnn.cluster import outcome
from distrnn.evaluation import samples
from distrnn.progress import silent
from distrnn.storage import open_store
from distrnn.training.job import train_and_export
from distrnn.training.loop import Hooks
from distrnn.training.plan import Placement
from distrnn.workflow import validate
from fixtures_data import corpus_workflow, prepare_here

pytestmark = [
    pytest.mark.usefixtures("two_devices"),
    # Keras' own, while it saves a model.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
]
MODEL = {"task": "language-model", "type": "lstm", "window": 10, "embedding_dim": 4, "units": 8}


@pytest.fixture
def train(tmp_path):
    """Train a small corpus for four epochs; gives the outcome, the folder, workflow and dataset."""
    (tmp_path / "corpus.txt").write_text("of all that is written i love only what is written with blood. " * 40, encoding="utf-8")
    loaded = corpus_workflow(tmp_path / "corpus.txt", source="text", test_fraction=0.25)
    dataset = prepare_here(loaded, open_store(str(tmp_path / "storage")))
    section = {"epochs": 4, "global_batch_size": 4, "optimizer": {"name": "adam", "learning_rate": 0.01}, "seed": 3}
    workflow = validate({**loaded.to_json(), "model": MODEL, "train": section}, "w.yaml")

    def run(name):
        folder = tmp_path / name
        folder.mkdir()
        hooks = Hooks(silent, lambda: False, lambda _checkpoint: None)
        return train_and_export(workflow, dataset, Placement("cpu", 1, 0, 1), hooks, None, folder), folder, workflow, dataset

    return run


def test_samples_come_with_the_history_and_change_nothing_that_is_learned(train, monkeypatch):
    result, folder, workflow, dataset = train("with")
    found = outcome.describe(workflow, dataset, result, folder)
    assert [sample["epoch"] for sample in found["details"]["samples"]] == [1, 2, 4]
    assert not any("sample" in row for row in found["history"])

    model = load_folder(folder)
    details = samples.describe(model, workflow, dataset, found["details"]["samples"])
    # nothing is watched, so what is published is what had learned for four epochs
    assert details["sample"]["text"].startswith(details["samples"][-1]["text"])
    assert len({sample["text"] for sample in details["samples"]}) == 3
    assert details["held_out_copied"]["share"] == 1.0

    monkeypatch.setattr("distrnn.training.samples.is_shown", lambda _epochs: False)
    without, alone, *_ = train("without")
    assert not any("sample" in row for row in without.history)
    with np.load(folder / "numpy" / "weights.npz") as one, np.load(alone / "numpy" / "weights.npz") as other:
        assert set(one.files) == set(other.files)
        for name in one.files:
            np.testing.assert_array_equal(one[name], other[name])
