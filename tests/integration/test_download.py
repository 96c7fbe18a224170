"""Downloads over a real S3 server and a proxy that breaks them: what is asked for again, what a killed process leaves, what is kept."""

import asyncio
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import pytest

from distrnn.errors import AccessError, DistrnnError, IntegrityError, NotFoundError, StorageError
from distrnn.registry import Registry
from distrnn.registry.cache import Cache
from distrnn.registry.layout import alias_key, blob_key, version_key
from distrnn.registry.pull import pull
from distrnn.storage import download, open_store
from distrnn.storage.partial import CHUNK_BYTES, Partial, present_bytes, sidecar
from fixtures_faults import BROKEN, DROP, SLOW_DOWN, Fault, when
from fixtures_registry import Fork

PART_BYTES = 4 << 20
BIG = random.Random(3).randbytes(2 * PART_BYTES + CHUNK_BYTES + 17)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """Objects of some MiB take the road of large ones."""
    monkeypatch.setattr(download, "PART_BYTES", PART_BYTES)


@pytest.fixture
def proxy(rgw_s3, fault_proxy, fresh_home, monkeypatch):
    """A proxy in front of a real server; the environment leads to it."""
    found = fault_proxy(rgw_s3)
    found.server.use(monkeypatch)
    return found


@pytest.fixture
def store(proxy, rgw_s3):
    return open_store(rgw_s3.new_url())


@pytest.fixture
def either(s3_server):
    """A store on each kind of server in turn, without a proxy."""
    return open_store(s3_server.new_url())


def stored(store, body=BIG, key="blob"):
    store.put(key, body)
    return key


def fetched(store, path, **options):
    """The digest that a download fed, and the file."""
    digest = sha256()
    store.get_file("blob", path, update=digest.update, **options)
    return digest.hexdigest(), path.read_bytes()


def sent(proxy, key="blob"):
    return sum(count for name, count in proxy.sent_bytes.items() if name.endswith(key))


def ranges(proxy):
    return [record.range for record in proxy.log if record.method == "GET" and record.range]


# one object


@pytest.mark.parametrize("size_bytes", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, len(BIG)])
def test_the_bytes_arrive_in_order(either, tmp_path, size_bytes):
    body = BIG[:size_bytes]
    stored(either, body)
    for resume in (False, True):
        path = tmp_path / f"file-{resume}"
        assert fetched(either, path, resume=resume) == (sha256(body).hexdigest(), body)
        assert sidecar(path).exists() is resume


def test_a_large_object_travels_in_several_ranges(store, proxy, tmp_path):
    stored(store)
    proxy.log.clear()
    fetched(store, tmp_path / "file")
    assert sent(proxy) == len(BIG)
    starts = sorted(int(asked.removeprefix("bytes=").partition("-")[0]) for asked in ranges(proxy))
    assert starts == [0, PART_BYTES, 2 * PART_BYTES]


