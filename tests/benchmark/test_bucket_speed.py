"""Training on full-length reviews: batches bucketed by length beside batches that are all padded to the longest review."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from benchmark.tables import made_on, publish, table

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3600), pytest.mark.usefixtures("two_devices")]
LENGTH, BATCH, BUCKETS = 2500, 32, 16
STEPS_BUCKETED, STEPS_PADDED, ROUNDS = 96, 6, int(os.environ.get("BENCH_REPEATS", "3"))


def test_bucketing_of_full_length_reviews(shared_data: Path, repo_root: Path, tmp_path: Path) -> None:
    from distrnn.data.batches import Batch
    from distrnn.data.dataset import open_dataset
    from distrnn.storage import open_store
    from distrnn.training.kernel_plan import kernels_for
    from distrnn.training.loop import Trainer
    from distrnn.training.plan import Placement, plan_batches
    from distrnn.training.step import FIGURES, FLAGS
    from distrnn.training.strategy import make_strategy
    from distrnn.training.tasks import ClassifierTask
    from distrnn.workflow.sections import ClassifierModel, Train

    command = [sys.executable, "-m", "distrnn", "prepare", str(repo_root / "workflows/imdb-lstm.yaml"), "--json"]
    home = os.environ | {"DISTRNN_HOME": str(tmp_path)}
    subprocess.run([*command, "--set", f"data.path={shared_data / 'imdb'}"], env=home, check=True, capture_output=True)
    store = open_store(str(tmp_path / "storage"))
    (fingerprint,) = store.folders("datasets/")
    dataset = open_dataset(store, fingerprint)
    model = ClassifierModel(type="lstm", sequence_length=LENGTH, mask_zero=True, embedding_dim=32, units=32).resolved()
    placement = Placement("cpu", 2, 0, 1)

    def trainer_and_batches(buckets: int | None) -> tuple[Trainer, Iterator[Batch]]:
        task = ClassifierTask(model, dataset.vocabulary.size, buckets)
        train = Train(epochs=1, global_batch_size=BATCH)
        trainer = Trainer(task, train, plan_batches(BATCH, 1), make_strategy(placement), kernels=kernels_for(model, train, placement))
        return trainer, task.training_batches(dataset.reader("train"), global_batch_size=BATCH, seed=0).epoch(0)

    def step(trainer: Trainer, batch: Batch) -> None:
        group = Batch(*(array[None] for array in batch))
        trainer.steps.take(group, np.full(1, 1e-3, np.float32), np.zeros(FLAGS, np.float32), np.zeros(FIGURES))

    kinds = {}
    for name, buckets, steps in (("bucketed", BUCKETS, STEPS_BUCKETED), ("padded to the longest", None, STEPS_PADDED)):
        trainer, batches = trainer_and_batches(buckets)
        taken = list(islice(batches, steps))
        for batch in {batch.tokens.shape[1]: batch for batch in taken}.values():
            step(trainer, batch)  # compiles
        kinds[name] = (trainer, taken)
    rates: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(ROUNDS):
        for name, (trainer, taken) in kinds.items():
            started = time.perf_counter()
            for batch in taken:
                step(trainer, batch)
            rates[name].append(len(taken) * BATCH / (time.perf_counter() - started))
    medians = {name: statistics.median(found) for name, found in rates.items()}
    ratio = medians["bucketed"] / medians["padded to the longest"]
    what = f"full-length reviews, {BUCKETS} lengths, masked LSTM 32"
    rows = [[what, *(f"{rate:,.0f}" for rate in medians.values()), f"**{ratio:.1f}** ×", "2"]]
    lines = table(["", *(f"{name}, reviews/s" for name in medians), "ratio", "at least"], rows)
    lines += ["", f"Each length once compiled. {made_on(['tensorflow', 'keras'])}."]
    publish("buckets", lines, complete=ROUNDS >= 3)
    assert ratio >= 2.0
