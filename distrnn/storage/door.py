"""The storage door: what a back end must do, and what each operation guarantees.

Keys are relative, `/`-separated and never contain `..`. A reader sees a key's old body or its new body, never a mixture and never
the half of one, because every write is one rename (folder) or one request (S3). What was written is read by the next read.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from distrnn.errors import IntegrityError, UsageError


@dataclass(frozen=True)
class Entry:
    """One stored object, as a listing names it; `modified` is in UTC, and `stamp` is another one whenever the object has changed."""

    key: str
    size_bytes: int
    modified: datetime
    stamp: str


@dataclass(frozen=True)
class Upload:
    """An upload that was begun and not completed: nothing of it is visible, and it takes space."""

    key: str
    upload_id: str
    started: datetime


class Lock(Protocol):
    """Decides races of writers where the storage itself cannot; every writer must use the same one."""

    def hold(self, key: str) -> AbstractContextManager[None]:
        """Keep everybody else away from `key` while the context lasts."""


class Store(Protocol):
    """A folder or a prefix of a bucket. Stores pickle by their URL and may be used from several threads.

    Every operation raises AccessError (credentials, permissions), NotFoundError (a bucket that does not exist) or StorageError
    (a full disk, a server that does not answer).
    """

    @property
    def url(self) -> str:
        """The URL or the absolute path that opens this store again."""

    @property
    def is_local(self) -> bool:
        """Whether this is a folder."""

    @property
    def endpoint(self) -> str:
        """The server, as the user knows it; empty for a folder."""

    def read(self, key: str, *, limit_bytes: int | None = None) -> bytes:
        """The body of `key`.

        Raises:
            NotFoundError: there is no such key.
            IntegrityError: it is longer than `limit_bytes`; its body was not read.
        """

    def read_versioned(self, key: str, *, limit_bytes: int | None = None) -> tuple[bytes, str]:
        """The body of `key` and the tag that `compare_and_swap` takes.

        Raises:
            NotFoundError: there is no such key.
            IntegrityError: it is longer than `limit_bytes`; its body was not read.
        """

    def find(self, key: str, *, limit_bytes: int | None = None) -> tuple[bytes, str] | None:
        """As `read_versioned`, but None where the key is absent (a missing bucket is still an error)."""

    def read_many(self, keys: Sequence[str], *, limit_bytes: int | None = None) -> Iterator[tuple[str, bytes | None]]:
        """Each key with its body (None where it is absent), in the order of `keys`; on a server many are read at once.

        Raises:
            IntegrityError: one is longer than `limit_bytes`.
        """

    def read_range(self, key: str, start: int, end: int) -> bytes:
        """Bytes [start, end) of `key`, fewer where the object is shorter.

        Raises:
            NotFoundError: there is no such key.
        """

    def create_if_absent(self, key: str, body: bytes) -> bool:
        """Write `body` unless the key exists; of several writers exactly one is told True.

        On S3 an answer may be lost and the request repeated; a body that is unique to its writer is then recognised as its own.
        """

    def compare_and_swap(self, key: str, body: bytes, tag: str | None) -> str | None:
        """Replace `key` if it still carries `tag` (None: if it is absent).

        Bodies must differ from one write to the next, so that a key that went from A to B and back to A is not taken for untouched.

        Returns:
            The new tag, or None where somebody else was first.
        """

    def put(self, key: str, body: bytes) -> None:
        """Write or replace `key`."""

    def put_file(self, key: str, path: Path, *, sha256: str | None = None) -> None:
        """Write or replace `key` with the bytes of a local file.

        Args:
            key: where.
            path: the file.
            sha256: what the bytes that are sent must have.

        Raises:
            ConflictError: they have another one (`kind` is `changed`); nothing was made visible under `key`.
            FileNotFoundError: there is no such file.
        """

    def get_file(
        self,
        key: str,
        path: Path,
        *,
        update: Callable[[bytes], object] | None = None,
        limit_bytes: int | None = None,
        resume: bool = False,
    ) -> None:
        """Copy `key` to a local file.

        Args:
            key: what to copy.
            path: the file to write; on an error it may be left incomplete, so give a temporary name.
            update: called with each piece in order, for a digest.
            limit_bytes: stop after the first piece beyond so many bytes; a longer object is not what the caller expects.
            resume: go on with what an earlier process left at `path`; `update` is called with those bytes too.

        Raises:
            NotFoundError: there is no such key.
        """

    def list(self, prefix: str = "", *, after: str = "") -> Iterator[Entry]:
        """Objects whose key begins with `prefix` and sorts after `after`, in the order of their keys."""

    def folders(self, prefix: str = "") -> Iterator[str]:
        """Names of the folders directly under `prefix` (which is empty or ends with `/`)."""

    def size(self, key: str) -> int | None:
        """Bytes of `key`; None where it is absent."""

    def delete(self, key: str) -> None:
        """Remove `key`; one that is absent is no error."""

    def abandoned_uploads(self, prefix: str, older_than: datetime) -> Iterator[Upload]:
        """Uploads to keys under `prefix` that were begun before `older_than` and never completed."""

    def abort_upload(self, upload: Upload) -> None:
        """Free what an abandoned upload takes; one that is gone is no error."""

    def local_path(self, key: str) -> Path | None:
        """The real path of `key` in a folder, for memory maps; None on S3."""


def check_key(key: str) -> str:
    """Return `key` if it is relative and stays inside the store.

    Raises:
        UsageError: it is not.
    """
    parts = key.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\\" in key or "\0" in key:
        raise UsageError(f"a storage key must be relative, without '..', empty parts or backslashes. Received: {key!r}")
    return key


def check_size(size_bytes: int, limit_bytes: int | None, where: str) -> None:
    """Refuse a body that is longer than its reader is ready for.

    Raises:
        IntegrityError: it is.
    """
    if limit_bytes is not None and size_bytes > limit_bytes:
        raise IntegrityError(
            f"{where} is damaged: expected at most {limit_bytes:,} bytes. Received: {size_bytes:,} bytes. Restore it from a backup."
        )
