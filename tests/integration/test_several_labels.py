"""A classifier of more than two labels: its loss is Keras', replicas equal one device, and what it publishes says the same."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from distrnn.data.reader import ShardArrays, ShardReader
from distrnn.progress import silent
from distrnn.runtime import Network
from distrnn.training.evaluate import ClassifierEvaluator
from distrnn.training.export import export
from distrnn.training.kernel_plan import kernels_for
from distrnn.training.loop import Hooks, Trainer
from distrnn.training.plan import Placement, plan_batches
from distrnn.training.strategy import make_strategy
from distrnn.training.tasks import ClassifierTask
from distrnn.workflow.sections import ClassifierModel, Optimizer, Train

pytestmark = [
    pytest.mark.usefixtures("two_devices"),
    # Keras' own, while it saves a model.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
]

CLASSES, VOCABULARY, LENGTH, ROWS = 3, 30, 6, 84
TOLERANCE = 1e-5


def task(classes: int = CLASSES) -> ClassifierTask:
    section = ClassifierModel.model_validate({"type": "conv", "sequence_length": LENGTH, "embedding_dim": 8, "units": 8})
    return ClassifierTask(section, VOCABULARY, classes=classes)


def documents() -> ShardReader:
    """Documents whose third word says their label."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, ROWS).astype(np.int16)
    tokens = rng.integers(10, VOCABULARY, (ROWS, LENGTH)).astype(np.uint16)
    tokens[:, 2] = 3 + labels
    return ShardReader([ShardArrays(tokens.reshape(-1), np.arange(ROWS + 1) * LENGTH, labels)])


def trained(replicas: int, epochs: int = 2) -> keras.Model:
    learner, section = task(), Train(epochs=epochs, global_batch_size=8, optimizer=Optimizer(learning_rate=0.01))
    placement = Placement("cpu", 2, 0, replicas)
    kernels = kernels_for(learner.model, section, placement)
    trainer = Trainer(learner, section, plan_batches(8, replicas), make_strategy(placement), kernels=kernels)
    trainer.fit(learner.training_batches(documents(), global_batch_size=8, seed=0), Hooks(silent, lambda: False, lambda _: None))
    return trainer.model


@pytest.fixture(scope="module")
def learned(two_devices: None) -> keras.Model:
    return trained(replicas=1, epochs=8)


def test_two_replicas_equal_one_device() -> None:
    one, two = (trained(replicas).get_weights() for replicas in (1, 2))
    assert max(float(np.abs(a - b).max()) for a, b in zip(one, two, strict=True)) < TOLERANCE


def numbers_of(labels: Any) -> tuple[Any, Any]:
    logits = tf.constant(np.random.default_rng(0).normal(size=(5, CLASSES)), tf.float32)
    return logits, [value.numpy() for value in task().loss_and_hits(tf.constant(labels, tf.float32), logits)]


def test_the_loss_of_a_label_is_keras_cross_entropy() -> None:
    logits, (losses, hits) = numbers_of([0, 2, 1, 1, 0])
    expected = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=None)(np.array([0, 2, 1, 1, 0]), logits)
    np.testing.assert_allclose(losses, expected, atol=TOLERANCE)
    assert hits.tolist() == (logits.numpy().argmax(axis=1) == [0, 2, 1, 1, 0]).tolist()


def test_the_loss_of_a_teachers_probabilities_is_keras_cross_entropy() -> None:
    soft = np.random.default_rng(1).dirichlet(np.ones(CLASSES), 5).astype(np.float32)
    logits, (losses, hits) = numbers_of(soft)
    np.testing.assert_allclose(losses, keras.losses.CategoricalCrossentropy(from_logits=True, reduction=None)(soft, logits), atol=TOLERANCE)
    assert hits.tolist() == (logits.numpy().argmax(axis=1) == soft.argmax(axis=1)).tolist()


def test_the_loss_of_a_teachers_probability_of_the_second_of_two_labels() -> None:
    logits, soft = tf.constant([[0.5], [-2.0]]), tf.constant([0.9, 0.3])
    losses, hits = task(classes=2).loss_and_hits(soft, logits)
    probabilities = 1 / (1 + np.exp(-logits.numpy()[:, 0]))
    expected = -(soft * np.log(probabilities) + (1 - soft) * np.log(1 - probabilities))
    np.testing.assert_allclose(losses, expected, atol=TOLERANCE)
    assert hits.numpy().tolist() == [1.0, 1.0]


def test_knowing_nothing_costs_the_logarithm_of_the_labels() -> None:
    assert task().loss_of_ignorance == pytest.approx(np.log(3))
    assert task(classes=2).loss_of_ignorance == pytest.approx(np.log(2))


def test_validation_counts_the_likeliest_label(learned: keras.Model) -> None:
    evaluator = ClassifierEvaluator(task(), compile_with_xla=True)
    loss, accuracy = evaluator.validate(learned, documents())
    probabilities, labels = evaluator.probabilities(documents())
    truth = labels.astype(int)
    assert probabilities.shape == (ROWS, CLASSES)
    assert accuracy == np.mean(probabilities.argmax(axis=1) == truth) > 0.9
    assert loss == pytest.approx(-np.log(probabilities[np.arange(ROWS), truth]).mean(), abs=TOLERANCE)


def test_what_is_published_says_the_same_in_numpy(learned: keras.Model, tmp_path: Any) -> None:
    published = task().published_model()
    published.set_weights(learned.get_weights())
    export(published, tmp_path)
    tokens = documents().pad_rows(np.arange(ROWS), LENGTH, "pre", "pre")
    np.testing.assert_allclose(Network.load(tmp_path / "numpy").predict(tokens), np.asarray(published(tokens)), atol=TOLERANCE)
