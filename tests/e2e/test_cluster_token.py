"""A cluster that wants a token (RAY_AUTH_MODE=token), as compose.yaml and the manifests start it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from fixtures_training_jobs import JobNodes, job_environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

TOKEN = "a-token-of-the-tests-0123456789abcdef"
WITH_TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[JobNodes]:
    """A head alone; its home has no token, so that only its environment does."""
    nodes = JobNodes(tmp_path, {**job_environment(tmp_path), "HOME": str(tmp_path), **WITH_TOKEN})
    try:
        yield nodes
    finally:
        nodes.close()


@pytest.fixture
def distrnn(tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Run a command with these variables; the machine's own token is out of reach."""

    def run(env: Mapping[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
        told = {key: value for key, value in os.environ.items() if not key.startswith("RAY_AUTH")}
        command = [sys.executable, "-m", "distrnn", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=280, env={**told, "HOME": str(tmp_path), **env})

    return run


def test_only_whoever_shows_the_token_speaks_to_the_cluster(
    guarded: JobNodes, distrnn: Callable[..., "subprocess.CompletedProcess[str]"], tmp_path: Path
) -> None:
    without = "Authentication required: Unauthorized: Missing authentication token"
    wrong = "Authentication failed: Forbidden: Invalid authentication token"
    for env, reason in (({}, without), ({**WITH_TOKEN, "RAY_AUTH_TOKEN": TOKEN[::-1]}, wrong)):
        refused = distrnn(env, "jobs", "list", "--address", guarded.url)
        assert (refused.returncode, refused.stdout, refused.stderr) == (
            7,
            "",
            f"error: {guarded.url} wants a token: {reason}. Set RAY_AUTH_MODE=token, and the cluster's token in RAY_AUTH_TOKEN or in "
            "~/.ray/auth_token.\n",
        )
    listed = distrnn(WITH_TOKEN, "jobs", "list", "--address", guarded.url, "--json")
    assert (listed.returncode, listed.stdout) == (0, "[]\n"), listed.stderr
    places = ("--registry", str(tmp_path / "registry"), "--storage", str(tmp_path / "storage"))
    # A job, which connects to the cluster itself and runs a task on the node
    looked = distrnn(WITH_TOKEN, "doctor", "--address", guarded.url, *places, "--json")
    assert looked.returncode == 0, looked.stdout + looked.stderr
    (node,) = json.loads(looked.stdout)["nodes"]
    assert node["problems"] == []
