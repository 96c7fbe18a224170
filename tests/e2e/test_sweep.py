"""A sweep as a user runs it: stopped by Ctrl-C it leaves nothing running, goes on, and its best workflow runs."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures_processes import Command

WORKFLOW = """
name: tiny
data: {source: synthetic-reviews, limit: 300}
model: {type: simple-rnn, sequence_length: 12, embedding_dim: 4, units: 2}
train: {epochs: 2, optimizer: {learning_rate: 0.01}}
scaling: {device: cpu}
sweep: {grid: {model.units: [2, 3], model.activation: [tanh, relu]}}
"""


@pytest.mark.slow
def test_a_sweep_is_stopped_goes_on_and_its_best_workflow_runs(start_command: Callable[..., Command], tmp_path: Path) -> None:
    workflow, best = tmp_path / "tiny.yaml", tmp_path / "best.yaml"
    workflow.write_text(WORKFLOW)
    stopped = start_command("sweep", str(workflow), "--concurrent", "1", "--output", str(best))
    stopped.wait_for("sweep: 1/4 trials, ")
    stopped.interrupt()
    assert stopped.end() == 130
    said = stopped.stderr.splitlines()[-1]
    assert said.startswith("error: sweep tiny-")
    assert f" was interrupted by SIGINT; finished trials are kept. Go on with: distrnn sweep {workflow} --resume tiny-" in said
    assert "Traceback" not in stopped.stderr
    assert stopped.left_running() == []
    assert not best.exists()

    resumed = start_command("sweep", str(workflow), "--resume", "last")
    assert resumed.end() == 0, resumed.stderr
    assert "sweep: 1/4 trials, " not in resumed.stderr
    assert "sweep: 4/4 trials, " in resumed.stderr
    assert resumed.stderr.splitlines()[-1] == f"Next: distrnn run {best}"

    run = start_command("run", str(best))
    assert run.end() == 0, run.stderr
