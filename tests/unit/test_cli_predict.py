"""`predict` and `generate` over a registry in a folder."""

import json

import numpy as np
import pytest

from distrnn import load_model
from distrnn.cli.predict import judged


def test_predict_is_what_the_library_predicts(cli, published, holds_for_schema):
    texts = ["a good film", "bad"]
    documents = json.loads(cli("predict", "reviews@v2", *texts, "--json").stdout)
    holds_for_schema(documents, "predict")
    assert [document["text"] for document in documents] == texts
    expected = load_model("reviews@v2", published).predict(texts)
    assert [document["probabilities"]["positive"] for document in documents] == pytest.approx(expected.tolist())


def test_predict_reads_a_text_a_line_from_stdin(cli, published):
    documents = json.loads(cli("predict", "reviews", "-", "--json", stdin="good\n\nbad – or not\r\n").stdout)
    assert [document["text"] for document in documents] == ["good", "", "bad – or not"]


def test_stdin_stands_alone(cli, published):
    done = cli("predict", "reviews", "-", "good")
    message = "error: '-' reads the texts from stdin, so it stands alone. Received: 2 texts"
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (2, message)


def test_no_text_gives_an_empty_list(cli, published):
    assert json.loads(cli("predict", "reviews", "-", "--json", stdin="").stdout) == []


def test_predict_as_text_shows_label_and_probability(cli, published):
    lines = cli("predict", "reviews", "good").stdout.splitlines()
    assert lines[0].split() == ["LABEL", "PROBABILITY", "TEXT"]
    assert lines[1].split()[0] in ("negative", "positive")


@pytest.mark.parametrize(
    ("found", "labels", "best", "probability"),
    [
        (np.array([0.75]), ["no", "yes"], "yes", 0.75),
        (np.array([0.25]), ["no", "yes"], "no", 0.75),
        (np.array([0.5]), ["no", "yes"], "no", 0.5),
        (np.array([[0.2, 0.5, 0.3]]), ["a", "b", "c"], "b", 0.5),
    ],
)
def test_label_is_the_most_probable_one(found, labels, best, probability):
    document = judged(["text"], lambda _texts: found, labels)[0]
    assert (document["label"], document["probability"], list(document["probabilities"])) == (best, probability, labels)


def test_generate_goes_on_from_the_prompt(cli, published):
    done = cli("generate", "text", "--prompt", "a cab", "--length", 20, "--seed", 1)
    expected = load_model("text", published).generate("a cab", 20, seed=1)
    assert (done.exit_code, done.stdout) == (0, f"a cab{expected}\n")


def test_generate_as_json_keeps_prompt_and_text_apart(cli, published):
    document = json.loads(cli("generate", "text", "--length", 20, "--temperature", 0, "--json").stdout)
    assert (document["prompt"], len(document["text"]), document["length"]) == ("a cab", 20, 20)
    assert (document["temperature"], document["seed"]) == (0.0, None)


def test_words_are_joined_to_the_prompt_by_a_space(cli, published, tiny_language_model):
    published.publish("words", tiny_language_model("words", level="word", tokens=("a", "good", "film")), metadata={})
    text = cli("generate", "words", "--prompt", "a", "--length", 2, "--seed", 1).stdout
    assert len(text.split(" ")) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "text", "hi"], "predict needs a classifier. This is a language model; use generate."),
        (["generate", "reviews"], "generate needs a language model. This is a classifier; use predict."),
        (["generate", "text", "--temperature", "-1"], None),
        (["generate", "text", "--length", "-1"], None),
    ],
)
def test_model_of_the_wrong_kind_is_a_usage_error(cli, published, arguments, message):
    done = cli(*arguments)
    assert done.exit_code == 2
    assert message is None or done.stderr.splitlines()[-1] == f"error: {message}"
