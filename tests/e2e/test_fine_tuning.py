"""A language model of unlabelled documents becomes a classifier of labelled ones, by the command line."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from distrnn.client import load_model
from distrnn.data.sources import synthetic
from distrnn.embeddings import ModelVectors
from distrnn.evaluation.embedding_figures import WORDS_DRAWN
from distrnn.evaluation.projection import plane
from distrnn.evaluation.wording import percent
from distrnn.registry import Registry
from distrnn.runtime.assemble import load_weights
from fixtures_client import result_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

LANGUAGE = """
name: encoder
data: {source: parquet, path: texts.parquet, test_fraction: 0.1, tokenizer: {level: word, vocabulary_size: 400, boundaries: true}}
model: {task: language-model, type: lstm, window: 20, embedding_dim: 8, embedding_normalization: none, units: 12}
train: {epochs: 1, global_batch_size: 16, optimizer: {learning_rate: 0.01}}
scaling: {device: cpu}
register: {name: encoder}
"""
CLASSIFIER = """
name: classifier
data: {source: synthetic-reviews, limit: 500, tokenizer: {level: word, vocabulary_size: 300}}
model: {type: lstm, sequence_length: 40, embedding_dim: 8, units: 12, weights_from: encoder}
train: {epochs: 1, global_batch_size: 16, optimizer: {name: sgd, learning_rate: 1.0e-12}}
scaling: {device: cpu}
register: {name: classifier}
"""


WORDS = """
name: words
data: {source: parquet, path: texts.parquet, tokenizer: {level: word, vocabulary_size: 400, boundaries: true}}
model: {task: embedding, type: cbow, window: 3, embedding_dim: 8}
train: {epochs: 2, global_batch_size: 64, optimizer: {learning_rate: 0.01}}
scaling: {device: cpu}
register: {name: words}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both workflows and the documents without labels."""
    folder = tmp_path_factory.mktemp("fine-tuning")
    (folder / "language.yaml").write_text(LANGUAGE)
    (folder / "classifier.yaml").write_text(CLASSIFIER)
    (folder / "words.yaml").write_text(WORDS)
    texts = [synthetic.document(index, "train", 7)[0] for index in range(300)]
    pq.write_table(pa.table({"text": texts}), folder / "texts.parquet")
    return folder


@pytest.fixture(scope="module")
def run(folder: Path, distrnn_command: Callable[..., Any]) -> Callable[..., Any]:
    def run(name: str, *arguments: str) -> Any:
        return distrnn_command("run", str(folder / f"{name}.yaml"), "--json", *arguments, env={"DISTRNN_HOME": str(folder / "home")})

    return run


@pytest.fixture(scope="module")
def encoder(run: Callable[..., Any]) -> dict[str, Any]:
    return result_of(run("language"))


@pytest.fixture(scope="module")
def fine_tuned(run: Callable[..., Any], encoder: dict[str, Any]) -> dict[str, Any]:
    return result_of(run("classifier"))


def test_a_model_of_words_tells_bits_of_characters(encoder: dict[str, Any]) -> None:
    """A word has several characters, so that models of words and of characters can be compared."""
    metrics = encoder["metrics"]
    assert metrics["perplexity"] == pytest.approx(np.exp(metrics["loss_nats"]))
    assert 3 < metrics["loss_nats"] / np.log(2) / metrics["bits_per_character"] < 12


def test_the_classifier_begins_with_the_encoder(fine_tuned: dict[str, Any], folder: Path) -> None:
    """Its learning rate moves nothing, so what is published is what it began with."""
    registry = Registry(folder / "home" / "registry")
    folders = [registry.pull(registry.resolve(name), form="numpy") for name in ("encoder", "classifier")]
    encoder, classifier = (load_weights(pulled / "numpy") for pulled in folders)
    assert np.allclose(classifier["lstm/kernel"], encoder["lstm/kernel"], atol=1e-7)
    assert np.allclose(classifier["lstm/recurrent_kernel"], encoder["lstm/recurrent_kernel"], atol=1e-7)
    other, own = (load_model(name, registry).preprocessing.vocabulary for name in ("encoder", "classifier"))
    rows = [(other.encode(word)[-1], own.encode(word)[-1]) for word in ("film", "the")]
    for theirs, ours in rows:
        assert np.allclose(classifier["embedding/embeddings"][ours], encoder["embedding/embeddings"][theirs], atol=1e-7)


def test_the_version_says_whose_weights_it_began_with(fine_tuned: dict[str, Any], folder: Path) -> None:
    manifest = json.loads((folder / "home/registry/classifier/versions/0000000001.json").read_text())
    origin = manifest["metadata"]["lineage"]["weights_from"]
    assert (origin["name"], origin["number"]) == ("encoder", 1)
    assert 0 < origin["tokens_known"] <= origin["tokens"]


def test_a_model_of_another_size_is_refused(fine_tuned: dict[str, Any], run: Callable[..., Any], folder: Path) -> None:
    done = run("classifier", "--set", "model.units=8")
    assert done.returncode == 2
    assert json.loads(done.stdout)["message"] == (
        f"{folder / 'classifier.yaml'}: key 'model.weights_from': expected a model whose lstm/kernel has the shape [8, 32]. "
        "Received: the shape [8, 48]. "
        "Give this model the size of that one"
    )


def test_a_model_that_is_not_there_is_missed_before_anything_is_prepared(run: Callable[..., Any]) -> None:
    done = run("classifier", "--set", "model.weights_from=nobody")
    assert done.returncode == 3
    assert "nobody" in json.loads(done.stdout)["message"]


@pytest.fixture(scope="module")
def words(run: Callable[..., Any]) -> dict[str, Any]:
    return result_of(run("words"))


def test_vectors_of_words_are_asked_and_a_classifier_begins_with_them(
    words: dict[str, Any], run: Callable[..., Any], folder: Path, distrnn_command: Callable[..., Any]
) -> None:
    assert (words["task"], words["metrics"]) == ("embedding", None)
    assert words["train_metrics"]["loss"] < 6 * np.log(2)
    home = {"DISTRNN_HOME": str(folder / "home")}
    found = result_of(distrnn_command("neighbors", "words", "film", "--json", env=home))
    assert len(found["neighbors"]) == 10
    refused = distrnn_command("predict", "words", "a film", env=home)
    assert refused.stderr.splitlines()[-1] == "error: predict needs a classifier. This is a set of word vectors; use neighbors."
    result_of(run("classifier", "--set", "model.weights_from=words", "--set", "name=begun", "--set", "register.name=begun"))
    manifest = json.loads((folder / "home/registry/begun/versions/0000000001.json").read_text())
    assert manifest["metadata"]["lineage"]["weights_from"]["name"] == "words"


def test_the_report_of_word_vectors_draws_them(words: dict[str, Any], folder: Path) -> None:
    page = Path(words["report"]).read_text(encoding="utf-8")
    matrix = ModelVectors(load_model("words", Registry(folder / "home" / "registry"))).most_frequent(WORDS_DRAWN)[1]
    assert "<figcaption>Most frequent words</figcaption>" in page
    assert (
        f'aria-label="The vectors of the {len(matrix)} most frequent words in the plane in which they differ most, which shows '
        f"{percent(plane(matrix).share)} of their variance. Named: "
    ) in page


def test_a_classifier_is_trained_on_the_file_that_vectors_are_exported_to(
    words: dict[str, Any], run: Callable[..., Any], folder: Path, distrnn_command: Callable[..., Any]
) -> None:
    """Its learning rate moves nothing, so what is published is what the file said."""
    home = {"DISTRNN_HOME": str(folder / "home")}
    result_of(distrnn_command("convert", "words", "--to", "word2vec", "--dest", str(folder / "exported"), "--json", env=home))
    changes = (
        "name=pretrained",
        "register.name=pretrained",
        "model.weights_from=null",
        f"model.pretrained.path={folder}/exported/vectors.txt",
    )
    result_of(run("classifier", *(word for change in changes for word in ("--set", change))))
    registry = Registry(folder / "home" / "registry")
    theirs, ours = (ModelVectors(load_model(name, registry)).find(["film", "the", "good"]) for name in ("words", "pretrained"))
    assert set(theirs) == set(ours) == {"film", "the", "good"}
    assert all(np.allclose(ours[word], theirs[word], atol=1e-6) for word in ours)
    manifest = json.loads((folder / "home/registry/pretrained/versions/0000000001.json").read_text())
    assert manifest["metadata"]["lineage"]["vectors"] == hashlib.sha256((folder / "exported/vectors.txt").read_bytes()).hexdigest()


def test_a_language_model_goes_on_from_another_of_other_words(encoder: dict[str, Any], run: Callable[..., Any], folder: Path) -> None:
    """Vectors and outputs follow the words; the learning rate moves nothing."""
    changes = ("name=further", "register.name=further", "model.weights_from=encoder", "data.tokenizer.vocabulary_size=60")
    still = ("train.optimizer.name=sgd", "train.optimizer.learning_rate=1.0e-12")
    result_of(run("language", *(word for change in (*changes, *still) for word in ("--set", change))))
    registry = Registry(folder / "home" / "registry")
    (theirs, before), (ours, after) = (
        (load_model(name, registry).preprocessing.vocabulary, load_weights(registry.pull(registry.resolve(name), form="numpy") / "numpy"))
        for name in ("encoder", "further")
    )
    for word in ("film", "the"):
        old, new = theirs.encode(word)[-1], ours.encode(word)[-1]
        assert np.allclose(after["embedding/embeddings"][new], before["embedding/embeddings"][old], atol=1e-7)
        assert np.allclose(after["output/kernel"][:, new], before["output/kernel"][:, old], atol=1e-7)
        assert np.isclose(after["output/bias"][new], before["output/bias"][old], atol=1e-7)
