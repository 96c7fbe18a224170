"""A published model in a user's hands: from a folder, from a registry, texts in, probabilities or text out."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distrnn import Registry, load_model
from distrnn.client import Classifier, LanguageModel, LoadedModel, load_folder
from distrnn.errors import IntegrityError, UsageError
from distrnn.runtime import Preprocessing

Write = Callable[..., Path]
AGAIN = "Pull the model again, or publish it again."


def test_two_labels_give_one_probability_a_text(tiny_classifier: Write) -> None:
    probabilities = load_folder(tiny_classifier()).predict(["good film", "bad film", ""])
    assert (probabilities.shape, probabilities.dtype) == ((3,), np.float32)
    assert len(set(probabilities.tolist())) == 3


def test_more_labels_give_a_probability_each(tiny_classifier: Write) -> None:
    model = load_folder(tiny_classifier(labels=("bad", "fair", "good"), activation="softmax"))
    probabilities = model.predict(["good film", "bad film"])
    assert model.labels == ("bad", "fair", "good")
    assert probabilities.shape == (2, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-6)


def test_no_texts_give_no_probabilities(tiny_classifier: Write) -> None:
    assert load_folder(tiny_classifier()).predict([]).shape == (0,)


@pytest.mark.parametrize("texts", ["good film", [b"good"], ["good", None]])
def test_what_is_no_list_of_texts_is_refused(tiny_classifier: Write, texts: Any) -> None:
    with pytest.raises(UsageError) as caught:
        load_folder(tiny_classifier()).predict(texts)
    assert str(caught.value) == "predict needs a list of texts, for instance predict(['I loved it.'])."


def test_the_new_text_only(tiny_language_model: Write) -> None:
    text = load_folder(tiny_language_model()).generate("abc", 50, seed=1)
    assert len(text) == 50
    assert set(text) <= set(" abcdefgh\n")


def test_a_seed_gives_the_same_text(tiny_language_model: Write) -> None:
    model = load_folder(tiny_language_model())
    assert model.generate("abc", 80, seed=7) == model.generate("abc", 80, seed=7)
    assert model.generate("abc", 80, seed=7) != model.generate("abc", 80, seed=8)


def test_no_temperature_gives_the_same_text_whatever_the_seed(tiny_language_model: Write) -> None:
    model = load_folder(tiny_language_model())
    assert model.generate("abc", 40, temperature=0, seed=1) == model.generate("abc", 40, temperature=0, seed=2)


def test_the_prompt_matters(tiny_language_model: Write) -> None:
    model = load_folder(tiny_language_model(units=(32,)))
    assert model.generate("abc", 40, seed=1) != model.generate("hgf", 40, seed=1)


@pytest.mark.parametrize("prompt", ["", "ÆØ", "a Ω"])
def test_an_empty_or_unknown_prompt_is_no_obstacle(tiny_language_model: Write, prompt: str) -> None:
    assert len(load_folder(tiny_language_model()).generate(prompt, 10, seed=1)) == 10


def test_words_are_joined_by_spaces(tiny_language_model: Write) -> None:
    model = load_folder(tiny_language_model(level="word", tokens=("the", "good", "film")))
    words = model.generate("the", 30, seed=1).split(" ")
    assert len(words) == 30
    assert set(words) <= {"the", "good", "film"}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"length": -1}, "length must be a whole number of tokens, 0 or more. Received: -1"),
        ({"length": 1.5}, "length must be a whole number of tokens, 0 or more. Received: 1.5"),
        ({"temperature": -0.1}, "temperature must be a number, 0 or more; 0 always takes the most probable token. Received: -0.1"),
        ({"temperature": float("nan")}, "temperature must be a number, 0 or more; 0 always takes the most probable token. Received: nan"),
        ({"seed": -1}, "seed must be a whole number, 0 or more, or None. Received: -1"),
        ({"prompt": None}, "prompt must be a text. Received: NoneType"),
    ],
)
def test_generation_that_makes_no_sense(tiny_language_model: Write, keys: dict[str, Any], message: str) -> None:
    model = load_folder(tiny_language_model())
    with pytest.raises(UsageError) as caught:
        model.generate(**{"prompt": "abc", "length": 5, **keys})
    assert str(caught.value) == message


def test_a_text_is_what_its_pieces_make_and_both_take_the_same(tiny_language_model: Write) -> None:
    model = load_folder(tiny_language_model())
    assert "".join(model.stream("abc", 50, top_k=3, seed=1)) == model.generate("abc", 50, top_k=3, seed=1)
    shown = [signature(method) for method in (model.stream, model.generate)]
    assert shown[0].parameters == shown[1].parameters
    assert list(shown[0].parameters) == ["prompt", "length", "temperature", "top_k", "top_p", "stop", "seed"]
    assert [one.return_annotation for one in shown] == [Iterator[str], str]


def test_nothing_is_written_where_nothing_is_asked_for(tiny_language_model: Write) -> None:
    assert load_folder(tiny_language_model()).generate("abc", 0) == ""


def test_each_kind_says_what_it_cannot_do(tiny_classifier: Write, tiny_language_model: Write) -> None:
    with pytest.raises(UsageError) as caught:
        load_folder(tiny_classifier()).generate("a", 5)
    assert str(caught.value) == "generate needs a language model. This is a classifier; use predict."
    with pytest.raises(UsageError) as caught:
        load_folder(tiny_language_model()).predict(["a"])
    assert str(caught.value) == "predict needs a classifier. This is a language model; use generate."


def test_a_language_model_brings_a_prompt_to_try(tiny_classifier: Write, tiny_language_model: Write) -> None:
    assert load_folder(tiny_language_model()).sample_prompt == "a cab"
    assert load_folder(tiny_classifier()).sample_prompt == ""


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"ids": 7}, "a vocabulary of 7 ids at most, as the network has. Received: 8."),
        ({"outputs": 2}, "a network with one output for two labels, else one for each of the 2 labels. Received: 2."),
        ({"sequences": True}, "a network with one output for two labels, else one for each of the 2 labels. Received: 1 each step."),
    ],
)
def test_a_network_that_does_not_fit_its_classifier(tiny_classifier: Write, keys: dict[str, Any], message: str) -> None:
    with pytest.raises(IntegrityError) as caught:
        load_folder(tiny_classifier(**keys))
    assert str(caught.value) == f"preprocessing.json: expected {message} {AGAIN}"


def test_a_network_that_does_not_fit_its_language_model(tiny_language_model: Write) -> None:
    with pytest.raises(IntegrityError) as caught:
        load_folder(tiny_language_model(outputs=5))
    assert str(caught.value) == f"preprocessing.json: expected a vocabulary of 5 ids at most, as the network gives. Received: 11. {AGAIN}"


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.setenv("DISTRNN_HOME", str(tmp_path / "home"))
    return Registry(str(tmp_path / "registry"))


def test_a_model_from_a_registry_knows_its_version(registry: Registry, tiny_classifier: Write) -> None:
    published = registry.publish("reviews", tiny_classifier(), metadata={})
    model = load_model("reviews", registry)
    assert model.version == published
    assert isinstance(model, Classifier)


def test_a_reference_picks_the_version(registry: Registry, tiny_classifier: Write) -> None:
    for seed in (1, 2):
        registry.publish("reviews", tiny_classifier(f"seed-{seed}", seed=seed), metadata={})
    first, second = (load_model(f"reviews@v{number}", registry).predict(["good film"]) for number in (1, 2))
    assert first != second
    assert load_model("reviews", registry).predict(["good film"]) == second


def test_a_registry_may_be_an_object_a_url_or_the_default(
    registry: Registry, tiny_language_model: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.publish("prose", tiny_language_model(), metadata={})
    monkeypatch.setenv("DISTRNN_REGISTRY", registry.url)
    texts = [load_model("prose", place).generate("abc", 20, seed=1) for place in (registry, registry.url, None)]
    assert len(set(texts)) == 1


def test_a_folder_has_no_version(tiny_language_model: Write) -> None:
    model = load_folder(tiny_language_model())
    assert (model.version, repr(model)) == (None, "<LanguageModel from a folder>")


def test_both_kinds_are_loaded_models() -> None:
    assert issubclass(Classifier, LoadedModel)
    assert issubclass(LanguageModel, LoadedModel)


def test_predicting_loads_nothing_heavy(registry: Registry, tiny_classifier: Write) -> None:
    registry.publish("reviews", tiny_classifier(), metadata={})
    code = (
        "import json, sys, distrnn\n"
        f"probability = distrnn.load_model('reviews', {registry.url!r}).predict(['good film'])[0]\n"
        "heavy = [name for name in ('tensorflow', 'keras', 'ray', 'pyarrow') if name in sys.modules]\n"
        "print(json.dumps([float(probability), heavy]))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=os.environ.copy())
    expected = load_model("reviews", registry).predict(["good film"])[0]
    assert json.loads(done.stdout) == [pytest.approx(float(expected), abs=1e-6), []]


def test_a_model_published_with_other_rules_reads_text_in_its_own_way(tiny_classifier: Write) -> None:
    folder = tiny_classifier()
    rules = Preprocessing.read(folder)
    Preprocessing(rules.task, rules.vocabulary, rules.labels, 2).write(folder)
    model = load_folder(folder)
    assert model.predict(["not bad good film"]) == model.predict(["good film"])