def test_only_what_is_missing_is_asked_for(store, proxy, tmp_path):
    stored(store)
    path, have = tmp_path / "file", {0, 3, 4, 9}
    fetched(store, path, resume=True)
    # The map as a process would have left it that was killed with these chunks there.
    body = bytearray(sidecar(path).read_bytes())
    chunks = -(-len(BIG) // CHUNK_BYTES)
    body[-chunks:] = bytes(chunk in have for chunk in range(chunks))
    sidecar(path).write_bytes(body)
    here = present_bytes(path)
    with path.open("r+b") as file:
        for chunk in set(range(chunks)) - have:
            file.seek(chunk * CHUNK_BYTES)
            file.write(bytes(min(CHUNK_BYTES, len(BIG) - chunk * CHUNK_BYTES)))
    proxy.log.clear()
    assert fetched(store, path, resume=True) == (sha256(BIG).hexdigest(), BIG)
    assert sent(proxy) == len(BIG) - here


def test_what_is_complete_is_only_asked_whether_it_is_still_the_same(store, proxy, tmp_path):
    stored(store)
    fetched(store, tmp_path / "file", resume=True)
    proxy.log.clear()
    assert fetched(store, tmp_path / "file", resume=True) == (sha256(BIG).hexdigest(), BIG)
    assert (ranges(proxy), sent(proxy) <= 1) == (["bytes=0-0"], True)


@pytest.mark.parametrize("body", [BIG[::-1], BIG[:5], b"", BIG + b"more"], ids=["other bytes", "shorter", "empty", "longer"])
def test_an_object_that_was_replaced_is_fetched_from_the_start(either, tmp_path, body):
    stored(either)
    fetched(either, tmp_path / "file", resume=True)
    stored(either, body)
    assert fetched(either, tmp_path / "file", resume=True) == (sha256(body).hexdigest(), body)


def test_an_object_that_is_replaced_while_it_is_read_is_an_error(store, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "PARTS_AT_ONCE", 1)
    stored(store)
    replaced = []

    def replace(_piece):
        if not replaced:
            replaced.append(store.put("blob", BIG[::-1]))

    with pytest.raises(StorageError, match=r"blob was replaced while it was read\. Run this again\.$"):
        store.get_file("blob", tmp_path / "file", update=replace, resume=True)
    assert fetched(store, tmp_path / "file", resume=True) == (sha256(BIG[::-1]).hexdigest(), BIG[::-1])


@pytest.mark.parametrize("fault", [DROP, BROKEN, SLOW_DOWN, Fault("truncate", CHUNK_BYTES + 5)], ids=lambda fault: fault.kind)
def test_a_range_that_breaks_off_is_asked_for_again_by_itself(store, proxy, tmp_path, fault):
    stored(store)
    proxy.log.clear()
    proxy.rules = [when(fault, method="GET", key="blob", times=2)]
    assert fetched(store, tmp_path / "file") == (sha256(BIG).hexdigest(), BIG)
    assert sum(proxy.faults.values()) == 2
    # What arrived of a range that was cut short is not asked for again (but for what was on its way when the line was cut).
    assert len(BIG) <= sent(proxy) <= len(BIG) + 2 * CHUNK_BYTES


def test_patience_is_for_what_makes_no_progress(store, proxy, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "PARTS_AT_ONCE", 1)
    monkeypatch.setattr(asyncio, "sleep", lambda _seconds, sleep=asyncio.sleep: sleep(0))
    stored(store)
    proxy.rules = [when(Fault("truncate", CHUNK_BYTES // 2), method="GET", key="blob", times=6)]
    assert fetched(store, tmp_path / "file") == (sha256(BIG).hexdigest(), BIG)
    assert sum(proxy.faults.values()) == 6


def test_a_server_that_stays_down_is_given_up_and_the_next_process_goes_on(store, proxy, tmp_path):
    stored(store)
    path = tmp_path / "file"
    proxy.rules = [lambda record: BROKEN if record.range and not record.range.startswith("bytes=0-") else None]
    with pytest.raises(StorageError) as caught:
        fetched(store, path, resume=True)
    assert "500 InternalError" in caught.value.message
    here = present_bytes(path)
    proxy.rules, _ = [], proxy.log.clear()
    assert fetched(store, path, resume=True) == (sha256(BIG).hexdigest(), BIG)
    assert sent(proxy) == len(BIG) - here


def test_a_longer_object_than_expected_is_not_fetched_whole(store, proxy, tmp_path):
    stored(store)
    proxy.log.clear()
    store.get_file("blob", tmp_path / "file", limit_bytes=100)
    assert (tmp_path / "file").read_bytes() == BIG[:101]
    assert sent(proxy) == 101


def test_whoever_listens_can_end_a_download(store, proxy, tmp_path):
    stored(store)
    heard = []

    def listen(piece):
        heard.append(len(piece))
        if sum(heard) > CHUNK_BYTES:
            raise DistrnnError("enough")

    with pytest.raises(DistrnnError, match="enough"):
        store.get_file("blob", tmp_path / "file", update=listen)
    assert sum(heard) < 2 * CHUNK_BYTES


def test_a_missing_object_and_a_missing_bucket_are_told_apart(either, tmp_path):
    with pytest.raises(NotFoundError) as missing:
        fetched(either, tmp_path / "file", resume=True)
    assert missing.value.fields["kind"] == "key"
    with pytest.raises(NotFoundError, match="bucket 'no-such-bucket' does not exist at http"):
        open_store("s3://no-such-bucket/x").get_file("blob", tmp_path / "file")


def test_what_is_refused_is_refused_at_once(store, proxy, tmp_path):
    stored(store)
    proxy.log.clear()
    proxy.rules = [when(Fault("status", 403), method="GET")]
    with pytest.raises(AccessError, match=r"refuses access to .*blob \(403 Error\)"):
        fetched(store, tmp_path / "file")
    assert len(proxy.log) == 1


def test_a_signed_url_is_in_no_message(store, proxy, tmp_path):
    stored(store)
    for fault in (DROP, BROKEN, Fault("status", 400)):
        proxy.rules = [when(fault, method="GET")]
        with pytest.raises(DistrnnError) as caught:
            fetched(store, tmp_path / "file")
        assert str(tmp_path) not in caught.value.message
        told = [str(error) for error in chain(caught.value)]
        assert [text for text in told if "Signature=" in text or "X-Amz" in text] == []


def chain(error):
    while error is not None:
        yield error
        error = error.__cause__


def test_a_full_disk_is_named(store, proxy, tmp_path, monkeypatch):
    def full(*_arguments):
        raise OSError(28, "No space left on device")

    stored(store)
    monkeypatch.setattr(Partial, "write", full)
    with pytest.raises(StorageError) as caught:
        fetched(store, tmp_path / "file")
    assert caught.value.message == (
        f"the disk is full: {tmp_path}/file could not be written. Free some space, or choose another place, and run this again."
    )


@pytest.mark.slow
def test_memory_is_bounded(rgw_s3, fresh_home, tmp_path, monkeypatch):
    rgw_s3.use(monkeypatch)
    store = open_store(rgw_s3.new_url())
    large = tmp_path / "large"
    large.write_bytes(bytes(200 << 20))
    store.put_file("blob", large)
    store.get_file("blob", tmp_path / "warm", limit_bytes=1)

    def work():
        before = resident_bytes()
        highest = [0]
        store.get_file("blob", tmp_path / "file", update=lambda piece: highest.append(max(highest.pop(), resident_bytes())))
        assert highest[0] - before < 64 << 20, f"{(highest[0] - before) >> 20} MB"

    assert Fork(work).status() == 0


def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# a version


FILES = {
    "preprocessing.json": b'{"task": "classifier", "labels": ["negative", "positive"]}',
    "numpy/model.json": b'{"layers": [{"type": "lstm", "units": 2}]}',
    "numpy/weights.npz": bytes(range(256)),
}


def write(folder, files):
    for path, body in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(body)
    return folder


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def published(proxy, rgw_s3, tmp_path):
    """A version with one large file, published past the proxy's log."""
    registry = Registry(rgw_s3.new_url())
    registry.publish("m", write(tmp_path / "model", {**FILES, "numpy/weights.npz": BIG}), metadata={})
    proxy.log.clear()
    return registry


WEIGHTS = sha256(BIG).hexdigest()


@pytest.mark.slow
def test_a_killed_download_is_gone_on_with(published, proxy, tmp_path):
    chunks = -(-len(BIG) // CHUNK_BYTES)
    version = published.resolve("m")
    write_slowly = slow(Partial.write)
    for point in range(10):
        home = tmp_path / str(point)
        partial = home / "cache" / "models" / "partial" / WEIGHTS

        def work(home=home):
            Partial.write = write_slowly
            pull(published.store, Cache(home), version, None, "numpy")

        child = Fork(work)
        wanted = min(point, chunks - 2) * CHUNK_BYTES
        until = time.monotonic() + 30
        while not (sidecar(partial).exists() and present_bytes(partial) >= wanted):
            assert time.monotonic() < until
            time.sleep(0.001)
        child.kill()
        assert child.status() == -signal.SIGKILL
        here = present_bytes(partial)
        assert wanted <= here < len(BIG)
        proxy.log.clear()
        assert contents(pull(published.store, Cache(home), version, None, "numpy")) == {**FILES, "numpy/weights.npz": BIG}
        assert sent(proxy, WEIGHTS) == len(BIG) - here
        assert list(partial.parent.iterdir()) == []


def slow(write):
    def written(*arguments):
        time.sleep(0.02)
        write(*arguments)

    return written


def test_a_partial_file_that_was_altered_is_fetched_once_more(published, proxy, fresh_home):
    version, cache = published.resolve("m"), Cache(fresh_home)
    proxy.rules = [lambda record: BROKEN if record.key.endswith(WEIGHTS) and not record.range.startswith("bytes=0-") else None]
    with pytest.raises(StorageError):
        pull(published.store, cache, version, None, "numpy")
    partial = cache.root / "partial" / WEIGHTS
    assert present_bytes(partial) >= CHUNK_BYTES
    with partial.open("r+b") as file:
        file.write(b"altered")
    proxy.rules = []
    assert contents(pull(published.store, cache, version, None, "numpy"))["numpy/weights.npz"] == BIG


def test_processes_that_pull_the_same_version_fetch_each_blob_once(published, proxy, fresh_home):
    version = published.resolve("m")
    children = [Fork(lambda: pull(published.store, Cache(fresh_home), version, None, "numpy")) for _ in range(3)]
    assert [child.status() for child in children] == [0, 0, 0]
    assert {digest: sent(proxy, digest) for digest in (file.sha256 for file in version.manifest.files)} == {
        file.sha256: file.size_bytes for file in version.manifest.files
    }


# a process


LOADED = """
import json, sys
from distrnn.cli.main import main
try:
    main()
finally:
    print(json.dumps([name for name in ("s3fs", "numpy", "botocore", "aiohttp") if name in sys.modules]))
"""


def command(*arguments):
    """Which heavy modules `distrnn …` has loaded, and the CPU seconds it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", LOADED, *arguments], capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_a_cached_version_of_a_folder_takes_no_time_and_no_library(damaged):
    damaged.pull("m@best")
    digest = damaged.resolve("m@best").digest
    for reference in ("m@best", f"m@{digest}", f"m@{digest[:24]}"):
        loaded, cpu_s = command("pull", reference, "--registry", damaged.url)
        assert loaded == []
        # A bound for a busy machine; `make bench` has the seconds.
        assert cpu_s < 1.0


def test_a_cached_digest_of_a_server_takes_no_library_and_no_server(published, fresh_home, monkeypatch):
    version = published.resolve("m")
    published.pull(version)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    loaded, cpu_s = command("pull", f"m@{version.digest}", "--registry", published.url)
    assert (loaded, cpu_s < 1.0) == ([], True)


# damage


@pytest.fixture
def damaged(tmp_path, monkeypatch):
    """A folder registry with a small version under an alias, in a home where it was never pulled."""
    monkeypatch.setenv("DISTRNN_HOME", str(tmp_path / "home"))
    registry = Registry(tmp_path / "registry")
    registry.publish("m", write(tmp_path / "model", FILES), metadata={"metrics": {"accuracy": 0.5}})
    registry.set_alias("m", "best", 1)
    return registry


def damages(body):
    """Every byte flipped, and every length that is too short."""
    for position in range(len(body)):
        yield f"byte {position}", body[:position] + bytes([body[position] ^ 1]) + body[position + 1 :]
    yield from ((f"cut to {length}", body[:length]) for length in range(len(body)))


def assert_nothing_bad(cache):
    blobs = [path for path in (cache / "blobs").rglob("*") if path.is_file()]
    assert [path for path in blobs if sha256(path.read_bytes()).hexdigest() != path.name] == []
    assert [path for name in ("partial", "temporary", "folders") for path in (cache / name).rglob("*")] == []


@pytest.mark.parametrize("name", FILES)
def test_every_damage_to_a_file_is_found_and_named(damaged, tmp_path, name):
    path = damaged.store.local_path(blob_key("m", sha256(FILES[name]).hexdigest()))
    for what, body in damages(FILES[name]):
        path.chmod(0o644)
        path.write_bytes(body)
        with pytest.raises(IntegrityError) as caught:
            damaged.pull("m@best")
        assert (caught.value.exit_code, caught.value.fields["file"], caught.value.fields["version"]) == (5, name, "m@v1"), what
        assert caught.value.message.startswith(f"{name} of m@v1 is damaged in the registry: expected "), what
    assert_nothing_bad(tmp_path / "home" / "cache" / "models")
    path.unlink()
    with pytest.raises(IntegrityError, match=f"^{name} of m@v1 is missing in the registry"):
        damaged.pull("m@best")
    assert_nothing_bad(tmp_path / "home" / "cache" / "models")
    path.write_bytes(FILES[name])
    assert contents(damaged.pull("m@best")) == FILES


def test_every_damage_to_a_manifest_is_found(damaged, tmp_path):
    path = damaged.store.local_path(version_key("m", 1))
    right = path.read_bytes()
    for what, body in damages(right):
        path.write_bytes(body)
        with pytest.raises(IntegrityError) as caught:
            damaged.pull("m@best")
        assert caught.value.exit_code == 5, what
    assert not (tmp_path / "home").exists()
    path.write_bytes(right)
    assert contents(damaged.pull("m@best")) == FILES


def test_a_damaged_alias_is_named(damaged):
    path = damaged.store.local_path(alias_key("m", "best"))
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(IntegrityError, match=r"m/aliases/best\.json is damaged"):
        damaged.pull("m@best")


def test_the_command_ends_with_its_exit_code(damaged, cli):
    path = damaged.store.local_path(blob_key("m", sha256(FILES["numpy/weights.npz"]).hexdigest()))
    path.write_bytes(bytes(256))
    done = cli("pull", "m@best", "--registry", damaged.url)
    assert (done.exit_code, done.stdout) == (5, "")
    assert done.stderr.startswith("error: numpy/weights.npz of m@v1 is damaged in the registry: ")
