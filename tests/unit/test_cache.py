"""The cache of what was pulled: what enters it, what is trusted, what other processes and links can do to it."""

import json
import os
import signal
import subprocess
import sys
import threading
from hashlib import sha256

import pytest

from distrnn.errors import DistrnnError, IntegrityError, NotFoundError, StorageError
from distrnn.registry import pull as pull_module
from distrnn.registry import seen as seen_module
from distrnn.registry.cache import Cache
from distrnn.registry.manifest import FileEntry, Manifest, ModelVersion, digest_of, form_of
from distrnn.registry.pull import pull
from distrnn.registry.together import together
from distrnn.storage.local import LocalStore
from distrnn.storage.partial import Partial

FILES = {"preprocessing.json": b"{}", "numpy/model.json": b"layers", "numpy/weights.npz": bytes(range(256))}


def version_of(files, number=1):
    entries = tuple(FileEntry(path, len(body), sha256(body).hexdigest(), form_of(path)) for path, body in files.items())
    manifest = Manifest("imdb", number, f"attempt-{number}", "2026-11-21T00:00:00Z", entries)
    return ModelVersion("imdb", number, digest_of(manifest.to_bytes()), manifest, manifest.to_bytes())


VERSION = version_of(FILES)


class Source:
    """Brings blobs, and counts them; `bodies` may be altered."""

    def __init__(self, files=FILES):
        self.bodies = {sha256(body).hexdigest(): body for body in files.values()}
        self.fetched = []

    def __call__(self, file, path, update):
        self.fetched.append(file.path)
        path.write_bytes(self.bodies[file.sha256])
        update(self.bodies[file.sha256])


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path)


def bring(cache, source, version=VERSION, form="numpy"):
    return cache.folder(version, form, version.manifest.files_of(form), source)


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def hashed(monkeypatch):
    """The files that are hashed."""
    found = []
    monkeypatch.setattr(seen_module, "hash_of", lambda path: [found.append(path.name), hash_of(path)][1])
    return found


hash_of = seen_module.hash_of


def test_a_version_is_fetched_once_and_hashed_while_it_arrives(cache, hashed):
    source = Source()
    folders = [bring(cache, source) for _ in range(3)]
    assert contents(folders[0]) == FILES
    assert (len(set(folders)), sorted(source.fetched), hashed) == (1, sorted(FILES), [])


def test_versions_that_share_a_file_fetch_it_once_and_do_not_hash_it_again(cache, hashed):
    source = Source()
    bring(cache, source)
    bring(cache, source, version_of(FILES, 2))
    assert (sorted(source.fetched), hashed) == (sorted(FILES), [])


def test_a_pull_leaves_the_version_and_nothing_else(cache):
    bring(cache, Source())
    assert sorted(path.name for path in cache.root.iterdir()) == ["blobs", "folders", "locks", "manifests", "partial", "seen", "temporary"]
    assert [list((cache.root / name).iterdir()) for name in ("partial", "temporary")] == [[], []]


def overwritten(path):
    path.chmod(0o644)
    path.write_bytes(bytes(256))


def overwritten_in_the_same_tick(path):
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.write(b"x")


def cut_short(path):
    path.chmod(0o644)
    os.truncate(path, 255)


def another_in_its_place(path):
    path.unlink()
    path.write_bytes(bytes(256))


def a_link_in_its_place(path):
    right = path.with_name("elsewhere")
    path.rename(right)
    path.symlink_to(right)


@pytest.mark.parametrize("alter", [overwritten, overwritten_in_the_same_tick, cut_short, another_in_its_place, a_link_in_its_place])
def test_a_file_that_was_altered_is_brought_again(cache, alter):
    source = Source()
    alter(bring(cache, source) / "numpy" / "weights.npz")
    assert contents(bring(cache, source)) == FILES
    assert not (bring(cache, source) / "numpy" / "weights.npz").is_symlink()


def test_a_file_that_was_touched_is_hashed_once_more_and_kept(cache, hashed):
    source = Source()
    weights = bring(cache, source) / "numpy" / "weights.npz"
    os.utime(weights)
    for _ in range(3):
        bring(cache, source)
    assert (hashed, len(source.fetched)) == (["weights.npz"], 3)


def test_after_a_restart_of_the_machine_everything_is_hashed_once(cache, hashed, monkeypatch):
    source = Source()
    bring(cache, source)
    monkeypatch.setattr(seen_module, "_boot", lambda: "another boot")
    for _ in range(2):
        bring(cache, source)
    assert (sorted(hashed), len(source.fetched)) == (["model.json", "preprocessing.json", "weights.npz"], 3)


