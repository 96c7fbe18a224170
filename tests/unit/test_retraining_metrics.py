"""Schedules in Prometheus: counters follow the records and never fall, and the page is really served."""

import socket
import urllib.request
from datetime import UTC, datetime

import pytest

from distrnn.errors import UsageError
from distrnn.retraining.metrics import RUNS, export
from distrnn.retraining.state import State
from distrnn.telemetry import Telemetry, served

AT = datetime(2026, 11, 2, 3, tzinfo=UTC)


def state(**facts):
    return State(workflow="reviews", cron="0 3 * * 1", timezone="UTC", since=AT, **facts)


def test_a_schedule_that_has_done_nothing_has_no_metrics():
    telemetry = Telemetry()
    export(telemetry, state())
    assert list(telemetry.collect()) == []


def test_counters_follow_the_record_and_never_fall():
    telemetry = Telemetry()
    for counts in ({"promoted": 2}, {"promoted": 3, "skipped": 1}, {"promoted": 1}):
        export(telemetry, state(counts=counts))
    assert telemetry.value(RUNS, workflow="reviews", outcome="promoted") == 3
    assert telemetry.value(RUNS, workflow="reviews", outcome="skipped") == 1


def test_moments_and_stages_are_exported():
    telemetry = Telemetry()
    export(telemetry, state(last_check_at=AT, last_success_at=AT, last_failure_at=AT, seconds={"train": 2.5}))
    assert telemetry.value("distrnn_workflow_last_check_timestamp_seconds", workflow="reviews") == AT.timestamp()
    assert telemetry.value("distrnn_workflow_last_success_timestamp_seconds", workflow="reviews") == AT.timestamp()
    assert telemetry.value("distrnn_workflow_last_failure_timestamp_seconds", workflow="reviews") == AT.timestamp()
    assert telemetry.value("distrnn_workflow_stage_duration_seconds", workflow="reviews", stage="train") == 2.5


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_metrics_are_served_and_a_port_that_is_taken_is_named():
    telemetry, port = Telemetry(), free_port()
    export(telemetry, state(counts={"failed": 2}))
    with served(telemetry, "127.0.0.1", port):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        with pytest.raises(UsageError) as caught, served(telemetry, "127.0.0.1", port):
            pass
    assert 'distrnn_workflow_runs_total{outcome="failed",workflow="reviews"} 2.0' in text
    assert caught.value.message == f"metrics cannot be served at 127.0.0.1:{port}: address already in use. Choose another port."
