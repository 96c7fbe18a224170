"""Tags: replaced as one document, so nobody's is lost, and refused where they are none."""

import json

import pytest

from distrnn.errors import ConflictError, IntegrityError, NotFoundError, UsageError
from distrnn.registry import tags
from distrnn.registry.deletion import delete
from distrnn.registry.layout import tags_key
from storage_doubles import Watched


@pytest.fixture
def registry(small_registry):
    return small_registry


@pytest.fixture
def publish(publish_small):
    return publish_small


@pytest.fixture
def store(registry, publish):
    publish(registry)
    return registry.store


def test_a_version_has_no_tags_at_first(store):
    assert tags.read(store, "imdb", 1) == {}


def test_tags_are_added_replaced_and_taken_away(store):
    assert tags.change(store, "imdb", 1, {"team": "a", "stage": "test"}) == {"stage": "test", "team": "a"}
    assert tags.change(store, "imdb", 1, {"team": "b", "empty": ""}, ["stage", "not-there"]) == {"empty": "", "team": "b"}
    assert list(tags.read(store, "imdb", 1).items()) == [("empty", ""), ("team", "b")]


def test_nothing_is_written_where_nothing_changes(store):
    tags.change(store, "imdb", 1, {"team": "a"})
    watched = Watched(store)
    tags.change(watched, "imdb", 1, {"team": "a"}, ["other"])
    assert watched.calls["compare_and_swap"] == 0


@pytest.mark.parametrize("key", ["", "Team", "-a", "a b", "a/b", "é", "a" * 64])
def test_a_key_that_is_none_is_refused(store, key):
    for add, remove in (({key: "x"}, []), ({}, [key])):
        with pytest.raises(UsageError) as caught:
            tags.change(store, "imdb", 1, add, remove)
        assert caught.value.message == (
            "a tag's key must start with a lower-case letter or digit and go on with lower-case letters, digits, '.', '_' or '-' "
            f"(63 characters at most). Received: {key!r}"
        )


@pytest.mark.parametrize("value", ["x" * 257, "a\nb", "\x1b[31m", "\u202e", "\ud800"])
def test_a_value_that_is_none_is_refused(store, value):
    with pytest.raises(UsageError) as caught:
        tags.change(store, "imdb", 1, {"team": value})
    assert caught.value.message == f"a tag's value must be 256 printable characters at most. Received for 'team': {value!r}"


def test_a_tag_is_not_added_and_taken_away_at_once(store):
    with pytest.raises(UsageError, match=r"^a tag is either added or taken away\. Received both for: a, b$"):
        tags.change(store, "imdb", 1, {"a": "1", "b": "1", "c": "1"}, ["b", "a"])


def test_a_version_has_only_so_many_tags(store):
    tags.change(store, "imdb", 1, {f"t{number}": "" for number in range(64)})
    with pytest.raises(UsageError, match=r"^a version has at most 64 tags\. imdb@v1 would have 65; take some away first\.$"):
        tags.change(store, "imdb", 1, {"one-more": ""})
    assert len(tags.change(store, "imdb", 1, {"one-more": ""}, ["t0"])) == 64


def test_only_a_live_version_is_tagged(registry, store, publish):
    publish(registry)
    delete(store, "imdb", 1, "wrong")
    for number in (1, 3):
        with pytest.raises(NotFoundError, match=rf"^imdb@v{number} does not exist or was deleted, so it cannot be tagged\.$"):
            tags.change(store, "imdb", number, {"a": ""})


def test_of_two_who_tag_at_the_same_time_none_is_lost(store):
    def meanwhile(name, key):
        if name == "compare_and_swap" and watched.calls[name] == 1:
            tags.change(store, "imdb", 1, {"theirs": "1"})

    watched = Watched(store, before=meanwhile)
    assert tags.change(watched, "imdb", 1, {"ours": "1"}) == {"ours": "1", "theirs": "1"}


def test_who_is_never_first_is_told(store, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)

    def meanwhile(name, key):
        if name == "compare_and_swap":
            tags.change(store, "imdb", 1, {"theirs": str(watched.calls[name])})

    watched = Watched(store, before=meanwhile)
    with pytest.raises(
        ConflictError, match=r"^the tags of imdb@v1 are being changed by many others at once\. Nothing was changed; try again"
    ):
        tags.change(watched, "imdb", 1, {"ours": "1"})


@pytest.mark.parametrize(
    "change",
    [{"name": "other"}, {"number": 2}, {"number": True}, {"tags": []}, {"tags": {"A": ""}}, {"tags": {"a": 1}}, {"tags": {"a": "\n"}}],
)
def test_a_damaged_document_is_named(store, change):
    tags.change(store, "imdb", 1, {"a": "1"})
    key = tags_key("imdb", 1)
    store.put(key, json.dumps({**json.loads(store.read(key)), **change}).encode())
    with pytest.raises(IntegrityError) as caught:
        tags.read(store, "imdb", 1)
    assert caught.value.message == (
        f"{store.url}/{key} is damaged: expected the tags of imdb@v1. Remove the file and tag the version again."
    )
