"""A folder as a store.

fsspec's exclusive create is not atomic (*measured*: several winners), so a key is made by writing a temporary file, forcing it to
the disk and linking it to its final name: the link fails where the name exists, and the name never shows a half-written file.
Compare-and-swap holds a lock file, which the system releases when its holder dies.
"""

import errno
import hashlib
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from distrnn.errors import ConflictError, NotFoundError, StorageError
from distrnn.storage.door import Entry, Upload, check_key, check_size
from distrnn.storage.local_errors import os_errors

TEMPORARY = ".tmp-"
_LOCKS = ".locks"
_PIECE_BYTES = 1 << 20


class LocalStore:
    """A `Store` over a folder, which is created by the first write."""

    is_local = True

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def __repr__(self) -> str:
        return f"LocalStore({self.url!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return LocalStore, (str(self.root),)

    @property
    def url(self) -> str:
        """The folder's absolute path."""
        return str(self.root)

    @property
    def endpoint(self) -> str:
        """Empty: there is no server."""
        return ""

    def local_path(self, key: str) -> Path:
        """The file of `key`, whether it exists or not."""
        return self.root / check_key(key)

    def read(self, key: str, *, limit_bytes: int | None = None) -> bytes:
        """The body of `key`."""
        return self.read_versioned(key, limit_bytes=limit_bytes)[0]

    def read_versioned(self, key: str, *, limit_bytes: int | None = None) -> tuple[bytes, str]:
        """The body of `key` and its tag."""
        found = self.find(key, limit_bytes=limit_bytes)
        if found is None:
            raise self._missing(key)
        return found

    def find(self, key: str, *, limit_bytes: int | None = None) -> tuple[bytes, str] | None:
        """The body of `key` and its tag; None where it is absent."""
        path = self.local_path(key)
        try:
            with os_errors(path), path.open("rb") as file:
                if limit_bytes is not None:
                    check_size(os.fstat(file.fileno()).st_size, limit_bytes, str(path))
                body = file.read()
        except FileNotFoundError:
            return None
        return body, _tag(body)

    def read_many(self, keys: Sequence[str], *, limit_bytes: int | None = None) -> Iterator[tuple[str, bytes | None]]:
        """Each key with its body, None where it is absent."""
        for key in keys:
            found = self.find(key, limit_bytes=limit_bytes)
            yield key, None if found is None else found[0]

    def read_range(self, key: str, start: int, end: int) -> bytes:
        """Bytes [start, end) of `key`."""
        path = self.local_path(key)
        try:
            with os_errors(path), path.open("rb") as file:
                file.seek(start)
                return file.read(end - start)
        except FileNotFoundError:
            raise self._missing(key) from None

    def create_if_absent(self, key: str, body: bytes) -> bool:
        """Write `body` unless the key exists."""
        path = self.local_path(key)
        with self._temporary(path, lambda file: file.write(body)) as temporary:
            return _link(temporary, path)

    def compare_and_swap(self, key: str, body: bytes, tag: str | None) -> str | None:
        """Replace `key` if it still carries `tag`."""
        if tag is None:
            return _tag(body) if self.create_if_absent(key, body) else None
        with self._lock(key):
            found = self.find(key)
            if found is None or found[1] != tag:
                return None
            self.put(key, body)
        return _tag(body)

    def put(self, key: str, body: bytes) -> None:
        """Write or replace `key`."""
        self._replace(key, lambda file: file.write(body))

    def put_file(self, key: str, path: Path, *, sha256: str | None = None) -> None:
        """Write or replace `key` with the bytes of a file."""
        digest = hashlib.sha256()

        def copy(target: BinaryIO) -> None:
            with os_errors(path):
                source = path.open("rb")
            with source:
                while piece := source.read(_PIECE_BYTES):
                    target.write(piece)
                    digest.update(piece)
            if sha256 is not None and digest.hexdigest() != sha256:
                raise ConflictError(f"{path} changed: expected sha256 {sha256}. Received: {digest.hexdigest()}.", kind="changed")

        self._replace(key, copy)

    def get_file(
        self,
        key: str,
        path: Path,
        *,
        update: Callable[[bytes], object] | None = None,
        limit_bytes: int | None = None,
        resume: bool = False,
    ) -> None:
        """Copy `key` to a file, from its beginning: what an earlier process left is as quickly copied as compared."""
        source = self.local_path(key)
        try:
            with os_errors(source):
                file = source.open("rb")
        except FileNotFoundError:
            raise self._missing(key) from None
        copied_bytes = 0
        with os_errors(path), file, path.open("wb") as target:
            while piece := file.read(_PIECE_BYTES):
                target.write(piece)
                copied_bytes += len(piece)
                if update is not None:
                    update(piece)
                if limit_bytes is not None and copied_bytes > limit_bytes:
                    return

    def list(self, prefix: str = "", *, after: str = "") -> Iterator[Entry]:
        """Objects under `prefix`, in the order of their keys."""
        folder = prefix.rpartition("/")[0]
        for key, found in _walk(self.root / folder, f"{folder}/" if folder else "", prefix):
            if key > after:
                try:
                    stat = found.stat()
                except FileNotFoundError:
                    continue
                yield Entry(key, stat.st_size, datetime.fromtimestamp(stat.st_mtime, UTC), stamp_of(stat))

    def folders(self, prefix: str = "") -> Iterator[str]:
        """Names of the folders directly under `prefix`."""
        yield from (found.name for found in _scan(self.root / prefix) if found.is_dir())

    def size(self, key: str) -> int | None:
        """Bytes of `key`; None where it is absent."""
        path = self.local_path(key)
        try:
            with os_errors(path):
                return path.stat().st_size
        except FileNotFoundError:
            return None

    def delete(self, key: str) -> None:
        """Remove `key`."""
        path = self.local_path(key)
        with os_errors(path):
            path.unlink(missing_ok=True)

    def abandoned_uploads(self, prefix: str, older_than: datetime) -> Iterator[Upload]:
        """Temporary files of writers that died."""
        for folder, _, names in os.walk(self.root / prefix.rpartition("/")[0]):
            for name in sorted(names):
                if not name.startswith(TEMPORARY):
                    continue
                path = Path(folder, name)
                try:
                    started = datetime.fromtimestamp(path.stat().st_mtime, UTC)
                except FileNotFoundError:
                    continue
                key = path.relative_to(self.root).as_posix()
                if key.startswith(prefix) and started < older_than:
                    yield Upload(key, name, started)

    def abort_upload(self, upload: Upload) -> None:
        """Remove a temporary file."""
        self.delete(upload.key)

    def _missing(self, key: str) -> NotFoundError:
        return NotFoundError(f"{self.root / key} does not exist.", kind="key", key=key)

    def _replace(self, key: str, write: Callable[[BinaryIO], object]) -> None:
        path = self.local_path(key)
        with self._temporary(path, write) as temporary:
            os.replace(temporary, path)
            _sync_folder(path.parent)

    @contextmanager
    def _temporary(self, path: Path, write: Callable[[BinaryIO], object]) -> Iterator[Path]:
        """A complete, synced file beside `path`, removed if it is still there at the end."""
        temporary = path.with_name(f"{TEMPORARY}{uuid.uuid4().hex}")
        with os_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with temporary.open("wb") as file:
                    write(file)
                    file.flush()
                    os.fsync(file.fileno())
                yield temporary
            finally:
                temporary.unlink(missing_ok=True)

    @contextmanager
    def _lock(self, key: str) -> Iterator[None]:
        from filelock import FileLock

        folder = self.root / _LOCKS
        with os_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.lock")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()


