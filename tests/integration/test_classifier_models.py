"""Every type of classifier as a Keras model: its layers, how its weights begin, what padding does, and that others can load it."""

import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from distrnn.models import KERAS_LAYERS, build_classifier, build_language_model
from distrnn.models.initializers import IdentityGates
from distrnn.runtime import Network
from distrnn.training.export import export
from distrnn.training.model_facts import parameter_counts
from distrnn.workflow import ClassifierModel, LanguageModel

pytestmark = [
    # TensorFlow lets a process configure its devices once, before it is used.
    pytest.mark.usefixtures("two_devices"),
    # Keras' own, while it saves a model.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
]

TYPES = ("mlp", "simple-rnn", "gru", "lstm", "conv")
CELLS = ("simple-rnn", "gru", "lstm")
VOCABULARY, LENGTH, TOLERANCE = 30, 9, 1e-5


def section(type_: str, **keys: Any) -> ClassifierModel:
    return ClassifierModel(**{"type": type_, "sequence_length": LENGTH, "embedding_dim": 4, "units": 6, **keys})


def build(model: ClassifierModel, head: str = "logits", **keys: Any) -> keras.Model:
    return build_classifier(model, vocabulary_size=VOCABULARY, head=head, **keys)


def randomized(model: keras.Model) -> keras.Model:
    """`model` with larger weights than it begins with, so that differences show."""
    generator = np.random.default_rng(0)
    model.set_weights([generator.normal(0.0, 0.5, weight.shape) for weight in model.get_weights()])
    return model


def random_tokens(rows: int = 20) -> np.ndarray:
    """int32 [rows, LENGTH], the first of them nothing but padding."""
    tokens = np.random.default_rng(1).integers(0, VOCABULARY, (rows, LENGTH), dtype=np.int32)
    tokens[0] = 0
    return tokens


@pytest.mark.parametrize(
    ("type_", "keys", "names"),
    [
        ("mlp", {"dropout": 0.5}, ["embedding", "flatten", "hidden", "dropout", "output"]),
        ("mlp", {"units": None}, ["embedding", "flatten", "output"]),
        ("simple-rnn", {"dropout": 0.5}, ["embedding", "simple_rnn", "output"]),
        ("gru", {}, ["embedding", "gru", "output"]),
        ("lstm", {"mask_zero": True}, ["embedding", "lstm", "output"]),
        ("conv", {"dropout": 0.5, "mask_zero": True}, ["embedding", "conv", "pooling", "dropout", "output"]),
    ],
)
def test_layers_of_each_type(type_: str, keys: dict[str, Any], names: list[str]) -> None:
    layers = build(section(type_, **keys)).layers
    assert [layer.name for layer in layers if not isinstance(layer, keras.layers.InputLayer)] == names


@pytest.mark.parametrize("head", ["logits", "probabilities"])
@pytest.mark.parametrize("type_", TYPES)
def test_parameters_are_those_that_were_foretold(type_: str, head: str) -> None:
    model = build(section(type_), head)
    counts = {layer.name: layer.count_params() for layer in model.layers if layer.count_params()}
    assert counts == parameter_counts(section(type_), VOCABULARY)


def test_parameters_of_an_mlp_without_a_hidden_layer_are_those_that_were_foretold() -> None:
    model = section("mlp", units=None)
    assert build(model).count_params() == sum(parameter_counts(model, VOCABULARY).values())


