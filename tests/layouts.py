"""Small models, and what becomes of their weights when they are trained on one device or spread over replicas and workers."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from distrnn.data.reader import ShardArrays, ShardReader
from fixtures_ray import ASKS_NOBODY

VOCABULARY = 30
BATCH = 8
ROWS = 84  # ten batches of 8 and a short one of 4, of which one of two replicas has nothing
WINDOW = 5
EPOCHS = 2
TYPES = ("mlp", "simple-rnn", "gru", "lstm", "conv")
CLASSIFIERS = {f"{kind}{', masked' if masked else ''}": {"type": kind, "mask_zero": masked} for kind in TYPES for masked in (False, True)}
WEIGHED = "gru, weights that cost"
COSTS = {"recurrent": {"l2": 0.02}, "embeddings": {"l1": 0.002, "l2": 0.01}}
CLASSIFIERS[WEIGHED] = {"type": "gru", "mask_zero": True, "regularizers": COSTS}
LANGUAGE = "stateful lstm, batch normalisation"
WINDOWS = "dense, windows by themselves"
LANGUAGES = {LANGUAGE: {"type": "lstm"}, WINDOWS: {"type": "dense", "embedding_normalization": "layer", "activation": "relu"}}
CASES = (*CLASSIFIERS, *LANGUAGES)


def documents() -> ShardReader:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, ROWS).astype(np.int8)
    lengths = rng.integers(3, 13, ROWS)
    tokens = rng.integers(3, VOCABULARY, lengths.sum()).astype(np.uint16)
    return ShardReader([ShardArrays(tokens, np.concatenate([[0], np.cumsum(lengths)]), labels)])


def stream() -> ShardReader:
    rng = np.random.default_rng(1)
    tokens = 11 * BATCH * WINDOW + 1
    values = (np.cumsum(rng.integers(1, 3, tokens)) % (VOCABULARY - 1) + 1).astype(np.uint16)
    return ShardReader([ShardArrays(values, np.array([0, tokens]), np.array([-1], np.int8))])


def trained(case: str, strategy: Any, *, replicas: int, member: Any = None, alter: Callable[[Any], None] | None = None) -> list[np.ndarray]:
    """The weights of a case after two epochs, 22 steps, under a strategy over `replicas` of all workers."""
    from distrnn.data.parts import Part
    from distrnn.progress import silent
    from distrnn.training.kernel_plan import kernels_for
    from distrnn.training.loop import Hooks, Trainer
    from distrnn.training.plan import Placement, plan_batches
    from distrnn.training.strategy import ALONE
    from distrnn.training.tasks import ClassifierTask, LanguageTask
    from distrnn.workflow.sections import ClassifierModel, LanguageModel, Optimizer, Train

    member = member or ALONE
    train = Train(epochs=EPOCHS, global_batch_size=BATCH, optimizer=Optimizer(learning_rate=0.01), clip_norm=0.5, steps_per_call=4)
    task: Any
    if case in LANGUAGES:
        task = LanguageTask(LanguageModel(task="language-model", **LANGUAGES[case], window=WINDOW, embedding_dim=8, units=8), VOCABULARY)
        reader = stream()
    else:
        task = ClassifierTask(ClassifierModel(**CLASSIFIERS[case], sequence_length=12, embedding_dim=8, units=8), VOCABULARY)
        reader = documents()
    placement = Placement("cpu", 2, 0, replicas // member.workers, member.workers)
    batches = task.training_batches(reader, global_batch_size=BATCH, seed=0, part=Part(member.rank, member.workers))
    kernels = kernels_for(task.model, train, placement)
    trainer = Trainer(task, train, plan_batches(BATCH, replicas), strategy, kernels=kernels, member=member)
    if alter is not None:
        alter(trainer)
    trainer.fit(batches, Hooks(silent, lambda: False, lambda _: None))
    return list(trainer.model.get_weights())


def difference(one: list[np.ndarray], other: list[np.ndarray]) -> float:
    return max(float(np.abs(a - b).max()) for a, b in zip(one, other, strict=True))


def worker(config: dict[str, Any]) -> None:
    """Train every case in one group of workers; worker 0 leaves the weights in `config["file"]`."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    from ray import train
    from ray.train.collective import broadcast_from_rank_zero

    from distrnn.cluster.worker import meet
    from distrnn.training.plan import Placement
    from distrnn.training.strategy import Member, make_strategy

    context = train.get_context()
    rank, workers = context.get_world_rank(), context.get_world_size()
    member = Member(rank, meet(config["mailbox"], broadcast_from_rank_zero("one"), rank, workers))
    strategy = make_strategy(Placement("cpu", 1, 0, 1, workers), member)
    found = {case: trained(case, strategy, replicas=workers, member=member) for case in CASES}
    if rank == 0:
        arrays = {f"{case}/{index:03d}": weight for case, weights in found.items() for index, weight in enumerate(weights)}
        np.savez(config["file"], **arrays)


def loaded(file: Path) -> dict[str, list[np.ndarray]]:
    """What `worker` left, by case."""
    with np.load(file) as stored:
        names = sorted(stored.files)
        cases = dict.fromkeys(name.rpartition("/")[0] for name in names)
        return {case: [stored[name] for name in names if name.rpartition("/")[0] == case] for case in cases}


def on_two_nodes(workers: int, folder: Path) -> dict[str, list[np.ndarray]]:
    """The weights of all cases, trained by a group of workers on a Ray cluster of two nodes that a process of its own starts."""
    environment = os.environ | ASKS_NOBODY | {"PYTHONPATH": str(Path(__file__).parent), "RAY_AUTH_MODE": "disabled"}
    with (folder / "log.txt").open("wb") as log:
        command = [sys.executable, "-m", "layouts", str(workers), str(folder)]
        done = subprocess.run(command, env=environment, stdout=log, stderr=log, check=False, timeout=500)
    assert done.returncode == 0, (folder / "log.txt").read_text(errors="replace")[-3000:]
    return loaded(folder / "weights.npz")


def main(workers: int, folder: str) -> None:
    import ray
    from ray import train
    from ray.cluster_utils import Cluster
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

    from distrnn.cluster.channel import Mailbox

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    cluster.add_node(num_cpus=2)
    ray.init(address=cluster.address, log_to_driver=True)
    DataParallelTrainer(
        worker,
        train_loop_config={"file": f"{folder}/weights.npz", "mailbox": Mailbox.remote()},  # type: ignore[attr-defined]
        scaling_config=train.ScalingConfig(num_workers=workers, resources_per_worker={"CPU": 1}, placement_strategy="SPREAD"),
        run_config=train.RunConfig(name="layouts", storage_path=folder),
    ).fit()
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    import layouts

    layouts.main(int(sys.argv[1]), sys.argv[2])
