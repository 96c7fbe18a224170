"""Latencies of published models in NumPy and in Keras, measured in turns in a process of their own; prints them as JSON.

    python tests/benchmark/latency_runners.py

One thread for NumPy, as `distrnn predict` has it; TensorFlow has all that it wants.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf

from distrnn.models import build_classifier, build_language_model
from distrnn.runtime import Network
from distrnn.runtime.generation import Sampling, generate_ids
from distrnn.training.export import export
from distrnn.workflow import ClassifierModel, LanguageModel

ROUNDS = 9
TOKENS, UNITS, WORDS = 80, 128, 20_000
CHARACTERS, WRITER_UNITS, EMBEDDING = 86, 256, 42
WRITTEN, WRITTEN_BY_KERAS = 2_000, 25


def network_of(model: keras.Model) -> Network:
    """The NumPy form."""
    with tempfile.TemporaryDirectory() as folder:
        export(model, Path(folder))
        return Network.load(Path(folder) / "numpy")


def in_turns(contenders: dict[str, tuple[Callable[[], object], int]]) -> dict[str, list[float]]:
    """Seconds of one unit of work of each contender, round by round; each does `count` of them in a round, the first round apart."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(ROUNDS + 1):
        for name, (work, count) in contenders.items():
            started = time.perf_counter()
            work()
            if turn:
                seconds[name].append((time.perf_counter() - started) / count)
    return seconds


def predictions() -> dict[str, list[float]]:
    """One review: 80 tokens through an LSTM of 128 units."""
    section = ClassifierModel.model_validate({"type": "lstm", "sequence_length": TOKENS, "embedding_dim": UNITS, "units": UNITS})
    model = build_classifier(section, vocabulary_size=WORDS, head="probabilities")
    network, function = network_of(model), tf.function(lambda tokens: model(tokens, training=False))
    rows = np.random.default_rng(0).integers(3, WORDS, (10, 1, TOKENS), dtype=np.int32)
    largest = max(float(np.abs(network.predict(row) - function(row).numpy()).max()) for row in rows)
    if largest > 1e-5:
        sys.exit(f"NumPy and Keras are {largest} apart")
    return in_turns(
        {
            "numpy": (lambda: [network.predict(row) for row in rows], len(rows)),
            "function": (lambda: [function(row).numpy() for row in rows], len(rows)),
            "predict": (lambda: [model.predict(row, verbose=0) for row in rows[:3]], 3),
        }
    )


def writing() -> dict[str, list[float]]:
    """One character after the other, from an LSTM of 256 units."""
    keys = {"task": "language-model", "type": "lstm", "window": 8, "embedding_dim": EMBEDDING, "units": WRITER_UNITS}
    section = LanguageModel.model_validate(keys)
    model = build_language_model(section, vocabulary_size=CHARACTERS, batch=1, window=None, head="probabilities")
    network, generator = network_of(model), np.random.default_rng(0)

    def by_numpy() -> None:
        settings = {"first_id": 1, "size": CHARACTERS, "sampling": Sampling(), "generator": generator}
        for _ in generate_ids(network, [1], WRITTEN, **settings):
            pass

    def by_keras() -> None:
        token = 1
        for _ in range(WRITTEN_BY_KERAS):
            shares = model.predict(np.array([[token]], np.int32), verbose=0)[0, 0, 1:]
            token = 1 + int(generator.choice(CHARACTERS - 1, p=shares / shares.sum()))

    return in_turns({"numpy": (by_numpy, WRITTEN), "predict": (by_keras, WRITTEN_BY_KERAS)})


if __name__ == "__main__":
    print(json.dumps({"prediction": predictions(), "writing": writing()}))
