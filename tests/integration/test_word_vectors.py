"""Vectors of words: what the networks compute, what the loss is, and that near words stand in the same company."""

import keras
import numpy as np
import pytest

from distrnn.data.reader import ShardArrays, ShardReader
from distrnn.models.embeddings import build_embedding, build_embedding_training
from distrnn.progress import silent
from distrnn.runtime import Network
from distrnn.training.architecture import architecture
from distrnn.training.export import export
from distrnn.training.kernel_plan import kernels_for
from distrnn.training.loop import Hooks, Trainer
from distrnn.training.model_facts import trained_counts
from distrnn.training.plan import Placement, plan_batches
from distrnn.training.strategy import make_strategy
from distrnn.training.tasks import EmbeddingTask
from distrnn.workflow.sections import EmbeddingModel, Train

pytestmark = [pytest.mark.usefixtures("two_devices"), pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]

KINDS = ("skip-gram", "cbow")
V, B, W, K, D = 9, 4, 2, 3, 5


def section(kind, **keys):
    settings = {"window": W, "negatives": K, "embedding_dim": D, "subsampling": None, **keys}
    return EmbeddingModel.model_validate({"task": "embedding", "type": kind, **settings})


def drawn_rows(generator):
    around = generator.integers(3, V, (B, 2 * W)) * (generator.random((B, 2 * W)) < 0.6)
    around[:, 0] = 4
    return np.concatenate([generator.integers(3, V, (B, 1)), around, generator.integers(3, V, (B, K))], axis=1).astype(np.int32)


def by_definition(kind, row, vectors, predicted):
    """The loss of one row, as the article has it: true words up, random words down; of several true words the mean."""
    word, around, random = row[0], [token for token in row[1 : 1 + 2 * W] if token], row[1 + 2 * W :]

    def cost(reading, true):
        return np.log1p(np.exp(-reading @ predicted[true])) + sum(np.log1p(np.exp(reading @ predicted[token])) for token in random)

    if kind == "cbow":
        return cost(vectors[around].mean(axis=0), word)
    return np.mean([cost(vectors[word], token) for token in around])


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_is_that_of_the_article(kind):
    generator = np.random.default_rng(1)
    model, task = build_embedding_training(section(kind), vocabulary_size=V), EmbeddingTask(section(kind), np.ones(V, np.int64))
    vectors, predicted = generator.normal(size=(2, V, D)).astype(np.float32)
    model.get_layer("embedding").set_weights([vectors])
    model.get_layer("predicted").set_weights([predicted])
    rows = drawn_rows(generator)
    losses, _ = task.loss_and_hits((rows[:, 1 : 1 + 2 * W] > 0).astype(np.float32), model(rows))
    assert losses.numpy() == pytest.approx([by_definition(kind, row, vectors, predicted) for row in rows], rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_before_anything_is_learned_the_loss_is_that_of_ignorance(kind):
    task = EmbeddingTask(section(kind), np.ones(V, np.int64))
    rows = drawn_rows(np.random.default_rng(0))
    labels = (rows[:, 1 : 1 + 2 * W] > 0).astype(np.float32)
    losses, _ = task.loss_and_hits(labels, task.training_model(per_replica_batch_size=B, replicas=1)(rows))
    assert losses.numpy() == pytest.approx(task.loss_of_ignorance)


def test_the_published_model_sums_vectors_in_numpy_as_in_keras(tmp_path):
    model = build_embedding(section("cbow"), vocabulary_size=V)
    export(model, tmp_path)
    tokens = np.array([[3, 4, 0], [5, 0, 0], [0, 0, 0]], np.int32)
    loaded = keras.saving.load_model(tmp_path / "keras" / "model.keras", safe_mode=True)
    assert Network.load(tmp_path / "numpy").predict(tokens) == pytest.approx(np.asarray(loaded(tokens)), abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_plan_draws_is_what_keras_trains(kind):
    built = build_embedding_training(section(kind), vocabulary_size=V)
    drawn = {stage.layer: stage for stage in architecture(section(kind), V)}
    assert trained_counts(section(kind), V) == {layer.name: layer.count_params() for layer in built.layers if layer.weights}
    assert drawn["tokens"].output == ("B", *built.input_shape[1:])
    assert drawn["output"].output == ("B", *built.output_shape[1:])
    for name in ("embedding", "predicted"):
        assert drawn[name].output == ("B", *built.get_layer(name).output.shape[1:])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("replicas", [1, 2])
def test_words_that_stand_in_the_same_company_come_near_each_other(kind, replicas):
    """Two languages of four words each: every word stands among words of its own."""
    generator = np.random.default_rng(2)
    sentences = [generator.integers(3, 7, 8) + 4 * (number % 2) for number in range(400)]
    tokens = np.concatenate([[1, *sentence] for sentence in sentences]).astype(np.uint16)
    counts = np.bincount(tokens, minlength=11)
    counts[:3] = 0
    task = EmbeddingTask(section(kind, embedding_dim=8), counts)
    train = Train.model_validate({"epochs": 6, "global_batch_size": 64, "optimizer": {"learning_rate": 0.02}})
    placement = Placement("cpu", 2, 0, replicas)
    kernels = kernels_for(task.model, train, placement)
    trainer = Trainer(task, train, plan_batches(64, replicas), make_strategy(placement), kernels=kernels)
    reader = ShardReader([ShardArrays(tokens, np.array([0, len(tokens)]), np.array([-1], np.int16))])
    position = trainer.fit(task.training_batches(reader, global_batch_size=64, seed=0), Hooks(silent, lambda: False, lambda _: None))
    assert position.history[-1]["loss"] < 0.95 * position.history[0]["loss"]
    vectors = trainer.model.get_layer("embedding").get_weights()[0][3:]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    near = vectors @ vectors.T  # [8, 8]
    own = (near[:4, :4].sum() + near[4:, 4:].sum() - 8) / 24
    assert own > near[:4, 4:].mean() + 0.5
