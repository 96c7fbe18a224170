"""Ray clusters of several nodes on loopback whose nodes can be killed, and buckets of a real server that can be made read-only."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from distrnn.storage import open_store
from fixtures_processes import Command, environment, processes, session_of
from fixtures_ray import ASKS_NOBODY
from fixtures_s3 import S3Server, free_ports

START_S = 180.0


class Nodes:
    """A Ray cluster of one-CPU nodes; never `ray stop`, which would stop every Ray of this machine.

    Args:
        folder: for logs and the nodes' home.
        env: of every node.
    """

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        (port,) = free_ports(1)
        self.address = f"127.0.0.1:{port}"
        self._folder, self._env = folder, {**env, **ASKS_NOBODY}
        self._marks: dict[str, str] = {}
        self._started: dict[str, subprocess.Popen[bytes]] = {}
        self.start("head", "--head", f"--port={port}", "--include-dashboard=false")

    def start(self, name: str, *arguments: str) -> None:
        """Start a node; one that is not the head joins it."""
        self._marks[name] = f"DISTRNN_TEST_NODE={uuid.uuid4().hex}"
        log = self._folder / f"{name}.log"
        ray = str(Path(sys.executable).with_name("ray"))
        place = arguments or (f"--address={self.address}",)
        command = [ray, "start", *place, "--node-ip-address=127.0.0.1", "--num-cpus=1", "--disable-usage-stats", "--block"]
        variable, _, value = self._marks[name].partition("=")
        with log.open("wb") as out:
            process = subprocess.Popen(command, env={**self._env, variable: value}, stdout=out, stderr=out, start_new_session=True)
            self._started[name] = process
        try:
            self._wait(process, log)
        except BaseException:  # whoever was to close it does not have it yet
            self.kill(name)
            raise

    def _wait(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        """Wait until a node is up."""
        deadline = time.monotonic() + START_S
        while "Ray runtime started" not in log.read_text(errors="replace"):
            assert process.poll() is None, log.read_text(errors="replace")
            assert time.monotonic() < deadline, log.read_text(errors="replace")
            time.sleep(0.1)

    def processes_of(self, name: str) -> dict[int, str]:
        """Process ids and command lines of a node: what carries its mark, or is of its session (Ray's agents lay titles over marks)."""
        mark, started = f"{self._marks[name]}\0".encode(), self._started[name]
        # Once the process was waited for, its number may be somebody else's
        sessions = {started.pid} if started.returncode is None else set()
        return {pid: command for pid, command in processes().items() if mark in environment(pid) or session_of(pid) in sessions}

    def workers(self) -> list[str]:
        """Command lines of the training workers on all nodes."""
        return [command for name in self._marks for command in self.processes_of(name).values() if "RayTrainWorker" in command]

    def kill(self, name: str) -> None:
        """All processes of a node at once, as when its machine loses power."""
        while left := self.processes_of(name):
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
        self._started[name].wait()

    def close(self) -> None:
        for name in reversed(self._marks):
            self.kill(name)


@pytest.fixture(scope="module")
def nodes(rgw_s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Two nodes, `head` and `second`, that reach the S3 server."""
    folder = tmp_path_factory.mktemp("nodes")
    env = {
        **os.environ,
        **rgw_s3.environment,
        "DISTRNN_HOME": str(folder / "home"),
        "RAY_AUTH_MODE": "disabled",
        "RAY_raylet_start_wait_time_s": "150",
    }
    started: list[Nodes] = []
    try:
        started.append(Nodes(folder, env))
        started[0].start("second")
        yield started[0]
    finally:
        for each in started:
            each.close()


class Bucket:
    """A bucket of its own."""

    def __init__(self, server: S3Server) -> None:
        import s3fs

        self.name = f"policy-{uuid.uuid4().hex[:12]}"
        keys = {"key": server.access_key, "secret": server.secret_key, "endpoint_url": server.endpoint}
        self._files = s3fs.S3FileSystem(**keys, use_listings_cache=False, skip_instance_cache=True)
        self._files.call_s3("create_bucket", Bucket=self.name)
        self.storage, self.registry = f"s3://{self.name}/storage", f"s3://{self.name}/registry"

    def make_read_only(self) -> None:
        """Deny every write from now on."""
        statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{self.name}/*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self._files.call_s3("put_bucket_policy", Bucket=self.name, Policy=policy)

    def make_writable(self) -> None:
        self._files.call_s3("delete_bucket_policy", Bucket=self.name)

    def written_after(self, moment: float, text: str) -> list[str]:
        """Keys with this text that were written after a moment, to the second."""
        return [entry.key for entry in open_store(self.storage).list() if text in entry.key and entry.modified.timestamp() >= int(moment)]

    def wait_for(self, command: Command, text: str, *, after: float = 0.0) -> None:
        """Wait until a key with this text is written."""
        deadline = time.monotonic() + 240.0
        while not self.written_after(after, text):
            assert command.process.poll() is None, command.stderr
            assert time.monotonic() < deadline, command.stderr
            time.sleep(0.1)


@pytest.fixture
def bucket(rgw_s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """A bucket on a real server, and an environment that keeps everything in it."""
    rgw_s3.use(monkeypatch)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    made = Bucket(rgw_s3)
    monkeypatch.setenv("DISTRNN_STORAGE", made.storage)
    monkeypatch.setenv("DISTRNN_REGISTRY", made.registry)
    return made
