"""A published model gives in NumPy what it gives in Keras, within 1e-5, over random shapes, masks, lengths and carried states."""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

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


def either_padding(generator: np.random.Generator, rows: int, length: int) -> np.ndarray:
    """`padded` before and after: int32 [2 · rows, length]."""
    return np.concatenate([padded(generator, rows, length, padding) for padding in ("pre", "post")])


RECURRENT = ("simple-rnn", "gru", "lstm")
BOTH = {"layers": 2, "bidirectional": True}
KINDS = [
    ("mlp", {"units": None}),
    ("mlp", {}),
    ("mlp", {"activation": "tanh", "layers": 2, "embedding_normalization": "layer"}),
    *((cell, {"activation": activation}) for cell in RECURRENT for activation in ("tanh", "relu")),
    ("simple-rnn", {**BOTH, "pooling": "mean"}),
    ("gru", {**BOTH, "pooling": "max"}),
    ("lstm", {**BOTH, "pooling": "attention"}),
    ("lstm", {**BOTH, "embedding_normalization": "layer"}),
    ("gru", {"layers": 3, "activation": "relu", "pooling": "max"}),
    ("gru", {"pooling": "flatten"}),
    ("lstm", {**BOTH, "pooling": "flatten"}),
    ("gru", {"recurrent_activation": "hard-sigmoid"}),
    ("lstm", {"recurrent_activation": "hard-sigmoid", "activation": "relu"}),
    ("gru", {"embedding_normalization": "batch"}),
    ("conv", {}),
    ("conv", {"activation": "tanh", "kernel_sizes": [4]}),
    *(
        ("conv", {"kernel_sizes": [3, 4, 5], "activation": "tanh", "pooling": pooling})
        for pooling in ("max", "mean", "attention", "flatten")
    ),
    ("bag", {"units": None}),
    ("bag", {}),
    ("bag", {"activation": "tanh", "layers": 2}),
]


def section(kind: str, **keys: Any) -> ClassifierModel:
    """A small model of a kind that drops out whatever it can."""
    sizes = {
        "type": kind,
        "sequence_length": 14,
        "units": 9,
        "output_dropout": 0.0 if (kind, keys.get("units", 9)) == ("bag", None) else 0.2,
    }
    if kind in RECURRENT:
        sizes |= {"dropout": 0.2, "recurrent_dropout": 0.2}
    if kind != "bag":
        sizes |= {"embedding_dim": 6, "embedding_dropout": 0.2}
    return ClassifierModel.model_validate({**sizes, **keys})


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        (kind, {**keys, "mask_zero": mask_zero})
        for kind, keys in KINDS
        for mask_zero in (False, True)
        if not mask_zero or (kind != "bag" and keys.get("embedding_normalization") != "batch")
    ],
)
def test_a_classifier_predicts_the_same(tmp_path: Path, kind: str, keys: dict[str, Any]) -> None:
    classes = 3 if "pooling" in keys or kind == "bag" else 2
    model = build_classifier(section(kind, **keys), vocabulary_size=VOCABULARY, head="probabilities", classes=classes)
    network = published(model, tmp_path, 1)
    tokens = either_padding(np.random.default_rng(2), 300, 14)

    np.testing.assert_allclose(network.predict(tokens), model.predict_on_batch(tokens), rtol=0, atol=TOLERANCE)


@given(
    kind=st.sampled_from([*RECURRENT, "conv"]),
    mask_zero=st.booleans(),
    activation=st.sampled_from(["tanh", "relu"]),
    pooling=st.sampled_from(["max", "mean", "attention", "flatten"]),
    both=st.booleans(),
    layers=st.integers(1, 2),
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=3, unique=True),
    units=st.integers(1, 5),
    features=st.integers(1, 5),
    length=st.integers(6, 12),
    seed=st.integers(0, 1000),
)
@settings(max_examples=25, deadline=None)
def test_any_shape_predicts_the_same(
    kind: str, both: bool, layers: int, sizes: list[int], features: int, length: int, seed: int, **keys: Any
) -> None:
    own = {"kernel_sizes": sizes} if kind == "conv" else {"bidirectional": both, "layers": layers}
    model_section = section(kind, embedding_dim=features, sequence_length=length, **own, **keys)
    model = build_classifier(model_section, vocabulary_size=VOCABULARY, head="probabilities", any_length=not model_section.is_flat)
    with tempfile.TemporaryDirectory() as folder:
        network = published(model, Path(folder), seed)
    tokens = either_padding(np.random.default_rng(seed), 6, length)

    np.testing.assert_allclose(network.predict(tokens), model(tokens, training=False), rtol=0, atol=TOLERANCE)


def swapped(array: np.ndarray, parts: int, first: int, second: int, axis: int = -1) -> np.ndarray:
    """`array` with two of `parts` equal pieces exchanged."""
    pieces = np.split(array, parts, axis=axis)
    pieces[first], pieces[second] = pieces[second], pieces[first]
    return np.concatenate(pieces, axis=axis)


