"""Publisher, gc, deletion, alias and reader, in every order of their operations: nothing committed is ever broken.

Each scenario comes with a control: the same actors with one step of the protocol taken away, where some order must break something.
"""

import json
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from distrnn.errors import DistrnnError, NotFoundError
from distrnn.registry import alias_book, gc, lease, uploads
from distrnn.registry.cache import Cache
from distrnn.registry.deletion import delete
from distrnn.registry.gc import collect
from distrnn.registry.layout import blob_key, version_key
from distrnn.registry.moves import set_alias
from distrnn.registry.publish import publish
from distrnn.registry.pull import pull
from distrnn.registry.resolve import live
from distrnn.registry.retention import Retention
from distrnn.registry.versions import VersionLog
from distrnn.storage import Store
from distrnn.storage.local import LocalStore
from scheduler import Run, interleavings
from storage_doubles import MemoryStore, Watched

NOW = timedelta(0)
OLD, NEW = b"the weights", b"other weights"


class Stepped(Watched):
    """Reads many as a folder does: one after the other, each a step."""

    def read_many(self, keys, *, limit_bytes=None):
        for key in keys:
            found = self.find(key, limit_bytes=limit_bytes)
            yield key, None if found is None else found[0]


def blob(content: bytes) -> str:
    return blob_key("m", sha256(content).hexdigest())


@pytest.fixture
def folder(tmp_path) -> Callable[[bytes], Path]:
    def write(content: bytes = OLD) -> Path:
        path = tmp_path / sha256(content).hexdigest()[:8]
        path.mkdir(exist_ok=True)
        (path / "weights.npz").write_bytes(content)
        return path

    return write


@pytest.fixture(params=["folder", "memory"])
def new_store(request, tmp_path, monkeypatch) -> Callable[[], Store]:
    if request.param == "memory":
        return MemoryStore
    monkeypatch.setattr("os.fsync", lambda _: None)  # power failures are not what is tried here
    return lambda: LocalStore(tmp_path / uuid.uuid4().hex)


def every_order(
    monkeypatch, new_store, prepare, actors, *, relevant=("blobs", "versions", "_pending", "gc.json"), after=None
) -> tuple[int, Counter[str]]:
    """Try every order; returns how many, and how often each actor ended how."""
    ends: Counter[str] = Counter()
    stores: list[Store] = []

    def start(run: Run) -> tuple[dict[str, Callable[[], Any]], Callable[[], None]]:
        store = new_store()
        stores[:] = [store]
        prepare(store)
        monkeypatch.setattr(lease, "pause", run.pause)
        watched = Stepped(store, before=run.step)
        work = {name: (lambda act=act: act(watched)) for name, act in actors.items()}
        return work, lambda: whole(store, run)

    tried = 0
    for run, outcome in interleavings(start, lambda key: any(part in key.split("/") for part in relevant)):
        tried += 1
        for name, result in outcome.items():
            if isinstance(result, BaseException) and not isinstance(result, DistrnnError):
                raise AssertionError(f"{name}: {result!r} after {' ► '.join(run.trace)}") from result
            ends[f"{name} {type(result).__name__ if isinstance(result, Exception) else 'done'}"] += 1
        if after is not None:
            after(stores[0], outcome, run)
    return tried, ends


def whole(store: Store, run: Run) -> None:
    """Every blob of every visible version is there."""
    number = 1
    while isinstance(store, MemoryStore) or store.local_path(version_key("m", number)).exists():
        bodies = store.snapshot() if isinstance(store, MemoryStore) else None
        body = bodies.get(version_key("m", number)) if bodies is not None else store.read(version_key("m", number))
        if body is None:
            return
        document = json.loads(body)
        document = json.loads(document["manifest"]) if "deleting" in document else document
        for file in document.get("files", ()):
            key = blob_key("m", file["sha256"])
            there = key in bodies if bodies is not None else store.local_path(key).exists()
            assert there, f"v{number} lost a blob: {' ► '.join(run.trace)}"
        number += 1


def leave_orphan(store: Store, folder: Path) -> None:
    """What a publisher that died before its commit leaves."""
    publish(store, "m", folder.parent / "first", {})
    store.put_file(blob(OLD), folder / "weights.npz")


@pytest.fixture
def orphaned(folder, tmp_path):
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "weights.npz").write_bytes(b"first")
    return lambda store: leave_orphan(store, folder(OLD))


def cleaner(store: Store) -> Any:
    return collect(store, "m", retention=Retention(), grace=NOW, apply=True)


