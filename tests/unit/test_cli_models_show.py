"""`models show` and `history`."""

import json

import pytest

from distrnn.registry import Rule
from distrnn.registry.layout import blob_key


def test_show_of_a_name_has_every_version_newest_first(cli, published):
    document = json.loads(cli("models", "show", "reviews", "--json").stdout)
    assert list(document) == ["name", "versions", "aliases"]
    assert [(version["number"], version["aliases"]) for version in document["versions"]] == [(2, []), (1, ["production"])]
    assert document["aliases"]["production"] == {
        "number": 1,
        "digest": published.resolve("reviews@v1").digest,
        "updated_at": published.alias("reviews", "production").updated_at,
        "rules": [],
        "evaluation_set": None,
    }


def test_show_of_a_name_as_text_names_the_guard(cli, published):
    published.guard("reviews", "production", [Rule("accuracy", min=0.9)])
    lines = [line.split() for line in cli("models", "show", "reviews").stdout.splitlines()]
    assert lines[:2] == [["reviews"], ["VERSION", "CREATED", "DIGEST", "SIZE", "RESULT", "ALIASES", "TAGS"]]
    assert (lines[-1][:2], lines[-1][-2:]) == (["production", "v1"], ["accuracy", "min=0.9"])


def test_show_of_a_model_that_is_not_there(cli, published):
    done = cli("models", "show", "review")
    assert (done.exit_code, "no model 'review'" in done.stderr) == (3, True)


def test_document_of_a_version(cli, published, short):
    version = published.resolve("reviews@v1")
    published.set_tags(version, {"stage": "tested"})
    done = cli("models", "show", "reviews@production", "--json")
    document = json.loads(done.stdout)
    files = version.manifest.files
    total = sum(file.size_bytes for file in files)
    assert done.stderr == f"reviews@production is reviews@v1 ({short('reviews@v1')})\n"
    assert list(document) == [
        *["name", "number", "digest", "created_at", "task", "forms", "size_bytes", "metrics", "tags", "aliases"],
        *["form_bytes", "files", "metadata", "card", "signatures"],
    ]
    assert (document["name"], document["number"], document["tags"], document["aliases"]) == (
        "reviews",
        1,
        {"stage": "tested"},
        ["production"],
    )
    assert (document["size_bytes"], document["form_bytes"]) == (total, {"numpy": total})
    assert [file["path"] for file in document["files"]] == ["README.md", "numpy/model.json", "numpy/weights.npz", "preprocessing.json"]
    assert (document["metadata"], document["signatures"]) == (version.metadata, [])
    assert (document["card"]["revision"], document["card"]["text"].splitlines()[0]) == (1, "---")


def test_version_as_text(cli, published):
    published.set_tags(published.resolve("reviews@v1"), {"stage": "tested"})
    text = cli("models", "show", "reviews@v1").stdout
    assert text.startswith("model    reviews@v1\ndigest   sha256:")
    assert "labels   negative, positive\naliases  production\ntags     stage=tested\n" in text
    assert "\nlineage\nrun id          run-1\nworkflow        reviews\ndataset         5c5c" in text
    assert "\non the test split\naccuracy  0.9860\nexamples  3,000\n" in text
    assert "\nfiles (pulled for numpy " in text
    assert text.endswith("\nmodel card, revision 1\nlicense: mit\n\nreviews\n\nJudges reviews.\n")


def test_version_without_a_card(cli, published):
    text = cli("models", "show", "reviews@v2").stdout
    assert "model card" not in text
    document = json.loads(cli("models", "show", "reviews@v2", "--json").stdout)
    assert (document["card"]["text"], document["card"]["revision"]) == ("", 0)


def test_damaged_card_hides_nothing_else(cli, published):
    card = next(file for file in published.resolve("reviews@v1").manifest.files if file.path == "README.md")
    published.store.local_path(blob_key("reviews", card.sha256)).unlink()
    done = cli("models", "show", "reviews@v1")
    assert (done.exit_code, "\nlineage\n" in done.stdout) == (0, True)
    assert done.stdout.splitlines()[-1].startswith("The model card cannot be shown: README.md of reviews@v1 is missing in the registry")
    assert json.loads(cli("models", "show", "reviews@v1", "--json").stdout)["card"]["text"] == ""


def test_history_has_every_move(cli, published):
    published.set_alias("reviews", "candidate", 2)
    published.guard("reviews", "production", [Rule("accuracy", min=0.98)])
    published.promote(published.resolve("reviews@v2"), "production", run_id="run-2")
    moves = json.loads(cli("models", "history", "reviews", "--json").stdout)
    assert [(move["alias"], move["action"], move["from"], move["to"], move["reason"], move["run_id"]) for move in moves] == [
        ("production", "set", None, 1, "the first", "run-1"),
        ("candidate", "set", None, 2, None, None),
        ("production", "guard", 1, 1, None, None),
        ("production", "promote", 1, 2, None, "run-2"),
    ]
    assert list(moves[0]) == ["alias", "at", "action", "attempt", "reason", "run_id", "forced", "decision", "from", "to"]
    assert moves[3]["decision"]["rules"][0]["candidate"] == 0.99


def test_history_of_one_alias_as_text(cli, published):
    published.set_alias("reviews", "candidate", 2)
    published.guard("reviews", "production", [Rule("accuracy", min=0.98)])
    published.set_alias("reviews", "production", 2, reason="hotfix", force=True)
    lines = [line.split() for line in cli("models", "history", "reviews", "production").stdout.splitlines()]
    assert lines[0] == ["WHEN", "ALIAS", "FROM", "TO", "ACTION", "WHY", "RUN"]
    assert [line[3:] for line in lines[1:]] == [
        ["production", "–", "v1", "set", "the", "first", "run-1"],
        ["production", "v1", "v1", "guard", "–", "–"],
        ["production", "v1", "v2", "set", "(forced)", "hotfix", "–"],
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["text"], "No alias of text was ever moved.\n"), (["text", "production"], "text@production was never moved.\n")],
)
def test_history_of_nothing(cli, published, arguments, message):
    done = cli("models", "history", *arguments)
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", message)
    assert json.loads(cli("models", "history", *arguments, "--json").stdout) == []


def test_history_of_a_model_that_is_not_there(cli, published):
    assert cli("models", "history", "review").exit_code == 3
