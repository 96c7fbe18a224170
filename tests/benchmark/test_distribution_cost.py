"""What distribution costs on one machine: two replicas or two workers against one device, at the same global batch.

On one machine there is nothing to be won, as the cores are the same; what is measured is the overhead of a step, and what it consists of.
Also: the time from `distrnn run` to the first step, and how long training stands still for a checkpoint.
"""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmark import distribution_runners as runners
from benchmark.tables import made_on, publish, table
from fixtures_s3 import free_ports

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3600)]
ROUNDS = int(os.environ.get("BENCH_REPEATS", "3"))
TINY = """
name: tiny
data: {source: synthetic-reviews, limit: 64, tokenizer: {level: word, vocabulary_size: 1000}}
model: {type: lstm, sequence_length: 20, embedding_dim: 8, units: 8}
train: {epochs: 1, global_batch_size: 32}
"""


def two_workers() -> dict[str, float]:
    addresses = ",".join(f"127.0.0.1:{port}" for port in free_ports(2))
    processes = [runners.start("worker", str(rank), addresses) for rank in (0, 1)]
    figures = [runners.result(process) for process in processes]
    return figures[0]


def until_the_first_step(workflow: Path, home: Path) -> float:
    """Seconds from the command to the end of an epoch of one or two steps."""
    command = [sys.executable, "-m", "distrnn", "run", str(workflow)]
    started = time.perf_counter()
    with subprocess.Popen(command, env=os.environ | {"DISTRNN_HOME": str(home)}, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "epoch 1/1" in line:
                seconds = time.perf_counter() - started
        assert process.wait() == 0
    return seconds


def test_cost_of_distribution(tmp_path: Path) -> None:
    kinds = {
        "one device": lambda: runners.result(runners.start("devices", "1")),
        "two replicas (logical devices)": lambda: runners.result(runners.start("devices", "2")),
        "two workers": two_workers,
    }
    rounds = [{kind: measure() for kind, measure in kinds.items()} for _ in range(ROUNDS)]
    rows = []
    for kind in kinds:
        step, reduction, update = (statistics.median(one[kind][part] for one in rounds) for part in runners.PARTS)
        overhead = statistics.median(one[kind]["step"] - one["one device"]["step"] for one in rounds)
        between = f"{reduction:.1f}" if kind == "two workers" else ""
        rows.append([kind, f"{step:.1f}", f"{overhead:+.1f}", between, f"{update:.1f}", f"{step - reduction - update:.1f}"])
    lines = table(["", "step, ms", "overhead, ms", "reduction between workers, ms", "update, ms", "the rest, ms"], rows)
    (tmp_path / "tiny.yaml").write_text(TINY)
    first = statistics.median(until_the_first_step(tmp_path / "tiny.yaml", tmp_path / f"first-{turn}") for turn in range(ROUNDS))
    lines += ["", f"From `distrnn run` to the first steps: {first:.1f} s (Ray's start, the dataset, TensorFlow's import, compilation)."]
    kept = runners.result(runners.start("checkpoint", str(tmp_path / "storage")))
    lines += ["", f"A checkpoint of {kept['megabytes']:.0f} MB in a folder: training stands still for {kept['milliseconds']:.0f} ms."]
    lines += ["", made_on(["tensorflow", "keras", "ray"])]
    publish("distribution", lines, complete=ROUNDS >= 3)
