"""A registry service as a store that can be read: what `distrnn serve` gives to hosts that have no credentials for the storage itself.

The service hands out the registry's own objects under their own keys, so everything that reads a registry works over HTTP as it is,
and checks every byte against its digest as it would anywhere else: the service need not be trusted. Writing is refused.
"""

import asyncio
import atexit
import json
import os
import random
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from urllib.parse import quote, urlsplit

import aiohttp
from fsspec.asyn import get_loop, sync

from distrnn.errors import AccessError, DistrnnError, NotFoundError, UsageError
from distrnn.storage import http_errors
from distrnn.storage.door import Entry, Upload, check_key, check_size
from distrnn.storage.download import BUFFER_BYTES, PATIENCE_S, download, whole_answer

OBJECTS = "api/v1/store"
KEYS = "api/v1/keys"
_REQUESTS_AT_ONCE = 32
_TRIES = 5
_PAUSE_S = 0.2
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=30)
T = TypeVar("T")

_sessions: dict[tuple[int, int], aiohttp.ClientSession] = {}


def check_url(url: str) -> str:
    """Return the URL of a service without its last slash.

    Raises:
        UsageError: it is none, or carries credentials.
    """
    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise UsageError("the URL of a registry service must not carry credentials; reading needs none.")
    try:
        named = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        named = False
    if not named or parts.query or parts.fragment or any(part in (".", "..") for part in parts.path.split("/")):
        raise UsageError(f"the URL of a registry service must be http://host:port or https://host/path. Received: {url!r}")
    return url.rstrip("/")


