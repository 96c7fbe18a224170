"""How long a prediction takes, a written character, and all of `distrnn predict`, beside Keras. Alone, with the table for the README:

    BENCH_README=1 .venv/bin/python -m pytest -m bench -s tests/benchmark/test_latency.py

All take turns; medians over the rounds.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from benchmark import latency_runners, tables
from distrnn import Registry

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1800)]

STARTS = 7
COLUMNS = ("what", "distrnn", "beside", "times faster", "asked")


def seconds_of(*arguments: str, env: dict[str, str] | None = None) -> tuple[float, float]:
    """A process of Python: seconds from its start to its end, and of the processor."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True, env={**os.environ, **(env or {})})
    elapsed, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return elapsed, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def starts(tmp_path: Path, tiny_classifier: Any) -> dict[str, tuple[float, float]]:
    """Medians of `distrnn predict`, of a model that was pulled before, and of importing TensorFlow."""
    registry, home = Registry(tmp_path / "registry"), {"DISTRNN_HOME": str(tmp_path / "home")}
    registry.publish("reviews", tiny_classifier(), metadata={"task": "classifier"})
    predict = ("-m", "distrnn", "predict", "reviews", "a good film", "--registry", registry.url)
    seconds_of(*predict, env=home)
    rounds = [(seconds_of(*predict, env=home), seconds_of("-c", "import tensorflow")) for _ in range(STARTS)]
    found = {}
    for place, name in enumerate(("predict", "tensorflow")):
        elapsed, processor = zip(*(turn[place] for turn in rounds), strict=True)
        found[name] = statistics.median(elapsed), statistics.median(processor)
    return found


def in_ms(seconds: float) -> str:
    return f"{1000 * seconds:.3g} ms"


def test_latency(tmp_path: Path, tiny_classifier: Any) -> None:
    done = subprocess.run([sys.executable, latency_runners.__file__], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    measured = json.loads(done.stdout.splitlines()[-1])
    one = {name: statistics.median(values) for name, values in measured["prediction"].items()}
    letter = {name: statistics.median(values) for name, values in measured["writing"].items()}
    cold = starts(tmp_path, tiny_classifier)
    per_s = 1 / min(measured["writing"]["numpy"])  # the quickest round: others on the machine only slow it down
    comparisons = [
        (
            "one prediction, LSTM 128 on 80 tokens",
            in_ms(one["numpy"]),
            "`model.predict`",
            one["predict"],
            one["predict"] / one["numpy"],
            40,
        ),
        ("the same", in_ms(one["numpy"]), "a called `tf.function`", one["function"], one["function"] / one["numpy"], 2),
        (
            "one written character, LSTM 256",
            f"{in_ms(letter['numpy'])}; {per_s:,.0f} a second at best",
            "`model.predict` in a loop",
            letter["predict"],
            letter["predict"] / letter["numpy"],
            30,
        ),
        (
            "`distrnn predict`, the whole process",
            f"{cold['predict'][0]:.2f} s ({cold['predict'][1]:.2f} s of the processor)",
            "`import tensorflow` alone",
            cold["tensorflow"][0],
            cold["tensorflow"][0] / cold["predict"][0],
            1,
        ),
    ]
    rows = [
        [what, ours, f"{peer} {in_ms(seconds)}", f"**{times:.1f}**", f"at least {asked}"]
        for what, ours, peer, seconds, times, asked in comparisons
    ]
    note = (
        f"Medians of {latency_runners.ROUNDS} rounds, of {STARTS} for processes, everybody in turn; one thread for NumPy, all cores for "
        "TensorFlow. Also asked: 5,000 characters a second at best, 0.7 s for the process. "
        f"{tables.made_on(('tensorflow', 'keras', 'numpy'))}."
    )
    tables.publish("latency", [*tables.table(COLUMNS, rows), "", note], complete=True)
    assert [f"{what}, {peer}: {times:.1f}" for what, _, peer, _, times, asked in comparisons if times < asked] == []
    assert per_s >= 5_000
    assert cold["predict"][0] < 0.7
