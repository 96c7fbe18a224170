"""`models promote` and `rollback`."""

import json
import sys
from types import SimpleNamespace

import pytest

from distrnn.registry import Rule
from distrnn.registry.rules import Slice
from distrnn.storage import open_store

BETTER = "accuracy min=0.9 better_than=production"


@pytest.fixture
def measured(monkeypatch):
    """Stands in for the measuring of versions; `figures` by version, `calls` of what was asked."""
    answers = SimpleNamespace(figures={}, calls=[])

    def measure_version(registry, store, version, evaluation_set, slices):
        answers.calls.append((registry.url, store.url, str(version), evaluation_set, tuple(slices)))
        return answers.figures[str(version)]

    monkeypatch.setitem(sys.modules, "distrnn.evaluation.held_out", SimpleNamespace(measure_version=measure_version))
    monkeypatch.setattr("distrnn.cli.extras.find_spec", lambda name: name)
    return answers


def test_version_that_keeps_the_rules_takes_the_alias(cli, published, short):
    done = cli("models", "promote", "reviews", "production", "--rule", BETTER, "--reason", "better")
    assert (done.exit_code, done.stderr) == (0, f"reviews is reviews@v2 ({short('reviews@v2')})\n")
    assert done.stdout == (
        "production: promoted\n"
        "RULE      CANDIDATE  HOLDER  REQUIRED  PASSED\n"
        "accuracy     0.9900  0.9860    0.9000  yes\n"
        "accuracy     0.9900  0.9860    0.9860  yes\n"
    )
    record = published.alias("reviews", "production")
    assert (record.number, record.history[-1].reason, [str(rule) for rule in record.rules]) == (
        2,
        "better",
        ["accuracy min=0.9 better_than=production"],
    )


def test_rules_are_the_alias_own_unless_given(cli, published):
    published.guard("reviews", "production", [Rule("accuracy", min=0.995)])
    assert cli("models", "promote", "reviews@v2", "production").exit_code == 4
    others = ["models", "promote", "reviews@v2", "production", "--rule", "accuracy min=0.9"]
    refused = cli(*others)
    assert (refused.exit_code, refused.stderr.splitlines()[-1]) == (
        4,
        "error: alias 'production' of 'reviews' is guarded by other rules (accuracy min=0.995). Nothing was moved. Leave --rule out to "
        "decide by those, or overrule them with --force --reason TEXT.",
    )
    done = cli(*others, "--force", "--reason", "enough")
    assert done.exit_code == 0
    assert done.stdout.endswith("\nThe alias had other rules until now: accuracy min=0.995\n")


def test_refusal_exits_4_after_the_result(cli, published):
    done = cli("models", "promote", "reviews@v2", "production", "--rule", "accuracy min=0.995")
    message = "error: production was not moved to reviews@v2: accuracy was 0.9900 against the required 0.9950."
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (4, message)
    assert done.stdout.splitlines()[0] == "production: refused"
    assert published.alias("reviews", "production").number == 1


def test_refusal_leaves_one_document_on_stdout(cli, published):
    done = cli("models", "promote", "reviews@v2", "production", "--rule", "accuracy min=0.995", "--json")
    document = json.loads(done.stdout)
    assert done.exit_code == 4
    assert list(document) == ["name", "number", "digest", "alias", "decision", "rules", "forced", "evaluation_set", "replaced_rules"]
    assert (document["name"], document["number"], document["decision"]) == ("reviews", 2, "refused")


def test_force_needs_a_reason_and_overrules(cli, published):
    arguments = ["models", "promote", "reviews@v2", "production", "--rule", "accuracy min=0.995", "--force"]
    assert cli(*arguments).exit_code == 2
    done = cli(*arguments, "--reason", "hotfix")
    assert (done.exit_code, done.stdout.splitlines()[0]) == (0, "production: promoted (forced)")
    assert published.alias("reviews", "production").history[-1].forced is True


def test_alias_without_rules_says_how_to_give_them(cli, published):
    done = cli("models", "promote", "reviews@v2", "production")
    assert (done.exit_code, "--rule" in done.stderr) == (2, True)


