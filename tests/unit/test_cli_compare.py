"""`distrnn compare`: two versions side by side, whatever of them is known."""

import json

import pytest

from distrnn import Registry
from distrnn.storage import open_store

TEXTS = ["good film", "the bad film", "not good", "bad bad bad film", "the good not bad film"]
LABELS = [1, 0, 0, 0, 1]
WORKFLOW = {"name": "reviews", "train": {"epochs": 3, "seed": 0}, "data": {"path": None}}


@pytest.fixture
def versions(cli, tmp_path, tiny_classifier, tiny_language_model, keep_evaluation_set):
    """Two versions of `reviews`, which were measured on a set that is in the default storage root, and one of `text`."""
    digest = keep_evaluation_set(open_store(str(tmp_path / "home" / "storage")), TEXTS, LABELS)
    registry = Registry(tmp_path / "home" / "registry")
    for seed, epochs, accuracy in ((1, 3, 0.5), (5, 4, 0.75)):
        lineage = {"evaluation_set": digest, "workflow": {**WORKFLOW, "train": {"epochs": epochs, "seed": 0}}}
        metadata = {"task": "classifier", "parameters": 100, "metrics": {"accuracy": accuracy, "examples": 5}, "lineage": lineage}
        registry.publish("reviews", tiny_classifier(f"model{seed}", seed=seed), metadata=metadata)
    registry.publish("text", tiny_language_model(), metadata={"task": "language-model", "metrics": {"bits_per_character": 2.0}})
    return digest


def compared(cli, *arguments):
    done = cli("compare", *arguments, "--json")
    assert done.exit_code == 0, done.stdout
    return json.loads(done.stdout)


def test_two_versions_side_by_side(cli, versions):
    document = compared(cli, "reviews@v1", "reviews@v2")
    assert list(document) == ["a", "b", "metrics", "workflow", "size", "evaluation"]
    assert document["metrics"][0] == {"metric": "accuracy", "a": 0.5, "b": 0.75, "difference": 0.25}
    assert document["workflow"] == [{"key": "train.epochs", "a": 3, "b": 4}]
    assert document["size"]["parameters"] == {"a": 100, "b": 100, "difference": 0}
    evaluation = document["evaluation"]
    assert (evaluation["evaluation_set"], evaluation["missing"]) == (versions, None)
    right = [round(5 * row[side]) for row in evaluation["metrics"] if row["metric"] == "accuracy" for side in ("a", "b")]
    assert evaluation["churn"]["became_right"] - evaluation["churn"]["became_wrong"] == right[1] - right[0]


def test_as_text(cli, versions):
    done = cli("compare", "reviews@v1", "reviews")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    expected = [
        "when they were published, each on its own test split",
        "FIGURE reviews@v1 reviews@v2 DIFFERENCE".upper(),
        "accuracy 0.5000 0.7500 0.2500",
        "train.epochs 3 4",
        "parameters 100 100 0",
        f"on evaluation set sha256:{versions[:12]}",
        "prediction churn",
    ]
    assert [line for line in expected if line not in lines] == []
    assert done.stderr.splitlines()[1].startswith("reviews is reviews@v2 (sha256:")


def test_a_version_compared_with_itself(cli, versions):
    document = compared(cli, "reviews@v2", "reviews@latest")
    assert (document["workflow"], document["evaluation"]["churn"]["changed"]) == ([], 0)
    assert "The workflows are the same.\n" in cli("compare", "reviews@v2", "reviews").stdout


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        (["reviews@v1", "text@v1"], "one is a classifier and the other a language model"),
        (["text@v1", "reviews@v1"], "text@v1 was published without an evaluation set. Name one with --evaluation-set."),
        (
            ["reviews@v1", "reviews@v2", "--storage", "elsewhere"],
            "is not in {tmp}/elsewhere. Name the storage root that it was made in (--storage, or storage.root of the workflow).",
        ),
        (["reviews@v1", "reviews@v2", "--evaluation-set", "e5" * 32], "the evaluation set e5e5e5e5e5e5 is not in {tmp}/home/storage."),
    ],
)
def test_what_is_not_known_says_why_and_the_rest_is_shown(cli, tmp_path, versions, arguments, missing):
    document = compared(cli, *arguments)
    assert missing.format(tmp=tmp_path) in document["evaluation"]["missing"]
    assert (document["evaluation"]["churn"], bool(document["metrics"])) == (None, True)
    assert "What they say about the same text is not known: " in cli("compare", *arguments).stdout


def test_without_pyarrow_the_rest_is_shown(cli, versions, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    document = compared(cli, "reviews@v1", "reviews@v2")
    assert document["evaluation"]["missing"] == "reading an evaluation set needs pyarrow. Install it with: pip install 'distrnn[train]'"


def test_language_models_are_compared_by_their_loss(cli, tmp_path, versions, tiny_language_model, keep_evaluation_set):
    Registry(tmp_path / "home" / "registry").publish("text", tiny_language_model("other", seed=3), metadata={"task": "language-model"})
    digest = keep_evaluation_set(open_store(str(tmp_path / "home" / "storage")), ["a cab fed", " a bad egg"], [None, None])
    evaluation = compared(cli, "text@v1", "text@v2", "--evaluation-set", f"sha256:{digest}")["evaluation"]
    assert [row["metric"] for row in evaluation["metrics"]] == ["loss_nats", "bits_per_character", "perplexity", "tokens"]
    assert (evaluation["churn"], evaluation["missing"]) == (None, None)


@pytest.mark.parametrize(
    ("reference", "example"),
    [
        ("reviews-20261121-015300-ab12", "reviews@v1 reviews@v2"),
        ("last", "NAME@v1 NAME@v2"),
        ("workflows/reviews.yaml", "reviews@v1 reviews@v2"),
    ],
)
def test_runs_and_workflows_are_not_compared(cli, reference, example):
    done = cli("compare", reference, "reviews@v1")
    message = f"compare takes two versions, for instance {example}; runs and workflow files are not compared. See: distrnn models list. "
    assert (done.exit_code, done.stderr) == (2, f"error: {message}Received: {reference!r}\n")


def test_an_evaluation_set_is_named_by_its_whole_digest(cli, versions):
    done = cli("compare", "reviews@v1", "reviews@v2", "--evaluation-set", "e5e5")
    assert done.exit_code == 2
    assert "--evaluation-set must be the 64 hexadecimal digits" in done.stderr


def test_a_version_that_is_not_there_is_an_error(cli, versions):
    assert cli("compare", "reviews@v1", "reviews@v9").exit_code == 3
