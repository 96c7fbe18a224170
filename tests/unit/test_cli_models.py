"""`models`, `pull`, `predict` and `generate` over a registry in a folder."""

import json
from pathlib import Path

import numpy as np
import pytest

from distrnn import Registry, load_model
from distrnn.cli.models import version_reference
from distrnn.cli.predict import judged
from distrnn.registry import Rule

REVIEWS = {"task": "classifier", "labels": ["negative", "positive"], "metrics": {"accuracy": 0.986, "examples": 3000}, "lineage": {}}


@pytest.fixture
def published(cli, tmp_path, tiny_classifier, tiny_language_model):
    """The default registry with two versions of `reviews` and one of `text`."""
    registry = Registry(tmp_path / "home" / "registry")
    registry.publish("reviews", tiny_classifier(), metadata=REVIEWS)
    registry.publish("reviews", tiny_classifier("better"), metadata={**REVIEWS, "metrics": {"accuracy": 0.99, "examples": 3000}})
    registry.publish("text", tiny_language_model(), metadata={"task": "language-model", "metrics": {"bits_per_character": 2.0082}})
    registry.set_alias("reviews", "production", 1)
    return registry


def short(registry, reference):
    return registry.resolve(reference).digest[:19]


def test_list_has_a_line_a_model(cli, published):
    lines = [line.split() for line in cli("models", "list").stdout.splitlines()]
    assert [line[:2] + line[-2:] for line in lines] == [
        ["MODEL", "LATEST", "RESULT", "ALIASES"],
        ["reviews", "v2", "production", "v1"],
        ["text", "v1", "2.0082", "–"],
    ]


def test_list_as_json(cli, published):
    documents = json.loads(cli("models", "list", "--json").stdout)
    assert [(document["name"], document["latest"]["number"]) for document in documents] == [("reviews", 2), ("text", 1)]
    assert documents[0]["aliases"]["production"]["number"] == 1


def test_empty_registry_says_what_to_do(cli, tmp_path):
    done = cli("models", "list")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == f"No model in {tmp_path}/home/registry yet. Publish one with: distrnn run WORKFLOW\n"


def test_show_of_a_name_has_every_version_newest_first(cli, published):
    document = json.loads(cli("models", "show", "reviews", "--json").stdout)
    assert [(version["number"], version["aliases"]) for version in document["versions"]] == [(2, []), (1, ["production"])]
    assert document["aliases"]["production"]["digest"] == published.resolve("reviews@v1").digest


def test_show_of_a_name_as_text_names_the_guard(cli, published):
    published.promote(published.resolve("reviews@v2"), "production", [Rule("accuracy", min=0.9)])
    text = cli("models", "show", "reviews").stdout
    assert [line.split() for line in text.splitlines() if line.startswith("production")] == [
        ["production", "v2", *text.splitlines()[-1].split()[2:5], "accuracy", "at", "least", "0.9"]
    ]


def test_show_of_a_reference_has_files_and_lineage(cli, published):
    done = cli("models", "show", "reviews@production", "--json")
    document = json.loads(done.stdout)
    assert done.stderr == f"reviews@production is reviews@v1 ({short(published, 'reviews@v1')})\n"
    assert (document["number"], document["aliases"], document["metadata"]["lineage"]) == (1, ["production"], {})
    assert [file["path"] for file in document["files"]] == ["numpy/model.json", "numpy/weights.npz", "preprocessing.json"]


def test_show_of_a_reference_as_text(cli, published):
    text = cli("models", "show", "reviews@v2").stdout
    assert text.startswith("model    reviews@v2\n")
    assert "on the test split\naccuracy  0.9900\nexamples  3,000\n" in text


@pytest.mark.parametrize("version", ["2", "v2", "latest", "reviews@v2"])
def test_alias_is_set_to_what_the_version_means(cli, published, version):
    done = cli("models", "alias", "set", "reviews", "candidate", version)
    assert (done.exit_code, done.stdout) == (0, f"reviews@candidate is v2 ({short(published, 'reviews@v2')}).\n")
    assert published.aliases("reviews")["candidate"].number == 2


@pytest.mark.parametrize(
    ("version", "reference"),
    [("3", "a@v3"), ("v3", "a@v3"), ("production", "a@production"), ("sha256:0123456789ab", "a@sha256:0123456789ab"), ("a@v3", "a@v3")],
)
def test_version_of_alias_set(version, reference):
    assert version_reference("a", version) == reference


def test_guarded_alias_is_not_moved_by_hand(cli, published):
    published.promote(published.resolve("reviews@v1"), "production", [Rule("accuracy", min=0.9)])
    assert cli("models", "alias", "set", "reviews", "production", "2").exit_code == 4
    assert published.aliases("reviews")["production"].number == 1


def test_guarded_alias_moves_with_a_reason_that_is_recorded(cli, published):
    published.promote(published.resolve("reviews@v1"), "production", [Rule("accuracy", min=0.9)])
    assert cli("models", "alias", "set", "reviews", "production", "2", "--force-reason", "hotfix").exit_code == 0
    assert published.alias("reviews", "production").history[-1].reason == "hotfix"


def test_alias_is_deleted_with_yes(cli, published):
    done = cli("models", "alias", "delete", "reviews", "production", "--yes")
    assert (done.exit_code, done.stdout) == (0, "Deleted reviews@production; it was v1.\n")
    assert published.aliases("reviews") == {}


def test_alias_is_not_deleted_when_nobody_can_be_asked(cli, published):
    done = cli("models", "alias", "delete", "reviews", "production")
    message = "error: reviews@production is v1. Delete the alias? Nobody is there to answer; say it with --yes.\n"
    assert (done.exit_code, done.stderr) == (2, message)
    assert "production" in published.aliases("reviews")


def test_alias_that_does_not_exist_cannot_be_deleted(cli, published):
    assert cli("models", "alias", "delete", "reviews", "staging", "--yes").exit_code == 3


def test_pull_prints_the_folder_and_tells_what_it_is(cli, published):
    done = cli("pull", "reviews@production")
    assert (done.exit_code, done.stderr) == (0, f"reviews@production is reviews@v1 ({short(published, 'reviews@v1')})\n")
    assert (Path(done.stdout.strip()) / "numpy" / "model.json").is_file()


def test_pull_fills_a_folder(cli, published, tmp_path):
    document = json.loads(cli("pull", "text", "--for", "all", "--dest", "here", "--json").stdout)
    version = published.resolve("text")
    assert document == {
        "reference": "text",
        "name": "text",
        "number": 1,
        "digest": version.digest,
        "form": "all",
        "path": str(tmp_path / "here"),
    }
    assert (tmp_path / "here" / "preprocessing.json").is_file()


def test_pull_offline_uses_what_was_pulled_before(cli, published, tmp_path):
    assert cli("pull", "reviews@production", "--offline").exit_code == 3
    online = cli("pull", "reviews@production").stdout
    (tmp_path / "home" / "registry").rename(tmp_path / "home" / "away")
    assert cli("pull", "reviews@production", "--offline").stdout == online


def test_registry_can_be_named(cli, published, tmp_path):
    (tmp_path / "home" / "registry").rename(tmp_path / "elsewhere")
    assert cli("pull", "text").exit_code == 3
    assert cli("pull", "text", "--registry", tmp_path / "elsewhere").exit_code == 0


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
