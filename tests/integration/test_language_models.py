"""Language models of every kind: what is equal by construction is equal in numbers, and what is published is what was trained."""

import itertools
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from distrnn.data.reader import ShardArrays, ShardReader
from distrnn.models import build_language_model
from distrnn.runtime import Network
from distrnn.training import variables
from distrnn.training.evaluate import LanguageEvaluator
from distrnn.training.export import export
from distrnn.training.model_facts import parameter_counts
from distrnn.training.tasks import LanguageTask
from distrnn.workflow import LanguageModel

pytestmark = [
    # TensorFlow lets a process configure its devices once, before it is used.
    pytest.mark.usefixtures("two_devices"),
    # Keras' own, while it saves a model.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
]

VOCABULARY, WINDOW, ROWS = 30, 6, 4
TOLERANCE = 1e-5

KINDS: dict[str, dict[str, Any]] = {
    "dense, last": {"type": "dense", "predict": "last", "embedding_normalization": "none"},
    "dense, every, relu": {"type": "dense", "activation": "relu"},
    "simple-rnn, windows": {"type": "simple-rnn", "stateful": False, "predict": "last", "activation": "relu"},
    "gru, windows, one-hot": {"type": "gru", "stateful": False, "embedding_dim": None},
    "simple-rnn, one-hot": {"type": "simple-rnn", "embedding_dim": None},
    "gru, two layers": {"type": "gru", "layers": 2, "embedding_normalization": "layer", "dropout": 0.1, "recurrent_dropout": 0.1},
    "lstm, two layers, hidden": {"type": "lstm", "layers": 2, "hidden_units": 7, "embedding_dropout": 0.1, "output_dropout": 0.2},
    "lstm, last": {"type": "lstm", "predict": "last"},
}


def section(**keys: Any) -> LanguageModel:
    return LanguageModel.model_validate({"task": "language-model", "window": WINDOW, "embedding_dim": 5, "units": 9, **keys})


def tokens(rows: int, length: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, VOCABULARY, (rows, length), dtype=np.int32)


def with_random_weights(model: keras.Model, seed: int = 0) -> keras.Model:
    generator = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.path.endswith("moving_variance"):
            weight.assign(generator.uniform(0.5, 2.0, weight.shape))
        elif "seed_generator" not in weight.path and not weight.path.startswith("one_hot"):
            weight.assign(generator.normal(0.0, 0.3, weight.shape))
    return model


def trained_and_published(kind: str, folder: Path) -> tuple[LanguageTask, keras.Model, Network]:
    """A model as it is trained, with random weights, and what is published of it."""
    task = LanguageTask(section(**KINDS[kind]), VOCABULARY)
    trained = with_random_weights(task.training_model(per_replica_batch_size=ROWS, replicas=1))
    published = task.published_model()
    variables.copy_weights(trained, published)
    export(published, folder, window=task.published_window)
    return task, trained, Network.load(folder / "numpy")


