"""Two workers on two nodes of a real Ray cluster: a node that dies, a SIGTERM, a bucket that turns read-only."""

import random
import time
from collections.abc import Callable
from typing import Any

import pytest

from fixtures_processes import Command
from fixtures_training_cluster import Bucket, Nodes
from fixtures_training_runs import RUN, end_of, weights

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

STOP_WITHIN_S = 20.0


@pytest.fixture
def start(
    nodes: Nodes, bucket: Bucket, training_workflows: dict[str, str], start_command: Callable[..., Command]
) -> Callable[..., Command]:
    """Run on two workers of the cluster, everything being kept in the bucket."""
    settings = ["--set", "scaling.workers=2", "--set", "train.epochs=2"]

    def run(*arguments: str, home: str = "home") -> Command:
        return start_command("run", training_workflows["reviews"], *arguments, "--address", nodes.address, *settings, home=home)

    return run


@pytest.fixture(scope="module")
def undisturbed_pair(nodes: Nodes, rgw_s3: Any, training_workflows: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The weights of two workers that nothing happened to."""
    with pytest.MonkeyPatch.context() as patch:
        rgw_s3.use(patch)
        patch.setenv("RAY_AUTH_MODE", "disabled")
        bucket = Bucket(rgw_s3)
        patch.setenv("DISTRNN_STORAGE", bucket.storage)
        patch.setenv("DISTRNN_REGISTRY", bucket.registry)
        settings = ["--set", "scaling.workers=2", "--set", "train.epochs=2"]
        home = tmp_path_factory.mktemp("undisturbed-pair") / "home"
        command = Command(home, ("run", training_workflows["reviews"], "--address", nodes.address, *settings))
        assert end_of(command) == 0, command.stderr
        return weights(bucket.registry, "reviews")


def test_a_node_that_dies_is_waited_for_and_changes_no_weight(
    nodes: Nodes, bucket: Bucket, undisturbed_pair: str, start: Callable[..., Command]
) -> None:
    command = start("--run-id", RUN)
    bucket.wait_for(command, "/position.json")
    time.sleep(random.uniform(0.0, 1.0))
    nodes.kill("second")
    killed_at = time.time()
    time.sleep(3.0)
    assert command.process.poll() is None
    nodes.start("third")
    bucket.wait_for(command, "/position.json", after=killed_at + 1.0)
    assert end_of(command) == 0, command.stderr
    assert "Traceback" not in command.stderr
    assert weights(bucket.registry, "reviews") == undisturbed_pair
    assert nodes.workers() == []


def test_sigterm_lets_two_workers_save_and_go_on_later(
    nodes: Nodes, bucket: Bucket, undisturbed_pair: str, start: Callable[..., Command]
) -> None:
    command = start("--run-id", RUN)
    bucket.wait_for(command, "/position.json")
    command.terminate()
    asked_at = time.time()
    assert end_of(command) == 143
    assert time.time() - asked_at < STOP_WITHIN_S
    assert bucket.written_after(asked_at, "/position.json")
    assert "Traceback" not in command.stderr
    assert command.left_running() == []
    assert nodes.workers() == []
    resumed = start("--resume", RUN)
    assert end_of(resumed) == 0, resumed.stderr
    assert weights(bucket.registry, "reviews") == undisturbed_pair


def test_a_worker_that_fails_for_good_ends_the_group_with_its_message(nodes: Nodes, bucket: Bucket, start: Callable[..., Command]) -> None:
    command = start("--run-id", RUN)
    bucket.wait_for(command, "/position.json")
    bucket.make_read_only()
    assert end_of(command) == 7, command.stderr
    assert "Traceback" not in command.stderr
    assert f" refuses access to s3://{bucket.name}/storage/runs/{RUN}/checkpoints/epoch-" in command.stderr.splitlines()[-1]
    assert command.left_running() == []
    assert nodes.workers() == []
