"""A preparation that is killed on the way: its node, or the driver itself. What is committed afterwards equals the undisturbed dataset."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from distrnn.data.dataset import find_dataset
from distrnn.data.lookup import lookup
from distrnn.data.verification import verify
from distrnn.storage import open_store
from fixtures_data import document_workflow, prepare_here
from fixtures_processes import environment as environment_of
from fixtures_processes import processes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

# Two nodes of one CPU each. Where a node shall die, the first chunk of each waits for the other node's (a node's actor may
# take long to start on a busy machine), each chunk takes a while, and the second node dies once both have begun to work.
PROGRAM = """
import os, sys, time, threading
from dataclasses import dataclass, replace
from typing import Any
import ray
from ray.cluster_utils import Cluster
from distrnn.cluster.preprocess_driver import commit_dataset
from distrnn.data.lookup import lookup
from distrnn.progress import silent
from distrnn.storage import open_store
from fixtures_data import document_workflow

@dataclass(frozen=True)
class Slow:
    reader: Any
    marks: str
    nodes: int

    def read(self):
        open(os.path.join(self.marks, ray.get_runtime_context().get_node_id()), "w").close()
        deadline = time.monotonic() + 60
        while len(os.listdir(self.marks)) < self.nodes and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.3)
        return self.reader.read()

folder, storage, marks, kill, result = sys.argv[1:]
killed = threading.Event()
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
second = cluster.add_node(num_cpus=1)
ray.init(address=cluster.address, log_to_driver=False)
found = lookup(document_workflow(folder), open_store(storage))
chunks = [replace(chunk, reader=Slow(chunk.reader, marks, 2 if kill == "node" else 1)) for chunk in found.source.chunks()]
found.source.chunks = lambda: chunks

def kill_the_second_node():
    while len(os.listdir(marks)) < 2:
        time.sleep(0.05)
    cluster.remove_node(second, allow_graceful=False)
    killed.set()

if kill == "node":
    threading.Thread(target=kill_the_second_node, daemon=True).start()
commit_dataset(2, found, open_store(storage), silent)
open(result, "w").write(f"{len(os.listdir(marks))} nodes worked, killed: {killed.is_set()}")
ray.shutdown()
cluster.shutdown()
"""


@pytest.fixture
def chunked_folder(tmp_path):
    """Forty chunks of reviews, as many files."""
    import pyarrow.parquet as pq

    from fixtures_data import reviews

    folder = tmp_path / "reviews"
    folder.mkdir()
    for number in range(20):
        for split, first in (("train", 0), ("test", 5000)):
            pq.write_table(reviews(40, first + number * 40), folder / f"{split}-{number:02d}.parquet")
    return folder


@pytest.fixture
def program(chunked_folder, tmp_path):
    """Start the program above on a storage folder of its own; whatever it leaves running is killed at the end."""

    def start(kill: str) -> subprocess.Popen[bytes]:
        marks = tmp_path / "marks"
        marks.mkdir()
        places = [chunked_folder, tmp_path / "hit", marks, kill, tmp_path / "result.txt"]
        tests = str(Path(__file__).parents[1])
        environment = os.environ | {"PYTHONPATH": tests, "RAY_AUTH_MODE": "disabled", "DISTRNN_HOME": str(tmp_path)}
        with (tmp_path / "log.txt").open("wb") as log:
            return subprocess.Popen([sys.executable, "-c", PROGRAM, *map(str, places)], env=environment, stdout=log, stderr=log)

    yield start
    mark = f"DISTRNN_HOME={tmp_path}\0".encode()
    for pid in processes():
        if mark in environment_of(pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def files_of(folder: Path) -> dict[str, str]:
    store = open_store(str(folder))
    keys = [entry.key for entry in store.list() if "/staging/" not in entry.key]
    return {key: hashlib.sha256(store.read(key)).hexdigest() for key in keys}


def test_a_node_that_dies_costs_its_chunk_and_changes_nothing(program, chunked_folder, tmp_path):
    calm = prepare_here(document_workflow(chunked_folder), open_store(str(tmp_path / "calm")))
    assert len(calm.manifest.splits) == 3
    assert program("node").wait(200) == 0, (tmp_path / "log.txt").read_text()[-2000:]
    assert (tmp_path / "result.txt").read_text() == "2 nodes worked, killed: True"
    assert files_of(tmp_path / "hit") == files_of(tmp_path / "calm")


@pytest.mark.parametrize("moment", ["staging", "shards"])
def test_a_driver_that_is_killed_leaves_no_dataset_and_the_next_one_finishes(program, chunked_folder, tmp_path, moment):
    prepare_here(document_workflow(chunked_folder), open_store(str(tmp_path / "calm")))
    process = program("driver")
    deadline = time.monotonic() + 100
    while not list((tmp_path / "hit").glob(f"datasets/*/{moment}/*")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    store = open_store(str(tmp_path / "hit"))
    left = find_dataset(store, lookup(document_workflow(chunked_folder), store).fingerprint)
    assert left is None or not list(verify(store, left.manifest.fingerprint[:16]))
    prepare_here(document_workflow(chunked_folder), store)
    assert files_of(tmp_path / "hit") == files_of(tmp_path / "calm")
