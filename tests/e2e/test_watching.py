"""A real training, watched while it runs: at its metrics endpoint, by Prometheus where that is installed, in TensorBoard's files."""

import functools
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from distrnn.telemetry import METRICS
from fixtures_operating import Prometheus, fetched
from fixtures_s3 import free_ports

pytestmark = pytest.mark.usefixtures("two_devices")  # TensorFlow reads the files, and lets a process configure its devices once

WORKFLOW = """
name: watched
data: {source: synthetic-reviews, limit: 1500, validation_fraction: 0.2}
model: {type: lstm, sequence_length: 40, embedding_dim: 16, units: 16}
train: {epochs: 4, global_batch_size: 8, tensorboard: true}
"""
TOLD = {spec.name: spec.kind for spec in METRICS if spec.name.startswith("distrnn_train_")}
RULES = "recording.yml"


@dataclass
class Watched:
    """A finished run, what its endpoint served last of each metric, and what it served at all."""

    document: dict[str, Any]
    folder: Path
    served: dict[str, float]
    lines: list[str]

    @functools.cached_property
    def points(self) -> dict[tuple[str, str], list[tuple[int, float]]]:
        """What TensorBoard's files have: of each curve its points."""
        from distrnn.training.board import events_of

        found: dict[tuple[str, str], list[tuple[int, float]]] = {}
        for path in (self.folder / "tensorboard").glob("*/*tfevents*"):
            for event in events_of(path):
                for value in event.summary.value:
                    found.setdefault((path.parent.name, value.tag), []).append((event.step, value.simple_value))
        return found


@pytest.fixture(scope="module")
def port() -> int:
    """Where the run is told to serve its figures."""
    (found,) = free_ports(1)
    return found


@pytest.fixture(scope="module")
def prometheus(port: int, tmp_path_factory: pytest.TempPathFactory, repo_root: Path) -> Iterator[Prometheus | None]:
    """A real Prometheus that scrapes the run's endpoint and knows the recording rules; None where it is not installed."""
    if shutil.which("prometheus") is None:
        yield None
        return
    job = {"job_name": "ray", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
    configuration = {"rule_files": [RULES], "scrape_configs": [job]}
    with Prometheus(tmp_path_factory.mktemp("prometheus"), configuration, repo_root / "infra/prometheus") as running:
        yield running


@pytest.fixture(scope="module")
def run(port: int, prometheus: Prometheus | None, tmp_path_factory: pytest.TempPathFactory) -> Watched:
    """`distrnn run`, its endpoint read several times a second for as long as it takes."""
    home = tmp_path_factory.mktemp("watched")
    (home / "workflow.yaml").write_text(WORKFLOW)
    # Ray hands figures to the endpoint every ten seconds; a test has no time for that
    settings = {"DISTRNN_HOME": str(home), "DISTRNN_METRICS_PORT": str(port), "RAY_metrics_report_interval_ms": "1000"}
    command = [sys.executable, "-m", "distrnn", "run", str(home / "workflow.yaml"), "--run-id", "mine", "--json"]
    served: dict[str, float] = {}
    lines: list[str] = []
    with (home / "stdout.txt").open("w") as out, (home / "stderr.txt").open("w") as log:
        process = subprocess.Popen(command, stdout=out, stderr=log, env={**os.environ, **settings})
        while process.poll() is None:
            found = [line for line in fetched(f"http://127.0.0.1:{port}/metrics").splitlines() if "distrnn_" in line]
            served |= {line.split("{")[0].removeprefix("ray_"): float(line.split()[-1]) for line in found if not line.startswith("#")}
            lines = found or lines
            time.sleep(0.2)
    assert process.returncode == 0, (home / "stderr.txt").read_text()
    return Watched(json.loads((home / "stdout.txt").read_text()), home / "storage/runs/mine", served, lines)


def check(run: Watched, seen: dict[str, float]) -> None:
    """Whether these are values of the training: the last ones, or those a moment before, since a worker ends without a last report."""
    told = [value for _, value in run.points["train", "batch_loss"]]
    waited = sum(entry["data_wait_s"] for entry in run.document["history"])
    assert set(seen) == set(TOLD)
    assert min(abs(seen["distrnn_train_loss_nats"] - loss) for loss in told) < 1e-6
    assert 0.0 < seen["distrnn_train_data_wait_seconds_total"] <= waited * 1.001
    assert 0.0 < seen["distrnn_train_accuracy_ratio"] <= 1.0
    assert all(value > 0.0 for value in seen.values())


def test_the_endpoint_serves_the_values_of_the_training(run: Watched) -> None:
    check(run, run.served)


def test_the_endpoint_serves_each_metric_once_and_by_workflow(run: Watched) -> None:
    series = [line for line in run.lines if not line.startswith("#")]
    assert sorted(line.split("{")[0] for line in series) == sorted(f"ray_{name}" for name in TOLD if f"ray_{name}" in "".join(series))
    assert all('workflow="watched"' in line for line in series)


def test_prometheus_has_the_values_under_their_own_names(
    run: Watched, prometheus: Prometheus | None, require_server: Callable[..., None]
) -> None:
    require_server(prometheus is not None, "prometheus")
    assert prometheus is not None
    seen = {}
    for name in TOLD:
        ((labels, seen[name]),) = prometheus.query(f"last_over_time({name}[1h])")
        assert {label: value for label, value in labels.items() if label != "__name__"} == {"workflow": "watched"}
    check(run, seen)


def test_promtool_takes_the_recording_rules(repo_root: Path, require_server: Callable[..., None]) -> None:
    require_server(shutil.which("promtool") is not None, "prometheus")
    done = subprocess.run(
        ["promtool", "check", "rules", str(repo_root / "infra/prometheus" / RULES)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, re.findall(r"\d+ rules found", done.stdout)) == (0, [f"{len(TOLD)} rules found"])


def test_tensorboard_s_files_have_the_history(run: Watched) -> None:
    from distrnn.training.board import CURVES

    history = run.document["history"]
    losses = dict(run.points["train", "batch_loss"])
    assert {step: losses.get(step) for step in losses if step % history[0]["steps"] == 0} == {
        (entry["epoch"] + 1) * entry["steps"]: pytest.approx(entry["loss"]) for entry in history
    }
    assert {key: points for key, points in run.points.items() if key[1] != "batch_loss"} == {
        curve: [(entry["epoch"] + 1, pytest.approx(entry[key])) for entry in history] for key, curve in CURVES.items()
    }


def test_the_run_s_report_says_how_fast_it_was(run: Watched) -> None:
    page = " ".join(re.sub(r"<[^>]+>", " ", (run.folder / "report.html").read_text()).split())
    assert re.search(r"Samples a second [\d,.]+ Tokens a second [\d,.]+ Share of the matrix-product rate [\d.]+ %", page)


def test_runs_show_says_where_tensorboard_s_files_are(run: Watched) -> None:
    environment = {**os.environ, "DISTRNN_HOME": str(run.folder.parents[2])}
    done = subprocess.run(
        [sys.executable, "-m", "distrnn", "runs", "show", "mine"], capture_output=True, text=True, env=environment, check=True
    )
    assert f"tensorboard    {run.folder}/tensorboard" in done.stdout.splitlines()
