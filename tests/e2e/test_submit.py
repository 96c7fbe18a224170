"""Runs submitted to a real Ray cluster: once however often it is said, followed, stopped, gone on with; and a node that dies."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures_s3 import S3Server
from fixtures_training_cluster import Bucket
from fixtures_training_jobs import JobNodes
from fixtures_training_runs import weights

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

END_S = 280.0
GATE = "register.promote={alias: production, metric: accuracy, min: 1.0}"
SETTINGS = ("--set", "train.epochs=2", "--set", GATE)
Distrnn = Callable[..., "subprocess.CompletedProcess[str]"]


def distrnn(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-m", "distrnn", *arguments], capture_output=True, text=True, timeout=END_S)


@pytest.fixture(scope="module")
def submitted(
    job_nodes: JobNodes, rgw_s3: S3Server, training_workflows: dict[str, str]
) -> Iterator[tuple[Bucket, "subprocess.CompletedProcess[str]"]]:
    """A run that nothing happened to, its gate refused; where it is kept, and what `submit --wait` said."""
    with pytest.MonkeyPatch.context() as patch:
        rgw_s3.use(patch)
        bucket = kept_in(Bucket(rgw_s3), job_nodes, patch)
        yield bucket, distrnn("submit", training_workflows["reviews"], *SETTINGS, "--run-id", "first", "--wait", "--json")


@pytest.fixture
def bucket(job_nodes: JobNodes, rgw_s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """A bucket that everything is kept in, and an environment that leads to it and to the cluster."""
    rgw_s3.use(monkeypatch)
    return kept_in(Bucket(rgw_s3), job_nodes, monkeypatch)


def kept_in(bucket: Bucket, nodes: JobNodes, patch: pytest.MonkeyPatch) -> Bucket:
    patch.setenv("RAY_AUTH_MODE", "disabled")
    patch.setenv("RAY_API_SERVER_ADDRESS", nodes.url)
    patch.setenv("DISTRNN_STORAGE", bucket.storage)
    patch.setenv("DISTRNN_REGISTRY", bucket.registry)
    return bucket


def checkpoint_of(bucket: Bucket, run_id: str, *, after: float = 0.0) -> None:
    """Wait until a run has written a checkpoint after a moment."""
    deadline = time.monotonic() + 180.0
    while not [key for key in bucket.written_after(after, f"runs/{run_id}/") if key.endswith("/position.json")]:
        assert time.monotonic() < deadline, distrnn("jobs", "logs", run_id).stdout
        time.sleep(0.1)


def test_waiting_ends_with_the_exit_code_and_the_result_of_the_run(submitted: tuple[Bucket, Any]) -> None:
    bucket, done = submitted
    assert done.returncode == 4, done.stderr
    document = json.loads(done.stdout)
    assert (document["run_id"], document["workflow"], document["submission"]) == ("first", "reviews", "first.1")
    assert (document["status"], document["exit_code"], document["new"]) == ("refused", 4, True)
    assert document["result"]["version"]["number"] == 1
    assert document["result"]["promotion"]["decision"] == "refused"
    assert "train: epoch 2/2" in done.stderr
    assert "reviews@v1 is published, but production was not moved to it" in done.stderr.splitlines()[-1]
    assert weights(bucket.registry, "reviews")


def test_the_same_run_submitted_again_is_the_same_job(submitted: tuple[Bucket, Any], training_workflows: dict[str, str]) -> None:
    again = distrnn("submit", training_workflows["reviews"], *SETTINGS, "--run-id", "first", "--json")
    assert again.returncode == 0, again.stderr
    assert (json.loads(again.stdout)["submission"], json.loads(again.stdout)["new"]) == ("first.1", False)
    other = distrnn("submit", training_workflows["reviews"], "--set", "train.epochs=3", "--run-id", "first")
    assert (other.returncode, other.stderr) == (
        6,
        "error: run first was submitted with another workflow or other options. Choose another --run-id, or submit what was submitted "
        "then.\n",
    )


def test_jobs_are_told_of_by_workflow_and_run(submitted: tuple[Bucket, Any]) -> None:
    listed = json.loads(distrnn("jobs", "list", "--json").stdout)
    status = json.loads(distrnn("jobs", "status", "first", "--json").stdout)
    assert status == next(job for job in listed if job["run_id"] == "first")
    assert (status["workflow"], status["status"], status["exit_code"]) == ("reviews", "refused", 4)
    assert status["error"].startswith("reviews@v1 is published, but production was not moved to it")
    said = distrnn("jobs", "logs", "first")
    assert "train: epoch 2/2" in said.stdout
    assert distrnn("jobs", "logs", "-f", "first").stdout.strip() == said.stdout.strip()
    assert "secret" not in said.stdout.lower()


def test_a_job_that_has_ended_is_not_stopped(submitted: tuple[Bucket, Any]) -> None:
    done = distrnn("jobs", "stop", "first", "--json")
    assert (done.returncode, done.stderr) == (0, "Run first had ended already.\n")
    assert json.loads(done.stdout)["stopped"] is False


def test_a_run_that_nobody_submitted_is_not_found(submitted: tuple[Bucket, Any], job_nodes: JobNodes) -> None:
    done = distrnn("jobs", "status", "nobody")
    assert (done.returncode, done.stderr) == (3, f"error: no job of run 'nobody' on {job_nodes.url}. See: distrnn jobs list\n")


def test_a_stopped_run_publishes_nothing_and_goes_on_to_the_same_weights(
    submitted: tuple[Bucket, Any], bucket: Bucket, training_workflows: dict[str, str]
) -> None:
    started = distrnn("submit", training_workflows["reviews"], *SETTINGS, "--run-id", "mine")
    assert started.returncode == 0, started.stderr
    checkpoint_of(bucket, "mine")
    asked_at = time.time()
    stopped = distrnn("jobs", "stop", "mine", "--json")
    assert stopped.returncode == 0, stopped.stderr
    job = json.loads(stopped.stdout)
    assert (job["status"], job["exit_code"], job["stopped"]) == ("stopped", 143, True)
    assert stopped.stderr == f"What is done is kept. Go on with: {job['resume']}\n"
    assert job["resume"].endswith("--resume mine")
    assert job["resume"] in distrnn("jobs", "logs", "mine").stdout
    checkpoint_of(bucket, "mine", after=asked_at)
    assert not [entry for entry in bucket.written_after(0.0, "registry/") if "/versions/" in entry or "/blobs/" in entry]
    resumed = distrnn("submit", training_workflows["reviews"], *SETTINGS, "--resume", "mine", "--wait", "--json")
    assert resumed.returncode == 4, resumed.stderr
    assert json.loads(resumed.stdout)["submission"] == "mine.2"
    assert "prepare: tokenizing" not in distrnn("jobs", "logs", "mine").stdout
    assert weights(bucket.registry, "reviews") == weights(submitted[0].registry, "reviews")


def test_a_node_that_dies_is_waited_for_and_changes_no_weight(
    submitted: tuple[Bucket, Any], bucket: Bucket, job_nodes: JobNodes, training_workflows: dict[str, str]
) -> None:
    distrnn("submit", training_workflows["reviews"], *SETTINGS, "--run-id", "robust")
    checkpoint_of(bucket, "robust")
    job_nodes.kill("second")
    killed_at = time.time()
    job_nodes.join("third")
    checkpoint_of(bucket, "robust", after=killed_at + 1.0)
    followed = distrnn("jobs", "logs", "-f", "robust")
    assert "Traceback" not in followed.stdout
    assert json.loads(distrnn("jobs", "status", "robust", "--json").stdout)["exit_code"] == 4, followed.stdout
    assert weights(bucket.registry, "reviews") == weights(submitted[0].registry, "reviews")


def test_the_doctor_looks_at_every_node(bucket: Bucket, job_nodes: JobNodes) -> None:
    done = distrnn("doctor", "--address", job_nodes.url, "--json")
    assert done.returncode == 0, done.stdout
    nodes = json.loads(done.stdout)["nodes"]
    assert [node["problems"] for node in nodes] == [[], []]
    assert [job for job in json.loads(distrnn("jobs", "list", "--json").stdout) if "doctor" in job["run_id"]] == []
    bucket.make_read_only()
    done = distrnn("doctor", "--address", job_nodes.url)
    assert done.returncode == 1
    told = [line for line in done.stdout.splitlines() if line.startswith(f"{nodes[1]['node']}: registry: ")]
    assert [f" refuses access to {bucket.registry}/_doctor/" in line for line in told] == [True, True]
    assert bucket.written_after(0.0, "_doctor/") == []


FROM_HERE = """
name: from-here
data: {source: csv, path: reviews/train.csv, test_path: "reviews/te*.csv", labels: [bad, good]}
model: {type: lstm, sequence_length: 10, embedding_dim: 3, units: 4, pretrained: {path: vectors.txt}}
train: {epochs: 1, global_batch_size: 8}
scaling: {device: cpu}
register: {name: from-here}
"""


def test_data_of_this_machine_is_sent_with_the_run(bucket: Bucket, tmp_path: Path) -> None:
    rows = [f"a {'good' if row % 2 else 'dull'} film number {row},{'good' if row % 2 else 'bad'}" for row in range(80)]
    (tmp_path / "reviews").mkdir()
    (tmp_path / "reviews/train.csv").write_text("\n".join(["text,label", *rows]))
    (tmp_path / "reviews/test.csv").write_text("\n".join(["text,label", *rows[:20]]))
    (tmp_path / "vectors.txt").write_text("film 1 2 3\ngood 4 5 6\n")
    (tmp_path / "w.yaml").write_text(FROM_HERE)
    command = ("submit", str(tmp_path / "w.yaml"), "--upload-data", "--run-id", "from-here", "--wait", "--json")
    done = distrnn(*command)
    assert done.returncode == 0, done.stderr
    assert f"Uploading 3 files, 0.1 MB, to {bucket.storage}/uploads.\n" in done.stderr
    document = json.loads(done.stdout)
    assert document["result"]["metrics"]["examples"] == 20
    assert document["resume"].endswith(" --upload-data --resume from-here")
    sent = bucket.written_after(0.0, "uploads/")
    assert sorted(key.rpartition("/")[2] for key in sent) == ["test.csv", "train.csv", "vectors.txt"]
    again = distrnn(*command)
    assert (json.loads(again.stdout)["new"], "Uploading" in again.stderr) == (False, False)
    (tmp_path / "vectors.txt").unlink()
    lacking = distrnn(*command)
    assert (lacking.returncode, json.loads(lacking.stdout)["message"]) == (
        3,
        f"model.pretrained.path: expected a file. Received: '{tmp_path}/vectors.txt', which is none. Correct it.",
    )


def test_a_cluster_that_wants_no_local_path_gets_none(bucket: Bucket, training_workflows: dict[str, str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DISTRNN_STORAGE")
        home = os.environ["DISTRNN_HOME"]
        done = distrnn("submit", training_workflows["reviews"])
    assert (done.returncode, done.stderr) == (
        2,
        f"error: {training_workflows['reviews']}: key 'storage.root': expected a place that every node of the cluster reaches. Received: "
        f"{home}/storage. Use an s3:// URL or set DISTRNN_STORAGE to one; if all nodes share this folder, say so with "
        "--shared-filesystem.\n",
    )
