"""Model cards: the published one is revision 1, later ones are never lost, and what is no card is refused."""

import json
import sys
from hashlib import sha256

import pytest

from distrnn.errors import ConflictError, DataError, IntegrityError, NotFoundError, UsageError
from distrnn.registry import cards
from distrnn.registry.cards import Card, Revision
from distrnn.registry.layout import blob_key, card_key
from storage_doubles import Watched

TEXT = "---\nlicense: mit\nlanguages: [en]\n---\n# Better\n"


@pytest.fixture
def registry(small_registry):
    return small_registry


@pytest.fixture
def publish(publish_small):
    return publish_small


@pytest.fixture
def version(registry, publish):
    return publish(registry)


def hashed(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def test_the_published_file_is_revision_1(registry, version):
    at = version.manifest.created_at
    assert cards.read(registry.store, version) == Card("# A model\n", 1, at, (Revision(1, at, hashed("# A model\n")),))


def test_a_version_without_a_card_has_revision_0(registry, publish):
    version = publish(registry, **{"README.md": b""})
    assert cards.read(registry.store, version) == Card("", 0, "", ())
    assert cards.edit(registry.store, version, TEXT, 0).revision == 1
    assert cards.read(registry.store, version).text == TEXT


def test_every_revision_stays(registry, version):
    second = cards.edit(registry.store, version, TEXT, 1)
    third = cards.edit(registry.store, version, "three", 2)
    assert [entry.revision for entry in third.history] == [1, 2, 3]
    assert third.history[:2] == second.history
    assert cards.read(registry.store, version) == third
    assert [cards.read(registry.store, version, number).text for number in (1, 2, 3)] == ["# A model\n", TEXT, "three"]
    for number in (0, 4):
        with pytest.raises(NotFoundError, match=rf"^the card of imdb@v1 has no revision {number}; its revisions are 1 to 3\.$"):
            cards.read(registry.store, version, number)


def test_the_same_text_is_no_new_revision(registry, version):
    assert cards.edit(registry.store, version, "# A model\n", 1).revision == 1
    assert registry.store.find(card_key("imdb", 1)) is None


def test_an_edit_of_an_old_revision_is_refused(registry, version):
    cards.edit(registry.store, version, "theirs", 1)
    with pytest.raises(ConflictError) as caught:
        cards.edit(registry.store, version, "ours", 1)
    assert caught.value.message == (
        "the card of imdb@v1 is at revision 2, and this text is an edit of revision 1. Nothing was written. Read the card again, put your "
        "change into it, and try once more."
    )


def test_of_two_edits_at_the_same_time_one_is_refused(registry, version):
    def meanwhile(name, key):
        if name == "compare_and_swap":
            cards.edit(registry.store, version, "theirs", 1)

    with pytest.raises(ConflictError, match=r"^the card of imdb@v1 is at revision 2, and this text is an edit of revision 1"):
        cards.edit(Watched(registry.store, before=meanwhile), version, "ours", 1)
    assert cards.read(registry.store, version).text == "theirs"


@pytest.mark.parametrize(
    "text", ["", "# A card\n", "---\n---\n# x", "---\r\na: 1\r\n---\r\n# x", "---\na: {b: [1]}\n...\n", "----\n", "a\n---\nb"]
)
def test_what_is_a_card(text):
    cards.check(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "---\na: 1\n",
            r"^a model card that begins with a line '---' must end its front matter with another line '---'\. There is none\.$",
        ),
        ("---\n- a\n---\n", r"^the front matter of a model card must be YAML, keys and values\. Received: list$"),
        ("---\ntext\n---\n", r"keys and values\. Received: str$"),
        ("---\na: [\n---\n", r"keys and values\. Received: while parsing a flow node expected the node content"),
        ("---\na: 2026-13-45\n---\n", r"keys and values\. Received: month must be in 1\.\.12"),
        ("---\na: !!python/object:os.system x\n---\n", r"keys and values\. Received: could not determine a constructor"),
        ("a\x1b[31m", r"^a model card must be plain text\. Received the control character '\\x1b' at position 1\.$"),
        ("\ud800", r"^a model card must be plain text\. Received the control character '\\ud800' at position 0\.$"),
        ("é" * (128 << 10) + "x", r"^a model card has at most 262,144 bytes\. Received: 262,145 bytes\.$"),
    ],
)
def test_what_is_no_card(registry, version, text, message):
    with pytest.raises(UsageError, match=message):
        cards.edit(registry.store, version, text, 1)
    assert registry.store.find(card_key("imdb", 1)) is None


