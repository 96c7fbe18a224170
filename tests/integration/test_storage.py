"""One behaviour suite for every back end: a folder, moto and a real Ceph RGW."""

import os
import pickle
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest

from distrnn.errors import AccessError, DistrnnError, NotFoundError, StorageError
from distrnn.storage import Store, filesystem, open_store
from distrnn.storage.capability import probe
from fixtures_s3 import BUCKET, S3Server, free_ports


@pytest.fixture
def store(storage_url: str) -> Store:
    return open_store(storage_url)


def test_what_was_put_is_read(store):
    store.put("a/b.json", b"one")
    store.put("a/b.json", b"two")
    assert store.read("a/b.json") == b"two"


def test_a_missing_key_is_not_found(store):
    store.put("a", b"")
    with pytest.raises(NotFoundError, match=r"/b/c does not exist\.$"):
        store.read("b/c")


def test_a_missing_key_is_found_as_none(store):
    store.put("a", b"")
    assert (store.find("b"), store.size("b")) == (None, None)


def test_an_empty_object_is_an_object(store, tmp_path):
    store.put("empty", b"")
    store.get_file("empty", tmp_path / "empty")
    assert (store.read("empty"), store.size("empty"), (tmp_path / "empty").read_bytes()) == (b"", 0, b"")


def test_a_range_stops_at_the_end(store):
    store.put("digits", b"0123456789")
    ranges = {(0, 3): b"012", (4, 100): b"456789", (10, 20): b"", (50, 60): b"", (3, 3): b""}
    assert {asked: store.read_range("digits", *asked) for asked in ranges} == ranges


def test_a_key_is_created_once(store):
    assert (store.create_if_absent("key", b"first"), store.create_if_absent("key", b"second"), store.read("key")) == (True, False, b"first")


def test_of_many_creators_one_wins(store):
    barrier = threading.Barrier(8)

    def create(writer: int) -> bool:
        barrier.wait()
        return store.create_if_absent("key", f"writer {writer}".encode())

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(create, range(8)))
    assert (sum(won), store.read("key")) == (1, f"writer {won.index(True)}".encode())


def test_a_swap_needs_the_tag_of_what_is_there(store):
    store.put("key", b"old")
    tag = store.read_versioned("key")[1]
    new = store.compare_and_swap("key", b"new", tag)
    assert (store.compare_and_swap("key", b"late", tag), store.read_versioned("key")) == (None, (b"new", new))


def test_a_swap_of_an_absent_key_needs_no_tag(store):
    store.put("other", b"")
    assert (store.compare_and_swap("key", b"x", "0" * 32), store.find("key")) == (None, None)
    assert store.compare_and_swap("key", b"x", None) == store.read_versioned("key")[1]
    assert store.compare_and_swap("key", b"y", None) is None


def test_swaps_lose_no_update(store):
    store.put("count", b"0 none")

    def add(writer: int) -> None:
        for turn in range(4):
            swapped = None
            while swapped is None:
                body, tag = store.read_versioned("count")
                swapped = store.compare_and_swap("count", f"{int(body.split()[0]) + 1} {writer}.{turn}".encode(), tag)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(4)))
    assert store.read("count").split()[0] == b"16"


def test_a_large_file_travels_in_parts_and_in_order(store, tmp_path):
    sent, received, digest = tmp_path / "sent", tmp_path / "received", sha256()
    sent.write_bytes(os.urandom(35 << 20))
    store.put_file("large", sent)
    store.get_file("large", received, update=digest.update)
    assert store.size("large") == 35 << 20
    assert digest.hexdigest() == sha256(sent.read_bytes()).hexdigest() == sha256(received.read_bytes()).hexdigest()


def test_a_copy_stops_soon_after_its_limit(store, tmp_path):
    sent, received = tmp_path / "sent", tmp_path / "received"
    sent.write_bytes(bytes(35 << 20))
    store.put_file("large", sent)
    store.get_file("large", received, limit_bytes=5)
    assert 5 < received.stat().st_size < 35 << 20


def test_copying_a_missing_key_is_not_found(store, tmp_path):
    store.put("a", b"")
    with pytest.raises(NotFoundError):
        store.get_file("missing", tmp_path / "received")


def test_keys_are_listed_in_order(store):
    keys = ["a-b", "a.json", "a/b", "a/c/d", "a0", "b"]
    for key in reversed(keys):
        store.put(key, key.encode())
    assert [(entry.key, entry.size_bytes) for entry in store.list()] == [(key, len(key)) for key in keys]


def test_a_stamp_is_another_one_when_the_body_is(store):
    store.put("a", b"one")
    (before,) = store.list()
    (again,) = store.list()
    store.put("a", b"two")
    (after,) = store.list()
    assert (before.stamp == again.stamp, before.stamp == after.stamp) == (True, False)


def test_a_listing_begins_after_a_key_and_keeps_to_its_prefix(store):
    for key in ("runs/a", "runs/ab/1", "runs/ab/2", "runs/b", "runsx"):
        store.put(key, b"")
    assert [entry.key for entry in store.list("runs/ab")] == ["runs/ab/1", "runs/ab/2"]
    assert [entry.key for entry in store.list("runs/", after="runs/ab/1")] == ["runs/ab/2", "runs/b"]
    assert list(store.list("none/")) == []


def test_an_entry_knows_when_it_was_written(store):
    store.put("a", b"")
    (entry,) = store.list()
    assert abs(entry.modified.timestamp() - time.time()) < 60


def test_folders_are_those_directly_below(store):
    for key in ("top", "x/1", "x/y/2", "z/3"):
        store.put(key, b"")
    assert (list(store.folders()), list(store.folders("x/")), list(store.folders("none/"))) == (["x", "z"], ["y"], [])


