"""What `distrnn schedule manifests` writes holds to the schemas and rules of the manifests in infra/kubernetes, and does what it says."""

import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra_schemas import complaints
from kubernetes_api import Cluster, cluster, ended
from pod_rules import violations

NAME = "distrnn-imdb-lstm-weekly"
GPUS = ("--set", "scaling.device=gpu", "--set", "scaling.gpus_per_worker=4")
Written = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module")
def written(repo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Written:
    """The documents of a form."""
    folder = tmp_path_factory.mktemp("manifests")

    @functools.cache
    def write(form: str, *more: str) -> list[dict[str, Any]]:
        words = ["schedule", "manifests", str(repo_root / "workflows/imdb-lstm-weekly.yaml"), "--format", form]
        words += ["--registry", "s3://bucket/models", "--set", "data.source=parquet", "--set", "data.path=s3://bucket/imdb"]
        words += ["--set", "storage.root=s3://bucket/distrnn", *more, "--json"]
        done = subprocess.run(
            [sys.executable, "-m", "distrnn", *words], env=os.environ, cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found

    return write


@pytest.mark.parametrize("form", ["kuberay", "cronjob"])
def test_manifests_hold_for_the_schemas(written: Written, form: str) -> None:
    documents = written(form)
    inner = [yaml.safe_load(text) for one in documents for key, text in one.get("data", {}).items() if key == "rayjob.yaml"]
    assert [complaint for one in [*documents, *inner] for complaint in complaints(one)] == []
    assert {"kuberay": "RayCronJob", "cronjob": "CronJob"}[form] in {one["kind"] for one in documents}


@pytest.mark.parametrize("form", ["kuberay", "cronjob"])
@pytest.mark.parametrize("more", [(), GPUS], ids=["cpu", "gpu"])
def test_pods_hold_to_the_rules_of_the_files_of_infra(written: Written, form: str, more: tuple[str, ...]) -> None:
    assert violations(written(form, *more)) == []


def steps(documents: list[dict[str, Any]]) -> dict[str, list[str]]:
    """The commands of the CronJob's pod in the order in which they run."""
    pod = documents[-1]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return {box["name"]: box["command"] for box in (*pod["initContainers"], *pod["containers"])}


def test_a_tick_waits_for_its_run_and_then_looks_how_it_ended(written: Written) -> None:
    assert steps(written("cronjob")) == {
        "remove-last": ["kubectl", "delete", "rayjob", f"--selector=distrnn.ended={NAME}"],
        "make": ["kubectl", "apply", "-f", "/etc/distrnn/rayjob.yaml"],
        "wait": ["kubectl", "wait", f"rayjob/{NAME}", "--for=jsonpath={.status.endTime}", "--timeout=168h"],
        "note-end": ["kubectl", "label", f"rayjob/{NAME}", f"distrnn.ended={NAME}", "--overwrite"],
        "judge": ["kubectl", "wait", f"rayjob/{NAME}", "--for=jsonpath={.status.jobStatus}=SUCCEEDED", "--timeout=30s"],
    }


class Ticks:
    """The steps of a CronJob's pod, each run by the real kubectl against an API that knows RayJobs only."""

    def __init__(self, documents: list[dict[str, Any]], api: Cluster, folder: Path) -> None:
        self.api, self._folder, self._steps = api, folder, steps(documents)
        for name, text in documents[0]["data"].items():
            (folder / name).write_text(text)

    def patience(self, step: str) -> str:
        """A second for who waits in vain, and for others as long as a busy machine may need."""
        statuses = [job["status"] for job in self.api.jobs.values()]
        vain = any("endTime" not in status or (step == "judge" and status["jobStatus"] != "SUCCEEDED") for status in statuses)
        return f"--timeout={1 if vain else 120}s"

    def tick(self) -> tuple[str, int]:
        """The last step that ran, and its exit code."""
        last = "", 0
        for name, command in self._steps.items():
            words = [word.replace("/etc/distrnn", str(self._folder)) for word in command[1:]]
            words = [self.patience(name) if word.startswith("--timeout=") else word for word in words]
            done = subprocess.run(
                ["kubectl", f"--server={self.api.url}", *words],
                env={**os.environ, "HOME": str(self._folder)},
                capture_output=True,
                check=False,
            )
            last = name, done.returncode
            if done.returncode:
                break
        return last


@pytest.fixture
def ticks(written: Written, tmp_path: Path) -> Iterator[Ticks]:
    """The CronJob of a workflow."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not on the path")
    with cluster() as api:
        yield Ticks(written("cronjob"), api, tmp_path)


def test_each_tick_makes_a_run_of_its_own_and_removes_the_one_that_has_ended(ticks: Ticks) -> None:
    ticks.api.ends = ended("SUCCEEDED")
    assert [ticks.tick(), ticks.tick()] == [("judge", 0), ("judge", 0)]
    assert (ticks.api.made, [job["metadata"]["uid"] for job in ticks.api.removed]) == (2, ["1"])


@pytest.mark.parametrize("status", ["FAILED", "STOPPED", "PENDING"])
def test_a_run_that_has_not_succeeded_fails_the_job(ticks: Ticks, status: str) -> None:
    ticks.api.ends = ended(status)
    assert ticks.tick() == ("judge", 1)


def test_a_run_that_is_still_at_work_is_waited_for_and_removed_by_nobody(ticks: Ticks) -> None:
    assert [ticks.tick(), ticks.tick()] == [("wait", 1), ("wait", 1)]
    ticks.api.end("SUCCEEDED")
    assert ticks.tick() == ("judge", 0)
    assert (ticks.api.made, ticks.api.removed) == (1, [])
    ticks.api.ends = ended("SUCCEEDED")
    assert ticks.tick() == ("judge", 0)
    assert (ticks.api.made, len(ticks.api.removed)) == (2, 1)