class HttpStore:
    """A `Store` over a registry service, for readers; connections are made at first use and shared by the process."""

    is_local = False

    def __init__(self, url: str) -> None:
        self._base = check_url(url)

    def __repr__(self) -> str:
        return f"HttpStore({self._base!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return HttpStore, (self._base,)

    @property
    def url(self) -> str:
        """The service's URL."""
        return self._base

    @property
    def endpoint(self) -> str:
        """The server: scheme, host and port."""
        parts = urlsplit(self._base)
        return f"{parts.scheme}://{parts.netloc}"

    def local_path(self, key: str) -> None:
        """None: there is no file."""

    def read(self, key: str, *, limit_bytes: int | None = None) -> bytes:
        """The body of `key`."""
        return self.read_versioned(key, limit_bytes=limit_bytes)[0]

    def read_versioned(self, key: str, *, limit_bytes: int | None = None) -> tuple[bytes, str]:
        """The body of `key` and its ETag."""
        return self._again(lambda: self._sync(self._get(key, limit_bytes)))

    def find(self, key: str, *, limit_bytes: int | None = None) -> tuple[bytes, str] | None:
        """The body of `key` and its ETag; None where it is absent."""
        try:
            return self.read_versioned(key, limit_bytes=limit_bytes)
        except NotFoundError:
            return None

    def read_many(self, keys: Sequence[str], *, limit_bytes: int | None = None) -> Iterator[tuple[str, bytes | None]]:
        """Each key with its body, None where it is absent; many are asked for at once, a window at a time."""
        for start in range(0, len(keys), _REQUESTS_AT_ONCE):
            window = keys[start : start + _REQUESTS_AT_ONCE]

            async def fetch(some: Sequence[str] = window) -> list[Any]:
                return await asyncio.gather(*(self._get(key, limit_bytes) for key in some), return_exceptions=True)

            for key, found in zip(window, self._sync(fetch()), strict=True):
                # What failed is asked for once more by itself, with the patience of a single read
                whole = self.find(key, limit_bytes=limit_bytes) if isinstance(found, BaseException) else found
                yield key, None if whole is None else whole[0]

    def read_range(self, key: str, start: int, end: int) -> bytes:
        """Bytes [start, end) of `key`."""
        if end <= start:
            return b""
        try:
            return self._again(lambda: self._sync(self._get(key, None, (start, end))))[0]
        except DistrnnError as error:
            if error.fields.get("kind") == "range":
                return b""
            raise

    def get_file(
        self,
        key: str,
        path: Path,
        *,
        update: Callable[[bytes], object] | None = None,
        limit_bytes: int | None = None,
        resume: bool = False,
    ) -> None:
        """Copy `key` to a file, several ranges at once."""
        try:
            sync(get_loop(), download, _Source(self._where(key)), path, update, limit_bytes, resume)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise http_errors.classify(error, self._where(key)) from error

    def list(self, prefix: str = "", *, after: str = "") -> Iterator[Entry]:
        """Objects under `prefix`, in the order of their keys, page by page."""
        more = True
        while more:
            page = self._ask_keys(prefix=prefix, after=after)
            for found in page["entries"]:
                after = found["key"]
                yield Entry(after, int(found["size_bytes"]), datetime.fromisoformat(found["modified"]), str(found["stamp"]))
            more = page["more"]

    def folders(self, prefix: str = "") -> Iterator[str]:
        """Names of the folders directly under `prefix`."""
        yield from self._ask_keys(prefix=prefix, folders="true")["folders"]

    def size(self, key: str) -> int | None:
        """Bytes of `key`; None where it is absent."""

        async def head() -> int:
            async with (await _session()).head(self._where(key), allow_redirects=True) as answer:
                await http_errors.require(answer, 200)
                return int(answer.headers["Content-Length"])

        try:
            return self._again(lambda: self._sync(head()))
        except NotFoundError:
            return None

    def create_if_absent(self, key: str, body: bytes) -> bool:
        """Refused."""
        self._refuse()

    def compare_and_swap(self, key: str, body: bytes, tag: str | None) -> str | None:
        """Refused."""
        self._refuse()

    def put(self, key: str, body: bytes) -> None:
        """Refused."""
        self._refuse()

    def put_file(self, key: str, path: Path, *, sha256: str | None = None) -> None:
        """Refused."""
        self._refuse()

    def delete(self, key: str) -> None:
        """Refused."""
        self._refuse()

    def abandoned_uploads(self, prefix: str, older_than: datetime) -> Iterator[Upload]:
        """Refused: only who can free them needs to know."""
        self._refuse()

    def abort_upload(self, upload: Upload) -> None:
        """Refused."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise AccessError(
            f"{self._base} is a registry service, which can be read only. To publish, to move aliases or to look after the registry, name "
            "the storage behind it: --registry s3://… or a folder."
        )

    def _where(self, key: str) -> str:
        return f"{self._base}/{OBJECTS}/{quote(check_key(key))}"

    def _sync(self, work: Coroutine[Any, Any, T]) -> T:
        async def run() -> T:
            return await work

        try:
            found: T = sync(get_loop(), run)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise http_errors.classify(error, self._base) from error
        return found

    async def _get(self, key: str, limit_bytes: int | None, span: tuple[int, int] | None = None) -> tuple[bytes, str]:
        where = self._where(key)
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={span[0]}-{span[1] - 1}"} if span else {})
        async with (await _session()).get(where, headers=headers) as answer:
            await http_errors.require(answer, 206 if span else 200)
            check_size(answer.content_length or 0, limit_bytes, where)
            return await answer.read(), answer.headers.get("ETag", "")

    def _ask_keys(self, **query: str) -> dict[str, Any]:
        where = f"{self._base}/{KEYS}"

        async def ask() -> bytes:
            async with (await _session()).get(where, params=query, headers={"Accept-Encoding": "identity"}) as answer:
                await http_errors.require(answer, 200)
                return await answer.read()

        try:
            page = json.loads(self._again(lambda: self._sync(ask())))
        except ValueError:
            page = None
        if not isinstance(page, dict):
            raise http_errors.no_service(where)
        return page

    def _again(self, attempt: Callable[[], T]) -> T:
        """Repeat what failed in passing: a connection that broke, a service that is overloaded or asks to slow down."""
        until = time.monotonic() + PATIENCE_S
        for number in range(1, _TRIES):
            try:
                return attempt()
            except DistrnnError as error:
                if error.fields.get("kind") != "transient" or time.monotonic() > until:
                    raise
            time.sleep(_PAUSE_S * 2**number * random.random())  # noqa: S311
        return attempt()


@dataclass(frozen=True)
class _Source:
    """An object of the service, and how it is asked for."""

    url: str

    async def ask(self, start: int, end: int) -> aiohttp.ClientResponse:
        """Ask for bytes [start, end)."""
        headers = {"Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "identity"}
        answer = await (await _session()).get(self.url, headers=headers, read_bufsize=BUFFER_BYTES)
        try:
            if answer.status == 200:
                raise whole_answer(self.url)
            await http_errors.require(answer, 206)
        except BaseException:
            answer.close()
            raise
        return answer

    def kind(self, error: Exception) -> str | None:
        """What an error means to whoever decides whether to ask again."""
        kind = http_errors.classify(error, self.url).fields.get("kind")
        return kind if isinstance(kind, str) else None


async def _session() -> aiohttp.ClientSession:
    """The connections of this process and event loop; proxies as the environment says."""
    key = os.getpid(), id(asyncio.get_running_loop())
    if key not in _sessions or _sessions[key].closed:
        connector = aiohttp.TCPConnector(limit=_REQUESTS_AT_ONCE)
        _sessions[key] = aiohttp.ClientSession(
            connector=connector, timeout=_TIMEOUT, auto_decompress=False, trust_env=True, headers={"User-Agent": "distrnn"}
        )
        atexit.register(_close, key)
    return _sessions[key]


def _close(key: tuple[int, int]) -> None:
    session = _sessions.pop(key, None)
    if session is not None and key[0] == os.getpid():
        with suppress(Exception):
            sync(get_loop(), session.close, timeout=2)