@pytest.mark.parametrize("type_", TYPES)
def test_the_published_head_gives_the_probability_of_the_logit(type_: str) -> None:
    trained, published = randomized(build(section(type_))), build(section(type_), "probabilities")
    published.set_weights(trained.get_weights())
    logits = trained.predict_on_batch(random_tokens())
    np.testing.assert_allclose(published.predict_on_batch(random_tokens()), 1.0 / (1.0 + np.exp(-logits)), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(("type_", "gates"), [("simple-rnn", 1), ("gru", 3), ("lstm", 4)])
def test_identity_begins_every_gate_with_the_identity(type_: str, gates: int) -> None:
    layer = build(section(type_, recurrent_initializer="identity")).get_layer(type_.replace("-", "_"))
    np.testing.assert_array_equal(layer.cell.recurrent_kernel, np.tile(np.eye(6), gates))


@pytest.mark.parametrize("type_", CELLS)
def test_recurrent_weights_begin_orthogonal_by_default(type_: str) -> None:
    layer = build(section(type_)).get_layer(type_.replace("-", "_"))
    kernel = np.asarray(layer.cell.recurrent_kernel)  # [U, G·U]
    np.testing.assert_allclose(kernel @ kernel.T, np.eye(6), atol=1e-5)


@pytest.mark.parametrize("type_", CELLS)
def test_input_weights_begin_as_wide_as_asked(type_: str) -> None:
    keras.utils.set_random_seed(0)
    layer = build(section(type_, embedding_dim=64, units=64, kernel_stddev=0.001)).get_layer(type_.replace("-", "_"))
    assert np.std(layer.cell.kernel) == pytest.approx(0.001, rel=0.05)


def test_identity_gates_are_saved_and_loaded_by_keras() -> None:
    again = keras.initializers.deserialize(keras.initializers.serialize(IdentityGates()))
    np.testing.assert_array_equal(again((2, 6)), np.tile(np.eye(2), 3))


@pytest.mark.parametrize("type_", CELLS)
def test_a_recurrent_layer_can_be_replaced_by_one_with_the_same_weights(type_: str) -> None:
    class Faster(KERAS_LAYERS[type_]):  # type: ignore[misc]
        pass

    replaced, plain = (build(section(type_), recurrent=layers) for layers in ({type_: Faster}, KERAS_LAYERS))
    assert isinstance(replaced.get_layer(type_.replace("-", "_")), Faster)
    assert [weight.path for weight in replaced.weights] == [weight.path for weight in plain.weights]


def test_the_recurrent_layer_of_a_language_model_can_be_replaced() -> None:
    class Faster(keras.layers.LSTM):
        pass

    model = LanguageModel(task="language-model", type="lstm", window=3, embedding_dim=2, units=2)
    built = build_language_model(model, vocabulary_size=9, batch=1, window=3, head="logits", recurrent={"lstm": Faster})
    assert isinstance(built.get_layer("lstm"), Faster)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_padding_changes_nothing_for_a_masked_convolution(activation: str) -> None:
    model = randomized(build(section("conv", mask_zero=True, activation=activation, kernel_size=4)))
    words = np.array([5, 3, 8, 2])
    moved = np.stack([np.pad(words, (before, LENGTH - 4 - before)) for before in range(LENGTH - 3)])
    logits = model.predict_on_batch(moved)
    np.testing.assert_allclose(logits, np.broadcast_to(logits[:1], logits.shape), rtol=0, atol=TOLERANCE)


def test_padding_changes_something_for_a_convolution_without_a_mask() -> None:
    model = randomized(build(section("conv", activation="tanh", kernel_size=4)))
    moved = np.array([[5, 3, 8, 2, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 5, 3, 8, 2]])
    logits = model.predict_on_batch(moved)
    assert abs(logits[0] - logits[1]) > 100 * TOLERANCE


@pytest.mark.parametrize("type_", ["mlp", "conv"])
def test_the_vector_of_padding_counts_for_nothing_under_a_mask(type_: str) -> None:
    model = randomized(build(section(type_, mask_zero=True)))
    before = model.predict_on_batch(random_tokens())
    vectors = np.asarray(model.get_layer("embedding").embeddings)
    vectors[0] += 100.0
    model.get_layer("embedding").set_weights([vectors])
    np.testing.assert_array_equal(model.predict_on_batch(random_tokens()), before)


@pytest.mark.parametrize("mask_zero", [False, True])
@pytest.mark.parametrize("type_", TYPES)
def test_dropout_is_inert_in_the_published_form(tmp_path: Path, type_: str, mask_zero: bool) -> None:
    plain = randomized(build(section(type_, mask_zero=mask_zero), "probabilities"))
    dropping = build(section(type_, mask_zero=mask_zero, dropout=0.5), "probabilities")
    dropping.set_weights(plain.get_weights())
    export(dropping, tmp_path)
    expected = plain.predict_on_batch(random_tokens())

    loaded = keras.saving.load_model(tmp_path / "keras" / "model.keras", safe_mode=True)
    np.testing.assert_allclose(loaded.predict_on_batch(random_tokens()), expected, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(Network.load(tmp_path / "numpy").predict(random_tokens()), expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("type_", TYPES)
def test_dropout_is_not_inert_while_training(type_: str) -> None:
    model = randomized(build(section(type_, dropout=0.5)))
    first, second = (np.asarray(model(random_tokens(), training=True)) for _ in range(2))
    assert np.abs(first - second).max() > 100 * TOLERANCE


LOADER = """
import sys
sys.modules["distrnn"] = None  # whoever imports it fails
from pathlib import Path
import keras
import numpy as np
for folder in sorted(Path(sys.argv[1]).iterdir()):
    model = keras.saving.load_model(folder / "keras" / "model.keras", safe_mode=True)
    np.save(folder / "received.npy", model.predict_on_batch(np.load(folder / "tokens.npy")))
"""


@pytest.mark.parametrize("backend", ["tensorflow", "torch"])
def test_the_published_model_needs_keras_only(tmp_path: Path, backend: str) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    expected = {}
    for type_ in TYPES:
        for mask_zero in (False, True):
            keys = {"kernel_stddev": 0.1, "recurrent_initializer": "identity"} if type_ in CELLS else {}
            model = randomized(build(section(type_, mask_zero=mask_zero, dropout=0.5, **keys), "probabilities"))
            folder = tmp_path / f"{type_}-{mask_zero}"
            folder.mkdir()
            export(model, folder)
            np.save(folder / "tokens.npy", random_tokens())
            expected[folder.name] = model.predict_on_batch(random_tokens())

    environment = {**os.environ, "KERAS_BACKEND": backend}
    subprocess.run([sys.executable, "-c", LOADER, str(tmp_path)], cwd=tmp_path, env=environment, check=True, capture_output=True)

    for name, probabilities in expected.items():
        np.testing.assert_allclose(np.load(tmp_path / name / "received.npy"), probabilities, rtol=0, atol=TOLERANCE, err_msg=name)


@pytest.mark.parametrize("type_", CELLS)
def test_the_published_model_says_nothing_of_how_it_began(tmp_path: Path, type_: str) -> None:
    model = build(section(type_, recurrent_initializer="identity", kernel_stddev=0.1), "probabilities")
    export(model, tmp_path)
    with zipfile.ZipFile(tmp_path / "keras" / "model.keras") as archive:
        config = archive.read("config.json").decode()
    assert "distrnn" not in config
    assert "RandomNormal" not in config
