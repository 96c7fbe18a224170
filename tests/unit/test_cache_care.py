"""Looking after the cache: what it lists, what verifying finds and removes, what pruning takes and what it leaves alone."""

import os
import shutil
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from distrnn.errors import StorageError
from distrnn.registry.cache import Cache
from distrnn.registry.cache_care import cache_bytes, list_cache, verify_cache
from distrnn.registry.cache_prune import freed_bytes, prune, to_prune
from distrnn.registry.manifest import FileEntry, Manifest, ModelVersion, digest_of, form_of
from distrnn.storage.partial import CHUNK_BYTES, Partial

DAY = timedelta(days=1)


def version_of(number, weights, keras=b"keras"):
    files = {"preprocessing.json": b"{}", "numpy/weights.npz": weights, "keras/model.keras": keras}
    entries = tuple(FileEntry(path, len(body), sha256(body).hexdigest(), form_of(path)) for path, body in files.items())
    manifest = Manifest("imdb", number, f"attempt-{number}", "2026-11-21T00:00:00Z", entries)
    version = ModelVersion("imdb", number, digest_of(manifest.to_bytes()), manifest, manifest.to_bytes())
    return version, {sha256(body).hexdigest(): body for body in files.values()}


FIRST, FIRST_BODIES = version_of(1, b"1" * 1000)
SECOND, SECOND_BODIES = version_of(2, b"2" * 2000)
BODIES = {**FIRST_BODIES, **SECOND_BODIES}


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path)


def bring(cache, version, form="numpy", *, days_ago=0.0, broken=""):
    def fetch(file, path, update):
        if file.path == broken:
            with Partial(path, keep=True) as partial:
                partial.begin(CHUNK_BYTES * 4, "etag")
                partial.write(2, [bytes(CHUNK_BYTES)])
            raise StorageError("broken off")
        path.write_bytes(BODIES[file.sha256])
        update(BODIES[file.sha256])

    folder = cache.folder(version, form, version.manifest.files_of(form), fetch)
    used(folder, days_ago)
    return folder


def used(path, days_ago):
    moment = (datetime.now(UTC) - days_ago * DAY).timestamp()
    os.utime(path, (moment, moment), follow_symlinks=False)


def names(items):
    return [item.label for item in items]


def weights(version):
    return next(file.sha256 for file in version.manifest.files if file.path == "numpy/weights.npz")


# list


def test_list_has_what_was_pulled(cache):
    bring(cache, FIRST)
    bring(cache, SECOND, "keras")
    found = list_cache(cache)
    assert [(entry.name, entry.number, entry.form, entry.state, entry.size_bytes, entry.present_bytes) for entry in found] == [
        ("imdb", 2, "keras", "complete", 7, 7),
        ("imdb", 1, "numpy", "complete", 1002, 1002),
    ]
    assert [entry.digest for entry in found] == [SECOND.digest, FIRST.digest]
    assert found[0].path == cache.root / "folders" / SECOND.hex_digest / "keras"


def test_list_says_when_a_version_was_last_used(cache):
    bring(cache, FIRST, days_ago=3)
    assert datetime.now(UTC) - list_cache(cache)[0].used_at > 2.9 * DAY
    cache.folder(FIRST, "numpy", FIRST.manifest.files_of("numpy"), None)
    assert datetime.now(UTC) - list_cache(cache)[0].used_at < DAY


def test_list_has_what_was_broken_off(cache):
    with pytest.raises(StorageError):
        bring(cache, FIRST, broken="numpy/weights.npz")
    (entry,) = list_cache(cache)
    assert (entry.number, entry.form, entry.state, entry.size_bytes) == (1, "numpy", "partial", 1002)
    assert entry.present_bytes in (CHUNK_BYTES, CHUNK_BYTES + 2)


def test_list_shows_a_version_whose_manifest_is_lost(cache):
    bring(cache, FIRST)
    shutil.rmtree(cache.root / "manifests")
    (entry,) = list_cache(cache)
    assert (entry.name, entry.digest, entry.present_bytes) == (None, FIRST.digest, 1002)


def test_an_empty_cache_has_nothing(cache):
    assert (list_cache(cache), cache_bytes(cache), list(verify_cache(cache)), to_prune(cache, everything=True)) == ([], 0, [], [])


