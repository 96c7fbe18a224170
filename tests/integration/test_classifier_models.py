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
import tensorflow as tf

from distrnn.models import build_classifier
from distrnn.models.initializers import IdentityGates
from distrnn.runtime import Network
from distrnn.training.export import export
from distrnn.training.model_facts import parameter_counts
from distrnn.workflow import ClassifierModel

pytestmark = [
    # TensorFlow lets a process configure its devices once, before it is used.
    pytest.mark.usefixtures("two_devices"),
    # Keras' own, while it saves a model.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
]

TYPES = ("mlp", "simple-rnn", "gru", "lstm", "conv", "bag")
CELLS = ("simple-rnn", "gru", "lstm")
VOCABULARY, LENGTH, TOLERANCE = 30, 9, 1e-5


def section(type_: str, **keys: Any) -> ClassifierModel:
    """A small model of a type, as a workflow would say it."""
    sizes = {"sequence_length": LENGTH, "units": 6} | ({} if type_ == "bag" else {"embedding_dim": 4})
    return ClassifierModel.model_validate({"type": type_, **sizes, **keys})


def build(model: ClassifierModel, head: str = "logits", **keys: Any) -> keras.Model:
    return build_classifier(model, vocabulary_size=VOCABULARY, head=head, **keys)


def randomized(model: keras.Model) -> keras.Model:
    """`model` with larger weights than it begins with, so that differences show."""
    generator = np.random.default_rng(0)
    model.set_weights([generator.normal(0.0, 0.5, weight.shape) for weight in model.get_weights()])
    return model


def random_tokens(rows: int = 20) -> np.ndarray:
    """Of ids with padding among them int32 [rows, LENGTH], the first row nothing but padding."""
    tokens = np.random.default_rng(1).integers(0, VOCABULARY, (rows, LENGTH), dtype=np.int32)
    tokens[0] = 0
    return tokens


def predicted(model: keras.Model, tokens: np.ndarray) -> np.ndarray:
    """What the model gives: [N, outputs], step by step, which is faster than to compile it for one call."""
    return np.asarray(model(tokens, training=False))


@pytest.mark.parametrize(
    ("type_", "keys", "names"),
    [
        ("mlp", {"output_dropout": 0.5}, ["embedding", "flatten", "hidden", "output_dropout", "output"]),
        ("mlp", {"units": None, "embedding_dropout": 0.5}, ["embedding", "embedding_dropout", "flatten", "output"]),
        ("mlp", {"layers": 2}, ["embedding", "flatten", "hidden_1", "hidden_2", "output"]),
        ("simple-rnn", {"dropout": 0.5}, ["embedding", "simple_rnn", "output"]),
        ("gru", {"embedding_normalization": "batch"}, ["embedding", "batch_normalization", "gru", "output"]),
        ("lstm", {"mask_zero": True}, ["embedding", "lstm", "output"]),
        (
            "lstm",
            {"layers": 2, "bidirectional": True, "pooling": "attention", "embedding_normalization": "layer", "embedding_dropout": 0.5},
            [
                *("embedding", "layer_normalization", "embedding_dropout", "lstm_1", "lstm_2"),
                *("attention", "attention_weights", "output"),
            ],
        ),
        ("conv", {"output_dropout": 0.5, "mask_zero": True}, ["embedding", "conv_5", "pooling", "output_dropout", "output"]),
        ("gru", {"pooling": "flatten"}, ["embedding", "gru", "flatten", "output"]),
        ("conv", {"kernel_sizes": [4, 3]}, ["embedding", "conv_4", "conv_3", "filters", "pooling", "output"]),
        ("bag", {"layers": 2}, ["words", "words_bias", "words_activation", "hidden_2", "output"]),
        ("bag", {"units": None}, ["words", "words_bias", "output"]),
    ],
)
def test_layers_of_each_type(type_: str, keys: dict[str, Any], names: list[str]) -> None:
    layers = build(section(type_, **keys)).layers
    assert [layer.name for layer in layers if not isinstance(layer, keras.layers.InputLayer)] == names