def test_gc_and_a_publisher_that_reuses_what_it_removes(monkeypatch, new_store, orphaned, folder):
    source = folder(OLD)
    tried, ends = every_order(monkeypatch, new_store, orphaned, {"gc": cleaner, "publisher": lambda store: publish(store, "m", source, {})})
    assert ends == {"gc done": tried, "publisher done": tried}
    assert tried > 5


def test_control_a_publisher_that_does_not_wait_is_caught(monkeypatch, orphaned, folder):
    monkeypatch.setattr(uploads, "wait_until_free", lambda store, name: None)
    source = folder(OLD)
    with pytest.raises(AssertionError, match="v2 lost a blob"):
        every_order(monkeypatch, MemoryStore, orphaned, {"gc": cleaner, "publisher": lambda store: publish(store, "m", source, {})})


def test_control_a_gc_that_reads_manifests_before_announcements_is_caught(monkeypatch, orphaned, folder):
    announced, living = gc._announced, gc._live
    seen: list[Any] = []

    def manifests_first(store, name, now):
        seen[:] = [living(store, name, set())]
        return announced(store, name, now)

    monkeypatch.setattr(gc, "_announced", manifests_first)
    monkeypatch.setattr(gc, "_live", lambda store, name, without: seen[0])
    source = folder(OLD)
    with pytest.raises(AssertionError, match="v2 lost a blob"):
        every_order(monkeypatch, MemoryStore, orphaned, {"gc": cleaner, "publisher": lambda store: publish(store, "m", source, {})})


def test_control_a_gc_without_its_lease_is_caught(monkeypatch, orphaned, folder):
    for method in ("acquire", "ensure", "release"):
        monkeypatch.setattr(lease.Lease, method, lambda self: None)
    source = folder(OLD)
    with pytest.raises(AssertionError, match="v2 lost a blob"):
        every_order(monkeypatch, MemoryStore, orphaned, {"gc": cleaner, "publisher": lambda store: publish(store, "m", source, {})})


def test_two_gcs_and_a_publisher(monkeypatch, orphaned, folder):
    source = folder(OLD)
    actors = {"gc": cleaner, "other": cleaner, "publisher": lambda store: publish(store, "m", source, {})}
    tried, ends = every_order(monkeypatch, MemoryStore, orphaned, actors, relevant=("blobs", "gc.json"))
    assert ends["publisher done"] == tried
    assert ends["gc ConflictError"] > 0
    assert ends["gc ConflictError"] + ends["other ConflictError"] < tried


def test_two_publishers_of_the_same_content_make_one_version(monkeypatch, new_store, orphaned, folder):
    source = folder(OLD)

    def one(store: Store, outcome: dict[str, Any], run: Run) -> None:
        assert outcome["one"] == outcome["two"], " ► ".join(run.trace)
        assert VersionLog(store, "m").head() == 2

    actors = {name: (lambda store: publish(store, "m", source, {})) for name in ("one", "two")}
    tried, _ = every_order(monkeypatch, new_store, orphaned, actors, relevant=("versions", "contents"), after=one)
    assert tried > 5


def test_two_publishers_of_different_content_make_two_versions(monkeypatch, new_store, orphaned, folder):
    def two(store: Store, outcome: dict[str, Any], run: Run) -> None:
        assert {outcome["one"].number, outcome["two"].number} == {2, 3}, " ► ".join(run.trace)

    old, new = folder(OLD), folder(NEW)
    actors = {"one": lambda store: publish(store, "m", old, {}), "two": lambda store: publish(store, "m", new, {})}
    tried, _ = every_order(monkeypatch, new_store, orphaned, actors, relevant=("versions",), after=two)
    assert tried > 5


def no_alias_dangles(store: Store, outcome: dict[str, Any], run: Run) -> None:
    """Whoever was told that it succeeded did, and an alias that holds something holds a version."""
    trace = " ► ".join(run.trace)
    record = alias_book.AliasBook(store, "m").read("production")
    if record.number is not None:
        assert live(VersionLog(store, "m"), record.number, "it"), trace
    deleted, moved = (not isinstance(outcome[name], Exception) for name in ("deletion", "mover"))
    assert (record.number == 1) == moved, trace
    assert not (deleted and moved), trace


def test_deleting_a_version_while_an_alias_is_moved_to_it(monkeypatch, new_store, orphaned):
    actors = {
        "deletion": lambda store: delete(store, "m", 1, "no good"),
        "mover": lambda store: set_alias(store, "m", "production", 1),
    }
    tried, ends = every_order(monkeypatch, new_store, orphaned, actors, relevant=("versions", "aliases"), after=no_alias_dangles)
    assert tried > 5
    assert ends["deletion done"] > 0
    assert ends["mover done"] > 0