def test_a_file_with_several_names_takes_its_bytes_once(cache):
    bring(cache, FIRST)
    before = cache_bytes(cache)
    bring(cache, FIRST, "keras")
    assert before > 1002
    # The blob and its note, nothing for the file that both forms have.
    assert 5 < cache_bytes(cache) - before < 200


# verify


def alter(path):
    path.chmod(0o644)
    found = path.stat()
    path.write_bytes(path.read_bytes()[:-1] + b"X")
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def test_a_whole_cache_is_whole(cache):
    bring(cache, FIRST)
    bring(cache, SECOND, "all")
    assert list(verify_cache(cache)) == []
    assert [entry.state for entry in list_cache(cache)] == ["complete"] * 2


def test_verify_finds_what_a_pull_would_trust(cache):
    alter(bring(cache, FIRST) / "numpy" / "weights.npz")
    bring(cache, SECOND)
    assert bring(cache, FIRST)
    (found,) = verify_cache(cache)
    assert (found.version, found.form, found.file, found.problem) == ("imdb@v1", "numpy", "numpy/weights.npz", "altered")
    assert [entry.number for entry in list_cache(cache)] == [2]
    assert list(verify_cache(cache)) == []
    assert (bring(cache, FIRST) / "numpy" / "weights.npz").read_bytes() == b"1" * 1000


def test_verify_finds_what_is_missing(cache):
    (bring(cache, FIRST) / "preprocessing.json").unlink()
    assert [(found.file, found.problem) for found in verify_cache(cache)] == [("preprocessing.json", "missing")]
    assert [entry.state for entry in list_cache(cache)] == ["partial"]
    assert sorted(path.name for path in bring(cache, FIRST).iterdir()) == ["numpy", "preprocessing.json"]


def test_verify_finds_an_altered_blob_that_no_folder_has(cache):
    shutil.rmtree(bring(cache, FIRST))
    blob = cache.blob(weights(FIRST))
    alter(blob)
    assert [found.path for found in verify_cache(cache)] == [blob]
    assert not blob.exists()


def test_verify_finds_an_altered_manifest(cache):
    bring(cache, FIRST)
    manifest = cache.root / "manifests" / f"{FIRST.hex_digest}.json"
    manifest.write_bytes(b"{}")
    assert [(found.path, found.problem) for found in verify_cache(cache)] == [
        (manifest, "altered"),
        (cache.root / "folders" / FIRST.hex_digest / "numpy", "its manifest is lost"),
    ]
    assert not manifest.exists()


@pytest.mark.parametrize("linked", ["folder", "file", "blob"])
def test_verify_does_not_follow_links(cache, tmp_path, linked):
    ready, elsewhere = bring(cache, FIRST), tmp_path / "elsewhere"
    path = {"folder": ready, "file": ready / "numpy" / "weights.npz", "blob": cache.blob(weights(FIRST))}[linked]
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    assert {found.problem for found in verify_cache(cache)} == {"altered"}
    assert not path.is_symlink()
    assert elsewhere.exists()


def test_verify_leaves_what_a_pull_works_on(cache):
    alter(bring(cache, FIRST) / "numpy" / "weights.npz")
    with cache.lock(f"{FIRST.hex_digest}-numpy"), cache.lock(weights(FIRST)):
        assert list(verify_cache(cache)) == []


# prune


def test_what_was_not_used_for_long_goes_and_takes_its_blobs_along(cache):
    bring(cache, FIRST, days_ago=40)
    recent = bring(cache, SECOND, days_ago=20)
    going = to_prune(cache, older_than=30 * DAY)
    assert names(going) == ["imdb@v1 numpy"]
    assert freed_bytes(cache, going) == 1000
    assert names(prune(cache, going)) == ["imdb@v1 numpy"]
    assert [entry.number for entry in list_cache(cache)] == [2]
    assert {path.name for path in (cache.root / "blobs").rglob("*") if path.is_file()} == {
        file.sha256 for file in SECOND.manifest.files_of("numpy")
    }
    assert [path.stem for path in (cache.root / "manifests").iterdir()] == [SECOND.hex_digest]
    assert (recent / "preprocessing.json").exists()


def test_nothing_is_removed_by_deciding(cache):
    bring(cache, FIRST, days_ago=40)
    assert names(to_prune(cache, older_than=30 * DAY)) == ["imdb@v1 numpy"] == names(to_prune(cache, everything=True))
    assert [entry.state for entry in list_cache(cache)] == ["complete"]


