"""A lock of files, and a store that takes turns by it."""

import os
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from distrnn.errors import StorageError, UsageError
from distrnn.storage import open_store
from distrnn.storage.locked import LockedStore
from distrnn.storage.locks import FileLock, open_lock
from fixtures_registry import Fork
from storage_doubles import Forgetful, MemoryStore


class Noted:
    """A lock that notes who held it."""

    def __init__(self) -> None:
        self.held: list[str] = []

    @contextmanager
    def hold(self, key):
        self.held.append(key)
        yield


@pytest.mark.parametrize("url", ["/srv/lock", "file:///srv/lock", "file://localhost/srv/lock"])
def test_a_lock_is_a_file(url):
    assert open_lock(url).path == Path("/srv/lock")


def test_a_relative_lock_is_relative_to_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert open_lock("lock").path == tmp_path / "lock"


@pytest.mark.parametrize("url", ["s3://bucket/lock", "ray://lock", "http://x/lock"])
def test_whatever_else_is_no_lock(url):
    with pytest.raises(UsageError) as caught:
        open_lock(url)
    assert caught.value.message == (
        f"a lock must be a file on a file system that all writers share (file:///path or a path). Received: {url}"
    )


def test_threads_keep_each_other_away(tmp_path):
    lock, inside, most = FileLock(tmp_path / "new" / "lock"), [], []

    def work(number: int) -> None:
        with lock.hold(str(number)):
            inside.append(number)
            most.append(len(inside))
            time.sleep(0.005)
            inside.remove(number)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(8)))
    assert most == [1] * 8


def test_a_holder_that_is_killed_holds_nothing(tmp_path):
    ready, lock = tmp_path / "ready", FileLock(tmp_path / "lock")

    def hold() -> None:
        with lock.hold("key"):
            ready.touch()
            time.sleep(60)

    child = Fork(hold)
    while not ready.exists():
        time.sleep(0.005)
    released = threading.Event()

    def acquire() -> None:
        with lock.hold("key"):
            released.set()

    waiting = threading.Thread(target=acquire)
    waiting.start()
    assert not released.wait(0.2)
    child.kill()
    assert released.wait(5)
    waiting.join()
    assert child.status() == -9


def test_a_lock_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match=rf"^{tmp_path}/file/lock cannot be used"), FileLock(tmp_path / "file" / "lock").hold("key"):
        pass


def test_writers_of_a_key_take_turns_and_readers_do_not():
    lock = Noted()
    memory = MemoryStore()
    store = LockedStore(memory, lock)
    assert store.create_if_absent("a", b"1")
    tag = store.read_versioned("a")[1]
    assert store.compare_and_swap("a", b"2", tag)
    store.put("b", b"3")
    store.delete("b")
    assert lock.held == [f"{memory.url}/{key}" for key in "aabb"]
    assert (store.read("a"), list(store.read_many(["a"])), [entry.key for entry in store.list()], store.size("a")) == (
        b"2",
        [("a", b"2")],
        ["a"],
        1,
    )
    assert len(lock.held) == 4


def test_a_look_decides_whatever_the_server_does():
    store = LockedStore(Careless(), Noted())
    assert [store.create_if_absent("a", body) for body in (b"1", b"2")] == [True, False]
    assert (store.compare_and_swap("a", b"3", None), store.compare_and_swap("a", b"3", "other"), store.read("a")) == (None, None, b"1")
    assert store.compare_and_swap("a", b"3", store.read_versioned("a")[1]) == store.read_versioned("a")[1]
    assert (store.compare_and_swap("b", b"1", "tag"), store.find("b")) == (None, None)


class Careless(MemoryStore):
    """A server that knows nothing of conditions."""

    def compare_and_swap(self, key, body, tag):
        self.put(key, body)
        return self.read_versioned(key)[1]


def test_with_a_lock_one_of_many_creators_wins(tmp_path):
    memory = MemoryStore()
    with ThreadPoolExecutor(8) as pool:
        forgetful = Forgetful(memory, writers=8)
        assert sum(pool.map(lambda _: forgetful.create_if_absent("a", os.urandom(8)), range(8))) == 8
        store = LockedStore(Careless(), FileLock(tmp_path / "lock"))
        assert sum(pool.map(lambda _: store.create_if_absent("b", os.urandom(8)), range(8))) == 1


def test_a_locked_store_pickles_with_its_lock(tmp_path):
    store = open_store(str(tmp_path / "store"), open_lock(str(tmp_path / "lock")))
    store.put("a", b"1")
    again = pickle.loads(pickle.dumps(store))
    assert (again.url, again.is_local, again.endpoint, again.read("a"), again.lock.path) == (
        str(tmp_path / "store"),
        True,
        "",
        b"1",
        tmp_path / "lock",
    )
