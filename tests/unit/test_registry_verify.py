"""What `verify` finds: everything that is wrong, once, with its name; and nothing where nothing is."""

import json
from hashlib import sha256

import pytest

from distrnn.errors import IntegrityError, NotFoundError
from distrnn.registry import Registry, blobs, cards, findings, signing, tags
from distrnn.registry.catalog import changing
from distrnn.registry.findings import Finding
from distrnn.registry.layout import alias_key, blob_key, card_key, catalog_key, content_prefix, pending_key, tags_key, version_key
from distrnn.registry.manifest import LIMIT_BYTES, Tombstone
from distrnn.registry.verify import require_whole, verify
from manifests import resealed
from storage_doubles import Watched

EMPTY = sha256(b"").hexdigest()


@pytest.fixture
def registry(small_registry):
    return small_registry


@pytest.fixture
def publish(publish_small):
    return publish_small


@pytest.fixture
def version(registry, publish):
    return publish(registry)


@pytest.fixture
def full(registry, publish, key_pair):
    """Two models with a little of everything; the store, and the first version of one of them."""
    version = publish(registry)
    publish(registry)
    publish(registry, "other")
    with changing(registry.store, "imdb"):
        tags.change(registry.store, "imdb", 1, {"team": "a"})
        tags.change(registry.store, "imdb", 2, {"team": "b"})
    cards.edit(registry.store, version, "two", 1)
    signing.sign(registry.store, version, key_pair.private)
    registry.set_alias("imdb", "production", 1)
    return registry.store, version


def found(store, name="imdb", number=None):
    return list(verify(store, name, number))


def blob_of(version, path):
    return next(blob_key(version.name, file.sha256) for file in version.manifest.files if file.path == path)


def only(store, name="imdb", number=None):
    (finding,) = found(store, name, number)
    return finding


def edited(store, key, **changes):
    store.put(key, json.dumps({**json.loads(store.read(key)), **changes}).encode())


def test_a_whole_registry_has_no_findings(full):
    store, _ = full
    assert (found(store, None), found(store), found(store, "other"), found(store, "imdb", 1)) == ([], [], [], [])


def test_nothing_is_not_whole_but_absent(registry, version):
    store = registry.store
    with pytest.raises(NotFoundError, match=rf"^registry {registry.url} has no model 'none', so there is nothing to verify\.$"):
        found(store, "none")
    with pytest.raises(NotFoundError, match=r"^imdb@v2 does not exist, so there is nothing to verify\.$"):
        found(store, "imdb", 2)
    store.put(version_key("imdb", 1), Tombstone("imdb", 1, "2026-11-21T00:00:00Z", "wrong").to_bytes("a"))
    with pytest.raises(NotFoundError, match=r"^imdb@v1 was deleted, so there is nothing to verify\.$"):
        found(store, "imdb", 1)


def test_an_empty_registry_is_whole(registry):
    assert found(registry.store, None) == []


# blobs


def test_a_missing_blob(registry, version):
    key = blob_of(version, "numpy/weights.npz")
    registry.store.delete(key)
    finding = Finding("imdb@v1", key, "numpy/weights.npz", "missing", f"expected 9 bytes, received nothing: {key} does not exist")
    assert only(registry.store) == only(registry.store, None) == only(registry.store, "imdb", 1) == finding
    assert finding.to_json() == {
        "version": "imdb@v1",
        "key": key,
        "file": "numpy/weights.npz",
        "problem": "missing",
        "detail": finding.detail,
    }


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"weights", "expected 9 bytes, received 7 bytes"),
        (b"", "expected 9 bytes, received 0 bytes"),
        (b"weights 1 and more", "expected 9 bytes, received more than 9 bytes"),
        (b"Weights 1", f"expected sha256 {sha256(b'weights 1').hexdigest()[:12]}…, received {sha256(b'Weights 1').hexdigest()[:12]}…"),
    ],
)
@pytest.mark.parametrize("piece_bytes", [1, 4, 9, 8 << 20])
def test_an_altered_blob(registry, version, monkeypatch, body, detail, piece_bytes):
    monkeypatch.setattr(blobs, "PIECE_BYTES", piece_bytes)
    key = blob_of(version, "numpy/weights.npz")
    registry.store.put(key, body)
    assert only(registry.store) == Finding("imdb@v1", key, "numpy/weights.npz", "altered", detail)