ALTERATIONS = {
    "mlp": ("hidden", lambda arrays: {"kernel": swapped(arrays["kernel"], 14, 3, 4, axis=0)}),
    "simple-rnn": ("simple_rnn", lambda arrays: {"recurrent_kernel": arrays["recurrent_kernel"].T}),
    "gru": ("gru", lambda arrays: {key: swapped(array, 3, 0, 1) for key, array in arrays.items()}),
    "lstm": ("lstm", lambda arrays: {key: swapped(array, 4, 1, 2) for key, array in arrays.items()}),
    "conv": ("conv_5", lambda arrays: {"kernel": arrays["kernel"][::-1]}),
}


@pytest.mark.parametrize("kind", ALTERATIONS)
def test_weights_in_another_order_would_be_noticed(tmp_path: Path, kind: str) -> None:
    model = build_classifier(section(kind), vocabulary_size=VOCABULARY, head="probabilities")
    published(model, tmp_path, 9)
    layer, alter = ALTERATIONS[kind]
    with np.load(tmp_path / "numpy" / "weights.npz") as stored:
        weights = dict(stored)
    own = {key.partition("/")[2]: array for key, array in weights.items() if key.startswith(f"{layer}/")}
    weights |= {f"{layer}/{key}": array for key, array in alter(own).items()}
    np.savez(tmp_path / "numpy" / "weights.npz", **weights)
    tokens = padded(np.random.default_rng(10), 50, 14, "pre")

    difference = np.abs(Network.load(tmp_path / "numpy").predict(tokens) - model.predict_on_batch(tokens)).max()

    assert difference > 1000 * TOLERANCE


