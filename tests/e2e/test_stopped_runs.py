"""A run that is interrupted, loses its worker or its disk: one clear message, nothing half-published, nothing left running."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fixtures_processes import Command

WORKFLOW = """
name: reviews
data: {source: synthetic-reviews, limit: 1500}
model: {type: lstm, sequence_length: 40, embedding_dim: 16, units: 16, dropout: 0.2}
train: {epochs: 12, global_batch_size: 16, optimizer: {name: adam, learning_rate: 0.003}}
register: {name: reviews, promote: {alias: production, metric: accuracy, min: 0.5}}
"""


@pytest.fixture
def workflow(tmp_path: Path) -> str:
    path = tmp_path / "workflow.yaml"
    path.write_text(WORKFLOW)
    return str(path)


def versions(command: Command) -> list[str]:
    return sorted(path.name for path in (command.home / "registry").glob("*/versions/*.json"))


def test_an_interrupted_run_keeps_a_checkpoint_and_goes_on(workflow: str, start_command: Callable[..., Command]) -> None:
    command = start_command("run", workflow, "--run-id", "mine")
    command.wait_for("epoch 2/12")
    command.interrupt()
    assert command.end() == 130
    go_on = f"distrnn run {workflow} --resume mine"
    assert command.stderr.splitlines()[-1] == f"error: run mine was interrupted while training; what is done is kept. Go on with: {go_on}"
    assert "Traceback" not in command.stderr
    assert versions(command) == []
    assert command.left_running() == []
    resumed = start_command("run", workflow, "--resume", "last")
    assert resumed.end() == 0, resumed.stderr
    assert "epoch 1/12" not in resumed.stderr
    assert versions(resumed) == ["0000000001.json"]


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["prepare: started", "train: started", "evaluate: started", "register: started"])
@pytest.mark.parametrize(("stop", "expected"), [(Command.interrupt, 130), (Command.terminate, 143)])
def test_a_signal_in_any_stage_leaves_nothing_half_done(
    workflow: str, start_command: Callable[..., Command], stage: str, stop: Callable[[Command], None], expected: int
) -> None:
    short = ["--set", "train.epochs=1", "--set", "register.promote.min=0"]  # one epoch has not learned anything yet
    command = start_command("run", workflow, "--run-id", "mine", *short)
    command.wait_for(stage)
    stop(command)
    code = command.end()
    assert "Traceback" not in command.stderr
    assert command.left_running() == []
    if stage == "register: started" and code == 0:  # over in milliseconds
        assert versions(command) == ["0000000001.json"]
        return
    assert code == expected
    resumed = start_command("run", workflow, "--resume", "mine", *short)
    assert resumed.end() == 0, resumed.stderr
    assert versions(resumed) == ["0000000001.json"]


@pytest.mark.slow
def test_a_signal_that_ends_ray_too_costs_no_more_than_the_work_since_the_checkpoint(
    workflow: str, start_command: Callable[..., Command]
) -> None:
    """Ray's core ends a driver whose raylet is gone, sometimes before this program can say anything: the exit code is 143 or Ray's 1."""
    command = start_command("run", workflow, "--run-id", "mine")
    command.wait_for("epoch 2/12")
    command.terminate_group()
    assert command.end() in (1, 143)
    assert "Traceback" not in command.stderr
    assert command.left_running() == []
    assert versions(command) == []
    resumed = start_command("run", workflow, "--resume", "mine")
    assert resumed.end() == 0, resumed.stderr
    assert "epoch 1/12" not in resumed.stderr
    assert versions(resumed) == ["0000000001.json"]


@pytest.mark.slow
def test_a_full_disk_is_told(workflow: str, start_command: Callable[..., Command], tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(disk)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("a small disk can be mounted by root only")
    try:
        command = start_command("run", workflow, "--set", f"storage.root={disk}")
        assert command.end() == 1
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)
    assert "Traceback" not in command.stderr
    assert "disk is full" in command.stderr.splitlines()[-1]
    assert versions(command) == []
    assert command.left_running() == []


def test_a_refused_gate_exits_4_and_publishes_all_the_same(workflow: str, distrnn_command: Callable[..., Any], tmp_path: Path) -> None:
    settings = ["--set", "train.epochs=1", "--set", "register.promote.min=0.999"]
    done = distrnn_command("run", workflow, *settings, "--json", env={"DISTRNN_HOME": str(tmp_path / "refused")})
    assert done.returncode == 4
    document = json.loads(done.stdout)
    assert (document["version"]["number"], document["promotion"]["decision"]) == (1, "refused")
    (rule,) = document["promotion"]["rules"]
    assert (rule["metric"], rule["required"], rule["passed"]) == ("accuracy", 0.999, False)


def test_a_diverged_run_exits_8_and_publishes_nothing(workflow: str, start_command: Callable[..., Command]) -> None:
    """The learning rate that ruins the third epoch leaves the checkpoint of the second, and the message says what to do with that."""
    schedule = "train.learning_rate_schedule={type: step, epochs: [2], factor: 1.0e38}"
    settings = ["--set", "train.optimizer.name=sgd", "--set", schedule, "--set", "train.epochs=4"]
    command = start_command("run", workflow, "--run-id", "mine", *settings)
    assert command.end() == 8, command.stderr
    assert re.fullmatch(
        r"error: training diverged: the loss is \S+ in epoch 3, step \d+\. Expected .+\. "
        r"The likely cure: a smaller train\.optimizer\.learning_rate \(now 0\.003\); "
        r"or a train\.learning_rate_schedule that keeps it smaller; or train\.clip_norm, for instance 1\.0\. "
        r"Start a new run with it: going on with this one would end the same way\. "
        r"The checkpoint of epoch 2 is kept, and a run with train\.epochs=2 ends with what it had learnt by then\.",
        command.stderr.splitlines()[-1],
    )
    (last,) = (command.home / "storage/runs/mine/checkpoints").glob("epoch-00003-step-00000000-*")
    with np.load(last / "shared.npz") as file:
        assert all(np.isfinite(file[name]).all() for name in file.files)
    assert "Traceback" not in command.stderr
    assert versions(command) == []
