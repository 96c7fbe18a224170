"""What lies between here and the server: proxies, passwords for other things, certificates, faults that pass, servers that know less."""

import datetime
import ipaddress
import ssl
import threading
import time
import traceback
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from aiohttp import web

from distrnn.errors import AccessError, StorageError
from distrnn.storage import Store, open_store, s3_session
from distrnn.storage.capability import probe
from distrnn.storage.locked import LockedStore
from distrnn.storage.locks import FileLock
from fixtures_faults import BROKEN, ThreadedServer, when
from fixtures_racy_s3 import RacyServer, _error
from fixtures_s3 import BUCKET, S3Server

LARGE = (32 << 20) + 1
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


class Listener(ThreadedServer):
    """A server, or a proxy, that shows one body to everybody and notes what was asked for, and with which passwords."""

    def __init__(self) -> None:
        self.log: list[tuple[str, str | None, str | None]] = []
        super().__init__()

    async def handle(self, request: web.Request) -> web.Response:
        headers = request.headers
        self.log.append((headers["Host"], headers.get("Authorization"), headers.get("Proxy-Authorization")))
        return web.Response(body=b"body", headers={"ETag": '"1"'})


@pytest.fixture
def listener():
    found = Listener()
    yield found
    found.close()


def use(monkeypatch, endpoint: str) -> Store:
    for name in (*PROXIES, *map(str.lower, PROXIES)):
        monkeypatch.delenv(name, raising=False)
    S3Server("none", endpoint).use(monkeypatch)
    return open_store("s3://models/x")


def ask_both_ways(store: Store, tmp_path) -> None:
    """As botocore reads, and over presigned URLs in each direction."""
    (tmp_path / "sent").write_bytes(b"body")
    assert store.read("a") == b"body"
    assert list(store.read_many(["a"])) == [("a", b"body")]
    store.put_file("a", tmp_path / "sent")