def test_an_empty_file_that_is_not_empty(registry, version):
    registry.store.put(blob_key("imdb", EMPTY), b"x")
    assert only(registry.store).detail == "expected 0 bytes, received more than 0 bytes"


def test_every_byte_that_is_flipped_and_every_cut(registry, version):
    for file in version.manifest.files:
        key = blob_key("imdb", file.sha256)
        body = registry.store.read(key)
        for place in range(len(body)):
            for damaged in (body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :], body[:place]):
                registry.store.put(key, damaged)
                assert [(one.file, one.problem) for one in found(registry.store)] == [(file.path, "altered")]
        registry.store.put(key, body)


def test_a_blob_is_read_once_and_named_for_each_version(registry, version, publish):
    publish(registry)
    watched = Watched(registry.store)
    assert found(watched) == []
    assert len(watched.keys["read_range"]) == len(set(watched.keys["read_range"])) == 5
    registry.store.delete(blob_key("imdb", EMPTY))
    assert [(one.version, one.file) for one in found(registry.store)] == [(f"imdb@v{number}", "numpy/empty.json") for number in (1, 2)]


def test_a_large_blob_is_never_held_whole(registry, publish, monkeypatch):
    monkeypatch.setattr(blobs, "PIECE_BYTES", 1000)
    version = publish(registry, **{"numpy/weights.npz": bytes(range(256)) * 40})
    largest = []

    class Measured(Watched):
        def read_range(self, key, start, end):
            largest.append(end - start)
            return self._store.read_range(key, start, end)

    assert found(Measured(registry.store)) == []
    assert max(largest) == 1000
    assert version.number == 1


def test_a_rollback_can_ask_for_one_version(registry, version):
    require_whole(registry.store, version)
    registry.store.put(blob_of(version, "numpy/weights.npz"), b"short")
    with pytest.raises(IntegrityError) as caught:
        require_whole(registry.store, version)
    assert caught.value.message == (
        "numpy/weights.npz of imdb@v1 is damaged in the registry: expected 9 bytes, received 5 bytes. Nothing was changed. Publish the "
        "model again, or choose another version."
    )
    assert caught.value.fields == {"file": "numpy/weights.npz", "version": "imdb@v1"}


# manifests


def test_a_damaged_manifest_does_not_stop_the_rest(registry, version, publish):
    third = [publish(registry), publish(registry)][1]
    registry.store.put(version_key("imdb", 2), b"{")
    registry.store.delete(blob_of(third, "numpy/weights.npz"))
    first, second, *rest = found(registry.store)
    assert (first.version, first.key, first.file, first.problem) == ("imdb@v2", version_key("imdb", 2), None, "damaged")
    assert first.detail.startswith(f"{registry.url}/{version_key('imdb', 2)} is damaged: expected a JSON object.")
    assert (second.version, second.file, second.problem, rest) == ("imdb@v3", "numpy/weights.npz", "missing", [])
    assert only(registry.store, "imdb", 2) == first


def test_a_manifest_at_another_number_is_damaged(registry, version):
    registry.store.put(version_key("imdb", 2), version.body)
    first = found(registry.store)[0]
    assert (first.version, first.problem) == ("imdb@v2", "damaged")


def test_a_manifest_that_is_too_large_is_not_read(registry, version, monkeypatch):
    registry.store.put(version_key("imdb", 1), b" " * (LIMIT_BYTES + 1))
    watched = Watched(registry.store)
    first = found(watched)[0]
    assert (first.version, first.problem) == ("imdb@v1", "damaged")
    assert first.detail == f"holds {LIMIT_BYTES + 1:,} bytes; expected at most {LIMIT_BYTES:,}"
    assert only(registry.store, "imdb", 1).problem == "damaged"


