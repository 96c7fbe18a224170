"""Files and many keys at once, over every back end: what is sent is what was promised, and nothing half-done is left or shown."""

import os
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from fsspec.asyn import sync

from distrnn.errors import ConflictError, DistrnnError, IntegrityError, NotFoundError, StorageError
from distrnn.storage import Store, open_store
from distrnn.storage.s3_session import shared
from fixtures_faults import DROP, LOSE, Fault, when
from fixtures_s3 import BUCKET, S3Server, free_ports

SMALL, LARGE = 1_000, (32 << 20) + 1
LATER = timedelta(hours=1)


@pytest.fixture
def store(storage_url: str) -> Store:
    return open_store(storage_url)


@pytest.fixture
def proxied(moto_s3, fault_proxy, fresh_home, monkeypatch):
    """A proxy, and a store that sees the server through it alone."""
    proxy = fault_proxy(moto_s3)
    proxy.server.use(monkeypatch)
    return proxy, open_store(moto_s3.new_url())


def unfinished(store: Store, prefix: str = "") -> list[str]:
    return [upload.key for upload in store.abandoned_uploads(prefix, datetime.now(UTC) + LATER)]


def begin_upload(store: Store, key: str) -> None:
    """What a writer leaves behind that dies within an upload."""
    if store.is_local:
        path = store.local_path(key).with_name(".tmp-0123")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
        return
    fs, target = shared(), {"Bucket": BUCKET, "Key": f"{store.prefix}{key}"}
    begun = fs.call_s3("create_multipart_upload", **target)
    fs.call_s3("upload_part", **target, UploadId=begun["UploadId"], PartNumber=1, Body=b"half")


def test_many_keys_are_read_in_the_order_asked_for(store):
    keys = [f"{number}" for number in range(600)]
    for key in keys[::50]:
        store.put(key, key.encode())
    asked = keys[::-1]
    assert list(store.read_many(asked)) == [(key, key.encode() if int(key) % 50 == 0 else None) for key in asked]
    assert list(store.read_many([])) == []


def test_reading_many_is_lazy(store):
    store.put("a", b"1")
    assert next(iter(store.read_many(["a", "b"]))) == ("a", b"1")


def test_a_body_beyond_its_limit_is_refused(store):
    store.put("a", b"12345")
    assert store.find("a", limit_bytes=5) == store.read_versioned("a", limit_bytes=5)
    for read in (
        lambda: store.find("a", limit_bytes=4),
        lambda: store.read("a", limit_bytes=4),
        lambda: store.read_versioned("a", limit_bytes=4),
        lambda: list(store.read_many(["a"], limit_bytes=4)),
    ):
        with pytest.raises(IntegrityError, match=r"/a is damaged: expected at most 4 bytes\. Received: 5 bytes\."):
            read()


@pytest.mark.parametrize("size_bytes", [0, SMALL, LARGE])
def test_a_file_that_is_not_what_was_promised_is_not_shown(store, tmp_path, size_bytes):
    body = os.urandom(size_bytes)
    (tmp_path / "sent").write_bytes(body)
    with pytest.raises(ConflictError) as caught:
        store.put_file("key", tmp_path / "sent", sha256="e5" * 32)
    received = sha256(body).hexdigest()
    assert caught.value.fields == {"kind": "changed"}
    assert caught.value.message == f"{tmp_path / 'sent'} changed: expected sha256 {'e5' * 32}. Received: {received}."
    assert (store.size("key"), unfinished(store)) == (None, [])
    store.put_file("key", tmp_path / "sent", sha256=received)
    assert (store.size("key"), unfinished(store)) == (size_bytes, [])


