"""The workflows of several GPUs: on logical devices of a CPU they train, and a cluster places them or says why it cannot."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures_client import result_of
from fixtures_ray import ASKS_NOBODY
from fixtures_s3 import free_ports

IMDB = {"data.limit": 600, "train.epochs": 1, "model.units": 16, "model.embedding_dim": 16, "register.promote": "null"}
NIETZSCHE = {"data.limit": 30000, "train.epochs": 1, "train.learning_rate_schedule": "null", "model.units": 32}


def settings(values: dict[str, Any]) -> list[str]:
    return [part for key, value in values.items() for part in ("--set", f"{key}={value}")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "data", "small"),
    [("imdb-lstm-multigpu", "imdb", IMDB), ("nietzsche-lstm-multigpu", "nietzsche.txt", NIETZSCHE)],
)
def test_four_replicas_train_on_logical_devices_of_a_cpu(
    name: str, data: str, small: dict[str, Any], shared_data: Path, repo_root: Path, tmp_path: Path, distrnn_command: Callable[..., Any]
) -> None:
    chosen = settings({"data.path": shared_data / data, "scaling.device": "cpu", **small})
    command = ["run", str(repo_root / f"workflows/{name}.yaml"), *chosen, "--json"]
    document = result_of(distrnn_command(*command, env={"DISTRNN_HOME": str(tmp_path)}))
    assert document["version"]["name"] == name
    shown = result_of(distrnn_command("models", "show", f"{name}@v1", "--json", env={"DISTRNN_HOME": str(tmp_path)}))
    assert shown["metadata"]["lineage"]["placement"]["replicas"] == 4


@pytest.fixture(scope="module")
def gpu_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """Address of a Ray head that declares four GPUs which it does not have, and an environment to meet it with."""
    (port,) = free_ports(1)
    home = tmp_path_factory.mktemp("gpu-head")
    env = {**os.environ, "DISTRNN_HOME": str(home), "RAY_AUTH_MODE": "disabled", **ASKS_NOBODY}
    command = [str(Path(sys.executable).with_name("ray")), "start", "--head", f"--port={port}", "--node-ip-address=127.0.0.1"]
    command += ["--num-cpus=8", "--num-gpus=4", "--include-dashboard=false", "--disable-usage-stats", "--block"]
    log = home / "head.log"
    with log.open("wb") as out:
        head = subprocess.Popen(command, env=env, stdout=out, stderr=out, start_new_session=True)
    try:
        deadline = time.monotonic() + 60.0
        while "Ray runtime started" not in log.read_text(errors="replace"):
            assert head.poll() is None, log.read_text(errors="replace")
            assert time.monotonic() < deadline, log.read_text(errors="replace")
            time.sleep(0.1)
        yield f"127.0.0.1:{port}", env
    finally:
        os.killpg(head.pid, signal.SIGKILL)
        head.wait()


@pytest.fixture
def plan(gpu_cluster: tuple[str, dict[str, str]], repo_root: Path, distrnn_command: Callable[..., Any]) -> Callable[..., Any]:
    """Plan the workflow of the reviews on that cluster; `data` is a source that needs no file."""
    address, env = gpu_cluster
    workflow = str(repo_root / "workflows/imdb-lstm-multigpu.yaml")

    def planned(**scaling: Any) -> Any:
        chosen = settings({"data.source": "synthetic-reviews", **{f"scaling.{key}": value for key, value in scaling.items()}})
        return distrnn_command("plan", workflow, "--address", address, *chosen, "--json", env=env)

    return planned


def test_a_plan_prints_the_placement_on_gpus(plan: Callable[..., Any]) -> None:
    document = result_of(plan())
    assert document["placement"] == {"device": "gpu", "cpus": 8, "gpus": 4, "replicas": 4, "workers": 1}
    assert document["batches"]["per_replica_batch_size"] == 32
    assert document["cudnn"] == {"usable": True, "prevented_by": []}


@pytest.mark.parametrize(
    ("scaling", "message"),
    [
        (
            {"gpus_per_worker": 8, "replicas_per_worker": 8},
            "key 'scaling.gpus_per_worker': expected at most the 4 GPUs of the largest node. Received: 8. "
            "Set scaling.device to cpu, or run on a cluster that has them.",
        ),
        ({"replicas_per_worker": 8}, "key 'scaling.replicas_per_worker': expected at most one replica a GPU (4). Received: 8"),
        ({"cpus_per_worker": 9}, "key 'scaling.cpus_per_worker': expected at most the 8 CPUs of the largest node. Received: 9"),
        (
            {"workers": 2},
            "key 'scaling.gpus_per_worker': expected at most the 0 GPUs of each of 2 nodes. Received: 1. "
            "Set scaling.device to cpu, or run on a cluster that has them.",
        ),
    ],
)
def test_what_the_cluster_cannot_place_is_refused(plan: Callable[..., Any], scaling: dict[str, int], message: str) -> None:
    done = plan(**scaling)
    assert done.returncode == 2
    assert json.loads(done.stdout)["message"].endswith(message)
