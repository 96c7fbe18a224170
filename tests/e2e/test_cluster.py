"""A run on a real Ray cluster of two nodes on loopback, with a real S3 server for everything that the nodes share."""

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

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

WORKFLOW = """
name: reviews
data: {source: synthetic-reviews, limit: 1000}
model: {type: lstm, sequence_length: 30, embedding_dim: 8, units: 8}
train: {epochs: 1, global_batch_size: 32}
register: {name: reviews}
"""


@pytest.fixture(scope="module")
def cluster(rgw_s3: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """Address of the cluster, and the environment of everybody in it."""
    (port,) = free_ports(1)
    address = f"127.0.0.1:{port}"
    home = tmp_path_factory.mktemp("cluster-home")
    root = rgw_s3.new_url()
    env = {**os.environ, **rgw_s3.environment, "DISTRNN_HOME": str(home), "RAY_AUTH_MODE": "disabled", **ASKS_NOBODY}
    env |= {"DISTRNN_STORAGE": f"{root}/storage", "DISTRNN_REGISTRY": f"{root}/registry"}
    ray = str(Path(sys.executable).with_name("ray"))
    nodes: list[subprocess.Popen[bytes]] = []

    def start(name: str, *arguments: str) -> None:
        log = home / f"{name}.log"
        command = [ray, "start", *arguments, "--num-cpus=2", "--disable-usage-stats", "--block"]
        with log.open("wb") as out:
            nodes.append(subprocess.Popen(command, env=env, stdout=out, stderr=out, start_new_session=True))
        deadline = time.monotonic() + 60.0
        while "Ray runtime started" not in log.read_text(errors="replace"):
            assert nodes[-1].poll() is None, log.read_text(errors="replace")
            assert time.monotonic() < deadline, log.read_text(errors="replace")
            time.sleep(0.1)

    try:
        start("head", "--head", f"--port={port}", "--node-ip-address=127.0.0.1", "--include-dashboard=false")
        start("worker", f"--address={address}")
        yield address, env
    finally:
        # Not `ray stop`, which would stop every Ray of this machine
        for node in reversed(nodes):
            os.killpg(node.pid, signal.SIGKILL)
            node.wait()


@pytest.fixture
def workflow(tmp_path: Path) -> str:
    (tmp_path / "workflow.yaml").write_text(WORKFLOW)
    return str(tmp_path / "workflow.yaml")


def test_a_run_on_two_nodes_is_published(cluster: tuple[str, dict[str, str]], workflow: str, distrnn_command: Callable[..., Any]) -> None:
    address, env = cluster
    document = result_of(distrnn_command("run", workflow, "--address", address, "--json", env=env))
    assert (document["version"]["number"], document["metrics"]["examples"]) == (1, 1000)
    result_of(distrnn_command("pull", f"reviews@{document['version']['digest']}", "--json", env=env))


def test_a_folder_of_one_node_is_refused(cluster: tuple[str, dict[str, str]], workflow: str, distrnn_command: Callable[..., Any]) -> None:
    address, env = cluster
    done = distrnn_command("run", workflow, "--address", address, "--json", env={**env, "DISTRNN_STORAGE": env["DISTRNN_HOME"]})
    assert done.returncode == 2
    assert json.loads(done.stdout)["message"].startswith(
        f"{workflow}: key 'storage.root': expected a place that every node of the cluster reaches. Received: {env['DISTRNN_HOME']}."
    )


def test_a_plan_speaks_of_the_cluster(cluster: tuple[str, dict[str, str]], workflow: str, distrnn_command: Callable[..., Any]) -> None:
    address, env = cluster
    done = distrnn_command("plan", workflow, "--address", address, "--set", "scaling.device=gpu", "--json", env=env)
    assert done.returncode == 2
    assert json.loads(done.stdout)["message"] == (
        f"{workflow}: key 'scaling.gpus_per_worker': expected at most the 0 GPUs of the largest node. Received: 1. "
        "Set scaling.device to cpu, or run on a cluster that has them."
    )