def test_a_front_matter_that_is_nested_too_deep_is_refused():
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(350)
    try:
        with pytest.raises(UsageError, match=r"keys and values\. Received: maximum recursion depth exceeded"):
            cards.check("---\n" + "[" * 300 + "\n---\n")
    finally:
        sys.setrecursionlimit(limit)


def test_a_published_card_is_checked(registry, version):
    key = blob_key("imdb", hashed("# A model\n"))
    registry.store.put(key, b"# A model!")
    with pytest.raises(IntegrityError) as caught:
        cards.read(registry.store, version)
    assert caught.value.message == (
        f"README.md of imdb@v1 is damaged in the registry: expected sha256 {hashed('# A model' + chr(10))[:12]}…, received "
        f"{hashed('# A model!')[:12]}…. Nothing was changed. Publish the model again, or choose another version."
    )
    assert caught.value.fields == {"file": "README.md", "version": "imdb@v1"}


def test_a_file_that_is_too_large_for_a_card_is_not_read(registry, publish):
    version = publish(registry, **{"README.md": b"x" * ((1 << 20) + 1)})
    watched = Watched(registry.store)
    with pytest.raises(DataError, match=r"^README\.md of imdb@v1 has 1,048,577 bytes; a model card is shown up to 1,048,576\. Pull"):
        cards.read(watched, version)
    assert watched.calls["read_range"] == 0
    assert cards.edit(registry.store, version, "short", 1).revision == 2


def test_a_card_that_is_no_utf_8_is_shown_all_the_same(registry, publish):
    assert cards.read(registry.store, publish(registry, **{"README.md": b"caf\xe9"})).text == "caf\N{REPLACEMENT CHARACTER}"


def test_a_card_edited_too_often_loses_its_oldest_texts_only(registry, version, monkeypatch):
    monkeypatch.setattr(cards, "_DOCUMENT_BYTES", 10)
    for number, text in enumerate(("aaaa", "bbbb", "cccc"), start=1):
        cards.edit(registry.store, version, text, number)
    assert [cards.read(registry.store, version, number).text for number in (1, 3, 4)] == ["# A model\n", "bbbb", "cccc"]
    with pytest.raises(NotFoundError, match=r"^the text of revision 2 of the card of imdb@v1 was dropped: the card was edited too often"):
        cards.read(registry.store, version, 2)
    assert cards.history(registry.store, version)[1].sha256 == hashed("aaaa")


def first(**changes):
    return lambda document: {**document, "revisions": [{**document["revisions"][0], **changes}, *document["revisions"][1:]]}


@pytest.mark.parametrize(
    "damage",
    [
        lambda document: {**document, "name": "other"},
        lambda document: {**document, "number": 2},
        lambda document: {**document, "revisions": []},
        lambda document: {**document, "revisions": {}},
        lambda document: {**document, "revisions": document["revisions"][1:]},
        lambda document: {**document, "revisions": document["revisions"][::-1]},
        lambda document: {**document, "revisions": [*document["revisions"][:-1], {**document["revisions"][-1], "text": None}]},
        first(revision=True),
        first(revision=1),
        first(text="another"),
        first(text=3),
        first(at=None),
        first(sha256=None),
    ],
)
def test_a_damaged_document_is_named(registry, version, damage):
    cards.edit(registry.store, version, "two", 1)
    cards.edit(registry.store, version, "three", 2)
    key = card_key("imdb", 1)
    registry.store.put(key, json.dumps(damage(json.loads(registry.store.read(key)))).encode())
    with pytest.raises(IntegrityError) as caught:
        cards.history(registry.store, version)
    assert caught.value.message == (
        f"{registry.url}/{key} is damaged: expected revisions of the card of imdb@v1. Restore it from a backup."
    )
