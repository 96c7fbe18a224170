"""How fast training steps are taken on the processor, beside Keras' `fit` and PyTorch. Alone, with the table for the README:

    BENCH_README=1 .venv/bin/python -m pytest -m bench -s tests/benchmark/test_training_speed.py

All take turns in one process on all cores; medians of BENCH_REPEATS (7) rounds after one that is not counted.
"""

import json
import os
import subprocess
import sys

import pytest

from benchmark import tables, training_runners

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3600)]

REPEATS = int(os.environ.get("BENCH_REPEATS", "7"))
COLUMNS = ("network", "batch", "rows/s", "beside Keras fit", "asked", "beside PyTorch", "asked")
# Times Keras and times PyTorch, in the order of the cases
TARGETS: list[tuple[float | None, float | None]] = [(1.5, 1.0), (2.0, None), (None, None), (6.0, 2.0), (1.5, 1.0), (1.5, 1.0)]
BOUND = (
    "What bounds it: of the LSTM classifier's step two thirds are matrix products, which XLA's kernels take at about 130 GFLOP/s a core, "
    "a sixth is the optimizer's pass over the embedding, the rest the gates. With windows of 8 and batch normalisation rows cannot be "
    "computed apart, and XLA takes the small product of a step (64 × 256 × 1,024) at 70 GFLOP/s in a loop. Tried there: cutting the "
    "rows of the layer (the same), unrolling the loop (+2 %), cutting columns (slower), TensorFlow's own kernels (half as fast), XLA's "
    "flags for oneDNN and XNNPACK (the same)."
)


def asked(least: float | None) -> str:
    """A target as the table has it."""
    return "" if least is None else f"at least {least:g} ×"


def beside_torch(case: training_runners.Case, found: dict[str, float]) -> str:
    """The ratio, or why there is none."""
    if "torch" in found:
        return f"**{found['ours'] / found['torch']:.2f}** × ({found['torch']:,.0f})"
    return training_runners.TORCH_DROPOUT if case.dropout else training_runners.TORCH_MISSING


def test_training_steps():
    done = subprocess.run([sys.executable, training_runners.__file__, str(REPEATS)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    rows, missed = [], []
    for case, (least_keras, least_torch) in zip(training_runners.CASES, TARGETS, strict=True):
        per_s = found[case.name]
        times = per_s["ours"] / per_s["keras"]
        figures = [case.name, str(case.batch), f"{per_s['ours']:,.0f}", f"**{times:.2f}** × ({per_s['keras']:,.0f})", asked(least_keras)]
        rows.append([*figures, beside_torch(case, per_s), asked(least_torch)])
        for name, least in (("keras", least_keras), ("torch", least_torch)):
            if least is not None and name in per_s and per_s["ours"] < least * per_s[name]:
                missed.append(f"{case.name}: {per_s['ours'] / per_s[name]:.2f} times {name}, asked {least:g}")
    packages = ("tensorflow", "keras", *(("torch",) if training_runners.HAS_TORCH else ()))
    short = f" Not reached: {'; '.join(missed)}." if missed else ""
    note = f"Medians of {REPEATS} rounds, everybody in turn, on all cores.{short} {BOUND} {tables.made_on(packages)}."
    tables.publish("training", [*tables.table(COLUMNS, rows), "", note], complete=training_runners.HAS_TORCH)
