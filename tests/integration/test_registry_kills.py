"""A publisher that is killed at any step: before the commit nothing is visible, after it everything is, and gc removes what is left."""

import os
import resource
import shutil
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from distrnn.registry import Registry, catalog
from distrnn.registry.layout import PENDING, catalog_key, content_prefix, lease_key, version_key
from distrnn.registry.maintenance import Maintenance
from distrnn.storage import open_store
from fixtures_faults import Fault, Record
from fixtures_registry import Fork, blobs, expire_announcements, left_behind, referenced, whole
from storage_doubles import Suicidal

SHARED = {"preprocessing.json": b'{"task": "classifier"}'}
OLD = {**SHARED, "numpy/model.json": b"old model", "numpy/weights.npz": b"old weights"}
NEW = {**SHARED, "numpy/model.json": b"m" * 6_000, "numpy/weights.npz": b"w" * 20_000}
COMMIT = f"after create_if_absent {version_key('imdb', 2)}"

pytestmark = pytest.mark.slow


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for path, body in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(body)
    return folder


@pytest.fixture
def new(tmp_path) -> Path:
    return write(tmp_path / "new", NEW)


@pytest.fixture
def server(rgw_s3, fresh_home, monkeypatch):
    rgw_s3.use(monkeypatch)
    return rgw_s3


def with_one_version(url: str, tmp_path: Path) -> str:
    Registry(url).publish("imdb", write(tmp_path / "old", OLD), metadata={})
    return url


def collect(store) -> None:
    list(Maintenance(Registry(store=store)).gc("imdb", grace=timedelta(0), apply=True))


def check(url: str, committed: bool, new: Path) -> None:
    """Everything that must hold after a publisher of version 2 was killed."""
    store, registry = open_store(url), Registry(url)
    numbers = [1, 2] if committed else [1]
    assert list(whole(store, "imdb")) == numbers
    assert [version.number for version in registry.versions("imdb")] == numbers[::-1]
    assert registry.resolve("imdb").number == registry.summary("imdb").latest.number == numbers[-1]
    present = blobs(store, "imdb")
    if any(True for _ in store.list(PENDING)):
        collect(store)
        assert blobs(store, "imdb") == present, "gc removed what an announced publisher may be about to refer to"
        expire_announcements(store)
    collect(store)
    notes = {entry.key for entry in store.list(content_prefix("imdb"))}
    assert {entry.key for entry in store.list()} - notes == {
        *referenced(store, "imdb"),
        *(version_key("imdb", number) for number in numbers),
        catalog_key("imdb"),
        lease_key("imdb"),
    }
    assert len(notes) <= len(numbers)
    assert catalog.recorded(store, "imdb") == catalog.truth(store, "imdb")
    assert list(store.abandoned_uploads("", datetime.now(UTC) + timedelta(hours=1))) == []
    assert registry.publish("imdb", new, metadata={}).number == 2
    assert list(whole(store, "imdb")) == [1, 2]


def test_a_publisher_killed_at_any_step_in_a_folder(tmp_path, new):
    template = tmp_path / "template"
    with_one_version(str(template), tmp_path)
    outcomes: set[bool] = set()
    for step in range(1, 1000):
        copy, journal = tmp_path / f"at-{step}", tmp_path / f"at-{step}.txt"
        shutil.copytree(template, copy)
        status = Fork(lambda at=(copy, step, journal): publish_and_die(str(at[0]), new, at[1], at[2])).status()
        if status == 0:
            break
        assert status == -signal.SIGKILL
        committed = COMMIT in journal.read_text().splitlines()
        outcomes.add(committed)
        check(str(copy), committed, new)
        assert list(left_behind(copy)) == []
        shutil.rmtree(copy)
    assert outcomes == {False, True}
    assert step > 30


def publish_and_die(url: str, folder: Path, step: int, journal: Path, *, writes_only: bool = False) -> None:
    store = Suicidal(open_store(url), step, journal, writes_only=writes_only)
    Registry(store=store).publish("imdb", folder, metadata={})


def test_a_publisher_killed_after_any_write_on_a_server(server, tmp_path, new):
    outcomes: set[bool] = set()
    for step in (1, *range(2, 1000, 2)):
        url, journal = with_one_version(server.new_url(), tmp_path), tmp_path / f"at-{step}.txt"
        status = Fork(lambda at=(url, step, journal): publish_and_die(at[0], new, at[1], at[2], writes_only=True)).status()
        if status == 0:
            break
        assert status == -signal.SIGKILL
        committed = COMMIT in journal.read_text().splitlines()
        outcomes.add(committed)
        check(url, committed, new)
    assert outcomes == {False, True}
    assert step > 10


@pytest.mark.parametrize("limit_bytes", [100, 3_000, 10_000])
def test_a_publisher_cut_off_inside_a_write_in_a_folder(tmp_path, new, limit_bytes):
    """The system ends the child within the write that makes a file longer than this: an announcement, a small blob, a large one."""
    url = with_one_version(str(tmp_path / "registry"), tmp_path)

    def publish() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))
        Registry(url).publish("imdb", new, metadata={})

    assert Fork(publish).status() == -signal.SIGXFSZ
    assert [path.stat().st_size for path in left_behind(tmp_path / "registry")] == [limit_bytes]
    check(url, False, new)
    assert list(left_behind(tmp_path / "registry")) == []


def test_a_publisher_cut_off_inside_its_commit_in_a_folder(tmp_path):
    new = write(tmp_path / "new", {"numpy/weights.npz": b"small"})
    url = with_one_version(str(tmp_path / "registry"), tmp_path)
    manifest = Registry(url).resolve("imdb").body

    def publish() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(manifest), len(manifest)))
        Registry(url).publish("imdb", new, metadata={"notes": "n" * len(manifest)})

    assert Fork(publish).status() == -signal.SIGXFSZ
    (cut,) = left_behind(tmp_path / "registry")
    assert (cut.parent.name, cut.stat().st_size) == ("versions", len(manifest))
    check(url, False, new)
    assert list(left_behind(tmp_path / "registry")) == []


@pytest.mark.parametrize("size_bytes", [100_000, 70_000_000])
def test_a_publisher_killed_inside_an_upload_to_a_server(server, fault_proxy, tmp_path, monkeypatch, size_bytes):
    """A small file is one request; of a large one the second part is stopped half-way, so that the first has arrived."""
    new = write(tmp_path / "new", {**SHARED, "numpy/weights.npz": os.urandom(1 << 16) * (size_bytes >> 16)})
    url, proxy = with_one_version(server.new_url(), tmp_path), fault_proxy(server)

    def stop_half_way(record: Record) -> Fault | None:
        part = record.query.get("partNumber", ["2"])[0]
        return Fault("stall", 50_000) if (record.method, part) == ("PUT", "2") and "/blobs/" in record.key else None

    proxy.rules.append(stop_half_way)
    with monkeypatch.context() as patch:
        proxy.server.use(patch)
        publisher = Fork(lambda: Registry(url).publish("imdb", new, metadata={}))
        assert proxy.stalled.wait(60)
        publisher.kill()
        assert publisher.status() == -signal.SIGKILL
    proxy.close()
    unfinished = list(open_store(url).abandoned_uploads("", datetime.now(UTC) + timedelta(hours=1)))
    assert len(unfinished) == (1 if size_bytes > 1_000_000 else 0)
    check(url, False, new)