def test_a_deleted_key_is_gone_and_may_be_deleted_again(store):
    store.put("a", b"")
    store.delete("a")
    store.delete("a")
    assert store.size("a") is None


def test_a_store_pickles_by_its_url(store):
    store.put("a", b"1")
    again = pickle.loads(pickle.dumps(store))
    assert (again.url, again.read("a")) == (store.url, b"1")


def test_a_forked_child_makes_its_own_connection(store):
    store.put("a", b"1")
    child = os.fork()
    if child == 0:
        os._exit(0 if store.read("a") == b"1" else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_fsspec_sees_the_same_files(storage_url, store):
    store.put("a/b", b"1")
    fs, path = filesystem(storage_url)
    assert fs.cat_file(f"{path}/a/b") == b"1"


def test_races_are_decided_and_leave_nothing(store):
    found = probe(store)
    assert (found.decides_races, list(store.list())) == (True, [])


def test_a_listing_goes_on_over_pages(s3_server, monkeypatch):
    monkeypatch.setattr("distrnn.storage.s3._PAGE_KEYS", 2)
    store = open_store(s3_server.new_url())
    for number in range(5):
        store.put(f"{number}/x", b"")
    assert [entry.key for entry in store.list()] == [f"{number}/x" for number in range(5)]
    assert list(store.folders()) == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("status", [500, 503])
def test_a_write_whose_answer_was_lost_is_known_as_ones_own(s3_server, monkeypatch, status):
    store = open_store(s3_server.new_url())
    lose_first_answer(store, monkeypatch)
    assert (store.create_if_absent("key", b"mine"), store.read("key")) == (True, b"mine")


def test_a_swap_whose_answer_was_lost_is_known_as_ones_own(s3_server, monkeypatch):
    store = open_store(s3_server.new_url())
    store.put("key", b"old")
    tag = store.read_versioned("key")[1]
    lose_first_answer(store, monkeypatch)
    assert store.compare_and_swap("key", b"mine", tag) == store.read_versioned("key")[1]


def test_a_missing_bucket_is_named(s3_server):
    message = f"bucket 'no-such-bucket' does not exist at {s3_server.endpoint}. Create it, or check the URL and AWS_ENDPOINT_URL."
    store = open_store("s3://no-such-bucket/x")
    for ask in (
        lambda: store.read("a"),
        lambda: store.find("a"),
        lambda: store.size("a"),
        lambda: list(store.list()),
        lambda: store.put("a", b""),
    ):
        with pytest.raises(NotFoundError) as caught:
            ask()
        assert caught.value.message == message


@pytest.mark.parametrize(("key", "said"), [("test", "SignatureDoesNotMatch"), ("nobody", "InvalidAccessKeyId")])
def test_wrong_credentials_are_refused(rgw_s3, monkeypatch, key, said):
    rgw_s3.use(monkeypatch)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
    store = open_store(f"s3://{BUCKET}/x")
    for ask in (lambda: store.read("a"), lambda: store.put("a", b""), lambda: list(store.list())):
        with pytest.raises(AccessError) as caught:
            ask()
        assert said in caught.value.message
        assert "not-the-secret" not in caught.value.message


def test_a_server_that_is_not_there_is_given_up_soon(monkeypatch):
    endpoint = f"http://127.0.0.1:{free_ports(1)[0]}"
    S3Server("moto", endpoint).use(monkeypatch)
    started = time.monotonic()
    with pytest.raises(StorageError) as caught:
        open_store("s3://models/x").read("a")
    assert time.monotonic() - started < 10
    assert caught.value.message == (
        f"{endpoint} does not answer, so s3://models/x/a cannot be reached. Check the network and AWS_ENDPOINT_URL, then run this again."
    )


def test_a_server_that_never_answers_is_given_up(monkeypatch):
    monkeypatch.setattr("distrnn.storage.s3_session.READ_TIMEOUT_S", 0.2)
    monkeypatch.setattr("distrnn.storage.s3.PATIENCE_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        S3Server("moto", endpoint).use(monkeypatch)
        with pytest.raises(
            StorageError, match=rf"^{endpoint} broke off the answer for s3://models/x/a \(ReadTimeoutError: .*\)\. Run this again\.$"
        ):
            open_store("s3://models/x").read("a")


def lose_first_answer(store, monkeypatch) -> None:
    """The first PUT arrives, and its answer does not."""
    lost = []
    real = store._call

    def call(key, method, **arguments):
        answer = real(key, method, **arguments)
        if method == "put_object" and not lost:
            lost.append(answer)
            raise StorageError("the answer was lost", kind="transient")
        return answer

    monkeypatch.setattr(store, "_call", call)


def test_local_writers_that_die_leave_nothing_visible(tmp_path, monkeypatch):
    store = open_store(str(tmp_path))

    def die(handle: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", die)
    for write in (lambda: store.put("a", b"1"), lambda: store.create_if_absent("b", b"1")):
        with pytest.raises(KeyboardInterrupt):
            write()
    assert (list(store.list()), list(tmp_path.iterdir())) == ([], [])


def test_a_killed_local_writers_file_is_not_listed(tmp_path):
    (tmp_path / ".tmp-0123").write_bytes(b"half")
    assert list(open_store(str(tmp_path)).list()) == []


def test_a_full_disk_is_named(tmp_path):
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    store = open_store(str(tmp_path))
    store.put("a", b"1" * 100_000)
    with pytest.raises(DistrnnError) as caught:
        store.get_file("a", full)
    assert (type(caught.value), caught.value.message) == (
        StorageError,
        "the disk is full: /dev/full could not be written. Free some space, or choose another place, and run this again.",
    )


def test_a_file_where_a_folder_should_be_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match=r"a file stands where a folder is expected"):
        open_store(str(tmp_path / "file")).put("a/b", b"")
