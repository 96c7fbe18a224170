"""`models tag` and `card`."""

import json

import pytest


def test_tags_are_given_shown_and_taken_away(cli, published, short):
    done = cli("models", "tag", "reviews@production", "stage=tested", "team=a b", "checked=")
    assert (done.exit_code, done.stdout) == (0, "checked\nstage=tested\nteam=a b\n")
    assert done.stderr == f"reviews@production is reviews@v1 ({short('reviews@v1')})\n"
    assert cli("models", "tag", "reviews@v1", "stage=live", "--remove", "team", "--remove", "gone").stdout == "checked\nstage=live\n"
    assert cli("models", "tag", "reviews@v1").stdout == "checked\nstage=live\n"
    assert published.tags(published.resolve("reviews@v1")) == {"checked": "", "stage": "live"}


def test_document_of_tags(cli, published):
    document = json.loads(cli("models", "tag", "reviews@v1", "stage=tested", "--json").stdout)
    expected = {"name": "reviews", "number": 1, "digest": published.resolve("reviews@v1").digest, "tags": {"stage": "tested"}}
    assert document == expected
    assert json.loads(cli("models", "tag", "reviews@v1", "--json").stdout) == expected


def test_version_without_tags_says_so(cli, published):
    done = cli("models", "tag", "reviews@v1")
    assert (done.exit_code, done.stdout, done.stderr.splitlines()[-1]) == (0, "", "reviews@v1 has no tags.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["stage"], "expected KEY=VALUE, for instance stage=tested. Received: 'stage'"),
        (["a=1", "a=2"], "expected each key once, for instance stage=tested. Received: 'a=2'"),
        (["A=1"], None),
        (["a=1", "--remove", "a"], None),
    ],
)
def test_tag_that_is_none(cli, published, arguments, message):
    done = cli("models", "tag", "reviews@v1", *arguments)
    assert done.exit_code == 2
    assert message is None or done.stderr == f"error: {message}\n"
    assert published.tags(published.resolve("reviews@v1")) == {}


def test_card_is_shown_as_it_is_written(cli, published):
    done = cli("models", "card", "reviews@v1")
    assert (done.exit_code, done.stdout) == (0, "---\nlicense: mit\n---\n\n# reviews\n\nJudges **reviews**.\n")


def test_document_of_a_card(cli, published):
    document = json.loads(cli("models", "card", "reviews@v1", "--json").stdout)
    assert list(document) == ["name", "number", "digest", "text", "revision", "updated_at"]
    assert (document["number"], document["revision"], document["text"].splitlines()[-1]) == (1, 1, "Judges **reviews**.")


@pytest.mark.parametrize("file", ["card.md", "-"])
def test_card_is_replaced_by_a_new_revision(cli, published, tmp_path, file):
    (tmp_path / "card.md").write_text("# Änderung\n", encoding="utf-8")
    done = cli("models", "card", "reviews@v1", "--edit", file, stdin="# Änderung\n")
    assert (done.exit_code, done.stdout) == (0, "The card of reviews@v1 is revision 2 now.\n")
    card = published.card(published.resolve("reviews@v1"))
    assert (card.text, card.revision) == ("# Änderung\n", 2)
    assert cli("models", "card", "reviews@v1").stdout == "# Änderung\n"


def test_document_of_a_new_revision(cli, published):
    document = json.loads(cli("models", "card", "reviews@v1", "--edit", "-", "--json", stdin="# new\n").stdout)
    assert (document["text"], document["revision"]) == ("# new\n", 2)


def test_revision_that_was_not_the_one_read_is_a_conflict(cli, published):
    assert cli("models", "card", "reviews@v1", "--edit", "-", "--revision", 1, stdin="# two\n").exit_code == 0
    done = cli("models", "card", "reviews@v1", "--edit", "-", "--revision", 1, stdin="# lost\n")
    assert (done.exit_code, done.stdout) == (6, "")
    assert cli("models", "card", "reviews@v1").stdout == "# two\n"


def test_first_card_of_a_version_without_one(cli, published):
    done = cli("models", "card", "reviews@v2")
    message = "reviews@v2 has no model card. Write one with: distrnn models card reviews@v2 --edit FILE"
    assert (done.exit_code, done.stdout, done.stderr.splitlines()[-1]) == (0, "", message)
    assert cli("models", "card", "reviews@v2", "--edit", "-", stdin="# first\n").exit_code == 0
    assert cli("models", "card", "reviews@v2").stdout == "# first\n"


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (None, 3, "no file 'card.md' to take the model card from."),
        (b"\xff\xfe", 2, "a model card is text in UTF-8. Received: 'card.md', which is not"),
        (b"x" * 262_145, 2, "a model card has at most 262,144 bytes. Received: 'card.md', which is longer"),
    ],
    ids=["missing", "binary", "long"],
)
def test_file_that_is_no_card(cli, published, tmp_path, body, code, message):
    if body is not None:
        (tmp_path / "card.md").write_bytes(body)
    done = cli("models", "card", "reviews@v1", "--edit", "card.md")
    assert (done.exit_code, done.stderr) == (code, f"error: {message}\n")


def test_revision_needs_an_edit(cli, published):
    assert cli("models", "card", "reviews@v1", "--revision", 1).exit_code == 2


def test_card_that_was_shown_can_be_the_file_that_is_edited(cli, published, tmp_path):
    (tmp_path / "card.md").write_text(cli("models", "card", "reviews@v1").stdout + "More.\n", encoding="utf-8")
    assert cli("models", "card", "reviews@v1", "--edit", "card.md").exit_code == 0
    assert cli("models", "card", "reviews@v1").stdout.endswith("Judges **reviews**.\nMore.\n")
