"""Any S3 endpoint as a store, through s3fs.

Commits are a single PUT with a condition (a conditional multipart completion is silently ignored by RGW, *measured*), reads are
direct, and a write whose answer was lost is recognised by reading the key back: it holds the writer's own body or somebody else's.
"""

import os
import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC
from pathlib import Path
from typing import Any, TypeVar

import s3fs
from fsspec.asyn import sync

from distrnn.errors import DistrnnError, NotFoundError
from distrnn.storage.door import Entry, check_key
from distrnn.storage.s3_errors import classify
from distrnn.storage.s3_session import PATIENCE_S, shared
from distrnn.storage.s3_transfer import PART_BYTES, PARTS_AT_ONCE, download

_TRIES = 5
_PAUSE_S = 0.1
_PAGE_KEYS = 1000
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
        """The server, as the AWS variables name it."""
        return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or "the S3 endpoint"

    def local_path(self, key: str) -> None:
        """None: there is no file."""

    def read(self, key: str) -> bytes:
        """The body of `key`."""
        return self.read_versioned(key)[0]

    def read_versioned(self, key: str) -> tuple[bytes, str]:
        """The body of `key` and its ETag."""
        return self._again(lambda: self._get(key))

    def find(self, key: str) -> tuple[bytes, str] | None:
        """The body of `key` and its ETag; None where it is absent."""
        try:
            return self.read_versioned(key)
        except NotFoundError as error:
            if error.fields.get("kind") == "key":
                return None
            raise

    def read_range(self, key: str, start: int, end: int) -> bytes:
        """Bytes [start, end) of `key`."""
        if end <= start:
            return b""
        try:
            return self._again(lambda: self._get(key, Range=f"bytes={start}-{end - 1}"))[0]
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

    def put_file(self, key: str, path: Path) -> None:
        """Write or replace `key`, in several parts at once where the file is large."""
        target = f"{self.bucket}/{self._full(key)}"

        def attempt() -> None:
            with self._errors(key):
                self._fs().put_file(str(path), target, chunksize=PART_BYTES, max_concurrency=PARTS_AT_ONCE)

        self._again(attempt)

    def get_file(self, key: str, path: Path, *, update: Callable[[bytes], object] | None = None, limit_bytes: int | None = None) -> None:
        """Copy `key` to a file, several ranges at once, in order."""
        fs = self._fs()
        with self._errors(key):
            sync(fs.loop, download, fs, self.bucket, self._full(key), path, update, limit_bytes)

    def list(self, prefix: str = "", *, after: str = "") -> Iterator[Entry]:
        """Objects under `prefix`, in the order of their keys, page by page."""
        for page in self._pages(prefix, **({"StartAfter": self.prefix + after} if after else {})):
            for found in page.get("Contents", ()):
                key = found["Key"].removeprefix(self.prefix)
                if key and not key.endswith("/"):
                    yield Entry(key, int(found["Size"]), found["LastModified"].astimezone(UTC))

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

    def _get(self, key: str, **arguments: Any) -> tuple[bytes, str]:
        fs = self._fs()

        async def fetch() -> tuple[bytes, str]:
            answer = await fs._call_s3("get_object", Bucket=self.bucket, Key=self._full(key), **arguments)
            async with answer["Body"] as stream:
                return await stream.read(), str(answer.get("ETag", "")).strip('"')

        with self._errors(key):
            found: tuple[bytes, str] = sync(fs.loop, fetch)
        self._bucket_seen = True
        return found

    def _pages(self, prefix: str, **arguments: Any) -> Iterator[dict[str, Any]]:
        token: dict[str, str] = {}
        while True:
            with self._errors(prefix):
                page = self._fs().call_s3(
                    "list_objects_v2", Bucket=self.bucket, Prefix=self.prefix + prefix, MaxKeys=_PAGE_KEYS, **arguments, **token
                )
            yield page
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def _require_bucket(self) -> None:
        """A HEAD's 404 has no body, so it cannot tell a missing key from a missing bucket: ask once."""
        if not self._bucket_seen:
            with self._errors(""):
                self._fs().call_s3("list_objects_v2", Bucket=self.bucket, Prefix=self.prefix, MaxKeys=1)
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
            raise classify(error, f"s3://{self.store.bucket}/{self.store.prefix}{self.key}", self.store.endpoint) from error
