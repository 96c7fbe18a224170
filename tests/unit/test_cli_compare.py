"""`distrnn compare`: versions, runs and workflows side by side, whatever of them is known."""

import json
import re
from pathlib import Path

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
    assert list(document) == ["models", "metrics", "workflow", "size", "training", "evaluation", "report"]
    assert [model["name"] for model in document["models"]] == ["reviews@v1", "reviews@v2"]
    assert document["metrics"][0] == {"metric": "accuracy", "values": [0.5, 0.75], "differences": [0.25]}
    assert document["workflow"] == [{"key": "train.epochs", "values": [3, 4]}]
    assert document["size"]["parameters"] == {"values": [100, 100], "differences": [0]}
    evaluation = document["evaluation"]
    assert (evaluation["evaluation_set"], evaluation["missing"], evaluation["models"]) == (versions, None, ["reviews@v1", "reviews@v2"])
    (right,) = [[round(5 * value) for value in row["values"]] for row in evaluation["metrics"] if row["metric"] == "accuracy"]
    (pair,) = evaluation["pairs"]
    assert pair["became_right"] - pair["became_wrong"] == right[1] - right[0]
    assert [share["right"] for share in evaluation["accuracy"]] == right


def test_as_text(cli, versions):
    done = cli("compare", "reviews@v1", "reviews")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    expected = [
        "when they were published, each on its own test split",
        "FIGURE reviews@v1 reviews@v2 DIFFERENCE".upper(),
        "accuracy 0.5000 0.7500 0.2500",
        "train.epochs 3 4",
        "parameters 100 100 0",
        "reviews@v1 Its learning curves are not known.",
        f"on evaluation set sha256:{versions[:12]}",
        "accuracy by length",
        "prediction churn",
    ]
    assert [line for line in expected if line not in lines] == []
    assert done.stderr.splitlines()[2].startswith("reviews is reviews@v2 (sha256:")


def test_three_versions_have_a_column_each_and_a_test_for_each_pair(cli, versions):
    done = cli("compare", "reviews@v1", "reviews@v2", "reviews@v1")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert "FIGURE REVIEWS@V1 (A) REVIEWS@V2 REVIEWS@V1 (C)" in lines
    assert "accuracy 0.5000 0.7500 0.5000" in lines
    assert "pair by pair, McNemar's exact test" in lines
    assert "reviews@v1 (A) reviews@v1 (C) 0 0 0 1.0000 1.0000" in lines


def test_a_version_compared_with_itself(cli, versions):
    document = compared(cli, "reviews@v2", "reviews@latest")
    assert [model["name"] for model in document["models"]] == ["reviews@v2 (A)", "reviews@v2 (B)"]
    assert (document["workflow"], document["evaluation"]["pairs"][0]["changed"]) == ([], 0)
    assert document["evaluation"]["answer"] == "No model is ahead of all others. No margin between two of them is real."
    assert "The workflows are the same.\n" in cli("compare", "reviews@v2", "reviews").stdout


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        (["text@v1", "text"], "no evaluation set is known of text@v1, text@v1. Name one with --evaluation-set."),
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
    assert ("pairs" in document["evaluation"], bool(document["metrics"])) == (False, True)
    assert "What they say about the same text is not known: " in cli("compare", *arguments).stdout


def test_models_of_two_tasks_are_refused(cli, versions):
    done = cli("compare", "reviews@v1", "text@v1")
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1] == (
        "error: compare takes models of one task. Received: reviews@v1, a classifier, and text@v1, a language model"
    )


def test_one_model_is_nothing_to_compare(cli, versions):
    done = cli("compare", "reviews@v1")
    assert (done.exit_code, done.stderr) == (
        2,
        "error: compare takes two to 8 models, for instance mine@v1 mine@v2. Received: 1\n",
    )


def test_a_set_of_another_model_is_told(cli, tmp_path, versions, keep_evaluation_set):
    other = keep_evaluation_set(open_store(str(tmp_path / "home" / "storage")), TEXTS[:3], LABELS[:3])
    evaluation = compared(cli, "reviews@v1", "reviews@v2", "--evaluation-set", other)["evaluation"]
    assert evaluation["notes"] == [
        f"reviews@v{number} was measured on another set when it was made ({versions[:12]}); here it is measured on this one."
        for number in (1, 2)
    ]


