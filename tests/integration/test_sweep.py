"""Sweeps on a real Ray Tune: trials are ranked by validation alone, those that fail are rows too, and what was stopped goes on.

One sweep trains for real; the others have trials that only tell how they ended, and so need no TensorFlow.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from ray import cloudpickle

import fixtures_sweep
from distrnn.cluster import sweep_tune
from distrnn.cluster.pipeline import prepare_workflow
from distrnn.cluster.planning import plan
from distrnn.cluster.sweep import SweepResult, sweep_workflow
from distrnn.cluster.sweep_record import SweepOptions
from distrnn.errors import ConflictError, DataError, DivergedError, InterruptedRunError, UsageError
from distrnn.progress import Event, silent
from distrnn.workflow import load_workflow
from fixtures_sweep import DIVERGED, history

pytestmark = pytest.mark.usefixtures("local_ray")

WORKFLOW = """
name: tiny
data: {source: synthetic-reviews, limit: 200}
model: {type: mlp, sequence_length: 12, embedding_dim: 4, units: 2}
train: {epochs: 2, optimizer: {name: sgd, learning_rate: 0.01}, steps_per_call: 1}
scaling: {device: cpu}
sweep: {grid: {model.units: [2, 3]}}
"""
Trial = Callable[[dict[str, Any], Any, Any], None]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home for all sweeps of this file, so that their dataset is prepared once."""
    return tmp_path_factory.mktemp("sweeps")


@pytest.fixture(scope="module")
def workflow(home: Path) -> Path:
    file = home / "tiny.yaml"
    file.write_text(WORKFLOW)
    return file


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISTRNN_HOME", str(home))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def trials_are(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Trial], None]]:
    """Let Tune run another function than the one that trains; workers cannot import tests, so what it needs travels by value."""
    modules = [sys.modules[__name__], fixtures_sweep]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    yield lambda function: monkeypatch.setattr(sweep_tune, "run_trial", function)
    for module in modules:
        cloudpickle.unregister_pickle_by_value(module)


def tell(mailbox: Any, index: int, *accuracies: float, error: dict[str, Any] | None = None) -> None:
    outcome = {"history": history(*accuracies), "parameters": None if error else 100, "seconds": 0.5, "error": error}
    ray.get(mailbox.exchange.remote([Event("trial", 1, 1, "trials", {"trial": index, "outcome": outcome})]))


def swept(workflow: Path, grid: dict[str, list[Any]], progress: Any = silent, resume: str | None = None, **options: Any) -> SweepResult:
    return sweep_workflow(workflow, SweepOptions(options.pop("overrides", {}), grid, **options), resume=resume, progress=progress)


def hide_the_test_split(home: Path) -> list[Path]:
    """Take away what is held out: whoever opens it from now on fails."""
    hidden = [path for path in home.glob("storage/**/*") if path.is_file() and (path.name.startswith("test-") or "evaluation" in str(path))]
    for path in hidden:
        path.unlink()
    return hidden


def test_trials_are_ranked_by_validation_alone_and_the_best_one_is_a_workflow(
    workflow: Path, tmp_path: Path, home: Path, holds_for_schema: Callable[[Any, str], None]
) -> None:
    prepare_workflow(workflow)
    assert len(hide_the_test_split(home)) == 2
    told: list[str] = []
    result = swept(workflow, {"train.optimizer.learning_rate": [0.01, 1e38]}, lambda event: told.append(event.info.get("line", "")))
    document = result.document
    holds_for_schema(document, "sweep")
    assert (result.error, document["status"], document["left"], len(document["trials"])) == (None, "finished", 0, 4)
    assert [trial["values"]["train.optimizer.learning_rate"] for trial in document["trials"]] == [0.01, 0.01, 1e38, 1e38]
    assert [(trial["error"] or {}).get("error") for trial in document["trials"]] == [None, None, "Diverged", "Diverged"]
    best, second = document["trials"][:2]
    assert best["value"] == max(row["validation_accuracy"] for row in best["history"]) >= second["value"]
    assert (best["epochs"], len([line for line in told if line])) == (2, 4)

    file = Path(document["best"]["file"])
    assert file == tmp_path / "tiny-best.yaml"
    assert load_workflow(file).workflow.model.units == best["values"]["model.units"]
    planned = plan(file)
    assert (planned["dataset"]["cache"], planned["dataset"]["fingerprint"]) == ("hit", document["datasets"][0])
    assert planned["parameters"]["total"] == best["parameters"]

    record = json.loads(Path(document["record"]).read_text())
    assert {key: record[key] for key in document} == document
    assert sorted(path.name for path in Path(document["record"]).parent.iterdir()) == [
        *("best.yaml", "lock", "log.txt", "result.json", "sweep.png"),
    ]


