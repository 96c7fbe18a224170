"""What large weights cost: Keras' own penalties, added once to the loss of a batch however its rows are shared out, not told as loss."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from distrnn.data.batches import Batch
from distrnn.training.kernels.choice import Kernels
from distrnn.training.plan import Placement
from distrnn.training.step import Steps
from distrnn.training.strategy import make_strategy
from distrnn.training.tasks import ClassifierTask
from distrnn.workflow.sections import ClassifierModel

pytestmark = pytest.mark.usefixtures("two_devices")

VOCABULARY, LENGTH, ROWS, FULL, RATE = 20, 5, 12, 16, 0.5
TOLERANCE = 1e-6
COSTS = {"kernel": {"l1": 0.01}, "recurrent": {"l2": 0.02}, "bias": {"l2": 0.1}, "embeddings": {"l1": 0.003, "l2": 0.03}}
WHOLE = Kernels("keras", "nothing", "")
PARTS = Kernels("keras", "gradient", "", step_parts=2)


def batch() -> Batch:
    """One step of a short batch: of 16 rows the last four are missing."""
    rng = np.random.default_rng(0)
    tokens = rng.integers(1, VOCABULARY, (1, FULL, LENGTH)).astype(np.int32)
    labels, weights = rng.integers(0, 2, (1, FULL)).astype(np.float32), np.ones((1, FULL), np.float32)
    weights[:, ROWS:] = 0.0
    return Batch(tokens * weights[..., None].astype(np.int32), labels, weights)


def begun(strategy: Any, replicas: int, costs: dict[str, Any]) -> tuple[ClassifierTask, keras.Model]:
    """A small model with weights that all cost something."""
    keys = {"type": "gru", "sequence_length": LENGTH, "embedding_dim": 4, "units": 3, "regularizers": costs}
    task = ClassifierTask(ClassifierModel.model_validate(keys), VOCABULARY)
    with strategy.scope():
        model = task.training_model(per_replica_batch_size=FULL // replicas, replicas=replicas)
        rng = np.random.default_rng(1)
        model.set_weights([rng.normal(0.0, 0.4, weight.shape).astype(np.float32) for weight in model.get_weights()])
    return task, model


def stepped(kernels: Kernels, replicas: int = 1, costs: dict[str, Any] = COSTS) -> tuple[list[np.ndarray], float]:
    """The weights after one step of plain gradient descent, and the loss that was told."""
    strategy = make_strategy(Placement("cpu", 1, 0, replicas))
    task, model = begun(strategy, replicas, costs)
    with strategy.scope():
        optimizer = keras.optimizers.SGD(RATE)
        optimizer.build(model.trainable_variables)
    rows = {"per_replica_batch_size": FULL // replicas, "replicas_per_worker": replicas}
    steps = Steps(task, model, optimizer, strategy, kernels=kernels, **rows)
    taken = steps.take(batch(), np.array([RATE], np.float32), np.zeros(3, np.float32), np.zeros(4))
    return model.get_weights(), float(taken.losses[0])


def stepped_by_keras() -> list[np.ndarray]:
    """The same step down the loss that Keras makes: the mean over the rows that there are, and `Model.losses`."""
    _, model = begun(make_strategy(Placement("cpu", 1, 0, 1)), 1, COSTS)
    tokens, labels, _ = (array[0, :ROWS] for array in batch())
    with tf.GradientTape() as tape:
        losses = tf.nn.sigmoid_cross_entropy_with_logits(labels, model(tokens, training=True)[:, 0])
        loss = tf.reduce_mean(losses) + tf.add_n(model.losses)
    gradients = tape.gradient(loss, [variable.value for variable in model.trainable_variables])
    moves = [RATE * tf.convert_to_tensor(gradient).numpy() for gradient in gradients]
    return [before - move for before, move in zip(model.get_weights(), moves, strict=True)]


def test_a_step_is_the_one_that_keras_makes_with_its_penalties():
    for mine, its in zip(stepped(WHOLE)[0], stepped_by_keras(), strict=True):
        np.testing.assert_allclose(mine, its, atol=TOLERANCE)


@pytest.mark.parametrize(("kernels", "replicas"), [(PARTS, 1), (WHOLE, 2)])
def test_however_the_rows_are_shared_out_weights_cost_the_same(kernels, replicas):
    """In two parts, or on two replicas of which the second has four rows of twelve."""
    for one, other in zip(stepped(WHOLE)[0], stepped(kernels, replicas)[0], strict=True):
        np.testing.assert_allclose(other, one, atol=TOLERANCE)


def test_the_loss_that_is_told_is_that_of_the_rows_alone():
    (with_costs, told), (without, plain) = stepped(WHOLE), stepped(WHOLE, costs={})
    assert told == pytest.approx(plain, abs=TOLERANCE)
    assert max(np.abs(one - other).max() for one, other in zip(with_costs, without, strict=True)) > 1e-2
