"""Registries under stress: processes that work on one at the same time, and what must be true of it afterwards."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from distrnn.registry.layout import PENDING, blob_key, blob_prefix, timestamp, version_prefix
from distrnn.storage import Store

_WORKER = Path(__file__).with_name("registry_worker.py")


def together(environment: Mapping[str, str], workers: int, turns: int, **job: Any) -> list[dict[str, Any]]:
    """Let processes do the same thing at the same time; what each of them said of each turn, acknowledged or not.

    Args:
        environment: of the processes; it names the server.
        workers: how many processes.
        turns: how often each does it.
        job: see `registry_worker`: verb, url, name, …
    """
    with ExitStack() as stack:
        processes = []
        for worker in range(workers):
            command = [sys.executable, str(_WORKER), json.dumps({**job, "worker": worker, "turns": turns})]
            process = stack.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
            )
            stack.callback(process.kill)
            processes.append(process)
        for process in processes:
            assert process.stdout.readline() == "ready\n", process.stderr.read()
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        said = []
        for process in processes:
            out, err = process.communicate(timeout=240)
            assert (process.returncode, err) == (0, "")
            said.extend(json.loads(line) for line in out.splitlines())
    assert len(said) == workers * turns
    return said


class Fork:
    """A child of this warm process that does one thing and ends; where that raises, its status is 1."""

    def __init__(self, work: Callable[[], object]) -> None:
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                work()
                status = 0
            finally:
                os._exit(status)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def status(self, timeout_s: float = 60) -> int:
        """What it ended with: 0, 1, or a signal as a negative number."""
        until = time.monotonic() + timeout_s
        while (found := os.waitpid(self.pid, os.WNOHANG))[0] == 0:
            if time.monotonic() > until:
                self.kill()
                os.waitpid(self.pid, 0)
                raise AssertionError(f"a child was still at work after {timeout_s} s")
            time.sleep(0.002)
        return os.waitstatus_to_exitcode(found[1])


def manifests(store: Store, name: str) -> dict[int, bytes]:
    """The documents at a model's version numbers, read without the registry's help; numbers are 1, 2, 3, …"""
    keys = [entry.key for entry in store.list(version_prefix(name))]
    found = {int(key[-15:-5]): store.read(key) for key in keys}
    assert list(found) == list(range(1, len(found) + 1))
    return found


def whole(store: Store, name: str) -> dict[int, str]:
    """The digest of every live version, after every byte of every one was read and found to be what its manifest says."""
    checked: dict[str, int] = {}
    digests = {}
    for number, body in manifests(store, name).items():
        document = json.loads(body)
        for file in document.get("files", ()):
            if file["sha256"] not in checked:
                bytes_of = store.read(blob_key(name, file["sha256"]))
                assert sha256(bytes_of).hexdigest() == file["sha256"], f"{file['path']} of v{number}"
                checked[file["sha256"]] = len(bytes_of)
            assert checked[file["sha256"]] == file["size_bytes"]
        if "tombstone" not in document:
            digests[number] = f"sha256:{sha256(body).hexdigest()}"
    return digests


def referenced(store: Store, name: str) -> set[str]:
    """The keys of the blobs that a version refers to."""
    documents = [json.loads(body) for body in manifests(store, name).values()]
    return {blob_key(name, file["sha256"]) for document in documents for file in document.get("files", ())}


def blobs(store: Store, name: str) -> set[str]:
    """The keys of the blobs that are there."""
    return {entry.key for entry in store.list(blob_prefix(name))}


def expire_announcements(store: Store) -> int:
    """Let the time of every announced writer run out; how many there were."""
    keys = [entry.key for entry in store.list(PENDING)]
    for key in keys:
        late = timestamp(datetime.now(UTC) - timedelta(days=2))
        store.put(key, json.dumps({**json.loads(store.read(key)), "expires_at": late}).encode())
    return len(keys)


def left_behind(folder: Path) -> Iterator[Path]:
    """Files of a folder store that no listing shows: what dead writers did not finish."""
    return (path for path in folder.rglob(".tmp-*"))