def test_a_manifest_that_is_missing_is_named(registry, version, publish):
    for _ in range(4):
        publish(registry)
    for number in (1, 3, 4):
        registry.store.delete(version_key("imdb", number))
    missing = [one for one in found(registry.store) if one.problem == "missing"]
    assert [(one.version, one.key) for one in missing] == [(f"imdb@v{number}", version_key("imdb", number)) for number in (1, 3, 4)]
    assert [one.detail for one in missing] == [
        f"expected a manifest or a tombstone, because v{there} exists; received nothing" for there in (2, 5, 5)
    ]


def test_a_gap_without_end_is_named_in_one_line(registry, version):
    grave = Tombstone("imdb", 9_999_999_999, "2026-11-21T00:00:00Z", "vandals")
    registry.store.put(version_key("imdb", 9_999_999_999), grave.to_bytes("a"))
    missing = [one for one in found(registry.store) if one.problem == "missing"]
    assert len(missing) == 1001
    assert missing[-1].version == "imdb@v1002 to v9999999998"


def test_what_a_listing_does_not_show_is_read_all_the_same(registry, version, publish):
    third = [publish(registry), publish(registry)][1]

    class Behind(Watched):
        def list(self, prefix="", *, after=""):
            return (entry for entry in self._store.list(prefix, after=after) if entry.key not in self.hidden)

    registry.store.delete(blob_of(third, "numpy/weights.npz"))
    behind = Behind(registry.store)
    for numbers in ([3], [2], [1, 2, 3]):
        behind.hidden = {version_key("imdb", number) for number in numbers}
        assert [(one.version, one.problem) for one in found(behind)] == [("imdb@v3", "missing")]


# aliases


def test_an_alias_of_a_version_that_was_deleted(full):
    store, _ = full
    store.put(version_key("imdb", 1), Tombstone("imdb", 1, "2026-11-21T00:00:00Z", "wrong").to_bytes("a"))
    dangling = [one for one in found(store) if one.problem == "dangling"]
    assert dangling == [
        Finding("imdb@v1", alias_key("imdb", "production"), None, "dangling", "imdb@production holds v1, which was deleted")
    ]


def test_an_alias_of_nothing(full):
    store, _ = full
    edited(store, alias_key("imdb", "production"), number=7)
    assert [one.detail for one in found(store) if one.problem == "dangling"] == ["imdb@production holds v7, which does not exist"]


def test_an_alias_of_a_version_that_was_altered(full):
    store, version = full
    store.put(version_key("imdb", 1), resealed(version.body, created_at="2020-01-01T00:00:00Z"))
    (dangling,) = [one for one in found(store) if one.problem == "dangling"]
    received = sha256(store.read(version_key("imdb", 1))).hexdigest()
    assert dangling.detail == f"imdb@production holds v1: expected digest {version.digest[:19]}…, received sha256:{received[:12]}…"


def test_an_alias_of_a_version_that_cannot_be_read(full):
    store, _ = full
    store.put(version_key("imdb", 1), b"{")
    (dangling,) = [one for one in found(store) if one.problem == "dangling"]
    assert dangling.detail.startswith("imdb@production holds v1, whose manifest cannot be read: ")


@pytest.mark.parametrize("body", [b"{", b"{}", b" " * (LIMIT_BYTES + 1)])
def test_a_damaged_alias(full, body):
    store, _ = full
    key = alias_key("imdb", "production")
    store.put(key, body)
    assert [(one.key, one.problem) for one in found(store)] == [(key, "damaged")]


def test_what_no_alias_can_be_called_is_nobodys(full):
    store, _ = full
    store.put("imdb/aliases/latest.json", b"{")
    store.put("imdb/aliases/README", b"{")
    assert found(store) == []


# the other documents