OF_PARTS = [
    *((type_, {}) for type_ in TYPES),
    ("mlp", {"units": None}),
    ("mlp", {"layers": 3, "embedding_normalization": "layer"}),
    *((type_, {"layers": 2, "bidirectional": True, "pooling": "attention"}) for type_ in CELLS),
    ("lstm", {"embedding_normalization": "batch"}),
    ("conv", {"kernel_sizes": [2, 3, 4], "pooling": "attention"}),
    ("lstm", {"bidirectional": True, "pooling": "flatten"}),
    ("conv", {"kernel_sizes": [2, 3], "pooling": "flatten"}),
    ("bag", {"units": None}),
    ("bag", {"layers": 3}),
]


@pytest.mark.parametrize("head", ["logits", "probabilities"])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize(("type_", "keys"), OF_PARTS)
def test_parameters_are_those_that_were_foretold(type_: str, keys: dict[str, Any], classes: int, head: str) -> None:
    model = build(section(type_, **keys), head, classes=classes)
    counts = {layer.name: layer.count_params() for layer in model.layers if layer.count_params()}
    assert counts == parameter_counts(section(type_, **keys), VOCABULARY, classes)


@pytest.mark.parametrize("type_", TYPES)
def test_the_published_head_gives_the_probability_of_the_logit(type_: str) -> None:
    trained, published = randomized(build(section(type_))), build(section(type_), "probabilities")
    published.set_weights(trained.get_weights())
    logits = predicted(trained, random_tokens())
    np.testing.assert_allclose(predicted(published, random_tokens()), 1.0 / (1.0 + np.exp(-logits)), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(("type_", "gates"), [("simple-rnn", 1), ("gru", 3), ("lstm", 4)])
def test_identity_begins_every_gate_with_the_identity(type_: str, gates: int) -> None:
    layer = build(section(type_, initializers={"recurrent": {"type": "identity", "gain": 0.5}})).get_layer(type_.replace("-", "_"))
    np.testing.assert_array_equal(layer.cell.recurrent_kernel, np.tile(0.5 * np.eye(6), gates))


@pytest.mark.parametrize("type_", CELLS)
def test_recurrent_weights_begin_orthogonal_by_default(type_: str) -> None:
    layer = build(section(type_)).get_layer(type_.replace("-", "_"))
    kernel = np.asarray(layer.cell.recurrent_kernel)  # [U, G·U]
    np.testing.assert_allclose(kernel @ kernel.T, np.eye(6), atol=1e-5)


@pytest.mark.parametrize("type_", CELLS)
def test_input_weights_begin_as_wide_as_asked(type_: str) -> None:
    keras.utils.set_random_seed(0)
    narrow = {"kernel": {"type": "normal", "stddev": 0.001}}
    layer = build(section(type_, embedding_dim=64, units=64, initializers=narrow)).get_layer(type_.replace("-", "_"))
    assert np.std(layer.cell.kernel) == pytest.approx(0.001, rel=0.05)


def test_identity_gates_are_saved_and_loaded_by_keras() -> None:
    again = keras.initializers.deserialize(keras.initializers.serialize(IdentityGates(0.5)))
    np.testing.assert_array_equal(again((2, 6)), np.tile(0.5 * np.eye(2), 3))


INITIALIZERS = {
    "zeros": lambda kernel: (kernel == 0.0).all(),
    "ones": lambda kernel: (kernel == 1.0).all(),
    "uniform": lambda kernel: 0.045 < np.abs(kernel).max() <= 0.05,
    "normal": lambda kernel: 0.045 < np.std(kernel) < 0.055 and np.abs(kernel).max() > 0.1,
    "glorot-uniform": lambda kernel: 0.9 < np.abs(kernel).max() / np.sqrt(6 / 128) <= 1.0,
    "glorot-normal": lambda kernel: 0.9 < np.std(kernel) / np.sqrt(2 / 128) < 1.1,
    "he-uniform": lambda kernel: 0.9 < np.abs(kernel).max() / np.sqrt(6 / 64) <= 1.0,
    "he-normal": lambda kernel: 0.9 < np.std(kernel) / np.sqrt(2 / 64) < 1.1,
    "orthogonal": lambda kernel: np.abs(kernel @ kernel.T - np.eye(64)).max() < 1e-5,
}


@pytest.mark.parametrize("name", INITIALIZERS)
def test_weights_begin_as_their_initializer_says(name: str) -> None:
    keras.utils.set_random_seed(0)
    model = section("simple-rnn", embedding_dim=64, units=64, initializers={"kernel": {"type": name}})
    assert INITIALIZERS[name](np.asarray(build(model).get_layer("simple_rnn").cell.kernel))


@pytest.mark.parametrize(
    ("kind", "weight"), [("kernel", "kernel"), ("recurrent", "recurrent_kernel"), ("bias", "bias"), ("embeddings", "embeddings")]
)
@pytest.mark.parametrize("type_", CELLS)
def test_each_kind_of_weight_has_its_own_initializer(type_: str, kind: str, weight: str) -> None:
    model = build(section(type_, layers=2, bidirectional=True, initializers={kind: {"type": "ones"}}))
    ones = {one.path.rpartition("/")[2] for one in model.weights if (np.asarray(one) == 1.0).all()}
    assert ones == {weight}


def test_the_bias_of_a_forget_gate_begins_with_ones_unless_something_else_is_asked_for() -> None:
    plain, asked = (
        np.asarray(build(section("lstm", **keys)).get_layer("lstm").cell.bias)
        for keys in ({}, {"initializers": {"bias": {"type": "zeros"}}})
    )
    np.testing.assert_array_equal(plain, np.repeat([0.0, 1.0, 0.0, 0.0], 6))
    np.testing.assert_array_equal(asked, np.zeros(24))


OF_TYPE = {
    "mlp": ("hidden", "hidden/kernel", "hidden/bias"),
    "conv": ("conv_5", "conv_5/kernel", "conv_5/bias"),
    "bag": ("words", "words/embeddings", "words_bias/embeddings"),
}


@pytest.mark.parametrize("type_", OF_TYPE)
def test_layers_that_are_not_recurrent_begin_as_asked(type_: str) -> None:
    _, kernel, bias = OF_TYPE[type_]
    model = build(section(type_, initializers={"kernel": {"type": "ones"}, "bias": {"type": "ones"}}))
    ones = {weight.path for weight in model.weights if (np.asarray(weight) == 1.0).all()}
    assert ones == {kernel, bias}


@pytest.mark.parametrize("type_", ["lstm", "conv", "mlp"])
def test_regularizers_give_losses_that_training_adds(type_: str) -> None:
    asked = {"kernel": {"l2": 0.5}, "embeddings": {"l1": 0.25, "l2": 0.5}}
    model = randomized(build(section(type_, regularizers=asked)))
    kernel = next(np.asarray(one) for one in model.weights if one.path.endswith("/kernel") and "output" not in one.path)
    vectors = np.asarray(model.get_layer("embedding").embeddings)
    expected = [0.25 * np.abs(vectors).sum() + 0.5 * (vectors**2).sum(), 0.5 * (kernel**2).sum()]
    np.testing.assert_allclose([float(loss) for loss in model.losses], expected, rtol=1e-5)


def test_both_directions_and_all_layers_are_regularized() -> None:
    model = build(section("gru", layers=2, bidirectional=True, regularizers={"recurrent": {"l2": 0.5}, "bias": {"l1": 0.5}}))
    assert len(model.losses) == 8


def norms(model: keras.Model, ending: str, axis: Any) -> np.ndarray:
    """Norms of the weights that a path ends with, those of the output left out."""
    found = [np.asarray(one) for one in model.weights if one.path.endswith(ending) and "output" not in one.path]
    return np.concatenate([np.sqrt((one**2).sum(axis=axis)).ravel() for one in found])


def after_a_step(model: ClassifierModel) -> keras.Model:
    """The network after a long step of an optimizer in a random direction, as the engine takes it."""
    built = build(model)
    optimizer = keras.optimizers.SGD(1.0)
    optimizer.build(built.trainable_variables)
    generator = np.random.default_rng(0)
    optimizer.apply([generator.normal(0.0, 3.0, weight.shape).astype(np.float32) for weight in built.trainable_variables])
    return built


@pytest.mark.parametrize(("type_", "axis"), [("lstm", 0), ("conv", (0, 1)), ("mlp", 0)])
def test_the_norm_of_a_unit_is_that_of_its_incoming_weights(type_: str, axis: Any) -> None:
    most = after_a_step(section(type_, constraints={"kernel": {"type": "max-norm", "max_norm": 0.5}}))
    unit = after_a_step(section(type_, constraints={"kernel": {"type": "unit-norm"}}))
    np.testing.assert_allclose(norms(most, "/kernel", axis), 0.5, rtol=1e-5)
    np.testing.assert_allclose(norms(unit, "/kernel", axis), 1.0, rtol=1e-5)


def test_constraints_hold_for_each_kind_of_weight_in_both_directions() -> None:
    asked = {"recurrent": {"type": "unit-norm"}, "embeddings": {"type": "max-norm", "max_norm": 0.5}, "bias": {"type": "non-negative"}}
    model = after_a_step(section("gru", bidirectional=True, constraints=asked))
    np.testing.assert_allclose(norms(model, "/recurrent_kernel", 0), 1.0, rtol=1e-5)
    np.testing.assert_allclose(norms(model, "/embeddings", 1), 0.5, rtol=1e-5)
    assert min(np.asarray(one).min() for one in model.weights if one.path.endswith("gru_cell/bias")) == 0.0
    assert norms(model, "/kernel", 0).max() > 1.0


def test_constraints_hold_on_every_replica() -> None:
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice())
    with strategy.scope():
        model = build(section("lstm", constraints={"kernel": {"type": "max-norm", "max_norm": 0.5}}))
        optimizer = keras.optimizers.SGD(1.0)
        optimizer.build(model.trainable_variables)
    gradients = [tf.ones(weight.shape) for weight in model.trainable_variables]
    tf.function(lambda: optimizer.apply(gradients, model.trainable_variables))()
    kernel = next(weight for weight in model.weights if weight.path == "lstm/lstm_cell/kernel")
    for values in strategy.experimental_local_results(kernel.value):
        np.testing.assert_allclose(np.linalg.norm(values, axis=0), 0.5, rtol=1e-5)


