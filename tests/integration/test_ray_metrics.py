"""What a training tells Ray, value by value; that it arrives is shown with a real training in the e2e tests."""

import socket
import time
from typing import Any

import pytest

from distrnn.cluster import ray_metrics
from distrnn.cluster.ray_metrics import CHECKPOINTS, DATA_WAIT, GAUGES, TrainMetrics
from distrnn.cluster.session import metrics_port
from distrnn.errors import UsageError
from distrnn.progress import Event
from distrnn.telemetry import METRICS


class Told:
    """Stands where one of Ray's metrics would, and keeps what it is told."""

    everything: dict[str, "Told"]

    def __init__(self, name: str, description: str, tag_keys: tuple[str, ...]) -> None:
        self.description, self.tag_keys, self.tags = description, tag_keys, {}
        self.value: float | None = None
        Told.everything[name] = self

    def set_default_tags(self, tags: dict[str, str]) -> "Told":
        self.tags = tags
        return self

    def set(self, value: float) -> None:
        self.value = value

    def inc(self, value: float) -> None:
        assert value > 0
        self.value = (self.value or 0.0) + value


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> dict[str, Told]:
    Told.everything = {}
    monkeypatch.setattr(ray_metrics, "KINDS", {"counter": Told, "gauge": Told})
    return Told.everything


def step(epoch: int, **info: Any) -> Event:
    return Event("train", 1, 10, "steps", {"epoch": epoch, "step": 1, "loss": 0.5, **info})


def test_metrics_are_those_declared_with_the_workflow_as_their_label(told: dict[str, Told]) -> None:
    TrainMetrics("reviews")
    declared = {spec.name: spec for spec in METRICS}
    assert set(told) == {*GAUGES.values(), DATA_WAIT, CHECKPOINTS}
    assert all(metric.description == declared[name].help for name, metric in told.items())
    assert all((metric.tag_keys, metric.tags) == (("workflow",), {"workflow": "reviews"}) for metric in told.values())


def test_figures_of_an_event_are_told(told: dict[str, Told]) -> None:
    TrainMetrics("reviews").progress(step(1, accuracy=0.75, tokens_per_s=1234.5, step_s=0.01, data_wait_s=0.25))
    assert {name: metric.value for name, metric in told.items()} == {
        "distrnn_train_loss_nats": 0.5,
        "distrnn_train_accuracy_ratio": 0.75,
        "distrnn_train_tokens_per_second": 1234.5,
        "distrnn_train_step_duration_seconds": 0.01,
        "distrnn_train_data_wait_seconds_total": 0.25,
        "distrnn_train_checkpoint_seconds_total": None,
    }


def test_figures_that_are_absent_are_not_told(told: dict[str, Told]) -> None:
    metrics = TrainMetrics("reviews")
    metrics.progress(Event("evaluate", 0, 1, "splits"))
    metrics.progress(step(1, accuracy=None, step_s=None))
    assert {name: metric.value for name, metric in told.items() if metric.value is not None} == {"distrnn_train_loss_nats": 0.5}


def test_the_wait_goes_on_over_epochs(told: dict[str, Told]) -> None:
    metrics = TrainMetrics("reviews")
    for epoch, waited in ((1, 0.25), (1, 0.5), (1, 0.5), (2, 0.125), (3, 1.0)):
        metrics.progress(step(epoch, data_wait_s=waited))
    assert told[DATA_WAIT].value == 0.5 + 0.125 + 1.0


def test_what_an_earlier_process_waited_for_is_not_counted_again(told: dict[str, Told]) -> None:
    metrics = TrainMetrics("reviews", waited_s=4.0)
    for epoch, waited in ((3, 4.5), (4, 0.25)):
        metrics.progress(step(epoch, data_wait_s=waited))
    assert told[DATA_WAIT].value == 0.5 + 0.25


def test_checkpoints_are_timed(told: dict[str, Told]) -> None:
    saved: list[str] = []

    def save(checkpoint: str) -> None:
        time.sleep(0.05)
        saved.append(checkpoint)

    timed = TrainMetrics("reviews").timed(save)
    timed("one")
    timed("two")
    assert saved == ["one", "two"]
    assert 0.1 <= (told[CHECKPOINTS].value or 0.0) < 10.0


def test_a_local_ray_chooses_its_port() -> None:
    assert metrics_port() is None


def test_a_local_ray_is_given_its_port(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("DISTRNN_METRICS_PORT", str(port))
    assert metrics_port() == port


def test_a_port_that_another_run_has_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setenv("DISTRNN_METRICS_PORT", str(port))
        with pytest.raises(UsageError) as caught:
            metrics_port()
    assert caught.value.message == (
        f"DISTRNN_METRICS_PORT: port {port} cannot be used (Address already in use). "
        "Another run may have it: give each run of this machine its own."
    )


@pytest.mark.parametrize("text", ["", "0", "65536", "-1", "http"])
def test_what_is_no_port_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("DISTRNN_METRICS_PORT", text)
    with pytest.raises(UsageError) as caught:
        metrics_port()
    assert caught.value.message == f"DISTRNN_METRICS_PORT must be a port from 1 to 65535. Received: {text!r}"
