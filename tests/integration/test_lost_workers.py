"""What is done when Ray Train gives up: a worker that is lost between its start and its first call; the rest is in the tests of kills."""

import socket
from typing import Any

import pytest
import ray
from ray import train

from distrnn.cluster import train_job, worker
from distrnn.cluster.train_job import TrainJob
from distrnn.errors import DistrnnError, StorageError
from distrnn.training.plan import Placement

LOST = train.ControllerError(ray.exceptions.ActorDiedError())
OTHER = train.ControllerError(ValueError("not that"))


class Trainers:
    """What is asked one after the other: a trainer that raises, or one that returns."""

    def __init__(self, *outcomes: Any) -> None:
        self.outcomes, self.asked = list(outcomes), 0

    def __call__(self, *_: Any) -> "Trainers":
        return self

    def fit(self) -> Any:
        outcome = self.outcomes[self.asked]
        self.asked += 1
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@pytest.fixture
def job(tmp_path: Any) -> TrainJob:
    return TrainJob({}, str(tmp_path), "", Placement("cpu", 1, 0, 1), "runs/one", None)


@pytest.mark.parametrize(
    ("max_failures", "outcomes", "result"),
    [
        pytest.param(1, (LOST, "trained"), "trained", id="asked again"),
        pytest.param(2, (LOST, LOST, LOST), LOST, id="not for ever"),
        pytest.param(0, (LOST,), LOST, id="not at all"),
        pytest.param(3, (OTHER,), OTHER, id="another error of Ray Train"),
        pytest.param(3, (MemoryError(),), MemoryError, id="another error"),
    ],
)
def test_a_worker_lost_at_its_start(
    monkeypatch: pytest.MonkeyPatch, job: TrainJob, max_failures: int, outcomes: tuple[Any, ...], result: Any
) -> None:
    trainers = Trainers(*outcomes)
    monkeypatch.setattr(train_job, "_trainer", trainers)
    found = train_job._fit(job, None, max_failures)
    assert isinstance(found, result) if isinstance(result, type) else found is result
    assert trainers.asked == len(outcomes)


def test_a_storage_that_does_not_answer_is_told_as_that(monkeypatch: pytest.MonkeyPatch, job: TrainJob) -> None:
    error = StorageError("no answer")

    def fail(_: Any) -> None:
        raise error

    monkeypatch.setattr(train_job.CheckpointStore, "drop_list_of_rays", fail)
    assert train_job._fit(job, None, 3) is error


def test_workers_meet_at_a_port_that_no_connection_is_given() -> None:
    port = worker.free_port()
    assert port in range(20_000, 30_000)
    with socket.socket() as listener:
        listener.bind(("", port))


def test_a_port_in_use_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as listener:
        listener.bind(("", 0))
        taken = listener.getsockname()[1]
        monkeypatch.setattr(worker, "PORTS", range(taken, taken + 1))
        with pytest.raises(DistrnnError) as caught:
            worker.free_port()
    assert str(caught.value) == f"no port from {taken} to {taken} is free for TensorFlow's workers to meet at"
