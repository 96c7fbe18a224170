"""Bundles: what is carried arrives as it was, under its number, or not at all."""

import subprocess
import tarfile
from hashlib import sha256

import pytest

from distrnn.errors import ConflictError, IntegrityError, UsageError
from distrnn.registry import Registry, bundle, bundle_file, cards, signing, tags
from distrnn.registry.bundle import unbundle
from distrnn.registry.bundle_file import CHECKSUM, INDEX
from distrnn.registry.deletion import delete
from distrnn.registry.layout import blob_key, signature_key, version_key
from distrnn.registry.manifest import ModelVersion, Tombstone
from distrnn.registry.verify import verify
from distrnn.registry.versions import VersionLog, being_deleted
from storage_doubles import MemoryStore, Watched


@pytest.fixture
def registry(small_registry):
    return small_registry


@pytest.fixture
def publish(publish_small):
    return publish_small


@pytest.fixture
def there():
    """Another registry, to which nothing leads but a file."""
    return MemoryStore()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "carried.tar"


@pytest.fixture
def carried(registry, publish, path):
    """A bundle of imdb@v1."""
    bundle.bundle(registry.store, [publish(registry)], path)
    return path


@pytest.fixture
def fetch(care_home):
    """Unbundle, and return versions with whether they were added, and how many tombstones were made."""

    def run(store, path):
        done = unbundle(store, path, care_home)
        return [(str(one.version), one.added) for one in done.versions], done.absent

    return run


def findings(store):
    return list(verify(store, None, None))


def committed(store):
    """What stands in a store, announcements apart."""
    return {key: body for key, body in store.snapshot().items() if not key.startswith("_pending/")}


# carrying


def test_versions_arrive_as_they_were(registry, publish, there, path, fetch):
    versions = [publish(registry), publish(registry), publish(registry, "other")]
    done = bundle.bundle(registry.store, versions, path)
    assert done.to_json() == {
        "path": str(path),
        "size_bytes": path.stat().st_size,
        "sha256": sha256(path.read_bytes()).hexdigest(),
        "versions": [{"name": one.name, "number": one.number, "digest": one.digest} for one in versions],
    }
    assert fetch(there, path) == ([("imdb@v1", True), ("imdb@v2", True), ("other@v1", True)], 0)
    assert [VersionLog(there, one.name).read(one.number) for one in versions] == versions
    arrived = Registry(store=there)
    assert [arrived.pull(str(one), form="all").joinpath("numpy/weights.npz").read_bytes() for one in versions] == [
        b"weights 1",
        b"weights 2",
        b"weights 3",
    ]
    assert findings(there) == []
    assert not [key for key in there.snapshot() if key.startswith("_pending/")]
    assert [(one.name, one.latest.number) for one in arrived.summaries()] == [("imdb", 2), ("other", 1)]


def test_what_lies_beside_a_manifest_is_carried_and_aliases_are_not(registry, publish, there, path, fetch, key_pair):
    version = publish(registry)
    tags.change(registry.store, "imdb", 1, {"team": "a"})
    cards.edit(registry.store, version, "two", 1)
    signature = signing.sign(registry.store, version, key_pair.private)
    registry.set_alias("imdb", "production", 1)
    bundle.bundle(registry.store, [version], path)
    fetch(there, path)
    assert tags.read(there, "imdb", 1) == {"team": "a"}
    assert cards.read(there, version) == cards.read(registry.store, version)
    assert list(signing.signatures(there, version)) == [signature]
    assert list(there.list("imdb/aliases/")) == []
    assert next(Registry(store=there).summaries()).latest.tags == {"team": "a"}


def test_the_result_is_plain_json(carried, there, care_home):
    done = unbundle(there, carried, care_home).to_json()
    version = VersionLog(there, "imdb").read(1)
    assert done == {"versions": [{"name": "imdb", "number": 1, "digest": version.digest, "added": True}], "absent": 0}


def test_once_more_changes_nothing(carried, there, fetch):
    fetch(there, carried)
    before = committed(there)
    assert fetch(there, carried) == ([("imdb@v1", False)], 0)
    assert committed(there) == before


def test_once_more_mends_what_was_damaged(carried, there, fetch):
    fetch(there, carried)
    altered, missing = [entry.key for entry in there.list("imdb/blobs/") if entry.size_bytes][:2]
    there.put(altered, bytes(there.size(altered)))
    there.delete(missing)
    assert {one.key for one in findings(there)} == {altered, missing}
    fetch(there, carried)
    assert findings(there) == []