def test_frozen_vectors_are_no_trainable_weights_and_their_order_stays() -> None:
    plain, frozen = (build(section("lstm", pretrained=pretrained)) for pretrained in (None, {"path": "vectors.txt", "trainable": False}))
    assert "embedding/embeddings" not in [weight.path for weight in frozen.trainable_weights]
    assert [weight.path for weight in frozen.weights] == [weight.path for weight in plain.weights]


def multi_hot(tokens: np.ndarray) -> np.ndarray:
    """Which words there are: float32 [N, V]; padding is none."""
    found = np.zeros((len(tokens), VOCABULARY), np.float32)
    found[np.arange(len(tokens))[:, None], tokens] = 1.0
    found[:, 0] = 0.0
    return found


def bags(rows: int = 20) -> np.ndarray:
    """Distinct ids of each row in front, padding behind: int32 [rows, LENGTH]."""
    generator = np.random.default_rng(3)
    tokens = np.stack([generator.permutation(np.arange(1, VOCABULARY, dtype=np.int32))[:LENGTH] for _ in range(rows)])
    tokens[np.arange(LENGTH) >= generator.integers(0, LENGTH + 1, (rows, 1))] = 0
    return tokens


def seeded(make: Any) -> keras.Model:
    keras.utils.set_random_seed(7)
    return make()