def test_without_pyarrow_the_rest_is_shown(cli, versions, monkeypatch):
    monkeypatch.setattr("distrnn.cli.compare.find_spec", lambda name: None if name == "pyarrow" else name)
    document = compared(cli, "reviews@v1", "reviews@v2")
    assert document["evaluation"]["missing"] == "reading an evaluation set needs pyarrow. Install it with: pip install 'distrnn[train]'"


def test_language_models_are_compared_by_their_loss(cli, tmp_path, versions, tiny_language_model, keep_evaluation_set):
    Registry(tmp_path / "home" / "registry").publish("text", tiny_language_model("other", seed=3), metadata={"task": "language-model"})
    store = open_store(str(tmp_path / "home" / "storage"))
    digest = keep_evaluation_set(store, ["a cab fed", " a bad egg"], [None, None])
    evaluation = compared(cli, "text@v1", "text@v2", "--evaluation-set", f"sha256:{digest}")["evaluation"]
    assert [row["metric"] for row in evaluation["metrics"]] == ["loss_nats", "bits_per_character", "perplexity", "tokens"]
    assert (evaluation["untested"], evaluation["missing"]) == ("a test needs 5,120 tokens or more, and the set has 18", None)
    long = keep_evaluation_set(store, ["a cab fed a bad egg "] * 300, [None] * 300)
    shown = cli("compare", "text@v1", "text@v2", "--evaluation-set", long).stdout
    assert "a paired bootstrap over blocks of 256 tokens\n" in shown
    assert "'s margin real? " in shown


def test_an_evaluation_set_is_named_by_its_whole_digest(cli, versions):
    done = cli("compare", "reviews@v1", "reviews@v2", "--evaluation-set", "e5e5")
    assert done.exit_code == 2
    assert "--evaluation-set must be the 64 hexadecimal digits" in done.stderr


def test_a_version_that_is_not_there_is_an_error(cli, versions):
    assert cli("compare", "reviews@v1", "reviews@v9").exit_code == 3


def test_the_report_lies_in_the_storage_and_the_same_comparison_replaces_it(cli, tmp_path, versions):
    first, again, other = (compared(cli, *pair)["report"] for pair in [("reviews@v1", "reviews@v2")] * 2 + [("reviews@v2", "reviews@v1")])
    assert first == again != other
    assert re.fullmatch(rf"{tmp_path}/home/storage/comparisons/reviews-v1-reviews-v2-[0-9a-f]{{12}}\.html", first)
    assert "<h1>reviews@v1 · reviews@v2</h1>" in Path(first).read_text(encoding="utf-8")
    assert f"report  {first}\n" in cli("compare", "reviews@v1", "reviews@v2").stdout


def test_the_report_is_written_where_it_is_asked_for(cli, tmp_path, versions):
    assert compared(cli, "reviews@v1", "reviews@v2", "--html", "page.html")["report"] == str(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert not (tmp_path / "home" / "storage" / "comparisons").exists()


def test_a_folder_that_is_not_there_is_noticed_at_once(cli, versions):
    done = cli("compare", "reviews@v1", "reviews@v2", "--html", "no/page.html")
    assert (done.exit_code, done.stderr) == (3, "error: no folder 'no' to write the report into. Make it first.\n")


def test_without_the_packages_of_a_report_the_rest_is_shown(cli, versions, monkeypatch):
    monkeypatch.setattr("distrnn.cli.compare.find_spec", lambda name: None if name in ("jinja2", "matplotlib") else name)
    done = cli("compare", "reviews@v1", "reviews@v2")
    assert "No report: it needs matplotlib and jinja2. Install them with: pip install 'distrnn[train]'" in done.stderr
    assert (done.exit_code, "report  " in done.stdout, "prediction churn" in done.stdout) == (0, False, True)


def test_a_storage_that_takes_no_report_is_no_error(cli, tmp_path, versions):
    (tmp_path / "home" / "storage" / "comparisons").write_text("in the way")
    done = cli("compare", "reviews@v1", "reviews@v2")
    assert (done.exit_code, "prediction churn" in done.stdout) == (0, True)
    assert done.stderr.splitlines()[-1].startswith("No report: ")
    assert done.stderr.splitlines()[-1].endswith(" Name a file for it with --html.")
