"""The workflow of several labels, as its header says to use it: the file is made, a model trained, published and asked."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fixtures_client import result_of

TOPICS = ["network", "processes", "code", "files", "numbers"]
TEXTS = ["Open a socket and send the message to the server.", "The path of a directory, or of an archive."]


@pytest.fixture(scope="module")
def table(repo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("topics") / "topics.csv"
    lines = (repo_root / "workflows/topics-csv.yaml").read_text(encoding="utf-8").splitlines()
    program = "\n".join(line[2:].removeprefix(" ") for line in lines if line.startswith("#|"))
    with path.open("wb") as file:
        subprocess.run([sys.executable, "-c", program], stdout=file, check=True, timeout=120)
    return path


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {"DISTRNN_HOME": str(tmp_path_factory.mktemp("home"))}


@pytest.fixture(scope="module")
def finished(table: Path, home: dict[str, str], repo_root: Path, distrnn_command: Callable[..., Any]) -> dict[str, Any]:
    workflow = str(repo_root / "workflows/topics-csv.yaml")
    return result_of(distrnn_command("run", workflow, "--set", f"data.path={table}", "--set", "train.epochs=5", "--json", env=home))


def test_the_workflow_trains_passes_its_gate_and_has_figures_of_all_labels(
    finished: dict[str, Any], holds_for_schema: Callable[..., Any]
) -> None:
    holds_for_schema(finished, "run")
    assert finished["promotion"]["decision"] == "promoted"
    assert finished["metrics"]["accuracy"] > 0.75
    assert finished["metrics"]["auc"] > 0.9


def test_its_report_has_a_row_for_each_label(finished: dict[str, Any]) -> None:
    page = Path(finished["report"]).read_text(encoding="utf-8")
    assert [f'<th scope="row">{topic}</th>' in page for topic in TOPICS] == [True] * len(TOPICS)


def test_the_published_model_needs_numpy_alone(finished: dict[str, Any], home: dict[str, str], client: Callable[..., Any]) -> None:
    first, second = result_of(client("-m", "distrnn", "predict", "topics-csv@production", *TEXTS, "--json", env=home))
    assert (first["label"], second["label"]) == ("network", "files")
    assert list(first["probabilities"]) == TOPICS
    assert sum(first["probabilities"].values()) == pytest.approx(1.0, abs=1e-5)
