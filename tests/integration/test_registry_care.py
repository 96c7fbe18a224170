"""Looking after a registry on every back end: carried from a folder and back, signed, verified, tagged and described."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from distrnn.errors import ConflictError, IntegrityError
from distrnn.registry import Registry, bundle, cards, signing, tags
from distrnn.registry.bundle import unbundle
from distrnn.registry.layout import blob_key, card_key, tags_key, version_key
from distrnn.registry.verify import require_whole, verify
from distrnn.registry.versions import VersionLog


@pytest.fixture
def registry(storage_url) -> Registry:
    return Registry(storage_url)


@pytest.fixture
def publish(publish_small):
    return publish_small


def live(registry: Registry) -> list[str]:
    return [f"{version} {version.digest}" for version in registry.versions("imdb")]


def test_versions_are_carried_from_a_folder_and_back(registry, publish, tmp_path, fresh_home, key_pair):
    folder, back = Registry(tmp_path / "folder"), Registry(tmp_path / "back")
    versions = [publish(folder, **{"numpy/weights.npz": bytes(range(256)) * 40}), publish(folder), publish(folder)]
    tags.change(folder.store, "imdb", 3, {"team": "a"})
    cards.edit(folder.store, versions[2], "two", 1)
    signing.sign(folder.store, versions[2], key_pair.private)

    bundle.bundle(folder.store, versions[1:], tmp_path / "first.tar")
    done = unbundle(registry.store, tmp_path / "first.tar", fresh_home)
    assert (done.absent, [one.added for one in done.versions]) == (1, [True, True])
    bundle.bundle(folder.store, versions, tmp_path / "second.tar")
    done = unbundle(registry.store, tmp_path / "second.tar", fresh_home)
    assert (done.absent, [one.added for one in done.versions]) == (0, [True, False, False])

    assert live(registry) == live(folder)
    assert list(verify(registry.store, None, None)) == []
    there = bundle.bundle(registry.store, versions, tmp_path / "third.tar")
    assert there.sha256 == bundle.bundle(folder.store, versions, tmp_path / "fourth.tar").sha256
    unbundle(back.store, tmp_path / "third.tar", fresh_home)
    assert live(back) == live(folder)
    signing.require(back.store, tmp_path / "seen", versions[2], key_pair.public)


def test_a_number_that_is_taken_is_refused(registry, publish, tmp_path, fresh_home):
    folder = Registry(tmp_path / "folder")
    bundle.bundle(folder.store, [publish(folder)], tmp_path / "carried.tar")
    theirs = publish(registry)
    with pytest.raises(ConflictError, match=r"has imdb@v1 with digest .* Nothing was changed\."):
        unbundle(registry.store, tmp_path / "carried.tar", fresh_home)
    assert registry.versions("imdb") == [theirs]
    assert list(verify(registry.store, None, None)) == []


def test_publishers_and_a_bundle_at_the_same_time(registry, publish, tmp_path, fresh_home):
    """Whoever takes a number first has it, and nothing is left with a gap."""
    folder = Registry(tmp_path / "folder")
    bundle.bundle(folder.store, [publish(folder) for _ in range(4)][3:], tmp_path / "carried.tar")
    barrier = threading.Barrier(3)

    def publisher(_):
        barrier.wait()
        return [publish(registry).number for _ in range(2)]

    def carrier():
        barrier.wait()
        try:
            return [one.version.number for one in unbundle(registry.store, tmp_path / "carried.tar", fresh_home).versions]
        except ConflictError:
            return []

    with ThreadPoolExecutor(3) as pool:
        others = [pool.submit(publisher, number) for number in range(2)]
        carried = pool.submit(carrier).result()
        published = sorted(number for other in others for number in other.result())
    log = VersionLog(registry.store, "imdb")
    assert sorted([version.number for version in registry.versions("imdb")]) == sorted([*published, *carried])
    assert all(log.read(number) is not None for number in range(1, log.head() + 1))
    assert list(verify(registry.store, None, None)) == []


def test_everything_that_is_wrong_is_found(registry, publish):
    version = publish(registry)
    publish(registry)
    altered, missing, short = (blob_key("imdb", file.sha256) for file in version.manifest.files if file.size_bytes)
    registry.store.put(altered, bytes(registry.store.size(altered)))
    registry.store.delete(missing)
    registry.store.put(short, b"s")
    registry.store.put(tags_key("imdb", 1), b"{")
    found = {(one.key, one.problem) for one in verify(registry.store, "imdb", None)}
    assert found == {(altered, "altered"), (missing, "missing"), (short, "altered"), (tags_key("imdb", 1), "damaged")}
    with pytest.raises(IntegrityError, match=r"of imdb@v1 is (damaged|missing) in the registry"):
        require_whole(registry.store, version)
    publish(registry)
    registry.store.delete(version_key("imdb", 2))
    assert version_key("imdb", 2) in {one.key for one in verify(registry.store, None, None) if one.problem == "missing"}


def test_a_blob_of_several_pieces_is_read_whole(registry, publish, monkeypatch):
    monkeypatch.setattr("distrnn.registry.blobs.PIECE_BYTES", 1000)
    publish(registry, **{"numpy/weights.npz": bytes(range(250)) * 40})
    assert list(verify(registry.store, None, None)) == []


def test_a_signature_is_required_and_remembered(registry, publish, tmp_path, key_pair, new_keys):
    version = publish(registry)
    with pytest.raises(IntegrityError, match=r"^imdb@v1 is not signed by the key of"):
        signing.require(registry.store, tmp_path / "seen", version, key_pair.public)
    signature = signing.sign(registry.store, version, key_pair.private)
    assert signing.sign(registry.store, version, key_pair.private) == signature
    assert signing.require(registry.store, tmp_path / "seen", version, key_pair.public) == signature
    assert signing.require(None, tmp_path / "seen", version, key_pair.public) == signature
    with pytest.raises(IntegrityError, match=r"^imdb@v1 is not signed by the key of"):
        signing.require(registry.store, tmp_path / "seen", version, new_keys("other").public)


def test_no_tag_is_lost_by_many_who_tag(registry, publish):
    publish(registry)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: tags.change(registry.store, "imdb", 1, {f"t{number}": str(number)}), range(8)))
    assert tags.read(registry.store, "imdb", 1) == {f"t{number}": str(number) for number in range(8)}


def test_of_many_who_edit_one_revision_one_has_edited_it(registry, publish):
    version = publish(registry)

    def edit(number):
        try:
            return cards.edit(registry.store, version, f"by {number}", 1).text
        except ConflictError:
            return None

    with ThreadPoolExecutor(4) as pool:
        written = [text for text in pool.map(edit, range(4)) if text is not None]
    card = cards.read(registry.store, version)
    assert ([card.text], card.revision, len(card.history)) == (written, 2, 2)
    assert cards.read(registry.store, version, 1).text == "# A model\n"
    assert registry.store.size(card_key("imdb", 1)) is not None
