"""A Ray cluster with its Jobs API on loopback: a head, one worker, and a real S3 server that both reach."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures_ray import asks
from fixtures_s3 import S3Server, free_ports
from fixtures_training_cluster import Nodes


class JobNodes(Nodes):
    """A head with a dashboard, where nothing is trained, and nodes that train; `url` is what `--address` takes."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        port, dashboard = free_ports(2)
        self.address, self.url = f"127.0.0.1:{port}", f"http://127.0.0.1:{dashboard}"
        self._folder, self._env = folder, {**env, **asks(self.url)}
        self._marks, self._started, self._temporary = {}, {}, []
        self._start("head", "--head", f"--port={port}", "--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}", "--num-cpus=0")

    def join(self, name: str) -> None:
        """Start another node."""
        self._start(name, f"--address={self.address}")

    def close(self) -> None:
        super().close()
        for folder in self._temporary:
            shutil.rmtree(folder, ignore_errors=True)

    def _start(self, name: str, *arguments: str) -> None:
        """A folder of its own, as on a machine of its own: nodes that share one replace each other's working folders."""
        (agent,) = free_ports(1)
        self._temporary.append(tempfile.mkdtemp(prefix="ray-"))
        self.start(name, *arguments, f"--dashboard-agent-listen-port={agent}", f"--temp-dir={self._temporary[-1]}")


def job_environment(folder: Path) -> dict[str, str]:
    """Of every node: whatever is submitted to it finds this Python.

    Args:
        folder: for the nodes' home.
    """
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DISTRNN_HOME": str(folder / "home"),
        "RAY_AUTH_MODE": "disabled",
        "RAY_raylet_start_wait_time_s": "150",
    }


@pytest.fixture(scope="module")
def job_nodes(rgw_s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobNodes]:
    """The nodes `head` and `second`; whatever is submitted to them finds this Python, and the S3 server."""
    folder = tmp_path_factory.mktemp("job-nodes")
    env = {**job_environment(folder), **rgw_s3.environment}
    started: list[JobNodes] = []
    try:
        started.append(JobNodes(folder, env))
        started[0].join("second")
        yield started[0]
    finally:
        for each in started:
            each.close()
