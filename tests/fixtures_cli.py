"""The command line without a process of its own, in an empty folder with an empty home; the schemas of what it prints."""

import copy
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest
from typer.testing import CliRunner, Result

from distrnn.cli.main import app

SCHEMAS = Path(__file__).parent / "schemas"
FINISHED = {
    "run_id": "reviews-20261121-015300-ab12",
    "workflow": "reviews",
    "task": "classifier",
    "dataset": {"fingerprint": "5c" * 32, "path": "/storage/datasets/5c5c5c5c5c5c5c5c", "cache": "miss", "distinct_tokens": 8018},
    "metrics": {"accuracy": 0.986, "loss": 0.0489, "auc": 0.9985, "examples": 3000},
    "train_metrics": {"loss": 0.004, "accuracy": 0.9998},
    "history": [
        {
            "epoch": 0,
            "loss": 0.004,
            "accuracy": 0.9998,
            "validation_loss": 0.03,
            "validation_accuracy": 0.99,
            "learning_rate": 0.003,
            "seconds": 4.2,
            "tokens_per_s": 200_000.0,
            "samples_per_s": 4_000.0,
            "steps": 125,
            "data_wait_s": 0.01,
        }
    ],
    "version": {"name": "reviews", "number": 1, "digest": "sha256:" + "33" * 32, "unchanged": False},
    "promotion": {
        "alias": "production",
        "decision": "promoted",
        "rules": [
            {
                "metric": "accuracy",
                "candidate": 0.986,
                "holder": None,
                "required": 0.9,
                "passed": True,
                "slice": None,
                "examples": 3000,
            }
        ],
        "forced": False,
        "evaluation_set": "e5" * 32,
        "replaced_rules": [],
    },
    "report": "/storage/runs/reviews-20261121-015300-ab12/report.html",
    "seconds": {"start": 3.9, "prepare": 2.0, "train": 83.5},
}


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run a command line; the working folder is `tmp_path`, the home is a folder in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISTRNN_HOME", str(tmp_path / "home"))

    def run(*arguments: object, stdin: str | None = None) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin, prog_name="distrnn")

    return run


@pytest.fixture
def finished_run() -> dict[str, Any]:
    """The document of a run that went well."""
    return copy.deepcopy(FINISHED)


@pytest.fixture
def fake_pipeline(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Stands in for `distrnn.cluster.pipeline`, which starts Ray; `calls` are the arguments it was called with."""
    module = SimpleNamespace(calls=[], result=copy.deepcopy(FINISHED), events=[], error=None)

    def answer(*arguments: Any, progress: Callable[[Any], None], **options: Any) -> Any:
        module.calls.append((arguments, options))
        for event in module.events:
            progress(event)
        if module.error is not None:
            raise module.error
        return module.result

    module.run_workflow = lambda *arguments, **options: SimpleNamespace(to_json=lambda: answer(*arguments, **options))
    module.prepare_workflow = answer
    monkeypatch.setitem(sys.modules, "distrnn.cluster.pipeline", module)
    monkeypatch.setattr("distrnn.cli.extras.find_spec", lambda name: name)
    return module


@pytest.fixture
def workflow_file(tmp_path: Path, classifier: dict[str, Any]) -> Path:
    """A workflow that is right."""
    file = tmp_path / "reviews.yaml"
    file.write_text(json.dumps(classifier))
    return file


@pytest.fixture(scope="session")
def holds_for_schema() -> Callable[[Any, str], None]:
    """Check a document against one of the schemas."""

    def check(document: Any, name: str) -> None:
        jsonschema.validate(document, json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8")))

    return check