def test_what_the_registry_says_of_a_version_wins(registry, publish, there, path, fetch):
    version = publish(registry)
    bundle.bundle(registry.store, [version], path)
    fetch(there, path)
    tags.change(there, "imdb", 1, {"team": "theirs"})
    tags.change(registry.store, "imdb", 1, {"team": "ours"})
    cards.edit(registry.store, version, "two", 1)
    bundle.bundle(registry.store, [version], path)
    fetch(there, path)
    assert tags.read(there, "imdb", 1) == {"team": "theirs"}
    assert cards.read(there, version).text == "two"


def test_the_same_content_published_there_is_the_version_that_came(registry, carried, there, tmp_path, fetch):
    fetch(there, carried)
    published = Registry(store=there).publish("imdb", tmp_path / "model-1", metadata={})
    assert str(published) == "imdb@v1"


def test_the_same_versions_make_the_same_file(registry, publish, path):
    versions = [publish(registry), publish(registry)]
    first = bundle.bundle(registry.store, versions, path)
    again = bundle.bundle(registry.store, [*versions[::-1], versions[0]], path.with_name("again.tar"))
    assert again.sha256 == first.sha256


def test_a_blob_that_versions_share_is_carried_once(registry, publish, path):
    bundle.bundle(registry.store, [publish(registry), publish(registry)], path)
    with tarfile.open(path) as tar:
        names = tar.getnames()
    assert len(names) == len(set(names)) == 2 + 2 + 5
    assert names[:4] == [INDEX, CHECKSUM, version_key("imdb", 1), version_key("imdb", 2)]


def test_any_tar_program_can_look_into_it(registry, carried, tmp_path):
    with tarfile.open(carried, "r:") as tar:
        assert {(member.type, member.mtime, member.mode, member.uid, member.uname) for member in tar} == {
            (tarfile.REGTYPE, 0, 0o644, 0, "")
        }
    (tmp_path / "out").mkdir()
    subprocess.run(["tar", "-xf", carried, "-C", tmp_path / "out"], check=True, capture_output=True)
    subprocess.run(["sha256sum", "--quiet", "--strict", "-c", CHECKSUM], cwd=tmp_path / "out", check=True, capture_output=True)
    for entry in registry.store.list("imdb/blobs/"):
        assert (tmp_path / "out" / entry.key).read_bytes() == registry.store.read(entry.key)


# bundling


def test_a_bundle_of_nothing_is_refused(registry, path):
    with pytest.raises(UsageError, match=r"^a bundle needs at least one version\. Received: none\.$"):
        bundle.bundle(registry.store, [], path)


def test_a_damaged_blob_is_not_carried(registry, publish, path):
    version = publish(registry)
    path.write_bytes(b"the bundle of yesterday")
    registry.store.put(blob_key("imdb", sha256(b"weights 1").hexdigest()), b"Weights 1")
    with pytest.raises(IntegrityError) as caught:
        bundle.bundle(registry.store, [version], path)
    assert caught.value.message == (
        f"numpy/weights.npz of imdb@v1 is damaged in the registry: expected sha256 {sha256(b'weights 1').hexdigest()[:12]}…, received "
        f"{sha256(b'Weights 1').hexdigest()[:12]}…. No bundle was written. Publish the model again, or choose another version."
    )
    assert [file.read_bytes() for file in path.parent.glob("*") if path.name in file.name] == [b"the bundle of yesterday"]


def test_a_file_that_is_too_large_for_a_tar_is_refused(registry, publish, path, monkeypatch):
    version = publish(registry)
    monkeypatch.setattr(bundle_file, "MAX_MEMBER_BYTES", 9)
    with pytest.raises(UsageError, match=r"^a bundle carries files of less than 8 GiB\. Received: README\.md of imdb@v1, 10 bytes\.$"):
        bundle.bundle(registry.store, [version], path)
    assert not path.exists()


# numbers


def test_free_numbers_below_become_tombstones_that_say_absent(registry, publish, there, path, fetch):
    versions = [publish(registry) for _ in range(4)]
    bundle.bundle(registry.store, [versions[3], versions[1]], path)
    assert fetch(there, path) == ([("imdb@v2", True), ("imdb@v4", True)], 2)
    log = VersionLog(there, "imdb")
    graves = [log.read(number) for number in (1, 3)]
    assert [(type(grave), grave.state, grave.reason) for grave in graves] == [
        (Tombstone, "absent", "its version is in another registry")
    ] * 2
    assert (log.head(), log.latest()) == (4, versions[3])
    assert findings(there) == []


def test_a_version_takes_the_place_of_its_absence(registry, publish, there, path, fetch):
    versions = [publish(registry) for _ in range(3)]
    bundle.bundle(registry.store, versions[2:], path)
    fetch(there, path)
    bundle.bundle(registry.store, versions[:2], path)
    assert fetch(there, path) == ([("imdb@v1", True), ("imdb@v2", True)], 0)
    assert list(VersionLog(there, "imdb").newest_first()) == versions[::-1]
    assert findings(there) == []