def test_each_dataset_is_prepared_once_and_each_trial_trains_on_its_own(workflow: Path, trials_are: Callable[[Trial], None]) -> None:
    def shows_its_dataset(config: dict[str, Any], jobs: Any, mailbox: Any) -> None:
        job, index = jobs[config["trial"]], config["trial"]
        size = job.workflow["data"]["tokenizer"]["vocabulary_size"]
        error = {"error": f"{size}", "message": job.fingerprint, "code": 1}
        ray.get(
            mailbox.exchange.remote(
                [Event("trial", 1, 1, "", {"trial": index, "outcome": {"history": [], "parameters": None, "seconds": 0, "error": error}})]
            )
        )

    trials_are(shows_its_dataset)
    document = swept(workflow, {"data.tokenizer.vocabulary_size": [50, 60]}).document
    trained_on = {trial["error"]["error"]: trial["error"]["message"] for trial in document["trials"]}
    assert len(document["trials"]) == 4
    assert sorted(trained_on.values()) == document["datasets"]
    assert trained_on["50"] != trained_on["60"]


def test_a_trial_whose_process_dies_is_a_row(workflow: Path, trials_are: Callable[[Trial], None], capsys: Any) -> None:
    def dies(config: dict[str, Any], jobs: Any, mailbox: Any) -> None:
        if config["trial"] == 0:
            os._exit(1)
        tell(mailbox, config["trial"], 0.6)

    trials_are(dies)
    document = swept(workflow, {}, overrides={"train.max_failures": 0}).document
    assert [(trial["values"]["model.units"], trial["status"]) for trial in document["trials"]] == [(3, "finished"), (2, "failed")]
    assert document["trials"][1]["error"]["message"].startswith("the trial's process died: ")
    assert capsys.readouterr().out == ""


def test_a_sweep_whose_every_trial_diverges_is_an_error(workflow: Path, trials_are: Callable[[Trial], None], tmp_path: Path) -> None:
    trials_are(lambda config, jobs, mailbox: tell(mailbox, config["trial"], error=DIVERGED))
    result = swept(workflow, {})
    assert isinstance(result.error, DivergedError)
    assert (result.document["status"], result.document["best"], list(tmp_path.iterdir())) == ("failed", None, [])
    with pytest.raises(UsageError, match="there is nothing to go on with"):
        swept(workflow, {}, resume=result.document["sweep_id"])


def test_an_interrupted_sweep_keeps_its_trials_and_goes_on(
    workflow: Path, trials_are: Callable[[Trial], None], tmp_path: Path, holds_for_schema: Callable[[Any, str], None]
) -> None:
    def waits(config: dict[str, Any], jobs: Any, mailbox: Any) -> None:
        if config["trial"] == 0:
            tell(mailbox, 0, 0.6)
        while not ray.get(mailbox.exchange.remote([])):
            time.sleep(0.05)

    def interrupt(event: Event) -> None:
        if event.info.get("line"):
            os.kill(os.getpid(), signal.SIGTERM)

    trials_are(waits)
    result = swept(workflow, {"model.embedding_dim": [3, 4]}, interrupt)
    sweep_id = result.document["sweep_id"]
    assert isinstance(result.error, InterruptedRunError)
    assert (result.error.exit_code, result.document["status"], result.document["left"]) == (143, "interrupted", 3)
    assert str(result.error) == (
        f"sweep {sweep_id} was interrupted by SIGTERM; finished trials are kept. Go on with: distrnn sweep {workflow} --resume {sweep_id}"
    )
    holds_for_schema(result.document, "sweep")
    assert list(tmp_path.iterdir()) == []

    trials_are(lambda config, jobs, mailbox: tell(mailbox, config["trial"], 0.7, 0.8))
    resumed = swept(workflow, {}, resume="last")
    assert (resumed.document["sweep_id"], resumed.error, resumed.document["left"]) == (sweep_id, None, 0)
    assert [trial["value"] for trial in resumed.document["trials"]] == [0.8, 0.8, 0.8, 0.6]
    assert Path(resumed.document["best"]["file"]) == tmp_path / "tiny-best.yaml"


def test_an_output_that_exists_is_not_overwritten(workflow: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny-best.yaml").write_text("precious")
    with pytest.raises(ConflictError) as caught:
        swept(workflow, {})
    assert str(caught.value) == "tiny-best.yaml exists already and is not overwritten. Choose another --output, or remove it."
    assert (tmp_path / "tiny-best.yaml").read_text() == "precious"


def test_a_sweep_that_could_not_begin_is_no_sweep_in_progress(workflow: Path, home: Path) -> None:
    with pytest.raises(DataError, match="expected text in split 'validation'"):
        swept(workflow, {}, overrides={"data.validation_fraction": 1e-9, "data.limit": 40})
    records = [json.loads(path.read_text()) for path in home.glob("storage/sweeps/*/result.json")]
    assert "running" not in {record["status"] for record in records}
