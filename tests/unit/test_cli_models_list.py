"""`models list`: models, versions, filters and orders."""

import json
import sys

import pytest

VERSION_FIELDS = ["number", "digest", "created_at", "task", "forms", "size_bytes", "metrics", "tags", "aliases"]


@pytest.fixture
def listed(cli, published):
    """The documents of a list."""

    def run(*arguments):
        done = cli("models", "list", *arguments, "--json")
        assert (done.exit_code, json.loads(done.stdout) is None) == (0, False), done.stderr
        return json.loads(done.stdout)

    return run


def test_list_has_a_line_a_model(cli, published):
    lines = [line.split() for line in cli("models", "list").stdout.splitlines()]
    assert [line[:2] + line[-2:] for line in lines] == [
        ["MODEL", "LATEST", "RESULT", "ALIASES"],
        ["reviews", "v2", "production", "v1"],
        ["text", "v1", "2.0082", "–"],
    ]


def test_document_of_a_model(listed, published):
    reviews, text = listed()
    version = published.resolve("reviews")
    assert list(reviews) == ["name", "latest", "aliases"]
    assert list(reviews["latest"]) == VERSION_FIELDS
    assert reviews["latest"] == {
        "number": 2,
        "digest": version.digest,
        "created_at": version.manifest.created_at,
        "task": "classifier",
        "forms": ["numpy"],
        "size_bytes": sum(file.size_bytes for file in version.manifest.files),
        "metrics": {"accuracy": 0.99, "examples": 3000},
        "tags": {},
        "aliases": [],
    }
    held = published.alias("reviews", "production")
    assert reviews["aliases"] == {"production": {"number": 1, "digest": held.digest, "updated_at": held.updated_at}}
    assert (text["name"], text["aliases"]) == ("text", {})


def test_document_of_a_version(listed, published):
    published.set_tags(published.resolve("reviews@v1"), {"stage": "tested"})
    rows = listed("--versions")
    assert [(row["name"], row["number"], row["aliases"], row["tags"]) for row in rows] == [
        ("reviews", 2, [], {}),
        ("reviews", 1, ["production"], {"stage": "tested"}),
        ("text", 1, [], {}),
    ]
    assert list(rows[0]) == ["name", *VERSION_FIELDS]


def test_versions_as_text(cli, published, short):
    published.set_tags(published.resolve("reviews@v1"), {"stage": "tested", "kept": ""})
    lines = [line.split() for line in cli("models", "list", "reviews", "--versions").stdout.splitlines()]
    assert lines[0] == ["VERSION", "CREATED", "DIGEST", "SIZE", "RESULT", "ALIASES", "TAGS"]
    assert [line[0] for line in lines[1:]] == ["reviews@v2", "reviews@v1"]
    assert lines[2][4] == short("reviews@v1")
    assert lines[2][-5:] == ["accuracy", "0.9860", "production", "kept,", "stage=tested"]


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["reviews"], ["reviews@v2", "reviews@v1"]),
        (["*x*"], ["text@v1"]),
        (["--where", "accuracy>0.985"], ["reviews@v2", "reviews@v1"]),
        (["--where", "accuracy>0.985", "--where", "accuracy<0.99"], ["reviews@v1"]),
        (["--where", "bits_per_character<=2.0082"], ["text@v1"]),
        (["--tag", "stage"], ["reviews@v1", "text@v1"]),
        (["--tag", "stage=tested"], ["reviews@v1"]),
        (["--tag", "stage", "--where", "accuracy>0"], ["reviews@v1"]),
        (["--sort", "accuracy"], ["reviews@v1", "reviews@v2", "text@v1"]),
        (["--sort", "accuracy:desc"], ["reviews@v2", "reviews@v1", "text@v1"]),
        (["--sort", "name:desc"], ["text@v1", "reviews@v2", "reviews@v1"]),
        (["--sort", "created"], ["reviews@v1", "reviews@v2", "text@v1"]),
    ],
)
def test_versions_are_filtered_and_sorted(listed, published, arguments, found):
    published.set_tags(published.resolve("reviews@v1"), {"stage": "tested"})
    published.set_tags(published.resolve("text@v1"), {"stage": "draft"})
    assert [f"{row['name']}@v{row['number']}" for row in listed("--versions", *arguments)] == found


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["--where", "accuracy>0.988"], ["reviews"]),
        (["--where", "accuracy<0.988"], []),
        (["t*"], ["text"]),
        (["--sort", "name:desc"], ["text", "reviews"]),
        (["--sort", "version:desc"], ["reviews", "text"]),
        (["--sort", "bits_per_character"], ["text", "reviews"]),
    ],
)
def test_without_versions_the_latest_is_looked_at(listed, arguments, found):
    assert [document["name"] for document in listed(*arguments)] == found


def test_result_is_the_figure_that_was_asked_for(cli, published):
    assert "examples 3,000" in cli("models", "list", "--where", "examples>0").stdout
    assert "examples 3,000" in cli("models", "list", "--versions", "--sort", "examples").stdout


def test_versions_appear_as_they_are_read(cli, published, monkeypatch):
    seen = []
    real = type(published).iter_versions

    def watched(self, name):
        for version in real(self, name):
            seen.append((str(version), sys.stdout.buffer.getvalue().decode().count("\n")))
            yield version

    monkeypatch.setattr(type(published), "iter_versions", watched)
    monkeypatch.setattr("distrnn.registry.listing.AT_ONCE", 1)
    cli("models", "list", "--versions")
    # The header comes with the first row, so a row that was shown before the next one was read makes it one line more
    assert seen == [("reviews@v2", 0), ("reviews@v1", 2), ("text@v1", 3)]


@pytest.mark.parametrize("arguments", [[], ["--versions"]])
def test_empty_registry_says_what_to_do(cli, tmp_path, arguments):
    done = cli("models", "list", *arguments)
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == f"No model in {tmp_path}/home/registry yet. Publish one with: distrnn run WORKFLOW\n"
    assert json.loads(cli("models", "list", *arguments, "--json").stdout) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["review"], "No model in {url} has a name that fits 'review'; * stands for any characters."),
        (["--where", "accuracy>1"], "None of 2 looked at has these tags and figures."),
        (["--versions", "--tag", "x"], "None of 3 looked at has these tags and figures."),
    ],
)
def test_list_of_nothing_says_why(cli, published, arguments, message):
    done = cli("models", "list", *arguments)
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", message.format(url=published.url) + "\n")


@pytest.mark.parametrize(
    "arguments", [["--where", "accuracy"], ["--where", "accuracy>x"], ["--tag", "=x"], ["--sort", "accuracy:down"]], ids=" ".join
)
def test_filter_that_makes_no_sense_is_a_usage_error(cli, published, arguments):
    done = cli("models", "list", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert repr(arguments[1]) in done.stderr


def test_figures_of_a_stranger_that_are_none(cli, published, tiny_classifier):
    published.publish("odd", tiny_classifier("odd", seed=3), metadata={"metrics": ["0.9"], "lineage": "mine"})
    assert cli("models", "list", "--versions", "--where", "accuracy>0", "--sort", "accuracy").exit_code == 0
    assert cli("models", "show", "odd@v1").exit_code == 0