def test_what_was_unused_for_longest_goes_until_the_rest_fits(cache):
    third, bodies = version_of(3, b"3" * 500)
    BODIES.update(bodies)
    for version, days_ago in ((FIRST, 1), (SECOND, 3), (third, 2)):
        bring(cache, version, days_ago=days_ago)
    sizes = {10_000: [], 3_502: [], 3_501: ["imdb@v2 numpy"], 1_501: ["imdb@v2 numpy", "imdb@v3 numpy"], 0: 3}
    for max_bytes, going in sizes.items():
        found = names(to_prune(cache, max_bytes=max_bytes))
        assert (len(found) if isinstance(going, int) else found) == going


def test_what_other_versions_share_does_not_count_twice(cache):
    bring(cache, FIRST, days_ago=2)
    bring(cache, FIRST, "all", days_ago=1)
    assert to_prune(cache, max_bytes=1007) == []
    assert names(to_prune(cache, max_bytes=1006)) == ["imdb@v1 numpy", "imdb@v1 all"]
    going = to_prune(cache, older_than=1.5 * DAY)
    assert (names(going), freed_bytes(cache, going)) == (["imdb@v1 numpy"], 0)


def test_everything_goes(cache):
    bring(cache, FIRST)
    with pytest.raises(StorageError):
        bring(cache, SECOND, broken="numpy/weights.npz")
    (cache.root / "temporary" / f"{FIRST.hex_digest}-numpy.0123").mkdir()
    list(prune(cache, to_prune(cache, everything=True)))
    left = [path for path in cache.root.rglob("*") if path.is_file() and path.parent.name not in ("locks", ".locks")]
    assert (left, list((cache.root / "temporary").iterdir())) == ([], [])


def test_what_broken_pulls_have_left_goes_after_a_week(cache):
    with pytest.raises(StorageError):
        bring(cache, FIRST, broken="numpy/weights.npz")
    building = cache.root / "temporary" / f"{FIRST.hex_digest}-numpy.0123"
    building.mkdir()
    partial = cache.root / "partial" / weights(FIRST)
    assert to_prune(cache) == []
    soon, late = datetime.now(UTC) + 6 * DAY, datetime.now(UTC) + 8 * DAY
    assert to_prune(cache, now=soon) == []
    going = to_prune(cache, now=late)
    assert {"partial", "temporary"} <= {item.kind for item in going} <= {"partial", "temporary", "blob"}
    list(prune(cache, going))
    assert (partial.exists(), building.exists(), list(partial.parent.iterdir())) == (False, False, [])


def test_a_pull_at_work_is_left_alone(cache):
    bring(cache, FIRST, days_ago=40)
    with pytest.raises(StorageError):
        bring(cache, SECOND, broken="numpy/weights.npz")
    locks = (f"{FIRST.hex_digest}-numpy", weights(SECOND))
    with cache.lock(locks[0]), cache.lock(locks[1]):
        gone = names(prune(cache, to_prune(cache, everything=True)))
    assert not {"imdb@v1 numpy", f"sha256:{weights(SECOND)[:12]}"} & set(gone)
    assert bring(cache, FIRST).exists()
    assert (cache.root / "partial" / weights(SECOND)).exists()


def test_what_is_used_between_the_decision_and_its_end_stays(cache):
    ready = bring(cache, FIRST, days_ago=40)
    going = to_prune(cache, older_than=30 * DAY)
    bring(cache, FIRST)
    assert list(prune(cache, going)) == []
    assert ready.exists()


def test_a_blob_that_a_pull_has_just_linked_stays(cache):
    shutil.rmtree(bring(cache, FIRST))
    going = to_prune(cache, everything=True)
    assert {item.kind for item in going} == {"blob"}
    ready = bring(cache, FIRST)
    list(prune(cache, going))
    assert (ready / "numpy" / "weights.npz").read_bytes() == b"1" * 1000


def test_pruning_does_not_follow_links(cache, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").write_bytes(b"mine")
    bring(cache, FIRST)
    for folder in ("folders", "temporary", "partial"):
        (cache.root / folder / "linked").symlink_to(elsewhere)
    (cache.root / "folders" / FIRST.hex_digest / "linked").symlink_to(elsewhere)
    list(prune(cache, to_prune(cache, everything=True)))
    assert (elsewhere / "file").read_bytes() == b"mine"
    assert not (cache.root / "temporary" / "linked").is_symlink()
