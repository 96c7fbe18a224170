"""What a run leaves for Prometheus: a text file in the user's folder, one a workflow, for node_exporter's textfile collector."""

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from distrnn.cluster.result import RunResult
from distrnn.storage import default_home
from distrnn.telemetry import Telemetry


def metrics_file(workflow: str) -> Path:
    """Where the metrics of a workflow are: `metrics/<workflow>.prom` under DISTRNN_HOME."""
    return default_home() / "metrics" / f"{workflow}.prom"


def write_result(result: RunResult) -> None:
    """Leave the figures of a finished run."""
    telemetry = Telemetry()
    for stage, seconds in result.seconds.items():
        telemetry.set("distrnn_workflow_stage_duration_seconds", seconds, workflow=result.workflow, stage=stage)
    telemetry.set("distrnn_workflow_last_success_timestamp_seconds", time.time(), workflow=result.workflow)
    telemetry.set("distrnn_train_tokens_per_second", result.history[-1]["tokens_per_s"], workflow=result.workflow)
    if result.version is not None:
        _set_evaluation(telemetry, result.version["name"], result.metrics or {})
    if result.promotion is not None and result.version is not None:
        telemetry.add("distrnn_promotion_decisions_total", model=result.version["name"], decision=result.promotion["decision"])
    _write(telemetry, result.workflow, result.promotion["decision"] if result.promotion else "finished")


def write_failure(workflow: str) -> None:
    """Count a run that failed."""
    _write(Telemetry(), workflow, "failed")


def _set_evaluation(telemetry: Telemetry, model: str, figures: Mapping[str, Any]) -> None:
    for metric, figure in (("distrnn_eval_accuracy_ratio", "accuracy"), ("distrnn_eval_perplexity", "perplexity")):
        if figure in figures:
            telemetry.set(metric, figures[figure], model=model, role="candidate")


def _write(telemetry: Telemetry, workflow: str, outcome: str) -> None:
    path = metrics_file(workflow)
    telemetry.add("distrnn_workflow_runs_total", workflow=workflow, outcome=outcome)
    # A full disk must not turn a finished run into a failed one
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):
            telemetry.read_textfile(path)
            telemetry.write_textfile(path)
