"""A vocabulary of 100,000 tokens trains, with the full softmax and with a sampled one, and no token is ever written out as a one-hot row.

The proof is of values: the gradient is traced with nothing compiled, every float array in it that could hold a row of V for each token is
fetched from one run, and none of them is one-hot. What does make one-hot rows, in the loss or of the input, is found so.
"""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from distrnn.data.reader import ShardArrays, ShardReader
from distrnn.progress import silent
from distrnn.training.kernel_plan import kernels_for
from distrnn.training.kernels.choice import Kernels
from distrnn.training.loop import Hooks, Trainer
from distrnn.training.plan import Placement, plan_batches
from distrnn.training.strategy import make_strategy
from distrnn.training.tasks import LanguageTask
from distrnn.workflow.sections import LanguageModel, Train

pytestmark = pytest.mark.usefixtures("two_devices")

V, ROWS, WINDOW, STEPS, EPOCHS = 100_000, 8, 10, 4, 3
PLACEMENT = Placement("cpu", 2, 0, 1)
SMALL = {"task": "language-model", "type": "gru", "window": WINDOW, "embedding_dim": 16, "embedding_normalization": "none", "units": 16}


class OneHotLabels(LanguageTask):
    """The control: a loss that compares with rows of zeros and a one."""

    def loss_and_hits(self, labels: Any, logits: Any) -> tuple[Any, Any]:
        return tf.nn.softmax_cross_entropy_with_logits(tf.one_hot(labels, self.vocabulary_size), logits), tf.zeros(labels.shape)


def task_of(kind: type[LanguageTask] = LanguageTask, size: int = V, **keys: Any) -> LanguageTask:
    return kind(LanguageModel.model_validate({**SMALL, **keys}), size)


def trainer_of(task: LanguageTask, kernels: Kernels | None = None) -> Trainer:
    train = Train.model_validate({"epochs": EPOCHS, "global_batch_size": ROWS, "optimizer": {"learning_rate": 0.05}})
    chosen = kernels or kernels_for(task.model, train, PLACEMENT)
    return Trainer(task, train, plan_batches(ROWS, 1), make_strategy(PLACEMENT), kernels=chosen)


def arrays_of_rows(task: LanguageTask) -> list[np.ndarray]:
    """The float arrays of one gradient that have a row of V for each token: [ROWS * WINDOW, V] each."""
    trainer, size = trainer_of(task, Kernels("keras", "nothing", "")), task.vocabulary_size
    specs = [tf.TensorSpec((ROWS, WINDOW), kind) for kind in (tf.int32, tf.int32, tf.float32)]
    traced = tf.compat.v1.wrap_function(trainer.steps.gradient, specs)
    made = [tensor for operation in traced.graph.get_operations() for tensor in operation.outputs]
    assert all(tensor.shape.rank is not None for tensor in made if tensor.dtype.is_floating)
    wanted = [tensor for tensor in made if tensor.dtype.is_floating and (tensor.shape.num_elements() or 0) == ROWS * WINDOW * size]
    tokens, labels = np.random.default_rng(0).integers(0, size, (2, ROWS, WINDOW)).astype(np.int32)
    weights = np.ones((ROWS, WINDOW), np.float32)
    found = traced.prune(traced.inputs[:3], wanted)(*map(tf.constant, (tokens, labels, weights))) if wanted else []
    return [array.numpy().reshape(-1, size) for array in found]


def is_one_hot(rows: np.ndarray) -> bool:
    return bool((np.count_nonzero(rows, axis=1) == 1).all() and (rows.max(axis=1) == 1.0).all())


def test_the_full_softmax_has_a_score_for_every_token_and_no_one_hot_row() -> None:
    arrays = arrays_of_rows(task_of())
    assert arrays
    assert not any(is_one_hot(array) for array in arrays)


def test_a_sampled_softmax_has_not_even_a_score_for_every_token() -> None:
    assert arrays_of_rows(task_of(sampled_softmax=50)) == []


@pytest.mark.parametrize(
    "task", [task_of(OneHotLabels), task_of(size=500, embedding_dim=None)], ids=["labels of a loss", "input without an embedding"]
)
def test_one_hot_rows_are_found_where_there_are_some(task: LanguageTask) -> None:
    assert any(is_one_hot(array) for array in arrays_of_rows(task))


@pytest.mark.parametrize("sampled", [None, 50], ids=["full", "sampled"])
def test_a_hundred_thousand_tokens_are_learned(sampled: int | None) -> None:
    tokens = np.random.default_rng(1).integers(0, V, ROWS * WINDOW * STEPS + 1).astype(np.int32)
    text = ShardReader([ShardArrays(tokens, np.array([0, len(tokens)]), np.array([-1], np.int16))])
    task = task_of(sampled_softmax=sampled)
    batches = task.training_batches(text, global_batch_size=ROWS, seed=0)
    first, *_, last = trainer_of(task).fit(batches, Hooks(silent, lambda: False, lambda _: None)).history
    assert batches.steps == STEPS
    assert last["loss"] < first["loss"] - 1.0
