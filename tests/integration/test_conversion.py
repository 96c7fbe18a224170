"""Converted models say what Keras says: ONNX run by onnxruntime, a SavedModel asked with raw strings through its serving signature."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf

from distrnn import Registry
from distrnn.client import load_folder
from distrnn.conversion.convert import write_onnx
from distrnn.errors import UsageError
from distrnn.models import build_classifier, build_language_model
from distrnn.runtime import Preprocessing
from distrnn.text import TokenizerSpec, Vocabulary
from distrnn.training.export import export
from distrnn.training.saved_model import SIGNATURE, check_convertible, write_saved_model
from distrnn.workflow import ClassifierModel, LanguageModel

pytestmark = [
    pytest.mark.usefixtures("two_devices"),
    # Keras' own, while it saves a model.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
]

TOLERANCE, LENGTH = 1e-4, 9
WORDS = tuple("the a film good bad not plot élan naïve ça οδός b2b don t".split())
TEXTS = [
    "",
    "A good film!",
    "BAD<br /><br />plot, not a (good) film.\t\nDon't\v\fthe \x85 end",
    "Élan NAÏVE ça; ΟΔΌΣ οδός zzz <br/> < br />",
    "the " * 30 + "bad",
    "…。film \U0001f600 b2b\r\nthe",
]


def classifier(
    folder: Path, *, labels: int = 2, spec: TokenizerSpec | None = None, threshold: float | None = None, **keys: Any
) -> keras.Model:
    """Writes the published folder of a classifier of random weights, and gives its Keras model."""
    keras.utils.set_random_seed(5)
    spec = spec or TokenizerSpec("word", "fold", "strip")
    vocabulary = Vocabulary(WORDS if spec.level == "word" else sorted(set("".join(WORDS))), spec)
    section = ClassifierModel.model_validate({"type": "lstm", "sequence_length": LENGTH, "units": 6, "embedding_dim": 5, **keys})
    model = build_classifier(section, vocabulary_size=vocabulary.size, head="probabilities", classes=labels)
    export(model, folder)
    names = tuple("label " + "abc"[number] for number in range(labels))
    Preprocessing("classifier", vocabulary, names, LENGTH, section.padding, section.truncating, threshold=threshold).write(folder)
    return model


KINDS = [
    {"type": "lstm", "mask_zero": True, "bidirectional": True, "layers": 2, "pooling": "max"},
    {"type": "gru", "padding": "post", "truncating": "post"},
    pytest.param({"type": "simple-rnn", "mask_zero": True, "embedding_normalization": "layer"}, marks=pytest.mark.slow),
    {"type": "conv", "kernel_sizes": [3, 4], "embedding_normalization": "batch"},
    pytest.param({"type": "mlp", "units": 7}, marks=pytest.mark.slow),
]


@pytest.mark.parametrize("keys", KINDS, ids=lambda keys: keys["type"])
def test_onnx_says_what_keras_says(tmp_path: Path, keys: dict[str, Any]) -> None:
    (tmp_path / "pulled").mkdir()
    model = classifier(tmp_path / "pulled", **keys)
    folder = tmp_path / "onnx"
    folder.mkdir()
    loaded = load_folder(tmp_path / "pulled")
    assert write_onnx(loaded, tmp_path / "pulled", folder) < TOLERANCE
    rows = loaded.preprocessing.encode(TEXTS)
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    found = session.run(["probabilities"], {"tokens": rows.astype(np.int64)})[0]
    np.testing.assert_allclose(found, model.predict(rows, verbose=0), atol=TOLERANCE)
    assert Preprocessing.read(folder).encode(TEXTS).tolist() == rows.tolist()


def test_a_language_model_carries_its_state_through_onnx(tmp_path: Path) -> None:
    keras.utils.set_random_seed(5)
    vocabulary = Vocabulary("abcdefgh \n", TokenizerSpec("char", "keep"))
    section = LanguageModel.model_validate({"task": "language-model", "type": "lstm", "window": 8, "embedding_dim": 5, "units": 6})
    model = build_language_model(section, vocabulary_size=vocabulary.size, batch=1, window=None, head="probabilities")
    pulled, folder = tmp_path / "pulled", tmp_path / "onnx"
    pulled.mkdir()
    folder.mkdir()
    export(model, pulled)
    Preprocessing("language-model", vocabulary, sample_prompt="abc").write(pulled)
    write_onnx(load_folder(pulled), pulled, folder)
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    ids = np.random.default_rng(0).integers(0, vocabulary.size, (1, 20))
    state = {one.name: np.zeros((1, 6), np.float32) for one in session.get_inputs() if one.name != "tokens"}
    parts = []
    for part in np.split(ids, [7, 8], axis=1):
        given = session.run(None, {"tokens": part, **state})
        found = dict(zip([one.name for one in session.get_outputs()], given, strict=True))
        parts.append(found.pop("probabilities"))
        state = {name.replace("next", "state"): value for name, value in found.items()}
    np.testing.assert_allclose(np.concatenate(parts, axis=1), model(ids.astype(np.int32)), atol=TOLERANCE)


@pytest.mark.parametrize(
    ("spec", "keys"),
    [
        pytest.param(TokenizerSpec("word", "fold", "strip"), {"type": "lstm", "labels": 3}, marks=pytest.mark.slow),
        (TokenizerSpec("word", "fold", "keep"), {"type": "lstm", "padding": "post", "truncating": "post", "threshold": 0.501}),
        pytest.param(TokenizerSpec("word", "keep", "strip"), {"type": "lstm"}, marks=pytest.mark.slow),
        (TokenizerSpec("word", "fold", "strip", layout="bag"), {"type": "bag", "embedding_dim": None, "padding": "post"}),
        (TokenizerSpec("char", "fold"), {"type": "lstm"}),
    ],
    ids=["three labels", "threshold", "case kept", "bag", "characters"],
)
def test_a_saved_model_takes_raw_strings_and_says_what_keras_says(tmp_path: Path, spec: TokenizerSpec, keys: dict[str, Any]) -> None:
    (tmp_path / "pulled").mkdir()
    model = classifier(tmp_path / "pulled", spec=spec, **keys)
    loaded = load_folder(tmp_path / "pulled")
    assert write_saved_model(loaded, tmp_path / "pulled" / "keras" / "model.keras", tmp_path / "saved") < TOLERANCE
    served = tf.saved_model.load(tmp_path / "saved").signatures[SIGNATURE]
    found = {name: value.numpy() for name, value in served(text=tf.constant(TEXTS)).items()}
    expected = model.predict(loaded.preprocessing.encode(TEXTS), verbose=0)
    if expected.shape[1] == 1:
        expected = np.concatenate([1 - expected, expected], axis=1)
    np.testing.assert_allclose(found["probabilities"], expected, atol=TOLERANCE)
    threshold = loaded.preprocessing.threshold or 0.5
    best = (expected[:, 1] > threshold).astype(int) if expected.shape[1] == 2 else expected.argmax(axis=1)
    assert [label.decode() for label in found["label"]] == [loaded.labels[place] for place in best]


def test_a_saved_model_lowers_every_character_as_python_does() -> None:
    """All characters that Python's Unicode knows, but those that the Unicode of TensorFlow's library does not know yet."""
    characters = [chr(code) for code in range(1, 0x110000) if not 0xD800 <= code < 0xE000]
    lowered = [one.decode() for one in tf.strings.lower(tf.constant(characters), encoding="utf-8").numpy()]
    other = {one: (theirs, one.lower()) for one, theirs in zip(characters, lowered, strict=True) if theirs != one.lower()}
    assert {one for one, (theirs, _) in other.items() if theirs != one} == set()
    assert len(other) <= 100
    words = ["ΟΔΟΣ", "ΣΑΣ", "Σ", "ΑΣ.", "İstanbul", "STRASSE ẞ"]
    assert [one.decode() for one in tf.strings.lower(tf.constant(words), encoding="utf-8").numpy()] == [word.lower() for word in words]


def test_the_verb_writes_a_saved_model_and_nothing_on_stderr_but_which_model_it_is(tmp_path: Path, cli: Any, capfd: Any) -> None:
    (tmp_path / "pulled").mkdir()
    classifier(tmp_path / "pulled")
    Registry(tmp_path / "home" / "registry").publish("mine", tmp_path / "pulled", metadata={"task": "classifier"})
    capfd.readouterr()
    done = cli("convert", "mine", "--to", "saved-model", "--json")
    document = json.loads(done.stdout)
    assert capfd.readouterr().err == ""
    assert document["path"] == str(tmp_path / "mine-v1-saved-model")
    assert document["largest_difference"] < TOLERANCE
    served = tf.saved_model.load(document["path"]).signatures[SIGNATURE]
    assert set(served.structured_outputs) == {"probabilities", "label"}


@pytest.mark.parametrize(
    ("rules", "received"),
    [
        (Preprocessing("language-model", Vocabulary("ab", TokenizerSpec("char", "keep"))), None),
        (Preprocessing("classifier", Vocabulary((), TokenizerSpec("word", "fold", "strip", buckets=8)), ("a", "b"), 4), "hashed tokens"),
        (Preprocessing("classifier", Vocabulary(WORDS, TokenizerSpec("word", "fold", ngrams=2)), ("a", "b"), 4), "grams of 2 tokens"),
    ],
)
def test_what_a_saved_model_cannot_do(rules: Preprocessing, received: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        check_convertible(rules)
    assert str(caught.value) == (
        "--to saved-model takes a classifier. Received: language-model. Use --to onnx, whose inputs hold the state, or npz."
        if received is None
        else f"--to saved-model takes a model that reads single words or characters. Received: {received}. Use --to onnx or npz."
    )