def test_where_the_system_does_not_tell_its_start_everything_is_hashed(cache, hashed, monkeypatch):
    monkeypatch.setattr(seen_module, "_boot", lambda: "")
    source = Source()
    for _ in range(3):
        bring(cache, source)
    assert (len(hashed), len(source.fetched)) == (6, 3)


def test_a_cache_that_cannot_be_written_is_read(cache, tmp_path, monkeypatch):
    source = Source()
    folder = bring(cache, source)
    refuse = lambda *a, **k: (_ for _ in ()).throw(PermissionError(13, "Permission denied"))  # noqa: E731
    for name in ("utime", "replace", "mkdir"):
        monkeypatch.setattr(os, name, refuse)
    assert bring(Cache(tmp_path), source) == folder


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (bytes(256), f"expected sha256 40aff2e9d2d8…, received {sha256(bytes(256)).hexdigest()[:12]}…"),
        (bytes(255), "expected 256 bytes, received 255 bytes"),
        (b"", "expected 256 bytes, received 0 bytes"),
        (bytes(257), "expected 256 bytes, received more than 256 bytes"),
    ],
)
def test_what_does_not_match_is_named_and_not_kept(cache, body, said):
    source = Source()
    digest = sha256(FILES["numpy/weights.npz"]).hexdigest()
    source.bodies[digest] = body
    with pytest.raises(IntegrityError) as caught:
        bring(cache, source)
    assert caught.value.message == (
        f"numpy/weights.npz of imdb@v1 is damaged in the registry: {said}. Nothing was kept. "
        "Publish the model again, or pull another version."
    )
    assert caught.value.fields == {"file": "numpy/weights.npz", "version": "imdb@v1"}
    kept = {sha256(path.read_bytes()).hexdigest() for path in cache.root.rglob("*") if path.is_file() and path.parent.name != "locks"}
    assert sha256(body).hexdigest() not in kept or body == b""
    assert [list((cache.root / name).iterdir()) for name in ("partial", "temporary")] == [[], []]
    assert not (cache.root / "folders").exists()


def test_a_partial_file_that_turns_out_wrong_is_fetched_once_more(cache):
    source = Source()
    partial = cache.root / "partial" / sha256(FILES["numpy/weights.npz"]).hexdigest()
    partial.parent.mkdir(parents=True)
    with Partial(partial, keep=True) as begun:
        begun.begin(256, "etag")
        begun.write(0, [bytes(256)])
    wrong = iter([bytes(256)])

    def fetch(file, path, update):
        source.fetched.append(file.path)
        update(next(wrong, source.bodies[file.sha256]) if file.path.endswith(".npz") else source.bodies[file.sha256])
        path.write_bytes(source.bodies[file.sha256])

    assert contents(bring(cache, fetch)) == FILES
    assert source.fetched.count("numpy/weights.npz") == 2
    assert list(partial.parent.iterdir()) == []


def test_what_broke_off_is_kept_with_its_map_only(cache):
    def fetch(file, path, update):
        with Partial(path, keep=file.path.endswith(".npz")) as partial:
            partial.begin(file.size_bytes, "etag")
        raise StorageError("broken off")

    with pytest.raises(StorageError):
        bring(cache, fetch)
    digest = sha256(FILES["numpy/weights.npz"]).hexdigest()
    assert {path.name for path in (cache.root / "partial").iterdir()} <= {digest, f"{digest}.have"}


def test_blobs_are_fetched_side_by_side(cache):
    files = {f"numpy/{number}": bytes([number]) for number in range(8)}
    meeting, source = threading.Barrier(4), Source(files)

    def fetch(file, path, update):
        meeting.wait(timeout=10)
        source(file, path, update)

    assert contents(bring(cache, fetch, version_of(files))) == files


def test_when_one_fails_the_others_stop(cache):
    files = {f"numpy/{number}": bytes([number]) for number in range(8)}
    begun = threading.Barrier(4)
    ended = []

    def fetch(file, path, update):
        begun.wait(timeout=10)
        if file.path == "numpy/0":
            raise NotFoundError("gone")
        try:
            while True:
                update(b"")
        except DistrnnError:
            ended.append(file.path)
            raise

    with pytest.raises(NotFoundError):
        bring(cache, fetch, version_of(files))
    assert len(ended) == 3