def test_the_next_publication_goes_on_after_what_came(registry, publish, there, path, fetch):
    versions = [publish(registry) for _ in range(2)]
    bundle.bundle(registry.store, versions[1:], path)
    fetch(there, path)
    assert publish(Registry(store=there)).number == 3


def test_a_number_of_another_version_is_refused_before_anything_is_changed(registry, publish, there, path, fetch):
    versions = [publish(registry), publish(registry)]
    bundle.bundle(registry.store, versions, path)
    publish(Registry(store=there))
    theirs = publish(Registry(store=there))
    delete(there, "imdb", 1, "wrong")
    before = there.snapshot()
    with pytest.raises(ConflictError) as caught:
        fetch(there, path)
    assert caught.value.message == (
        f"the bundle carries imdb@v1 with digest {versions[0].digest[:19]}…, but {there.url} has imdb@v1, which was deleted. Nothing was "
        "changed. A number is never used for another version; publish the model under another name, or leave this version out of the "
        "bundle."
    )
    bundle.bundle(registry.store, versions[1:], path)
    with pytest.raises(ConflictError, match=rf"but {there.url} has imdb@v2 with digest {theirs.digest[:19]}…\. Nothing was changed\."):
        fetch(there, path)
    assert there.snapshot() == before


def test_a_version_that_is_being_deleted_there_is_there(carried, there, fetch):
    fetch(there, carried)
    version = VersionLog(there, "imdb").read(1)
    there.put(version_key("imdb", 1), being_deleted(version, "wrong"))
    assert fetch(there, carried) == ([("imdb@v1", False)], 0)


def test_a_number_that_is_taken_meanwhile_is_refused(registry, publish, there, path, fetch):
    bundle.bundle(registry.store, [publish(registry), publish(registry)], path)
    grave = Tombstone("imdb", 2, "2026-11-21T00:00:00Z", "").to_bytes("a")

    def meanwhile(name, key):
        if (name, key) == ("create_if_absent", version_key("imdb", 2)):
            there.put(key, grave)

    with pytest.raises(ConflictError, match=r"which was deleted\. What came before it in the bundle was published\."):
        fetch(Watched(there, before=meanwhile), path)
    assert VersionLog(there, "imdb").latest().number == 1
    assert [entry.key for entry in there.list("_pending/imdb/")], "the summary is not to be trusted now"


def test_two_who_unbundle_at_the_same_time_end_with_one_version(carried, there, fetch):
    def meanwhile(name, key):
        if name == "create_if_absent" and watched.calls[name] == 1:
            done.append(fetch(there, carried.rename(carried.with_name("copy.tar"))))

    done = []
    watched = Watched(there, before=meanwhile)
    assert fetch(watched, carried)[0] == [("imdb@v1", False)]
    assert done[0][0] == [("imdb@v1", True)]
    assert findings(there) == []


def test_tombstones_are_made_in_order_and_left_to_whoever_was_first(registry, publish, there, path, fetch):
    versions = [publish(registry) for _ in range(4)]
    bundle.bundle(registry.store, versions[3:], path)
    made = []

    def meanwhile(name, key):
        if name == "create_if_absent" and "/versions/" in key:
            made.append(key)
            if key == version_key("imdb", 2):
                made.append(str(publish(Registry(store=there))))

    assert fetch(Watched(there, before=meanwhile), path) == ([("imdb@v4", True)], 2)
    assert made == [version_key("imdb", 1), version_key("imdb", 2), "imdb@v2", version_key("imdb", 3), version_key("imdb", 4)]


def test_a_gap_that_is_too_large_is_refused(registry, publish, there, path, fetch, monkeypatch):
    monkeypatch.setattr(bundle, "MAX_ABSENT", 2)
    versions = [publish(registry) for _ in range(4)]
    bundle.bundle(registry.store, versions[3:], path)
    with pytest.raises(ConflictError) as caught:
        fetch(there, path)
    assert caught.value.message == (
        f"imdb@v4 would leave more than 2 numbers below it without a version in {there.url}. Nothing was changed. Bring versions with "
        "lower numbers first."
    )
    assert there.snapshot() == {}
    bundle.bundle(registry.store, versions[2:], path)
    assert fetch(there, path)[1] == 2


def test_the_longest_names_fit(registry, publish, there, path, fetch, key_pair):
    version = publish(registry, "m" * 63)
    signing.sign(registry.store, version, key_pair.private)
    bundle.bundle(registry.store, [version], path)
    fetch(there, path)
    assert isinstance(VersionLog(there, "m" * 63).read(1), ModelVersion)
    (key_id,) = [one.key_id for one in signing.signatures(there, version)]
    assert there.find(signature_key("m" * 63, version.hex_digest, key_id)) is not None
