"""What a step costs, and what of it, on one device and spread over replicas or workers: the LSTM of imdb-lstm without dropout."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

VOCABULARY, LENGTH, BATCH = 20_000, 80, 32
STEPS, ROUNDS = 12, 3
PARTS = ("step", "reduction", "update")


def trainer_of(strategy: Any, replicas: int, member: Any, replicas_per_worker: int) -> Any:
    """The engine with the model."""
    from distrnn.training.kernel_plan import kernels_for
    from distrnn.training.loop import Trainer
    from distrnn.training.plan import Placement, plan_batches
    from distrnn.training.tasks import ClassifierTask
    from distrnn.workflow.sections import ClassifierModel, Train

    task = ClassifierTask(ClassifierModel(type="lstm", sequence_length=LENGTH, embedding_dim=128, units=128), VOCABULARY)
    train = Train(epochs=1, global_batch_size=BATCH)
    kernels = kernels_for(task.model, train, Placement("cpu", 2 // member.workers, 0, replicas_per_worker, member.workers))
    return Trainer(task, train, plan_batches(BATCH, replicas), strategy, kernels=kernels, member=member)


def measured(strategy: Any, replicas: int, member: Any, replicas_per_worker: int) -> dict[str, float]:
    """Milliseconds of a step, and of its reduction and its update alone: medians over rounds."""
    import tensorflow as tf

    from distrnn.data.batches import Batch
    from distrnn.training.step import FIGURES, FLAGS

    # TensorFlow would do once what is the same in every turn of a loop, and that is what is measured here
    tf.config.optimizer.set_experimental_options({"loop_optimization": False})
    trainer = trainer_of(strategy, replicas, member, replicas_per_worker)
    rng = np.random.default_rng(0)
    rows = BATCH // member.workers
    tokens = rng.integers(1, VOCABULARY, (STEPS, rows, LENGTH)).astype(np.int32)
    group = Batch(tokens, rng.integers(0, 2, (STEPS, rows)).astype(np.float32), np.ones((STEPS, rows), np.float32))
    rates, flags, totals = np.full(STEPS, 1e-3, np.float32), np.zeros(FLAGS, np.float32), np.zeros(FIGURES)
    gradients = [tf.zeros(variable.shape) for variable in trainer.model.trainable_variables]

    @tf.function
    def reduction() -> Any:
        def of_replica() -> Any:
            return tuple(tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, gradients))

        read = tf.constant(0.0)  # so that no reduction is left out
        for _ in tf.range(STEPS):
            summed = strategy.run(of_replica)
            first = [strategy.experimental_local_results(one)[0] for one in summed]
            read += tf.add_n([tf.reshape(one, [-1])[0] for one in first])
        return read

    @tf.function
    def update() -> None:
        for _ in tf.range(STEPS):
            trainer.steps.update(gradients, tf.constant(1.0))

    actions: dict[str, Callable[[], Any]] = {"step": lambda: trainer.steps.take(group, rates, flags, totals), "update": update}
    if member.workers > 1:
        actions["reduction"] = lambda: reduction().numpy()
    found: dict[str, list[float]] = {part: [] for part in PARTS}
    for turn in range(ROUNDS + 1):
        for part, action in actions.items():
            started = time.perf_counter()
            action()
            if turn:
                found[part].append((time.perf_counter() - started) / STEPS * 1e3)
    return {part: statistics.median(times) if times else 0.0 for part, times in found.items()}


def on_devices(replicas: int) -> dict[str, float]:
    """In this process, whose TensorFlow has not been touched."""
    from distrnn.training.plan import Placement
    from distrnn.training.strategy import ALONE, make_strategy

    return measured(make_strategy(Placement("cpu", 2, 0, replicas)), replicas, ALONE, replicas)


def as_worker(rank: int, addresses: list[str]) -> dict[str, float]:
    """One of several workers, in this process."""
    from distrnn.training.plan import Placement
    from distrnn.training.strategy import Member, make_strategy

    member = Member(rank, addresses)
    return measured(make_strategy(Placement("cpu", 1, 0, 1, member.workers), member), member.workers, member, 1)


def for_a_checkpoint(folder: str) -> dict[str, float]:
    """Milliseconds that training stands still for a checkpoint of the same model with Adam, in a folder, and the checkpoint's megabytes."""
    from distrnn.cluster.checkpoint_store import CheckpointStore
    from distrnn.storage import open_store
    from distrnn.training import checkpoints
    from distrnn.training.checkpoints import Position
    from distrnn.training.plan import Placement
    from distrnn.training.strategy import ALONE, make_strategy

    trainer, store = trainer_of(make_strategy(Placement("cpu", 2, 0, 1)), 1, ALONE, 1), CheckpointStore(open_store(folder), "run")
    times = []
    for turn in range(10):
        with tempfile.TemporaryDirectory() as temporary:
            started = time.perf_counter()
            checkpoints.write(Path(temporary), trainer.checkpoint(Position()))
            store.put(f"epoch-00001-step-{turn:08d}-bench", Path(temporary))
            store.keep(2)
            times.append((time.perf_counter() - started) * 1e3)
            megabytes = sum(path.stat().st_size for path in Path(temporary).iterdir()) / 1e6
    return {"milliseconds": statistics.median(times), "megabytes": megabytes}


def start(*arguments: str) -> subprocess.Popen[str]:
    """A process that measures; it prints its figures as JSON."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1]), "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-m", "benchmark.distribution_runners", *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def result(process: subprocess.Popen[str]) -> dict[str, float]:
    """The figures of a process that has been started."""
    printed, _ = process.communicate(timeout=600)
    assert process.returncode == 0, printed
    figures: dict[str, float] = json.loads(printed.splitlines()[-1])
    return figures


RUNNERS: dict[str, Callable[..., dict[str, float]]] = {
    "devices": lambda replicas: on_devices(int(replicas)),
    "worker": lambda rank, addresses: as_worker(int(rank), addresses.split(",")),
    "checkpoint": for_a_checkpoint,
}

if __name__ == "__main__":
    kind, *rest = sys.argv[1:]
    print(json.dumps(RUNNERS[kind](*rest)))