def test_control_a_mover_that_does_not_look_again_is_caught(monkeypatch, orphaned):
    monkeypatch.setattr(alias_book.AliasBook, "_stands", lambda self, number: True)
    actors = {
        "deletion": lambda store: delete(store, "m", 1, "no good"),
        "mover": lambda store: set_alias(store, "m", "production", 1),
    }
    with pytest.raises((AssertionError, NotFoundError)):
        every_order(monkeypatch, MemoryStore, orphaned, actors, relevant=("versions", "aliases"), after=no_alias_dangles)


def test_an_alias_moved_by_two_has_both_moves_in_an_order(monkeypatch, new_store, orphaned, folder):
    def prepare(store: Store) -> None:
        orphaned(store)
        publish(store, "m", folder(OLD), {})

    def chained(store: Store, outcome: dict[str, Any], run: Run) -> None:
        history = alias_book.AliasBook(store, "m").read("production").history
        assert sorted(move.to_number for move in history) == [1, 2], " ► ".join(run.trace)
        assert [move.from_number for move in history] == [None, history[0].to_number]

    monkeypatch.setattr("time.sleep", lambda _: None)
    actors = {f"to {number}": (lambda store, number=number: set_alias(store, "m", "production", number)) for number in (1, 2)}
    tried, _ = every_order(monkeypatch, new_store, prepare, actors, relevant=("aliases",), after=chained)
    assert tried > 2


def test_the_catalog_is_exact_when_nobody_is_announced(monkeypatch, new_store, orphaned, folder):
    from distrnn.registry import catalog
    from distrnn.registry.pending import busy_models

    def exact(store: Store, outcome: dict[str, Any], run: Run) -> None:
        if not busy_models(store):
            assert catalog.recorded(store, "m") == catalog.truth(store, "m"), " ► ".join(run.trace)

    monkeypatch.setattr("time.sleep", lambda _: None)
    source = folder(OLD)
    actors = {
        "publisher": lambda store: publish(store, "m", source, {}),
        "mover": lambda store: set_alias(store, "m", "production", 1),
    }
    tried, ends = every_order(monkeypatch, new_store, orphaned, actors, relevant=("_catalog", "versions", "aliases"), after=exact)
    assert ends == {"publisher done": tried, "mover done": tried}


@pytest.mark.slow
def test_a_reader_beside_a_publisher_a_deletion_and_a_gc(monkeypatch, orphaned, folder, tmp_path):
    source = folder(NEW)

    def sweep(store: Store) -> Any:
        delete(store, "m", 1, "no good")
        return cleaner(store)

    def read(store: Store) -> Any:
        version = live(VersionLog(store, "m"), 1, "m@v1")
        cache = Cache(tmp_path / uuid.uuid4().hex)
        return pull(store, cache, version, None, "all", still_there=lambda: live(VersionLog(store, "m"), 1, "m@v1")).name

    actors = {"sweep": sweep, "reader": read, "publisher": lambda store: publish(store, "m", source, {})}
    tried, ends = every_order(monkeypatch, MemoryStore, orphaned, actors, relevant=("blobs", "versions"))
    assert set(ends) == {"sweep done", "reader done", "reader NotFoundError", "publisher done"}
    assert tried > 20


@pytest.mark.slow
def test_gc_with_a_retention_and_a_mover_to_what_it_deletes(monkeypatch, new_store, orphaned, folder):
    def prepare(store: Store) -> None:
        orphaned(store)
        publish(store, "m", folder(OLD), {})

    def sweep(store: Store) -> Any:
        return collect(store, "m", retention=Retention(newest=1), grace=NOW, apply=True)

    def kept(store: Store, outcome: dict[str, Any], run: Run) -> None:
        record = alias_book.AliasBook(store, "m").read("production")
        assert (record.number == 1) == (not isinstance(outcome["mover"], Exception)), " ► ".join(run.trace)
        if record.number is not None:
            assert live(VersionLog(store, "m"), 1, "it")

    monkeypatch.setattr("time.sleep", lambda _: None)
    actors = {"sweep": sweep, "mover": lambda store: set_alias(store, "m", "production", 1)}
    _, ends = every_order(monkeypatch, new_store, prepare, actors, relevant=("versions", "aliases"), after=kept)
    assert ends["mover done"] > 0
    assert ends["sweep done"] > 0
