"""How fast batches of the IMDB reviews are read, and how much of them is padding. Alone, with the table for the README:

    BENCH_README=1 .venv/bin/python -m pytest -m bench -s tests/benchmark/test_batch_speed.py

All kinds of batches take turns in one process on one core; medians of BENCH_REPEATS (7) rounds after one that is not counted. Rates are
sequences a CPU second, so that what else the machine does counts as little as can be.
"""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark import tables
from distrnn.data.buckets import BucketBatches, padding_share
from distrnn.storage import open_store
from fixtures_data import document_workflow, prepare_here

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1200)]

REPEATS = int(os.environ.get("BENCH_REPEATS", "7"))
RATES = Path(__file__).with_name("batch_rates.py")
COLUMNS = ("what", "batch", "figure", "target")
LEAST_PER_S = 100_000
MOST_PADDING = 0.05
MOST_COST = 1.1


@pytest.fixture(scope="module")
def dataset(shared_data, tmp_path_factory):
    """The reviews, prepared once."""
    return prepare_here(document_workflow(shared_data / "imdb"), open_store(str(tmp_path_factory.mktemp("storage"))))


def padding(dataset, rows):
    """Padding of full-length reviews in batches of 32, bucketed and random."""
    settings = {"sequence_length": None, "padding": "pre", "truncating": "pre", "batch": 32, "seed": 1}
    reader = dataset.reader("train")
    wasted = padding_share(BucketBatches(reader, **settings).epoch(0))
    at_random = padding_share(BucketBatches(reader, window_batches=1, **settings).epoch(0))
    rows.append(["padding of full-length reviews, batches bucketed by length", "32", f"**{100 * wasted:.1f}** %", "under 5 %"])
    rows.append(["padding of full-length reviews, batches at random", "32", f"{100 * at_random:.1f} %", ""])
    return [] if wasted < MOST_PADDING and at_random > 0.5 else [f"padding: {wasted:.3f} bucketed, {at_random:.3f} at random"]


def speed(found, rows):
    """Sequences of 80 tokens a second."""
    missed = []
    for batch in ("32", "64", "256"):
        per_s = statistics.median(found[f"tf.data plain {batch}"])
        alone = statistics.median(found[f"numpy plain {batch}"])
        figure = f"**{per_s:,.0f}** sequences/s ({alone:,.0f} into NumPy)"
        rows.append(["sequences of 80 tokens into tf.data, one core", batch, figure, f"at least {LEAST_PER_S:,}"])
        missed += [f"batches of {batch}: {per_s:,.0f} a second"] if per_s < LEAST_PER_S else []
    per_s = statistics.median(found["tf.data bucketed 32"])
    rows.append(["the same bucketed, at most 80 tokens", "32", f"{per_s:,.0f} sequences/s", ""])
    return missed


def cost(found, plain, mixed):
    """How many times the cost of a plain batch, the median over rounds of the ratio within each."""
    return statistics.median(one / other for one, other in zip(found[plain], found[mixed], strict=True))


def mixing(found, rows):
    """A mixed batch beside a plain one of the same size."""
    missed = []
    for shares, batch in (("64 + 16", "80"), ("44 + 4 + 16", "64")):
        times = cost(found, f"tf.data plain {batch}", f"tf.data mixed {shares}")
        rows.append([f"a mixed batch of {shares} rows beside a plain one, into tf.data", batch, f"**{times:.2f}** ×", "at most 1.1"])
        missed += [f"mixed {shares}: {times:.2f}"] if times > MOST_COST else []
    alone, same_data = (cost(found, f"numpy {plain}", "numpy mixed 64 + 16") for plain in ("plain 80", "plain 80 of both"))
    rows.append(["64 + 16 into NumPy alone, beside a plain batch of the first dataset", "80", f"{alone:.2f} ×", ""])
    rows.append(["64 + 16 into NumPy alone, beside a plain batch of the two datasets' documents", "80", f"{same_data:.2f} ×", ""])
    return missed


def test_reading_of_batches(dataset):
    done = subprocess.run([sys.executable, str(RATES), dataset.path, str(REPEATS)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    rows: list[list[str]] = []
    missed = [*speed(found, rows), *padding(dataset, rows), *mixing(found, rows)]
    note = f"IMDB reviews; medians of {REPEATS} rounds, kinds in turn; sequences a CPU second of one core. "
    tables.publish("batches", [*tables.table(COLUMNS, rows), "", note + tables.made_on(("numpy", "tensorflow")) + "."], complete=True)
    assert missed == []
