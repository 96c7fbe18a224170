"""The published workflows that learn from more than labelled reviews, made small, on real ones: vectors of a file, a teacher's answers, a
language model's encoder. Each beats chance by a stated margin.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fixtures_client import result_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

REVIEWS = {"data.limit": 2000, "scaling.device": "cpu", "register.promote": None}
QUICK = {"train.epochs": 4, "train.optimizer": {"name": "adam", "learning_rate": 0.003}, "train.global_batch_size": 32}
SHORT = {**REVIEWS, **QUICK, "model.sequence_length": 120, "train.keep_best": None}
TEACHER = {**REVIEWS, "data.tokenizer.vocabulary_size": 50_000, "train.global_batch_size": 32, "train.epochs": 4}
LANGUAGE = {
    **QUICK,
    "data.limit": 400,
    "data.tokenizer.vocabulary_size": 3000,
    "data.test_fraction": 0.05,
    "model.weights_from": None,
    "model.window": 40,
    "model.units": 32,
    "model.embedding_dim": 32,
    "scaling.device": "cpu",
}
Run = Callable[[str, dict[str, Any]], float]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, repo_root: Path, shared_data: Path, distrnn_command: Callable[..., Any]) -> Run:
    """Run a workflow with other keys, and say how well it tells test reviews."""
    home = tmp_path_factory.mktemp("few-real-labels")

    def run(name: str, keys: dict[str, Any]) -> float:
        settings = [
            word
            for key, value in {"data.path": str(shared_data / "imdb"), **keys}.items()
            for word in ("--set", f"{key}={value if isinstance(value, str) else json.dumps(value)}")
        ]
        done = distrnn_command("run", str(repo_root / f"workflows/{name}.yaml"), *settings, "--json", env={"DISTRNN_HOME": str(home)})
        return float(result_of(done)["metrics"].get("accuracy", 0.0))

    return run


@pytest.fixture(scope="module")
def unlabelled(shared_data: Path) -> str:
    """The reviews without labels."""
    return str(shared_data / "imdb/unsupervised.parquet")


@pytest.fixture(scope="module")
def teacher(run: Run) -> float:
    """How good the teacher is that the two stages have."""
    return run("imdb-bag-of-grams", TEACHER)


@pytest.mark.parametrize("stage", ["imdb-pseudo-label", "imdb-pseudo-label-final"])
def test_a_student_of_a_teacher(stage: str, run: Run, teacher: float, unlabelled: str) -> None:
    keys = {**SHORT, "train.pseudo_labels.path": unlabelled, "train.pseudo_labels.limit": 1000}
    if stage == "imdb-pseudo-label-final":
        del keys["train.keep_best"]
    assert teacher > 0.6
    assert run(stage, keys) > 0.58


def test_vectors_of_a_file(run: Run, shared_data: Path) -> None:
    keys = {**REVIEWS, **QUICK, "model.pretrained.path": str(shared_data / "glove/glove.6B.100d.head2604.txt")}
    # all 1,000 training reviews: of 200 it is so near to chance that 2,000 test reviews cannot tell
    assert run("imdb-glove-200", {**keys, "data.train_limit": None, "data.validation_limit": None}) > 0.53


def test_an_encoder_of_a_language_model(run: Run, unlabelled: str) -> None:
    run("imdb-lm", {**LANGUAGE, "data.path": unlabelled})
    keys = {**SHORT, "model.units": 32, "model.embedding_dim": 32, "data.tokenizer.vocabulary_size": 3000, "train.length_buckets": 2}
    assert run("imdb-lm-finetune", keys) > 0.58
