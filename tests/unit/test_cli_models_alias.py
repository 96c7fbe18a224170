"""`models alias set`, `delete` and `guard`."""

import json

import pytest

from distrnn.cli.registries import version_reference
from distrnn.registry import Rule

RULE = "accuracy min=0.9"


@pytest.fixture
def guarded(published):
    """`production` is guarded."""
    published.guard("reviews", "production", [Rule.parse(RULE)])
    return published


@pytest.mark.parametrize("version", ["2", "v2", "latest", "reviews@v2"])
def test_alias_is_set_to_what_the_version_means(cli, published, short, version):
    done = cli("models", "alias", "set", "reviews", "candidate", version)
    assert (done.exit_code, done.stdout) == (0, f"reviews@candidate is v2 ({short('reviews@v2')}).\n")
    assert published.aliases("reviews")["candidate"].number == 2


def test_document_of_an_alias(cli, published):
    document = json.loads(cli("models", "alias", "set", "reviews", "candidate", "2", "--reason", "try it", "--json").stdout)
    record = published.alias("reviews", "candidate")
    assert document == {
        "name": "reviews",
        "alias": "candidate",
        "number": 2,
        "digest": record.digest,
        "updated_at": record.updated_at,
        "rules": [],
        "evaluation_set": None,
    }
    assert (record.history[-1].reason, record.history[-1].forced) == ("try it", False)


@pytest.mark.parametrize(
    ("version", "reference"),
    [("3", "a@v3"), ("v3", "a@v3"), ("production", "a@production"), ("sha256:0123456789ab", "a@sha256:0123456789ab"), ("a@v3", "a@v3")],
)
def test_version_of_alias_set(version, reference):
    assert version_reference("a", version) == reference


@pytest.mark.parametrize(
    "verb", [["set", "reviews", "production", "2"], ["delete", "reviews", "production", "--yes"]], ids=lambda verb: verb[0]
)
def test_guarded_alias_is_not_moved_by_hand(cli, guarded, verb):
    done = cli("models", "alias", *verb, "--reason", "hotfix")
    assert (done.exit_code, "is guarded (accuracy min=0.9)" in done.stderr) == (4, True)
    assert guarded.aliases("reviews")["production"].number == 1


@pytest.mark.parametrize(
    "verb", [["set", "reviews", "production", "2"], ["delete", "reviews", "production", "--yes"]], ids=lambda verb: verb[0]
)
def test_guarded_alias_is_forced_with_a_reason_that_is_recorded(cli, guarded, verb):
    assert cli("models", "alias", *verb, "--force").exit_code == 2
    assert cli("models", "alias", *verb, "--force", "--reason", "hotfix").exit_code == 0
    move = guarded.alias("reviews", "production").history[-1]
    assert (move.reason, move.forced, move.action) == ("hotfix", True, verb[0])


def test_alias_is_deleted_with_yes(cli, published):
    done = cli("models", "alias", "delete", "reviews", "production", "--yes")
    assert (done.exit_code, done.stdout) == (0, "Deleted reviews@production; it was v1.\n")
    assert published.aliases("reviews") == {}


def test_document_of_a_deleted_alias(cli, published):
    document = json.loads(cli("models", "alias", "delete", "reviews", "production", "--yes", "--json").stdout)
    assert document == {"name": "reviews", "alias": "production", "was": 1}


def test_alias_is_not_deleted_when_nobody_can_be_asked(cli, published):
    done = cli("models", "alias", "delete", "reviews", "production")
    message = "error: reviews@production is v1. Delete the alias? Nobody is there to answer; say it with --yes.\n"
    assert (done.exit_code, done.stderr) == (2, message)
    assert "production" in published.aliases("reviews")


@pytest.mark.parametrize(("name", "message"), [("reviews", "model 'reviews' has no alias 'staging'"), ("review", "no model 'review'")])
def test_alias_that_does_not_exist_cannot_be_deleted(cli, published, name, message):
    done = cli("models", "alias", "delete", name, "staging", "--yes")
    assert (done.exit_code, message in done.stderr) == (3, True)


def test_guard_is_kept_with_the_alias(cli, published):
    done = cli("models", "alias", "guard", "reviews", "production", "--rule", RULE, "--rule", "auc better_than=production")
    expected = "reviews@production is guarded by: accuracy min=0.9; auc better_than=production. It is v1.\n"
    assert (done.exit_code, done.stdout) == (0, expected)
    assert [str(rule) for rule in published.alias("reviews", "production").rules] == [RULE, "auc better_than=production"]


def test_document_of_a_guard(cli, published):
    document = json.loads(cli("models", "alias", "guard", "text", "production", "--rule", "perplexity max=5", "--json").stdout)
    nothing = {"min": None, "better_than": None, "min_delta": None, "slice": None}
    assert document == {
        "name": "text",
        "alias": "production",
        "number": None,
        "digest": None,
        "updated_at": "",
        "rules": [{"metric": "perplexity", "max": 5.0, **nothing}],
        "evaluation_set": None,
    }


def test_guard_of_an_alias_that_names_nothing_yet(cli, published):
    text = cli("models", "alias", "guard", "text", "production", "--rule", "perplexity max=5").stdout
    assert text == "text@production is guarded by: perplexity max=5.0. It names no version yet.\n"


def test_guard_is_taken_away_with_a_reason(cli, guarded):
    assert cli("models", "alias", "guard", "reviews", "production", "--clear").exit_code == 4
    done = cli("models", "alias", "guard", "reviews", "production", "--clear", "--force", "--reason", "too strict")
    assert (done.exit_code, done.stdout) == (0, "reviews@production is not guarded any more. It is v1.\n")
    assert guarded.alias("reviews", "production").rules == ()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "say either --rule or --clear. Received: none of them"),
        (["--clear", "--rule", RULE], "say either --rule or --clear. Received: both"),
        (["--rule", "accuracy min=high"], None),
    ],
)
def test_guard_that_makes_no_sense(cli, published, arguments, message):
    done = cli("models", "alias", "guard", "reviews", "production", *arguments)
    assert done.exit_code == 2
    assert message is None or done.stderr == f"error: {message}\n"


def test_writer_holds_the_lock_that_was_named(cli, published, tmp_path, monkeypatch):
    assert cli("models", "alias", "set", "reviews", "candidate", "2", "--lock", tmp_path / "one.lock").exit_code == 0
    monkeypatch.setenv("DISTRNN_LOCK", f"file://{tmp_path}/two.lock")
    assert cli("models", "tag", "reviews@v1", "stage=tested").exit_code == 0
    assert [(tmp_path / name).exists() for name in ("one.lock", "two.lock")] == [True, True]


def test_lock_of_another_kind_is_a_usage_error(cli, published):
    done = cli("models", "alias", "set", "reviews", "candidate", "2", "--lock", "redis://host")
    assert (done.exit_code, "Received: redis://host" in done.stderr) == (2, True)


def test_lock_in_the_cluster_needs_its_packages(cli, published, monkeypatch):
    monkeypatch.setattr("distrnn.cli.extras.find_spec", lambda name: None if name == "ray" else name)
    done = cli("models", "alias", "set", "reviews", "candidate", "2", "--lock", "ray://registry")
    assert (done.exit_code, done.stderr.startswith("error: distrnn --lock ray://… needs packages")) == (1, True)
