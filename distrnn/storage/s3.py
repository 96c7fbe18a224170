"""Any S3 endpoint as a store, through s3fs.

Commits are a single PUT with a condition (a conditional multipart completion is silently ignored by RGW, *measured*), reads are
direct, and a write whose answer was lost is recognised by reading the key back: it holds the writer's own body or somebody else's.
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import s3fs
from fsspec.asyn import sync

from distrnn.errors import DistrnnError, NotFoundError
from distrnn.storage.door import Entry, Upload, check_key, check_size
from distrnn.storage.local_errors import os_errors
from distrnn.storage.s3_download import download
from distrnn.storage.s3_errors import classify
from distrnn.storage.s3_session import PATIENCE_S, endpoint, shared, unsigned
from distrnn.storage.s3_transfer import fetch_all
from distrnn.storage.s3_upload import upload

_TRIES = 5
_PAUSE_S = 0.1
_PAGE_KEYS = 1000
_WINDOW_KEYS = 512
T = TypeVar("T")


class S3Store:
    """A `Store` over a prefix of a bucket; the connection is made at first use and shared by all stores of the process."""

    is_local = False

    def __init__(self, bucket: str, prefix: str) -> None:
        self.bucket = bucket
        self.prefix = f"{prefix}/" if prefix else ""
        self._bucket_seen = False

    def __repr__(self) -> str:
        return f"S3Store({self.url!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return S3Store, (self.bucket, self.prefix.rstrip("/"))

    @property
    def url(self) -> str:
        """`s3://bucket/prefix`."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    @property
    def endpoint(self) -> str:
        """The server, as the AWS variables or the profile name it."""
        return endpoint()

    def local_path(self, key: str) -> None:
        """None: there is no file."""

    def read(self, key: str, *, limit_bytes: int | None = None) -> bytes:
        """The body of `key`."""
        return self.read_versioned(key, limit_bytes=limit_bytes)[0]

    def read_versioned(self, key: str, *, limit_bytes: int | None = None) -> tuple[bytes, str]:
        """The body of `key` and its ETag."""
        return self._again(lambda: self._get(key, limit_bytes))

    def find(self, key: str, *, limit_bytes: int | None = None) -> tuple[bytes, str] | None:
        """The body of `key` and its ETag; None where it is absent."""
        try:
            return self.read_versioned(key, limit_bytes=limit_bytes)
        except NotFoundError as error:
            if error.fields.get("kind") == "key":
                return None
            raise

    def read_many(self, keys: Sequence[str], *, limit_bytes: int | None = None) -> Iterator[tuple[str, bytes | None]]:
        """Each key with its body, None where it is absent; many are asked for at once, a window at a time."""
        fs = self._fs()
        for start in range(0, len(keys), _WINDOW_KEYS):
            window = keys[start : start + _WINDOW_KEYS]
            with self._errors(window[0]):
                found = sync(fs.loop, fetch_all, fs, self.bucket, [self._full(key) for key in window], limit_bytes)
            for key, body in zip(window, found, strict=True):
                # What failed is asked for once more by itself, with the patience and the words of a single read
                if isinstance(body, Exception):
                    single = self.find(key, limit_bytes=limit_bytes)
                    body = None if single is None else single[0]
                yield key, body

    def read_range(self, key: str, start: int, end: int) -> bytes:
        """Bytes [start, end) of `key`."""
        if end <= start:
            return b""
        try:
            return self._again(lambda: self._get(key, None, Range=f"bytes={start}-{end - 1}"))[0]
        except DistrnnError as error:
            if error.fields.get("kind") == "range":
                return b""
            raise

    def create_if_absent(self, key: str, body: bytes) -> bool:
        """Write `body` unless the key exists, in one conditional PUT."""
        return self._conditional_put(key, body, IfNoneMatch="*") is not None

    def compare_and_swap(self, key: str, body: bytes, tag: str | None) -> str | None:
        """Replace `key` if its ETag is still `tag`, in one conditional PUT."""
        if tag is None:
            return self._conditional_put(key, body, IfNoneMatch="*")
        new = self._conditional_put(key, body, IfMatch=tag)
        if new is None:
            found = self.find(key)
            if found is not None and found[1] == tag:
                # RGW wants the tag bare; a server that insists on the quotes of the standard refused it though nothing changed.
                new = self._conditional_put(key, body, IfMatch=f'"{tag}"')
        return new

    def put(self, key: str, body: bytes) -> None:
        """Write or replace `key` in one PUT."""
        self._again(lambda: self._call(key, "put_object", Body=body))

    def put_file(self, key: str, path: Path, *, sha256: str | None = None) -> None:
        """Write or replace `key`, in several parts at once where the file is large."""
        fs = self._fs()
        with os_errors(path):
            file = path.open("rb")
        with file, self._errors(key):
            sync(fs.loop, upload, fs, self.bucket, self._full(key), file, sha256)

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
        fs = self._fs()
        with self._errors(key):
            sync(fs.loop, download, fs, self.bucket, self._full(key), path, update, limit_bytes, resume)

    def list(self, prefix: str = "", *, after: str = "") -> Iterator[Entry]:
        """Objects under `prefix`, in the order of their keys, page by page."""
        for page in self._pages(prefix, **({"StartAfter": self.prefix + after} if after else {})):
            for found in page.get("Contents", ()):
                key = found["Key"].removeprefix(self.prefix)
                if key and not key.endswith("/"):
                    modified = found["LastModified"].astimezone(UTC)
                    # A server that lists no ETag still tells size and time
                    stamp = found.get("ETag", f"{found['Size']}-{modified.isoformat()}").strip('"')
                    yield Entry(key, int(found["Size"]), modified, stamp)

    def folders(self, prefix: str = "") -> Iterator[str]:
        """Names of the folders directly under `prefix`."""
        start = len(self.prefix + prefix)
        for page in self._pages(prefix, Delimiter="/"):
            yield from (found["Prefix"][start:].rstrip("/") for found in page.get("CommonPrefixes", ()))

    def size(self, key: str) -> int | None:
        """Bytes of `key`; None where it is absent."""
        try:
            answer = self._again(lambda: self._call(key, "head_object"))
        except NotFoundError as error:
            if error.fields.get("kind") != "key":
                raise
            self._require_bucket()
            return None
        return int(answer["ContentLength"])

    def delete(self, key: str) -> None:
        """Remove `key`."""
        self._again(lambda: self._call(key, "delete_object"))

    def abandoned_uploads(self, prefix: str, older_than: datetime) -> Iterator[Upload]:
        """Multipart uploads that nobody completed."""
        marker: dict[str, str] = {}
        while True:
            page = self._ask(prefix, "list_multipart_uploads", **marker)
            for found in page.get("Uploads", ()):
                started = found["Initiated"].astimezone(UTC)
                if started < older_than:
                    yield Upload(found["Key"].removeprefix(self.prefix), found["UploadId"], started)
            if not page.get("IsTruncated"):
                return
            marker = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}

    def abort_upload(self, upload: Upload) -> None:
        """Free the parts of an abandoned upload."""
        try:
            self._again(lambda: self._call(upload.key, "abort_multipart_upload", UploadId=upload.upload_id))
        except NotFoundError as error:
            if error.fields.get("kind") == "bucket":
                raise

    def _fs(self) -> s3fs.S3FileSystem:
        with self._errors(""):
            return shared()

    def _full(self, key: str) -> str:
        return self.prefix + check_key(key)

    def _errors(self, key: str) -> "_Errors":
        return _Errors(self, key)

    def _call(self, key: str, method: str, **arguments: Any) -> Any:
        with self._errors(key):
            return self._fs().call_s3(method, Bucket=self.bucket, Key=self._full(key), **arguments)

    def _get(self, key: str, limit_bytes: int | None, **arguments: Any) -> tuple[bytes, str]:
        fs = self._fs()

        async def fetch() -> tuple[bytes, str]:
            answer = await fs._call_s3("get_object", Bucket=self.bucket, Key=self._full(key), **arguments)
            async with answer["Body"] as stream:
                check_size(int(answer.get("ContentLength") or 0), limit_bytes, f"{self.url}/{key}")
                return await stream.read(), str(answer.get("ETag", "")).strip('"')

        with self._errors(key):
            found: tuple[bytes, str] = sync(fs.loop, fetch)
        self._bucket_seen = True
        return found

    def _pages(self, prefix: str, **arguments: Any) -> Iterator[dict[str, Any]]:
        token: dict[str, str] = {}
        while True:
            page = self._ask(prefix, "list_objects_v2", MaxKeys=_PAGE_KEYS, **arguments, **token)
            yield page
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def _ask(self, prefix: str, method: str, **arguments: Any) -> Any:
        """One page of a listing."""

        def attempt() -> Any:
            with self._errors(prefix):
                return self._fs().call_s3(method, Bucket=self.bucket, Prefix=self.prefix + prefix, **arguments)

        return self._again(attempt)

    def _require_bucket(self) -> None:
        """A HEAD's 404 has no body, so it cannot tell a missing key from a missing bucket: ask once."""
        if not self._bucket_seen:
            self._ask("", "list_objects_v2", MaxKeys=1)
            self._bucket_seen = True

    def _conditional_put(self, key: str, body: bytes, **condition: str) -> str | None:
        """The new ETag; None where the condition does not hold and the key does not hold `body` either."""

        def attempt() -> str | None:
            try:
                answer = self._call(key, "put_object", Body=body, **condition)
            except DistrnnError as error:
                if error.fields.get("status") != 412 and not (error.fields.get("kind") == "key" and "IfMatch" in condition):
                    raise
                found = self.find(key)
                return found[1] if found is not None and found[0] == body else None
            return str(answer["ETag"]).strip('"')

        return self._again(attempt)

    def _again(self, attempt: Callable[[], T]) -> T:
        """Repeat what failed in passing: a lost answer, an overloaded server, two conditional writes at one instant."""
        until = time.monotonic() + PATIENCE_S
        for number in range(1, _TRIES):
            try:
                return attempt()
            except DistrnnError as error:
                passing = error.fields.get("kind") == "transient" or error.fields.get("status") == 409
                if not passing or time.monotonic() > until:
                    raise
            time.sleep(_PAUSE_S * 2**number * random.random())  # noqa: S311
        return attempt()


class _Errors:
    """Turns whatever is raised inside into the error tree, with the URL of the key."""

    def __init__(self, store: S3Store, key: str) -> None:
        self.store = store
        self.key = key

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, Exception):
            url = f"s3://{self.store.bucket}/{self.store.prefix}{self.key}"
            # aiohttp repeats the address of a proxy with its password, which no traceback may show
            cause = None if isinstance(error, aiohttp.ClientHttpProxyError) else error
            raise classify(error, url, self.store.endpoint, unsigned=unsigned()) from cause
