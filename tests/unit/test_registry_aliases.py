"""What an alias takes for a version, and what counts as an update of it."""

import pytest

from distrnn.errors import UsageError
from distrnn.registry import Registry, Rule


@pytest.fixture
def registry(tmp_path):
    (tmp_path / "model").mkdir()
    registry = Registry(tmp_path / "registry")
    for name, accuracy in (("imdb", 0.9), ("imdb", 0.8), ("other", 0.7)):
        (tmp_path / "model" / "a.json").write_text(str(accuracy))
        registry.publish(name, tmp_path / "model", metadata={"metrics": {"accuracy": accuracy}})
    return registry


def test_a_refusal_is_recorded_and_updates_nothing(registry):
    rules = [Rule("accuracy", better_than="production")]
    registry.promote(registry.resolve("imdb@v1"), "production", rules)
    before = registry.alias("imdb", "production")
    assert registry.promote(registry.resolve("imdb@v2"), "production", rules).decision == "refused"
    after = registry.alias("imdb", "production")
    assert ([move.action for move in after.history], after.updated_at) == (["promote", "refuse"], before.history[0].at)


def test_an_alias_that_was_refused_its_first_version_was_never_updated(registry):
    registry.promote(registry.resolve("imdb@v2"), "production", [Rule("accuracy", min=0.95)])
    record = registry.alias("imdb", "production")
    assert ([move.action for move in record.history], record.number, record.updated_at) == (["refuse"], None, "")


@pytest.mark.parametrize("version", [None, 1.0, True, b"1", ["v1"], "best", "other@v1"])
def test_what_is_no_version_of_the_model_is_refused(registry, version):
    with pytest.raises(UsageError) as caught:
        registry.set_alias("imdb", "best", version)
    assert caught.value.message == (
        "a version of 'imdb' must be its number (3 or 'v3'), a reference such as 'imdb@v3', or what `resolve` returned. "
        f"Received: {version!r}"
    )
    assert registry.aliases("imdb") == {}


def test_a_version_of_another_model_is_refused(registry):
    with pytest.raises(UsageError, match=r"Received: other@v1$"):
        registry.set_alias("imdb", "best", registry.resolve("other"))


@pytest.mark.parametrize("text", ["", "v", "imdb@", "imdb@v0", "0", "-1", "IMDB@v1", "imdb@sha256:12"])
def test_a_text_that_is_no_reference_is_refused(registry, text):
    with pytest.raises(UsageError):
        registry.set_alias("imdb", "best", text)


def test_a_run_is_looked_for_among_the_newest_versions_only(registry, tmp_path):
    for number in range(22):
        (tmp_path / "model" / "a.json").write_text(str(number))
        registry.publish("imdb", tmp_path / "model", metadata={"lineage": {"run_id": f"r{number}"}})
    assert [registry.published_by("imdb", run_id) is not None for run_id in ("r21", "r2", "r1")] == [True, True, False]
