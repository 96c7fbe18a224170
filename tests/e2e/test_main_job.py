"""The whole way: a workflow run on real text, its model pulled and used on a machine without TensorFlow and Ray, the figures compared."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fixtures_client import result_of

SMALL_CLASSIFIER = {
    "data.limit": 2000,
    "data.tokenizer.vocabulary_size": 5000,
    "model.sequence_length": 60,
    "model.embedding_dim": 32,
    "model.units": 32,
    "train.epochs": 3,
    "train.global_batch_size": 32,
    "register.promote.min": 0.6,
}
SMALL_LANGUAGE_MODEL = {
    "data.limit": 60000,
    "data.test_fraction": 0.1,
    "model.units": 64,
    "train.epochs": 2,
    "train.learning_rate_schedule": "null",
}
PREDICT_ALL = """
import json, sys
import distrnn
texts = json.load(open(sys.argv[2]))
model = distrnn.load_model(sys.argv[1])
print(json.dumps({"labels": list(model.labels), "probabilities": model.predict(texts).tolist()}))
"""
GENERATE = """
import json, sys
import distrnn
model = distrnn.load_model(sys.argv[1])
print(json.dumps([model.generate("The ", 200, seed=seed, temperature=0.5) for seed in (1, 1, 2)]))
"""


@dataclass
class Place:
    """Where datasets, runs and models go."""

    name: str
    env: dict[str, str]


@dataclass
class Finished:
    """A run that is done, and where."""

    place: Place
    document: dict[str, Any]


def sets(values: dict[str, Any], data: Path) -> list[str]:
    return [part for key, value in {"data.path": data, **values}.items() for part in ("--set", f"{key}={value}")]


@pytest.fixture(scope="module", params=["folder", "rgw"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Place:
    home = str(tmp_path_factory.mktemp(f"home-{request.param}"))
    if request.param == "folder":
        return Place("folder", {"DISTRNN_HOME": home})
    server = request.getfixturevalue("rgw_s3")
    root = server.new_url()
    locations = {"DISTRNN_STORAGE": f"{root}/storage", "DISTRNN_REGISTRY": f"{root}/registry"}
    return Place("rgw", {"DISTRNN_HOME": home, **server.environment, **locations})


@pytest.fixture(scope="module")
def classifier(place: Place, shared_data: Path, repo_root: Path, distrnn_command: Callable[..., Any]) -> Finished:
    workflow = str(repo_root / "workflows/imdb-lstm.yaml")
    done = distrnn_command("run", workflow, *sets(SMALL_CLASSIFIER, shared_data / "imdb"), "--json", env=place.env)
    return Finished(place, result_of(done))


@pytest.fixture
def fresh(tmp_path: Path, place: Place) -> dict[str, str]:
    """The environment of somebody else: the same servers, an empty home."""
    registry = place.env.get("DISTRNN_REGISTRY") or str(Path(place.env["DISTRNN_HOME"]) / "registry")
    return {**place.env, "DISTRNN_HOME": str(tmp_path / "fresh"), "DISTRNN_REGISTRY": registry}


def test_the_model_beats_chance_and_is_promoted(classifier: Finished) -> None:
    assert classifier.document["metrics"]["examples"] == 2000
    assert classifier.document["metrics"]["accuracy"] > 0.65
    assert classifier.document["promotion"]["decision"] == "promoted"
    assert (classifier.document["version"]["name"], classifier.document["version"]["number"]) == ("imdb-lstm", 1)


def test_the_version_carries_the_curves_of_its_run(
    classifier: Finished, fresh: dict[str, str], distrnn_command: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    shown = result_of(distrnn_command("models", "show", "imdb-lstm@v1", "--json", env=fresh))
    assert shown["metadata"]["history"] == classifier.document["history"]


def test_the_report_draws_the_words_that_were_learned(classifier: Finished, distrnn_command: Callable[..., Any], tmp_path: Path) -> None:
    asked = ("runs", "report", classifier.document["run_id"], "--dest", str(tmp_path / "report.html"), "--json")
    result_of(distrnn_command(*asked, env=classifier.place.env))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<h2>Vectors of words</h2>" in page
    assert "<figcaption>Most frequent words</figcaption>" in page
    assert 'aria-label="The vectors of the 300 most frequent words in the plane in which they differ most, which shows ' in page


def test_a_stranger_gets_the_figures_that_the_run_reported(
    classifier: Finished, fresh: dict[str, str], client: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    texts, labels = evaluation_set(classifier)
    (tmp_path / "texts.json").write_text(json.dumps(texts))
    answer = result_of(client("-c", PREDICT_ALL, "imdb-lstm@production", str(tmp_path / "texts.json"), env=fresh))
    probabilities = np.array(answer["probabilities"])
    assert answer["labels"] == ["negative", "positive"]
    assert np.mean((probabilities > 0.5) == labels) == pytest.approx(classifier.document["metrics"]["accuracy"], abs=1e-12)
    right = np.where(labels == 1, probabilities, 1 - probabilities)
    assert -np.log(right).mean() == pytest.approx(classifier.document["metrics"]["loss"], abs=1e-5)


def test_the_command_line_predicts_there_too(classifier: Finished, fresh: dict[str, str], client: Callable[..., Any]) -> None:
    texts = ["A wonderful, moving film with a great cast.", "Boring, bad and a waste of time. Terrible acting."]
    good, bad = result_of(client("-m", "distrnn", "predict", "imdb-lstm@production", *texts, "--json", env=fresh))
    assert (good["text"], bad["text"]) == tuple(texts)
    assert good["probabilities"]["positive"] > bad["probabilities"]["positive"]


def test_a_pulled_folder_needs_no_registry(classifier: Finished, fresh: dict[str, str], client: Callable[..., Any], tmp_path: Path) -> None:
    result_of(client("-m", "distrnn", "pull", "imdb-lstm", "--dest", str(tmp_path / "model"), "--json", env=fresh))
    assert sorted(str(path.relative_to(tmp_path / "model")) for path in (tmp_path / "model").rglob("*") if path.is_file()) == [
        "README.md",
        "numpy/model.json",
        "numpy/weights.npz",
        "preprocessing.json",
    ]


def test_offline_needs_a_pull_before(classifier: Finished, fresh: dict[str, str], client: Callable[..., Any]) -> None:
    done = client("-m", "distrnn", "pull", "imdb-lstm@v1", "--offline", "--json", env=fresh)
    assert (done.returncode, json.loads(done.stdout)["error"]) == (3, "NotFound")
    result_of(client("-m", "distrnn", "pull", "imdb-lstm@v1", "--json", env=fresh))
    result_of(client("-m", "distrnn", "pull", "imdb-lstm@v1", "--offline", "--json", env=fresh))


def test_keras_loads_the_published_model_in_safe_mode(
    classifier: Finished, fresh: dict[str, str], distrnn_command: Callable[..., Any], tmp_path: Path
) -> None:
    result_of(distrnn_command("pull", "imdb-lstm", "--for", "keras", "--dest", str(tmp_path / "keras"), "--json", env=fresh))
    code = "import sys, keras; model = keras.saving.load_model(sys.argv[1], safe_mode=True); print(model.output_shape)"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "keras/keras/model.keras")], capture_output=True, text=True, check=True
    )
    assert done.stdout == "(None, 1)\n"


def test_a_language_model_writes_there(
    place: Place, fresh: dict[str, str], shared_data: Path, repo_root: Path, distrnn_command: Callable[..., Any], client: Callable[..., Any]
) -> None:
    workflow = str(repo_root / "workflows/nietzsche-lstm.yaml")
    done = distrnn_command("run", workflow, *sets(SMALL_LANGUAGE_MODEL, shared_data / "nietzsche.txt"), "--json", env=place.env)
    metrics = result_of(done)["metrics"]
    assert metrics["tokens"] == pytest.approx(6000, rel=0.02)  # the border is that of a line
    assert metrics["loss_nats"] < 3.0
    assert metrics["bits_per_character"] == pytest.approx(metrics["loss_nats"] / np.log(2))
    first, again, other = result_of(client("-c", GENERATE, "nietzsche-lstm", env=fresh))
    assert len(first) == 200
    assert first == again != other


READ_EVALUATION_SET = """
import json, sys
from distrnn.data.dataset import open_dataset
from distrnn.storage import default_storage, open_store
_, texts, labels = open_dataset(open_store(default_storage()), sys.argv[1]).evaluation_texts()
print(json.dumps([texts, labels.tolist()]))
"""


def evaluation_set(run: Finished) -> tuple[list[str], np.ndarray]:
    """Text and labels of the test split, from the storage root."""
    command = [sys.executable, "-c", READ_EVALUATION_SET, run.document["dataset"]["fingerprint"]]
    texts, labels = json.loads(
        subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **run.place.env}).stdout
    )
    return texts, np.array(labels)
