"""How fast training steps are taken, ours and the peers', as JSON; a process of its own, since TensorFlow's devices are set once.

    python tests/benchmark/training_runners.py ROUNDS

Everybody trains the same network on the same random batches with the same optimizer, and takes turns; a turn is a pass over the batches.
"""

import importlib.util
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from distrnn.data.batches import Batch
from distrnn.training.kernel_plan import kernels_for
from distrnn.training.loop import Trainer
from distrnn.training.plan import Placement, plan_batches
from distrnn.training.step import FLAGS
from distrnn.training.strategy import make_strategy
from distrnn.training.tasks import ClassifierTask, LanguageTask, Task
from distrnn.workflow.sections import ClassifierModel, LanguageModel, Optimizer, Train

HAS_TORCH = importlib.util.find_spec("torch") is not None
TORCH_MISSING = "torch is not installed"
TORCH_DROPOUT = "nn.LSTM has no recurrent dropout"
Turn = Callable[[], Any]


@dataclass(frozen=True)
class Case:
    """A network and its data; a `stream` predicts the token after every one and carries its state."""

    name: str
    vocabulary: int
    features: int
    type: str
    units: int
    steps: int
    optimizer: str
    batch: int = 32
    batches: int = 40
    dropout: float = 0.0
    stream: bool = False

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Tokens int32 [N, T]; labels float32 [N], or the following tokens int32 [N, T]."""
        generator = np.random.default_rng(0)
        rows = self.batch * self.batches
        tokens = generator.integers(1, self.vocabulary, (rows, self.steps), dtype=np.int32)
        return tokens, np.roll(tokens, -1, axis=1) if self.stream else generator.integers(0, 2, rows).astype(np.float32)


CASES = [
    Case("LSTM 128, 80 tokens", 20_000, 128, "lstm", 128, 80, "Adam"),
    Case("the same, dropout and recurrent_dropout 0.2", 20_000, 128, "lstm", 128, 80, "Adam", dropout=0.2),
    Case("GRU 128, 80 tokens", 20_000, 128, "gru", 128, 80, "Adam"),
    Case("SimpleRNN 32, 500 tokens", 10_000, 32, "simple-rnn", 32, 500, "RMSprop", batches=15),
    Case("stateful LSTM 256, windows of 8", 86, 42, "lstm", 256, 8, "Adam", batch=64, batches=100, stream=True),
    Case("stateful LSTM 256, windows of 40", 86, 42, "lstm", 256, 40, "Adam", batch=64, batches=20, stream=True),
]
KERAS_LAYERS = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU, "simple-rnn": keras.layers.SimpleRNN}


def network(case: Case) -> keras.Model:
    """Tokens -> logits."""
    recurrent, layers = KERAS_LAYERS[case.type], keras.layers
    if case.stream:
        cell = recurrent(case.units, return_sequences=True, stateful=True)
        entry = keras.Input(batch_shape=(case.batch, case.steps), dtype="int32")
        middle = [layers.BatchNormalization(), cell]
    else:
        entry = keras.Input((case.steps,), dtype="int32")
        middle = [recurrent(case.units, dropout=case.dropout, recurrent_dropout=case.dropout)]
    head = layers.Dense(case.vocabulary if case.stream else 1)
    return keras.Sequential([entry, layers.Embedding(case.vocabulary, case.features), *middle, head])


def keras_fit(case: Case) -> Turn:
    """`fit`, as the first example in Keras' manual has it."""
    tokens, labels = case.data()
    model = network(case)
    kind = keras.losses.SparseCategoricalCrossentropy if case.stream else keras.losses.BinaryCrossentropy
    model.compile(optimizer=case.optimizer.lower(), loss=kind(from_logits=True), metrics=["accuracy"])
    return lambda: model.fit(tokens, labels, batch_size=case.batch, epochs=1, verbose=0, shuffle=not case.stream)


def pytorch(case: Case) -> Turn:
    """The loop of PyTorch's tutorials."""
    import torch

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = torch.nn.Embedding(case.vocabulary, case.features)
            self.normalization = torch.nn.BatchNorm1d(case.features)
            kind = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "simple-rnn": torch.nn.RNN}[case.type]
            self.recurrent = kind(case.features, case.units, batch_first=True)
            self.head = torch.nn.Linear(case.units, case.vocabulary if case.stream else 1)
            self.state: Any = None

        def forward(self, tokens: Any) -> Any:
            embedded = self.embedding(tokens)
            if not case.stream:
                _, state = self.recurrent(embedded)
                return self.head((state[0] if case.type == "lstm" else state)[-1])[:, 0]
            normalized = self.normalization(embedded.transpose(1, 2)).transpose(1, 2)
            outputs, state = self.recurrent(normalized, self.state)
            self.state = tuple(one.detach() for one in state)
            return self.head(outputs).transpose(1, 2)

    tokens, labels = case.data()
    inputs, targets = torch.from_numpy(tokens).long(), torch.from_numpy(labels)
    targets = targets.long() if case.stream else targets
    model = Net()
    optimizer = getattr(torch.optim, case.optimizer)(model.parameters())
    loss = torch.nn.CrossEntropyLoss() if case.stream else torch.nn.BCEWithLogitsLoss()

    def turn() -> None:
        for first in range(0, len(inputs), case.batch):
            optimizer.zero_grad()
            loss(model(inputs[first : first + case.batch]), targets[first : first + case.batch]).backward()
            optimizer.step()

    return turn


def ours(case: Case) -> Turn:
    """The engine's own steps, all batches of a turn in one call."""
    optimizer = Optimizer(name=case.optimizer.lower(), learning_rate=0.001)
    train = Train(epochs=1, global_batch_size=case.batch, optimizer=optimizer)
    shape = {"embedding_dim": case.features, "units": case.units}
    task: Task
    if case.stream:
        task = LanguageTask(LanguageModel(task="language-model", type=case.type, window=case.steps, **shape), case.vocabulary)
    else:
        dropout = {"dropout": case.dropout, "recurrent_dropout": case.dropout}
        task = ClassifierTask(ClassifierModel(type=case.type, sequence_length=case.steps, **shape, **dropout), case.vocabulary)
    placement = Placement("cpu", len(os.sched_getaffinity(0)), 0, 1)
    kernels = kernels_for(task.model, train, placement)
    trainer = Trainer(task, train, plan_batches(case.batch, 1), make_strategy(placement), kernels=kernels)
    # [N, ...] -> [K, B, ...]
    tokens, labels = (array.reshape(case.batches, case.batch, *array.shape[1:]) for array in case.data())
    group = Batch(tokens, labels, np.ones(labels.shape, np.float32))
    rates, flags, totals = np.full(case.batches, 0.001, np.float32), np.zeros(FLAGS, np.float32), np.zeros(trainer.steps.figures)
    return lambda: trainer.steps.take(group, rates, flags, totals)


def rates(case: Case, rounds: int) -> dict[str, float]:
    """Rows a second of everybody, medians of rounds after one that is not counted."""
    turns = {"ours": ours(case), "keras": keras_fit(case)}
    if HAS_TORCH and not case.dropout:
        turns["torch"] = pytorch(case)
    found: dict[str, list[float]] = {name: [] for name in turns}
    for number in range(rounds + 1):
        for name, turn in turns.items():
            began = time.perf_counter()
            turn()
            seconds = time.perf_counter() - began
            if number:
                found[name].append(case.batch * case.batches / seconds)
    return {name: statistics.median(values) for name, values in found.items()}


if __name__ == "__main__":
    print(json.dumps({case.name: rates(case, int(sys.argv[1])) for case in CASES}))