def documents(store, version):
    (signature,) = [entry.key for entry in store.list("imdb/signatures/")]
    note = next(entry.key for entry in store.list(content_prefix("imdb")))
    return {"tags": tags_key("imdb", 1), "card": card_key("imdb", 1), "signature": signature, "note": note}


@pytest.mark.parametrize("kind", ["tags", "card", "signature", "note"])
@pytest.mark.parametrize("body", [b"{", b'{"schema_version": 1}', b'{"schema_version": 9}', b" " * (LIMIT_BYTES + 1)])
def test_a_damaged_document(full, kind, body):
    store, version = full
    key = documents(store, version)[kind]
    store.put(key, body)
    assert [(one.version, one.key, one.problem) for one in found(store)] == [(None, key, "damaged")]
    of_version = [] if kind == "note" else [("imdb@v1", key, "damaged")]
    assert [(one.version, one.key, one.problem) for one in found(store, "imdb", 1)] == of_version


def test_a_signature_that_is_not_true(full):
    store, version = full
    key = documents(store, version)["signature"]
    edited(store, key, signature="A" * 86 + "==")
    finding = only(store)
    assert finding == Finding(None, key, None, "damaged", f"{store.url}/{key} is no true signature of imdb@v1. Sign the version again.")
    assert only(store, "imdb", 1).version == "imdb@v1"


def test_without_cryptography_a_signature_is_only_read(full, monkeypatch):
    store, version = full
    edited(store, documents(store, version)["signature"], signature="A" * 86 + "==")
    monkeypatch.setattr(signing, "find_spec", lambda name: None)
    assert found(store) == []


def test_what_is_named_otherwise_is_nobodys(full):
    store, _ = full
    for key in ("imdb/tags/x.json", "imdb/cards/1.json", "imdb/signatures/x/y.json", "imdb/contents/x", "imdb/versions/x.json"):
        store.put(key, b"{")
    assert found(store) == []


def test_more_documents_than_are_read_at_once(full, monkeypatch):
    store, _ = full
    monkeypatch.setattr(findings, "_WINDOW", 1)
    store.put(card_key("imdb", 2), b"{")
    assert [one.key for one in found(store)] == [card_key("imdb", 2)]


# the catalog


def test_a_summary_that_is_behind_although_nobody_is_at_work(full):
    store, _ = full
    tags.change(store, "imdb", 2, {"team": "c"})
    edited(store, catalog_key("imdb"), aliases={})
    finding = only(store)
    assert (finding.version, finding.key, finding.problem) == (None, catalog_key("imdb"), "damaged")
    assert finding.detail.startswith('aliases production: expected {"number": 1, ')
    assert finding.detail.endswith('latest tags team: expected "c", received "b"')


def test_a_summary_that_cannot_be_read(full):
    store, _ = full
    for body in (b"{", b" " * (LIMIT_BYTES + 1)):
        store.put(catalog_key("imdb"), body)
        assert only(store) == Finding(None, catalog_key("imdb"), None, "damaged", "expected a summary, received something else")


def test_a_summary_may_be_behind_while_somebody_is_at_work(full):
    store, _ = full
    tags.change(store, "imdb", 2, {"team": "c"})
    store.put(pending_key("imdb", "a"), b"{}")
    assert found(store) == []


def test_a_summary_that_is_absent_is_no_finding(full):
    store, _ = full
    store.delete(catalog_key("imdb"))
    assert found(store) == []


def test_a_summary_that_is_brought_up_to_date_meanwhile_is_no_finding(full):
    store, _ = full

    def meanwhile(name, key):
        """Somebody is done between the look at the summary and the look at the truth."""
        if name == "find" and key == catalog_key("imdb") and watched.keys[name].count(key) == 1:
            Registry(store=store).set_alias("imdb", "production", 2)

    watched = Watched(store, after=meanwhile)
    assert found(watched) == []
    assert watched.keys["find"].count(catalog_key("imdb")) > 1