def test_figures_that_are_missing_are_measured(cli, published, measured, tmp_path):
    long = Slice(min_tokens=400)
    measured.figures = {
        "reviews@v1": {None: {"accuracy": 0.986}, long: {"accuracy": 0.7, "examples": 10}},
        "reviews@v2": {None: {"accuracy": 0.99}, long: {"accuracy": 0.6, "examples": 10}},
    }
    rule = "accuracy better_than=production min_tokens=400"
    done = cli("models", "promote", "reviews@v2", "production", "--rule", rule, "--storage", tmp_path / "texts")
    assert measured.calls == [
        (published.url, str(tmp_path / "texts"), version, "e5" * 32, (long,)) for version in ("reviews@v1", "reviews@v2")
    ]
    message = "error: production was not moved to reviews@v2: accuracy (400 tokens or more) was 0.6000 against the holder's 0.7000."
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (4, message)


def test_measuring_without_the_packages_names_the_command(cli, published, monkeypatch):
    monkeypatch.setattr("distrnn.cli.extras.find_spec", lambda name: None)
    done = cli("models", "promote", "reviews@v2", "production", "--rule", "accuracy min=0.5 max_tokens=9")
    assert (done.exit_code, done.stderr.splitlines()[-1].startswith("error: distrnn models promote needs packages")) == (1, True)
    assert cli("models", "promote", "reviews@v2", "production", "--rule", "accuracy min=0.5").exit_code == 0


def test_evaluation_set_is_replaced_on_request(cli, published, measured):
    published.promote(published.resolve("reviews@v1"), "production", [Rule("accuracy", min=0.5)], evaluation_set="00" * 32, measure=pinned)
    measured.figures = {"reviews@v1": {None: {"accuracy": 0.7}}}
    published.guard("reviews", "production", [Rule.parse(BETTER)], force=True, reason="another rule")
    arguments = ["models", "promote", "reviews@v2", "production", "--rule", BETTER, "--replace-evaluation-set"]
    assert cli(*arguments).exit_code == 0
    assert published.alias("reviews", "production").evaluation_set == "e5" * 32


def pinned(_version, _evaluation_set, _slices):
    return {None: {"accuracy": 0.9}}


def test_rollback_goes_back_to_the_previous_holder(cli, published, short):
    published.guard("reviews", "production", [Rule("accuracy", min=0.9)])
    published.promote(published.resolve("reviews@v2"), "production")
    done = cli("models", "rollback", "reviews", "production", "--reason", "slow")
    assert (done.exit_code, done.stdout) == (0, f"reviews@production is v1 again ({short('reviews@v1')}); it was v2.\n")
    assert published.alias("reviews", "production").history[-1].reason == "slow"


def test_document_of_a_rollback(cli, published):
    published.set_alias("reviews", "production", 2)
    document = json.loads(cli("models", "rollback", "reviews", "production", "--json").stdout)
    assert list(document) == ["name", "alias", "number", "digest", "updated_at", "rules", "evaluation_set", "was"]
    assert (document["number"], document["was"]) == (1, 2)


def test_version_that_does_not_load_is_no_way_back(cli, published, tmp_path):
    published.publish("reviews", empty(tmp_path / "empty"), metadata={})
    published.set_alias("reviews", "production", 3)
    published.set_alias("reviews", "production", 2)
    assert cli("models", "rollback", "reviews", "production").exit_code != 0
    assert published.alias("reviews", "production").number == 2


def empty(folder):
    folder.mkdir()
    (folder / "preprocessing.json").write_text("{}")
    return folder


def test_nothing_to_go_back_to(cli, published):
    assert cli("models", "rollback", "reviews", "production").exit_code == 3


def test_slice_is_measured_on_the_evaluation_set_itself(cli, published, tmp_path, tiny_classifier, keep_evaluation_set):
    texts = ["a good film", "a bad film", "good good good good", "bad bad bad bad"]
    digest = keep_evaluation_set(open_store(str(tmp_path / "texts")), texts, [1, 0, 1, 0])
    metadata = {"task": "classifier", "labels": ["negative", "positive"], "metrics": {}, "lineage": {"evaluation_set": digest}}
    version = published.publish("judged", tiny_classifier("judged", seed=4), metadata=metadata)
    rules = ["--rule", "accuracy min=0", "--rule", "accuracy min=0 min_tokens=4"]
    done = cli("models", "promote", str(version), "production", *rules, "--storage", tmp_path / "texts", "--json")
    checks = json.loads(done.stdout)["rules"]
    assert (done.exit_code, [(check["examples"], check["passed"]) for check in checks]) == (0, [(4, True), (2, True)])
    assert checks[1]["slice"] == {"min_tokens": 4, "max_tokens": None, "label": None}