@pytest.mark.parametrize("outputs", [2, 4])
@pytest.mark.parametrize("keys", [{"units": 6, "layers": 2}, {"units": None}])
def test_a_bag_is_a_dense_layer_over_multi_hot_words(keys: dict[str, Any], outputs: int) -> None:
    def dense() -> keras.Model:
        classes = 1 if outputs == 2 else outputs
        hidden = [keras.layers.Dense(6, activation="relu") for _ in range(keys.get("layers", 0))]
        return keras.Sequential([keras.Input((VOCABULARY,)), *hidden, keras.layers.Dense(classes)])

    bag, reference = seeded(lambda: build(section("bag", **keys), classes=outputs)), seeded(dense)
    for own, other in zip(bag.get_weights(), reference.get_weights(), strict=True):
        np.testing.assert_array_equal(own, other.reshape(own.shape))  # they begin alike, from the same seed
    np.testing.assert_allclose(predicted(bag, bags()), predicted(reference, multi_hot(bags())), rtol=0, atol=TOLERANCE)


def test_a_bag_learns_what_the_dense_layer_learns() -> None:
    bag = build(section("bag"))
    reference = keras.Sequential([keras.Input((VOCABULARY,)), keras.layers.Dense(6, activation="relu"), keras.layers.Dense(1)])
    reference.set_weights([weight.reshape(other.shape) for weight, other in zip(bag.get_weights(), reference.get_weights(), strict=True)])
    gradients = []
    for model, inputs in ((bag, bags()), (reference, multi_hot(bags()))):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(inputs, training=True) ** 2)
        found = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
        gradients.append([np.asarray(tf.convert_to_tensor(one)) for one in found])
    for own, other in zip(*gradients, strict=True):
        np.testing.assert_allclose(own, other.reshape(own.shape), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("type_", [type_ for type_ in TYPES if type_ != "mlp"])
def test_documents_of_any_length_are_read_where_padding_does_not_count(type_: str) -> None:
    keys = {} if type_ == "bag" else {"mask_zero": True, "pooling": "attention"}
    model = randomized(build(section(type_, **keys), any_length=True))
    short = bags()
    long = np.pad(short, ((0, 0), (0, 5)))
    np.testing.assert_allclose(predicted(model, short), predicted(model, long), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("head", ["logits", "probabilities"])
@pytest.mark.parametrize("type_", TYPES)
def test_several_labels_have_an_output_each(type_: str, head: str) -> None:
    given = predicted(build(section(type_), head, classes=5), random_tokens())
    assert given.shape == (20, 5)
    assert np.allclose(given.sum(axis=1), 1.0) == (head == "probabilities")


@pytest.mark.parametrize("type_", CELLS)
@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention", "flatten"])
def test_a_document_without_words_gives_a_number(type_: str, pooling: str) -> None:
    keys = {"mask_zero": True, "pooling": pooling, "bidirectional": True}
    assert np.isfinite(predicted(randomized(build(section(type_, **keys))), np.zeros((2, LENGTH), np.int32))).all()


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize(
    ("type_", "keys"),
    [
        *(("conv", {"kernel_sizes": [4, 3], "pooling": pooling}) for pooling in ("max", "mean", "attention")),
        *((type_, {"bidirectional": True, "pooling": pooling}) for type_ in CELLS for pooling in ("last", "max", "mean", "attention")),
    ],
)
def test_padding_changes_nothing_under_a_mask(type_: str, keys: dict[str, Any], activation: str) -> None:
    model = randomized(build(section(type_, mask_zero=True, activation=activation, **keys)))
    words = np.array([5, 3, 8, 2])
    moved = np.stack([np.pad(words, (before, LENGTH - 4 - before)) for before in range(LENGTH - 3)])
    logits = predicted(model, moved)
    np.testing.assert_allclose(logits, np.broadcast_to(logits[:1], logits.shape), rtol=0, atol=TOLERANCE)


def test_padding_changes_something_for_a_convolution_without_a_mask() -> None:
    model = randomized(build(section("conv", activation="tanh", kernel_sizes=[4])))
    moved = np.array([[5, 3, 8, 2, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 5, 3, 8, 2]])
    logits = predicted(model, moved)
    assert abs(logits[0] - logits[1]) > 100 * TOLERANCE


@pytest.mark.parametrize("type_", ["mlp", "conv"])
def test_the_vector_of_padding_counts_for_nothing_under_a_mask(type_: str) -> None:
    model = randomized(build(section(type_, mask_zero=True)))
    before = predicted(model, random_tokens())
    vectors = np.asarray(model.get_layer("embedding").embeddings)
    vectors[0] += 100.0
    model.get_layer("embedding").set_weights([vectors])
    np.testing.assert_array_equal(predicted(model, random_tokens()), before)


ALL_DROPOUTS = ("embedding_dropout", "dropout", "recurrent_dropout", "output_dropout")
DROPOUTS = {
    **dict.fromkeys(CELLS, ALL_DROPOUTS),
    **dict.fromkeys(("mlp", "conv"), ("embedding_dropout", "output_dropout")),
    "bag": ("output_dropout",),
}


def test_embedding_dropout_takes_whole_features_away() -> None:
    model = build(section("mlp", embedding_dropout=0.5))
    given = keras.Model(model.input, model.get_layer("embedding_dropout").output)(random_tokens(), training=True)
    dropped = np.asarray(given) == 0.0  # [N, L, F]
    assert (dropped.all(axis=1) == dropped.any(axis=1)).all()
    assert 0.3 < dropped.mean() < 0.7


@pytest.mark.parametrize("mask_zero", [False, True])
@pytest.mark.parametrize("type_", TYPES)
def test_dropout_is_inert_in_the_published_form(tmp_path: Path, type_: str, mask_zero: bool) -> None:
    plain = randomized(build(section(type_, mask_zero=mask_zero), "probabilities"))
    dropping = build(section(type_, mask_zero=mask_zero, **dict.fromkeys(DROPOUTS[type_], 0.5)), "probabilities")
    dropping.set_weights(plain.get_weights())
    export(dropping, tmp_path)
    expected = predicted(plain, random_tokens())

    loaded = keras.saving.load_model(tmp_path / "keras" / "model.keras", safe_mode=True)
    np.testing.assert_allclose(predicted(loaded, random_tokens()), expected, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(Network.load(tmp_path / "numpy").predict(random_tokens()), expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(("type_", "kind"), [(type_, kind) for type_ in TYPES for kind in DROPOUTS[type_]])
def test_dropout_is_not_inert_while_training(type_: str, kind: str) -> None:
    model = randomized(build(section(type_, **{kind: 0.5})))
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


@pytest.fixture(scope="module")
def all_published(tmp_path_factory: pytest.TempPathFactory, two_devices: object) -> tuple[Path, dict[str, np.ndarray]]:
    """Folders of published models of all kinds, with tokens to read, and the probabilities that each of them gives."""
    root, expected = tmp_path_factory.mktemp("published"), {}
    for position, (type_, keys) in enumerate(OF_PARTS):
        masked = type_ != "bag" and (position % 2 == 0 or "pooling" in keys) and keys.get("embedding_normalization") != "batch"
        model = randomized(build(section(type_, mask_zero=masked, output_dropout=0.5, **keys), "probabilities", classes=3))
        folder = root / f"{position}-{type_}"
        folder.mkdir()
        export(model, folder)
        np.save(folder / "tokens.npy", random_tokens())
        expected[folder.name] = predicted(model, random_tokens())
    return root, expected


@pytest.mark.parametrize("backend", ["tensorflow", "torch"])
def test_the_published_model_needs_keras_only(all_published: tuple[Path, dict[str, np.ndarray]], backend: str) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    root, expected = all_published
    environment = {**os.environ, "KERAS_BACKEND": backend}
    subprocess.run([sys.executable, "-c", LOADER, str(root)], cwd=root, env=environment, check=True, capture_output=True)

    for name, probabilities in expected.items():
        np.testing.assert_allclose(np.load(root / name / "received.npy"), probabilities, rtol=0, atol=TOLERANCE, err_msg=name)


@pytest.mark.parametrize("type_", CELLS)
def test_the_published_model_says_nothing_of_how_it_began(tmp_path: Path, type_: str) -> None:
    keys = {
        "initializers": {"recurrent": {"type": "identity"}, "kernel": {"type": "normal"}},
        "regularizers": {"kernel": {"l2": 0.1}},
        "constraints": {"kernel": {"type": "max-norm"}},
    }
    model = build(section(type_, bidirectional=True, **keys), "probabilities")
    export(model, tmp_path)
    with zipfile.ZipFile(tmp_path / "keras" / "model.keras") as archive:
        config = archive.read("config.json").decode()
    assert "distrnn" not in config
    assert "RandomNormal" not in config
    assert "L1L2" not in config
    assert "MaxNorm" not in config