def stamp_of(status: os.stat_result) -> str:
    """What differs when a file has been written again: its size, its time in nanoseconds, or its inode."""
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ino}"


def _tag(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _link(temporary: Path, path: Path) -> bool:
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno in (errno.EPERM, errno.ENOTSUP, errno.EMLINK):
            raise StorageError(
                f"{path.parent} is on a file system without hard links, so no race of writers can be decided there. "
                "Choose another folder, or s3://."
            ) from error
        raise
    _sync_folder(path.parent)
    return True


def prove_writable(folder: Path) -> None:
    """Write, link and remove a small file, as every later write to this existing folder will.

    Raises:
        AccessError: this user may not write there.
        StorageError: the disk is full, the file system has no hard links, or this is no folder.
    """
    temporary, linked = (folder / f"{TEMPORARY}{uuid.uuid4().hex}" for _ in range(2))
    with os_errors(folder):
        try:
            temporary.write_bytes(b"x" * 4096)
            _link(temporary, linked)
        finally:
            temporary.unlink(missing_ok=True)
            linked.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _scan(folder: Path) -> "list[os.DirEntry[str]]":
    try:
        with os_errors(folder), os.scandir(folder) as entries:
            found = [entry for entry in entries if not entry.name.startswith(TEMPORARY) and entry.name != _LOCKS]
    except FileNotFoundError:
        return []
    return sorted(found, key=lambda entry: entry.name + "/" if entry.is_dir() else entry.name)


def _walk(folder: Path, above: str, prefix: str) -> "Iterator[tuple[str, os.DirEntry[str]]]":
    """Files under `folder` in the order S3 lists keys, where a folder sorts by its name and the slash."""
    for entry in _scan(folder):
        key = above + entry.name
        if entry.is_dir():
            if f"{key}/".startswith(prefix):
                yield from _walk(folder / entry.name, f"{key}/", prefix)
        elif key.startswith(prefix):
            yield key, entry