def test_a_password_for_something_else_is_not_sent_along(listener, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("default login somebody password hush\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    ask_both_ways(use(monkeypatch, listener.endpoint), tmp_path)
    signed, *presigned = [authorization for _, authorization, _ in listener.log]
    assert (signed.partition(" ")[0], presigned) == ("AWS4-HMAC-SHA256", [None, None])


def test_a_proxy_is_used_with_its_password(listener, monkeypatch, tmp_path):
    store = use(monkeypatch, "http://store.example:9000")
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("HTTP_PROXY", listener.endpoint.replace("://", "://me:hush@"))
    ask_both_ways(store, tmp_path)
    password = f"Basic {b64encode(b'me:hush').decode()}"
    assert [(host, proxy) for host, _, proxy in listener.log] == [("store.example:9000", password)] * 3


def test_a_proxy_that_refuses_is_named_without_its_password(listener, monkeypatch, tmp_path):
    store = use(monkeypatch, "https://store.example")
    monkeypatch.setattr("distrnn.storage.s3_upload.PATIENCE_S", 0)
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("HTTPS_PROXY", listener.endpoint.replace("://", "://me:hush@"))
    (tmp_path / "sent").write_bytes(b"body")
    with pytest.raises(StorageError, match=r"^the proxy on the way to https://store\.example answered \d+, so s3://models/x/a ") as caught:
        store.put_file("a", tmp_path / "sent")
    assert "hush" not in "".join(traceback.format_exception(caught.value))


def test_no_proxy_is_kept(listener, monkeypatch, tmp_path):
    store = use(monkeypatch, listener.endpoint)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    ask_both_ways(store, tmp_path)
    assert len(listener.log) == 3


def test_a_certificate_needs_an_authority(monkeypatch, tmp_path):
    certificate = tmp_path / "certificate.pem"
    certificate.write_bytes(own_certificate())
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Body)
    server.handle_error = lambda *_: None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        endpoint = f"https://127.0.0.1:{server.server_port}"
        store = use(monkeypatch, endpoint)
        monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
        (tmp_path / "sent").write_bytes(b"body")
        for ask in (lambda: store.read("a"), lambda: list(store.read_many(["a"])), lambda: store.put_file("a", tmp_path / "sent")):
            with pytest.raises(
                StorageError,
                match=rf"^{endpoint} could not prove who it is, so s3://models/x/a cannot be reached \(.*certificate.*AWS_CA_BUNDLE",
            ) as caught:
                ask()
            assert "X-Amz" not in caught.value.message
        monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
        ask_both_ways(store, tmp_path)
    finally:
        server.shutdown()
        server.server_close()


class _Body(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(b"body")

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(b"")

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        for name, value in {"Content-Length": len(body), "ETag": '"1"', "Connection": "close"}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        pass


def own_certificate() -> bytes:
    """A key, and a certificate of 127.0.0.1 that nobody has vouched for."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    host = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    built = built.not_valid_before(now - datetime.timedelta(1)).not_valid_after(now + datetime.timedelta(1))
    built = built.add_extension(host, critical=False).add_extension(x509.BasicConstraints(True, None), critical=True)
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    return built.sign(key, hashes.SHA256()).public_bytes(pem) + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)


def test_a_request_that_may_not_be_signed_says_so(rgw_s3, monkeypatch):
    rgw_s3.use(monkeypatch)
    monkeypatch.setenv("AWS_NO_SIGN_REQUEST", "YES")
    with pytest.raises(AccessError) as caught:
        open_store(f"s3://{BUCKET}/x").read("a")
    assert caught.value.message.startswith(f"no usable credentials for s3://{BUCKET}/x/a (AWS_NO_SIGN_REQUEST is set). Expected them in ")


@pytest.fixture
def impatient(moto_s3, fault_proxy, fresh_home, monkeypatch):
    """A proxy, and a store that sees the server through it, with botocore's own retries off: what is repeated, the store repeats."""
    monkeypatch.setattr(s3_session, "ATTEMPTS", 1)
    proxy, url = fault_proxy(moto_s3), moto_s3.new_url()
    proxy.server.use(monkeypatch)
    return proxy, open_store(url)


def test_a_listing_that_failed_in_passing_is_asked_for_again(impatient):
    proxy, store = impatient
    store.put("a/b", b"")
    until = datetime.datetime.now(datetime.UTC)
    for ask, expected in (
        (lambda: [entry.key for entry in store.list()], ["a/b"]),
        (lambda: list(store.folders()), ["a"]),
        (lambda: list(store.abandoned_uploads("", until)), []),
    ):
        proxy.rules = [when(BROKEN, times=2)]
        assert ask() == expected
    assert proxy.faults == {BROKEN: 6}


def test_beginning_and_completing_an_upload_are_tried_again(impatient, tmp_path):
    proxy, store = impatient
    (tmp_path / "sent").write_bytes(bytes(LARGE))
    met: set[str] = set()

    def rule(record):
        name = next((name for name in ("uploads", "uploadId") if record.method == "POST" and name in record.query), None)
        if name is None or name in met:
            return None
        met.add(name)
        return BROKEN

    proxy.rules = [rule]
    store.put_file("key", tmp_path / "sent")
    assert (proxy.faults, store.size("key")) == ({BROKEN: 2}, LARGE)


def test_threads_that_begin_together_share_one_connection(monkeypatch):
    made, real, together = [], s3_session.connect, threading.Barrier(8)

    def connect():
        time.sleep(0.05)
        made.append(real())
        return made[-1]

    def begin(_number: int) -> object:
        together.wait(timeout=10)
        return s3_session.shared()

    monkeypatch.setattr(s3_session, "connect", connect)
    S3Server("none", "http://store.example:9001").use(monkeypatch)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(begin, range(8))) == set(made)
    assert len(made) == 1


class Unconditional(RacyServer):
    """A server that refuses a PUT with a condition."""

    async def _put(self, key, body, headers):
        if headers.get("If-None-Match") or headers.get("If-Match"):
            return _error(501, "NotImplemented")
        return await super()._put(key, body, headers)


@pytest.fixture
def unconditional(fresh_home, monkeypatch):
    server = Unconditional()
    yield use(monkeypatch, server.endpoint)
    server.close()


def test_a_server_without_conditions_is_found_out(unconditional):
    found = probe(unconditional)
    assert (found.create_if_absent, found.compare_and_swap) == (False, False)
    with pytest.raises(StorageError, match=r"cannot do what was asked of s3://models/x/a \(501 NotImplemented\)"):
        unconditional.create_if_absent("a", b"1")


def test_with_a_lock_it_can_be_written_all_the_same(unconditional, tmp_path):
    store = LockedStore(unconditional, FileLock(tmp_path / "lock"))
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda number: store.create_if_absent("a", b"%d" % number), range(8)))
        body, tag = store.read_versioned("a")
        assert (sum(won), body) == (1, b"%d" % won.index(True))
        swapped = list(pool.map(lambda number: store.compare_and_swap("a", b"new %d" % number, tag), range(8)))
    (number,) = [number for number, new in enumerate(swapped) if new is not None]
    assert store.read_versioned("a") == (b"new %d" % number, swapped[number])