@pytest.mark.parametrize("kind", ALTERATIONS)
def test_a_mask_that_is_lost_would_be_noticed(tmp_path: Path, kind: str) -> None:
    model = build_classifier(section(kind, mask_zero=True), vocabulary_size=VOCABULARY, head="probabilities")
    published(model, tmp_path, 11)
    file = tmp_path / "numpy" / "model.json"
    file.write_text(file.read_text().replace('"mask_zero": true', '"mask_zero": false'))
    tokens = padded(np.random.default_rng(12), 50, 14, "pre")

    difference = np.abs(Network.load(tmp_path / "numpy").predict(tokens) - model.predict_on_batch(tokens)).max()

    assert difference > 1000 * TOLERANCE


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_directions_are_not_mistaken_for_each_other(tmp_path: Path, direction: str) -> None:
    model = build_classifier(section("gru", bidirectional=True), vocabulary_size=VOCABULARY, head="probabilities")
    network = published(model, tmp_path, 13)
    layer = getattr(model.get_layer("gru"), f"{direction}_layer")
    layer.set_weights([2.0 * weight for weight in layer.get_weights()])
    tokens = padded(np.random.default_rng(14), 50, 14, "pre")
    assert np.abs(network.predict(tokens) - model.predict_on_batch(tokens)).max() > 1000 * TOLERANCE

    (tmp_path / "again").mkdir()
    export(model, tmp_path / "again")
    again = Network.load(tmp_path / "again" / "numpy").predict(tokens)
    np.testing.assert_allclose(again, model.predict_on_batch(tokens), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("normalization", ["none", "batch", "layer"])
def test_a_stateful_language_model_goes_on_from_window_to_window_the_same(tmp_path: Path, normalization: str) -> None:
    language = LanguageModel(task="language-model", type="lstm", window=5, embedding_dim=7, units=11, embedding_normalization=normalization)
    model = build_language_model(language, vocabulary_size=VOCABULARY, batch=3, window=5, head="probabilities")
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


Cell = Callable[..., keras.layers.RNN]
RESET_BEFORE: Cell = partial(keras.layers.GRU, reset_after=False)
CELLS = [keras.layers.SimpleRNN, keras.layers.GRU, RESET_BEFORE, keras.layers.LSTM]


def stacked(cell: Cell, *, batch: int, length: int, stateful: bool, sequences: bool) -> keras.Model:
    layers = [
        keras.Input(batch_shape=(batch, length), dtype="int32"),
        keras.layers.Embedding(VOCABULARY, 6, mask_zero=True),
        cell(9, return_sequences=True, stateful=stateful),
        keras.layers.BatchNormalization(),
        cell(5, return_sequences=sequences, stateful=stateful),
        keras.layers.Dense(4, activation="softmax"),
    ]
    return keras.Sequential(layers)


@pytest.mark.parametrize("cell", CELLS)
def test_stacked_layers_under_a_mask_predict_the_same(tmp_path: Path, cell: Cell) -> None:
    model = stacked(cell, batch=80, length=12, stateful=False, sequences=False)
    network = published(model, tmp_path, 5)
    tokens = either_padding(np.random.default_rng(6), 40, 12)

    np.testing.assert_allclose(network.predict(tokens), model.predict_on_batch(tokens), rtol=0, atol=TOLERANCE)


@given(
    reset_after=st.booleans(),
    activation=st.sampled_from(["tanh", "relu"]),
    recurrent_activation=st.sampled_from(["sigmoid", "hard_sigmoid"]),
    both=st.booleans(),
    mask_zero=st.booleans(),
    units=st.integers(1, 5),
    features=st.integers(1, 5),
    length=st.integers(1, 9),
    seed=st.integers(0, 1000),
)
@settings(max_examples=12, deadline=None)
def test_a_gru_of_either_form_predicts_the_same(
    both: bool, mask_zero: bool, units: int, features: int, length: int, seed: int, **keys: Any
) -> None:
    gru = keras.layers.GRU(units, **keys)
    tokens = keras.Input((length,), dtype="int32")
    read = (keras.layers.Bidirectional(gru) if both else gru)(keras.layers.Embedding(VOCABULARY, features, mask_zero=mask_zero)(tokens))
    model = keras.Model(tokens, keras.layers.Dense(1, activation="sigmoid")(read))
    with tempfile.TemporaryDirectory() as folder:
        network = published(model, Path(folder), seed)
    rows = either_padding(np.random.default_rng(seed), 4, length)

    np.testing.assert_allclose(network.predict(rows), model(rows, training=False), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("mask_zero", [False, True])
def test_a_dense_layer_for_every_step_predicts_the_same(tmp_path: Path, mask_zero: bool) -> None:
    layers = [
        keras.Input((7,), dtype="int32"),
        keras.layers.Embedding(VOCABULARY, 4, mask_zero=mask_zero),
        keras.layers.LSTM(5, return_sequences=True),
        keras.layers.TimeDistributed(keras.layers.Dense(6, activation="relu")),
        keras.layers.TimeDistributed(keras.layers.Dense(3, activation="softmax")),
    ]
    model = keras.Sequential(layers)
    network = published(model, tmp_path, 15)
    tokens = either_padding(np.random.default_rng(16), 20, 7)

    np.testing.assert_allclose(network.predict(tokens), model.predict_on_batch(tokens), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("cell", CELLS)
def test_a_mask_over_a_carried_state_gives_the_same(tmp_path: Path, cell: Cell) -> None:
    model = stacked(cell, batch=8, length=6, stateful=True, sequences=True)
    network = published(model, tmp_path, 7)
    tokens = padded(np.random.default_rng(8), 8, 12, "pre")
    tokens[:, 6:8] = 0

    state = network.initial_state(8)
    for window in np.split(tokens, 2, axis=1):
        received, state = network.forward(window, state)
        np.testing.assert_allclose(received, model.predict_on_batch(window), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: keras.layers.LayerNormalization(scale=False), "no NumPy form for the layer LayerNormalization"),
        (lambda: keras.layers.LayerNormalization(axis=1), "no NumPy form for the layer LayerNormalization"),
        (lambda: keras.layers.Dense(1, use_bias=False), "no NumPy form for the layer Dense"),
        (
            lambda: keras.layers.TimeDistributed(keras.layers.Dense(1, use_bias=False)),
            "no NumPy form for the layer TimeDistributed",
        ),
        (lambda: keras.layers.Softmax(axis=1), "no NumPy form for the layer Softmax"),
        (lambda: keras.layers.Bidirectional(keras.layers.GRU(2), merge_mode="sum"), "no NumPy form for the layer Bidirectional"),
        (
            lambda: keras.layers.Bidirectional(keras.layers.GRU(2), backward_layer=keras.layers.LSTM(2, go_backwards=True)),
            "no NumPy form for a Bidirectional of different or stateful layers",
        ),
        (lambda: keras.layers.Conv1D(2, 3), "no NumPy form for the layer Conv1D"),
        (lambda: keras.layers.LSTM(2, recurrent_activation="tanh"), "no NumPy form for the layer LSTM"),
    ],
)
def test_a_layer_that_numpy_would_compute_otherwise_is_not_published(tmp_path: Path, make: Callable[[], Any], message: str) -> None:
    model = keras.Sequential([keras.Input((5,)), keras.layers.Embedding(9, 2), make()])
    with pytest.raises(TypeError, match=message):
        export(model, tmp_path)


def test_an_operation_that_numpy_does_not_know_is_not_published(tmp_path: Path) -> None:
    tokens = keras.Input((5,))
    model = keras.Model(tokens, keras.ops.cumsum(keras.layers.Embedding(9, 2)(tokens), axis=1))
    with pytest.raises(TypeError, match="no NumPy form for the operation Cumsum"):
        export(model, tmp_path)


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