def test_together_does_each_once():
    done = []
    together(lambda item, stopped: done.append(item), range(20))
    together(lambda item, stopped: done.append(item), ["alone"])
    together(lambda item, stopped: done.append(item), [])
    assert sorted(map(str, done)) == sorted([*map(str, range(20)), "alone"])


def test_two_files_with_the_same_bytes_are_one_blob(cache):
    files = {"numpy/a": b"same", "numpy/b": b"same"}
    source = Source(files)
    assert contents(bring(cache, source, version_of(files))) == files
    assert len(source.fetched) == 1


@pytest.mark.parametrize("linked", ["blobs", "folders", "partial", "temporary", "locks", "manifests"])
def test_a_folder_that_is_a_link_is_not_followed(cache, tmp_path, linked):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    cache.root.mkdir(parents=True)
    (cache.root / linked).symlink_to(elsewhere)
    with pytest.raises(StorageError) as caught:
        bring(cache, Source())
    assert caught.value.message == (
        f"{cache.root / linked} is a link, and the cache follows none inside its folder. Remove it, or move the whole cache with "
        "DISTRNN_HOME."
    )
    assert list(elsewhere.iterdir()) == []


def test_a_link_to_the_right_files_is_not_what_is_handed_out(cache, tmp_path):
    source = Source()
    ready = bring(cache, source)
    elsewhere = tmp_path / "elsewhere"
    ready.rename(elsewhere)
    ready.symlink_to(elsewhere)
    assert not bring(cache, source).is_symlink()
    assert contents(elsewhere) == contents(ready) == FILES


def test_a_partial_file_that_is_a_link_is_replaced(cache, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"mine")
    partial = cache.root / "partial" / sha256(FILES["numpy/weights.npz"]).hexdigest()
    partial.parent.mkdir(parents=True)
    partial.symlink_to(elsewhere)
    assert contents(bring(cache, Source())) == FILES
    assert elsewhere.read_bytes() == b"mine"


HOLDER = """
import sys, time
from pathlib import Path
from distrnn.registry.cache import Cache
with Cache(Path(sys.argv[1])).lock(sys.argv[2]):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_killed_holder_of_a_lock_does_not_block(cache, tmp_path):
    digest = sha256(FILES["numpy/weights.npz"]).hexdigest()
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path), digest], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with cache.lock_if_free(digest) as free:
            assert not free
        puller = threading.Thread(target=bring, args=(cache, Source()), daemon=True)
        puller.start()
        puller.join(0.3)
        assert puller.is_alive()
        holder.send_signal(signal.SIGKILL)
        puller.join(10)
        assert not puller.is_alive()
    assert contents(bring(cache, None)) == FILES


def test_a_folder_that_is_pruned_while_it_is_copied_is_brought_again(cache, tmp_path, monkeypatch):
    store = LocalStore(tmp_path / "registry")
    for body in FILES.values():
        digest = sha256(body).hexdigest()
        store.put(f"imdb/blobs/sha256/{digest[:2]}/{digest}", body)
    place, pruned = pull_module.place, []

    def prune_before(blob, target, *, link):
        if not pruned:
            pruned.append(blob.parent)
            blob.unlink()
        place(blob, target, link=link)

    monkeypatch.setattr(pull_module, "place", prune_before)
    assert contents(pull(store, cache, VERSION, tmp_path / "out", "numpy")) == FILES


def test_a_blob_that_is_missing_is_no_damage_when_the_version_was_deleted(cache, tmp_path):
    def deleted():
        raise NotFoundError("imdb@v1 was deleted")

    with pytest.raises(NotFoundError, match="was deleted"):
        pull(LocalStore(tmp_path / "registry"), cache, VERSION, None, "numpy", still_there=deleted)
    with pytest.raises(IntegrityError, match="is missing in the registry"):
        pull(LocalStore(tmp_path / "registry"), cache, VERSION, None, "numpy", still_there=lambda: None)


def test_offline_asks_nobody(cache):
    with pytest.raises(NotFoundError, match=r"of imdb@v1 is not in the cache of this machine\. Pull it once without --offline\."):
        pull(None, cache, VERSION, None, "numpy")
    bring(cache, Source())
    assert contents(pull(None, cache, VERSION, None, "numpy")) == FILES


def test_the_manifest_is_kept_while_its_files_arrive(cache):
    with pytest.raises(StorageError):
        bring(cache, lambda *_: (_ for _ in ()).throw(StorageError("broken off")))
    assert json.loads(cache.manifest(VERSION.hex_digest))["number"] == 1
