"""How fast batches are read on one core, as JSON; a process of its own, since TensorFlow's threads are set once.

python tests/benchmark/batch_rates.py DATASET_FOLDER ROUNDS
"""

import itertools
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

from distrnn.data.batches import Batches, ClassifierBatches
from distrnn.data.buckets import BucketBatches
from distrnn.data.mixing import Ingredient, MixedBatches
from distrnn.data.reader import ShardReader
from distrnn.training.feed import to_tf_data

LENGTH = 80
COMMON = {"padding": "pre", "truncating": "pre", "seed": 1}


def reader(folder: Path, split: str) -> ShardReader:
    """A split of a prepared dataset."""
    return ShardReader.open(sorted((folder / "shards").glob(f"{split}-*.arrow")), split)


def classifier(split: ShardReader, batch: int) -> ClassifierBatches:
    """Batches of one dataset."""
    return ClassifierBatches(split, sequence_length=LENGTH, batch=batch, shuffle=True, **COMMON)


def mixture(*shares: tuple[ShardReader, int]) -> MixedBatches:
    """Batches of several datasets."""
    return MixedBatches([Ingredient(split, share, 0.5) for split, share in shares], sequence_length=LENGTH, **COMMON)


def into_numpy(batches: Batches) -> Callable[[], None]:
    """A turn that reads an epoch, each time the next one."""
    epochs = itertools.count()

    def turn() -> None:
        for _ in batches.epoch(next(epochs)):
            pass

    return turn


def into_tf_data(batches: Batches) -> Callable[[], None]:
    """A turn that reads an epoch through tf.data; the graph is built here, once."""
    dataset = to_tf_data(batches)

    def turn() -> None:
        for _ in dataset:
            pass

    return turn


def rates(turns: dict[str, tuple[Callable[[], None], int]], rounds: int) -> dict[str, list[float]]:
    """Sequences a CPU second of each turn that reads so many, one after the other; the first round is not counted."""
    found: dict[str, list[float]] = {name: [] for name in turns}
    names = list(turns)
    for number in range(rounds + 1):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            turn, sequences = turns[name]
            began = time.process_time()
            turn()
            seconds = time.process_time() - began
            if number:
                found[name].append(sequences / seconds)
    return found


def main() -> None:
    """Measure."""
    # Before TensorFlow starts its threads, which then stay on this core too
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    folder, rounds = Path(sys.argv[1]), int(sys.argv[2])
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    train, validation, test = (reader(folder, split) for split in ("train", "validation", "test"))
    both = ShardReader.joined([train, test])
    made: dict[str, tuple[Batches, int]] = {
        "plain 32": (classifier(train, 32), 32),
        "plain 64": (classifier(train, 64), 64),
        "plain 80": (classifier(train, 80), 80),
        "plain 256": (classifier(train, 256), 256),
        "plain 80 of both": (classifier(both, 80), 80),
        "mixed 64 + 16": (mixture((train, 64), (test, 16)), 80),
        "mixed 44 + 4 + 16": (mixture((train, 44), (validation, 4), (test, 16)), 64),
        "bucketed 32": (BucketBatches(train, sequence_length=LENGTH, batch=32, **COMMON), 32),
    }
    turns = {f"numpy {name}": (into_numpy(batches), batches.steps * rows) for name, (batches, rows) in made.items()}
    turns |= {f"tf.data {name}": (into_tf_data(batches), batches.steps * rows) for name, (batches, rows) in made.items()}
    print(json.dumps(rates(turns, rounds)))


if __name__ == "__main__":
    main()
