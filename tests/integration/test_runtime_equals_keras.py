"""A published model gives in NumPy what it gives in Keras, within 1e-5, over random shapes, masks, lengths and carried states."""

from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distrnn.models import build_classifier, build_language_model
from distrnn.runtime import Network, Preprocessing
from distrnn.text import TokenizerSpec, Vocabulary
from distrnn.training.export import export
from distrnn.workflow import ClassifierModel, LanguageModel

pytestmark = [
    # TensorFlow lets a process configure its devices once, before it is used.
    pytest.mark.usefixtures("two_devices"),
    # Keras' own, while it saves a model.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
]

TOLERANCE = 1e-5
VOCABULARY = 50


def published(model: keras.Model, folder: Path, seed: int) -> Network:
    """`model` with random weights, read back from its NumPy form."""
    generator = np.random.default_rng(seed)
    for weight in model.weights:
        if "seed_generator" in weight.path:
            continue
        values = generator.normal(0.0, 0.5, weight.shape)
        weight.assign(np.abs(values) + 0.1 if weight.path.endswith("moving_variance") else values)
    export(model, folder)
    return Network.load(folder / "numpy")


def padded(generator: np.random.Generator, rows: int, length: int, padding: str) -> np.ndarray:
    """Random ids of random lengths, int32 [rows, length], with a row of nothing but padding and one with a zero inside."""
    tokens = generator.integers(1, VOCABULARY, (rows, length), dtype=np.int32)
    lengths = generator.integers(0, length + 1, rows)
    lengths[0] = 0
    positions = np.arange(length) if padding == "post" else np.arange(length)[::-1]
    tokens[positions >= lengths[:, None]] = 0
    tokens[1, length // 2] = 0
    return tokens


@pytest.mark.parametrize("mask_zero", [False, True])
@pytest.mark.parametrize("padding", ["pre", "post"])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_classifier_predicts_the_same(tmp_path: Path, seed: int, padding: str, mask_zero: bool) -> None:
    generator = np.random.default_rng(seed)
    length, features, units = (int(size) for size in generator.integers(3, 24, 3))
    section = ClassifierModel(type="lstm", sequence_length=length, mask_zero=mask_zero, embedding_dim=features, units=units, dropout=0.2)
    model = build_classifier(section, vocabulary_size=VOCABULARY, head="probabilities")
    network = published(model, tmp_path, seed)
    tokens = padded(generator, 300, length, padding)

    np.testing.assert_allclose(network.predict(tokens), model.predict_on_batch(tokens), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("normalization", ["none", "batch"])
def test_a_stateful_language_model_goes_on_from_window_to_window_the_same(tmp_path: Path, normalization: str) -> None:
    section = LanguageModel(task="language-model", type="lstm", window=5, embedding_dim=7, units=11, embedding_normalization=normalization)
    model = build_language_model(section, vocabulary_size=VOCABULARY, batch=3, window=5, head="probabilities")
    network = published(model, tmp_path, 3)
    tokens = np.random.default_rng(4).integers(0, VOCABULARY, (3, 15), dtype=np.int32)
    windows = np.split(tokens, 3, axis=1)
    expected = [model.predict_on_batch(window) for window in windows]

    state, steps = network.initial_state(3), []
    for position in range(15):
        probabilities, state = network.step(tokens[:, position], state)
        steps.append(probabilities)
    np.testing.assert_allclose(np.stack(steps, axis=1), np.concatenate(expected, axis=1), rtol=0, atol=TOLERANCE)

    state = network.initial_state(3)
    for window, outputs in zip(windows, expected, strict=True):
        received, state = network.forward(window, state)
        np.testing.assert_allclose(received, outputs, rtol=0, atol=TOLERANCE)


def stacked(*, batch: int, length: int, stateful: bool, sequences: bool) -> keras.Model:
    layers = [
        keras.Input(batch_shape=(batch, length), dtype="int32"),
        keras.layers.Embedding(VOCABULARY, 6, mask_zero=True),
        keras.layers.LSTM(9, return_sequences=True, stateful=stateful),
        keras.layers.BatchNormalization(),
        keras.layers.LSTM(5, return_sequences=sequences, stateful=stateful),
        keras.layers.Dense(4, activation="softmax"),
    ]
    return keras.Sequential(layers)


@pytest.mark.parametrize("padding", ["pre", "post"])
def test_stacked_layers_under_a_mask_predict_the_same(tmp_path: Path, padding: str) -> None:
    model = stacked(batch=40, length=12, stateful=False, sequences=False)
    network = published(model, tmp_path, 5)
    tokens = padded(np.random.default_rng(6), 40, 12, padding)

    np.testing.assert_allclose(network.predict(tokens), model.predict_on_batch(tokens), rtol=0, atol=TOLERANCE)


def test_a_mask_over_a_carried_state_gives_the_same(tmp_path: Path) -> None:
    model = stacked(batch=8, length=6, stateful=True, sequences=True)
    network = published(model, tmp_path, 7)
    tokens = padded(np.random.default_rng(8), 8, 12, "pre")
    tokens[:, 6:8] = 0

    state = network.initial_state(8)
    for window in np.split(tokens, 2, axis=1):
        received, state = network.forward(window, state)
        np.testing.assert_allclose(received, model.predict_on_batch(window), rtol=0, atol=TOLERANCE)


def test_a_wrong_gate_order_would_be_noticed(tmp_path: Path) -> None:
    section = ClassifierModel(type="lstm", sequence_length=8, embedding_dim=5, units=6)
    model = build_classifier(section, vocabulary_size=VOCABULARY, head="probabilities")
    published(model, tmp_path, 9)
    with np.load(tmp_path / "numpy" / "weights.npz") as stored:
        weights = dict(stored)
    for key in ("lstm/kernel", "lstm/recurrent_kernel", "lstm/bias"):
        i, f, c, o = np.split(weights[key], 4, axis=-1)
        weights[key] = np.concatenate([i, c, f, o], axis=-1)
    np.savez(tmp_path / "numpy" / "weights.npz", **weights)
    tokens = padded(np.random.default_rng(10), 50, 8, "pre")

    difference = np.abs(Network.load(tmp_path / "numpy").predict(tokens) - model.predict_on_batch(tokens)).max()

    assert difference > 1000 * TOLERANCE


@given(
    texts=st.lists(st.lists(st.sampled_from("abcx"), max_size=9).map(" ".join), min_size=1, max_size=5),
    length=st.none() | st.integers(1, 8),
    padding=st.sampled_from(["pre", "post"]),
    truncating=st.sampled_from(["pre", "post"]),
)
@settings(max_examples=60)
def test_texts_are_filled_and_cut_as_keras_does(texts: list[str], length: int | None, padding: str, truncating: str) -> None:
    vocabulary = Vocabulary(["a", "b", "c"], TokenizerSpec("word", "fold", "strip"))
    rules = Preprocessing("classifier", vocabulary, ("no", "yes"), length, padding, truncating)
    expected = keras.utils.pad_sequences(list(map(vocabulary.encode, texts)), length, padding=padding, truncating=truncating)

    np.testing.assert_array_equal(rules.encode(texts), expected)