def test_sending_a_missing_file_says_so(store, tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        store.put_file("key", tmp_path / "missing")
    assert caught.value.filename == str(tmp_path / "missing")
    assert (store.find("key"), unfinished(store)) == (None, [])


def test_a_copy_that_is_resumed_is_whole_and_shows_every_byte(store, tmp_path):
    body, path, digest = os.urandom(3 << 20), tmp_path / "received", sha256()
    store.put("key", body)
    store.get_file("key", path, resume=True)
    store.get_file("key", path, resume=True, update=digest.update)
    assert (path.read_bytes(), digest.hexdigest()) == (body, sha256(body).hexdigest())


def test_uploads_that_nobody_completed_are_found_by_prefix_and_ended(store):
    for key in ("a/one", "a/two", "b/one"):
        begin_upload(store, key)
    store.put("a/done", b"")
    found = list(store.abandoned_uploads("a/", datetime.now(UTC) + LATER))
    # In a folder the file that is left has no key yet, and both are the same file here
    assert {upload.key for upload in found} == ({"a/.tmp-0123"} if store.is_local else {"a/one", "a/two"})
    for upload in found:
        store.abort_upload(upload)
        store.abort_upload(upload)
    assert (unfinished(store, "a/"), len(unfinished(store, "b/")), store.size("a/done")) == ([], 1, 0)


# moto says of every upload that it was begun in 2010
@pytest.mark.parametrize("storage_url", ["folder", "rgw"], indirect=True)
def test_an_upload_that_was_just_begun_is_not_abandoned(store):
    begin_upload(store, "a")
    (found,) = store.abandoned_uploads("", datetime.now(UTC) + LATER)
    assert abs(datetime.now(UTC) - found.started) < timedelta(minutes=1)
    assert list(store.abandoned_uploads("", datetime.now(UTC) - LATER)) == []


def test_the_last_answer_of_a_large_upload_may_be_lost(s3_server, fault_proxy, monkeypatch, tmp_path):
    proxy, store = fault_proxy(s3_server), open_store(s3_server.new_url())
    proxy.server.use(monkeypatch)
    (tmp_path / "sent").write_bytes(bytes(LARGE))
    proxy.rules = [lambda record: LOSE if record.method == "POST" and "uploadId" in record.query and not proxy.faults else None]
    store.put_file("key", tmp_path / "sent")
    assert (proxy.faults[LOSE], store.size("key"), unfinished(store)) == (1, LARGE, [])


def test_the_last_answer_was_lost_and_the_upload_is_gone(s3_server, fault_proxy, monkeypatch, tmp_path):
    proxy, store = fault_proxy(s3_server), open_store(s3_server.new_url())
    proxy.server.use(monkeypatch)
    (tmp_path / "sent").write_bytes(bytes(LARGE))
    gone = Fault("status", 404)

    def rule(record):
        if record.method == "POST" and "uploadId" in record.query:
            return gone if proxy.faults else LOSE
        return None

    proxy.rules = [rule]
    store.put_file("key", tmp_path / "sent")
    assert (proxy.faults, store.size("key")) == ({LOSE: 1, gone: 1}, LARGE)
    proxy.rules = [lambda record: gone if record.method == "POST" and "uploadId" in record.query else None]
    with pytest.raises(NotFoundError):
        store.put_file("another", tmp_path / "sent")
    assert store.size("another") is None


@pytest.mark.parametrize("fault", [DROP, Fault("status", 403), Fault("status", 500)], ids=lambda fault: f"{fault.kind}-{fault.amount}")
def test_no_signature_is_in_what_is_said(proxied, tmp_path, monkeypatch, fault):
    for module in ("s3", "s3_upload", "download"):
        monkeypatch.setattr(f"distrnn.storage.{module}.PATIENCE_S", 0)
    proxy, store = proxied
    store.put("key", b"1")
    (tmp_path / "sent").write_bytes(b"1")
    proxy.rules = [when(fault)]
    for ask in (
        lambda: store.put_file("key", tmp_path / "sent"),
        lambda: store.get_file("key", tmp_path / "received"),
        lambda: list(store.read_many(["key"])),
    ):
        with pytest.raises(DistrnnError) as caught:
            ask()
        said, error = [], caught.value
        while error is not None:
            said.append(str(error))
            error = error.__cause__ or error.__context__
        assert f"{store.url}/key" in said[0]
        assert not [text for text in said if "X-Amz" in text or proxy.server.access_key in text.replace(BUCKET, "").split("=")]


def test_a_server_that_is_not_there_is_named_whatever_is_asked(tmp_path, monkeypatch):
    endpoint = f"http://127.0.0.1:{free_ports(1)[0]}"
    S3Server("moto", endpoint).use(monkeypatch)
    (tmp_path / "sent").write_bytes(b"1")
    store = open_store("s3://models/x")
    for ask in (
        lambda: store.put_file("a", tmp_path / "sent"),
        lambda: store.get_file("a", tmp_path / "received"),
        lambda: list(store.read_many(["a"])),
    ):
        with pytest.raises(StorageError) as caught:
            ask()
        assert caught.value.message == (
            f"{endpoint} does not answer, so s3://models/x/a cannot be reached. Check the network and AWS_ENDPOINT_URL, then run this "
            "again."
        )


def test_an_address_that_a_library_repeats_is_cut_before_its_signature(moto_s3, monkeypatch):
    from distrnn.storage.s3_errors import classify
    from distrnn.storage.s3_transfer import presigned

    moto_s3.use(monkeypatch)
    url = sync(shared().loop, presigned, shared(), "get_object", Bucket=BUCKET, Key="a")
    assert "X-Amz-Signature" in url.query
    assert classify(ValueError(f"bad URL '{url}' (why)"), "s3://b/a", "http://e").message == (
        f"http://e broke off the answer for s3://b/a (ValueError: bad URL '{moto_s3.endpoint}/{BUCKET}/a' (why)). Run this again."
    )
