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

MARGIN = 0.06  # above chance, which is within 0.5 ± 0.022 of 2,000 test reviews in 19 of 20 cases
REVIEWS = {"data.limit": 2000, "scaling.device": "cpu", "register.promote": None}
QUICK = {"train.epochs": 4, "train.optimizer.name": "adam", "train.optimizer.learning_rate": 0.003, "train.global_batch_size": 32}
SLOWER = {"train.epochs": 6, "train.optimizer.learning_rate": 0.001}
SHORT = {**REVIEWS, **QUICK, "model.sequence_length": 120, "train.keep_best": None}
TEACHER = {**REVIEWS, "data.tokenizer.vocabulary_size": 50_000, "train.global_batch_size": 32, "train.epochs": 4}
LANGUAGE = {
    **QUICK,
    "train.optimizer.learning_rate": 0.01,
    "train.global_batch_size": 16,
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
    assert teacher > 0.5 + MARGIN
    assert run(stage, keys) > 0.5 + MARGIN


def test_vectors_of_a_file(run: Run, shared_data: Path) -> None:
    """Tuned, and of all reviews: of 200, with the vectors as they are, it is so near to chance that 2,000 test reviews cannot tell."""
    keys = {"data.train_limit": None, "data.validation_limit": None, "data.validation_fraction": 0.1, "model.pretrained.trainable": True}
    vectors = {"model.pretrained.path": str(shared_data / "glove/glove.6B.100d.head2604.txt")}
    assert run("imdb-glove-200", {**REVIEWS, **QUICK, **SLOWER, **keys, **vectors}) > 0.5 + MARGIN


def test_an_encoder_of_a_language_model(run: Run, unlabelled: str) -> None:
    run("imdb-lm", {**LANGUAGE, "data.path": unlabelled})
    small = {"model.units": 32, "model.embedding_dim": 32, "data.tokenizer.vocabulary_size": 3000, "train.length_buckets": 2}
    steady = {"train.epochs": 8, "train.optimizer.learning_rate": 0.005, "train.learning_rate_schedule": None}
    assert run("imdb-lm-finetune", {**SHORT, **small, **steady, "model.output_dropout": 0.2, "model.embedding_dropout": 0}) > 0.5 + MARGIN
