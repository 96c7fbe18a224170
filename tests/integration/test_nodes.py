"""The nodes that tests kill are gone as a whole, Ray's agents too, whose titles may lie over their mark."""

import os
import time
from pathlib import Path

import pytest

from fixtures_processes import processes
from fixtures_training_cluster import START_S, Nodes

pytestmark = pytest.mark.slow

AGENT = "ray::DashboardAgent"


def test_of_a_node_that_was_killed_nothing_is_left(tmp_path: Path) -> None:
    nodes = Nodes(tmp_path, {**os.environ, "RAY_AUTH_MODE": "disabled", "RAY_raylet_start_wait_time_s": "90"})
    try:
        deadline = time.monotonic() + START_S
        while AGENT not in nodes.processes_of("head").values():
            assert time.monotonic() < deadline, nodes.processes_of("head")
            time.sleep(0.1)
        before = nodes.processes_of("head")
    finally:
        nodes.kill("head")
    assert before.items() & processes().items() == set()