def probabilities(logits: Any) -> np.ndarray:
    return np.asarray(keras.ops.softmax(logits))


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_trained_predicts_the_same_in_numpy(kind: str, tmp_path: Path) -> None:
    task, trained, network = trained_and_published(kind, tmp_path)
    state = network.initial_state(ROWS)
    for window in np.split(tokens(ROWS, 3 * WINDOW), 3, axis=1):
        expected = probabilities(trained(window, training=False))
        found, state = network.forward(window, state if task.model.carries_state else network.initial_state(ROWS))
        np.testing.assert_allclose(found if task.model.predict == "every" else found[:, -1], expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_of_a_text_is_what_numpy_finds_token_by_token(kind: str, tmp_path: Path) -> None:
    task, trained, network = trained_and_published(kind, tmp_path)
    (text,) = tokens(1, 300, seed=1)
    reader = ShardReader([ShardArrays(text.astype(np.uint16), np.array([0, len(text)]), np.array([-1], np.int16))])
    loss, accuracy = LanguageEvaluator(task, compile_with_xla=True).validate(trained, reader)

    state, losses, hits = network.initial_state(1), [], []
    for token, following in itertools.pairwise(text):
        shares, state = network.step(np.array([token]), state)
        losses.append(-np.log(shares[0, following]))
        hits.append(shares[0].argmax() == following)
    assert loss == pytest.approx(np.mean(losses), abs=TOLERANCE)
    assert accuracy == pytest.approx(np.mean(hits), abs=TOLERANCE)


@pytest.mark.parametrize("kind", KINDS)
def test_parameters_are_counted_as_published(kind: str) -> None:
    model = LanguageTask(section(**KINDS[kind]), VOCABULARY).published_model()
    assert parameter_counts(section(**KINDS[kind]), VOCABULARY) == {
        layer.name: layer.count_params() for layer in model.layers if layer.weights
    }


@pytest.mark.parametrize("steps", [3, 8])
@pytest.mark.parametrize("predict", ["every", "last"])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_a_recurrence_by_hand_is_a_simple_rnn_with_the_same_weights(steps: int, predict: str, activation: str) -> None:
    by_hand = section(type="dense", window=steps, predict=predict, activation=activation)
    cell = section(type="simple-rnn", stateful=False, window=steps, predict=predict, activation=activation)
    sizes: dict[str, Any] = {"vocabulary_size": VOCABULARY, "batch": ROWS, "window": steps, "head": "logits"}
    one, other = (build_language_model(model, **sizes) for model in (by_hand, cell))
    with_random_weights(one)
    other.set_weights(one.get_weights())
    np.testing.assert_allclose(one(tokens(ROWS, steps)), other(tokens(ROWS, steps)), rtol=0, atol=TOLERANCE)


def test_weights_of_another_step_would_be_noticed() -> None:
    """The control: were the layers not shared by all steps, a change of one could not change all."""
    task = LanguageTask(section(type="dense", window=3), VOCABULARY)
    model = with_random_weights(task.training_model(per_replica_batch_size=ROWS, replicas=1))
    before = np.asarray(model(tokens(ROWS, 3)))
    layer = model.get_layer("input_hidden")
    layer.set_weights([2.0 * weight for weight in layer.get_weights()])
    assert (np.abs(np.asarray(model(tokens(ROWS, 3))) - before).max(axis=(0, 2)) > 1e-2).all()


def test_an_embedding_is_a_one_hot_vector_times_its_matrix() -> None:
    """Looking a row up, and multiplying a one-hot vector: the same network if the matrices are multiplied out."""
    sizes: dict[str, Any] = {"vocabulary_size": VOCABULARY, "batch": ROWS, "window": WINDOW, "head": "logits"}
    keys = {"type": "simple-rnn", "stateful": False, "embedding_normalization": "none"}
    embedded = with_random_weights(build_language_model(section(**keys), **sizes))
    one_hot = build_language_model(section(**keys, embedding_dim=None), **sizes)
    table, kernel, *others = embedded.get_weights()
    one_hot.set_weights([np.eye(VOCABULARY, dtype=np.float32), table @ kernel, *others])

    looked_up = embedded.get_layer("embedding")(tokens(ROWS, WINDOW))
    multiplied = keras.ops.one_hot(tokens(ROWS, WINDOW), VOCABULARY) @ embedded.get_layer("embedding").embeddings
    np.testing.assert_allclose(looked_up, multiplied, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(one_hot.get_layer("one_hot")(tokens(ROWS, WINDOW)), keras.ops.one_hot(tokens(ROWS, WINDOW), VOCABULARY))
    np.testing.assert_allclose(embedded(tokens(ROWS, WINDOW)), one_hot(tokens(ROWS, WINDOW)), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("predict", ["every", "last"])
def test_a_loss_from_numbers_is_that_from_one_hot_targets(predict: str) -> None:
    task = LanguageTask(section(type="lstm", predict=predict), VOCABULARY)
    shape = (ROWS, WINDOW) if predict == "every" else (ROWS,)
    generator = np.random.default_rng(0)
    labels = generator.integers(0, VOCABULARY, shape).astype(np.int32)
    logits = generator.normal(0.0, 3.0, (*shape, VOCABULARY)).astype(np.float32)
    losses, hits = task.loss_and_hits(labels, logits)
    expected = keras.ops.categorical_crossentropy(keras.ops.one_hot(labels, VOCABULARY), logits, from_logits=True)
    np.testing.assert_allclose(losses, expected, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(hits, (logits.argmax(axis=-1) == labels).astype(np.float32))
