"""The user's copy of what was pulled: keyed by digest, verified, shared by all processes of the machine.

    manifests/<digest>.json    of every version that was asked for
    folders/<digest>/<form>/   the files of a form, ready to be loaded; hard links to blobs; its time says when it was last used
    blobs/ab/<sha256>          verified bytes, read-only
    partial/<sha256>           a blob on its way, and `.have`, which says what of it is there; the next pull goes on with it
    temporary/<lock>.<id>      folders that are being put together, or removed
    seen/<sha256>              which files were verified (see `seen`)
    locks/<name>.lock          one for each blob and one for each folder

A blob arrives in `partial`, its sha256 is taken while it arrives, and only bytes that match are renamed to their digest. Whoever goes on
with a partial file may find that it is wrong; then it is fetched once more from the start before anything is called damaged. What lies
in the cache is checked again each time it is handed out, so a file that was altered later is fetched anew instead of trusted.

A pull holds the lock of the folder it makes, and the lock of each blob from before it looks until its link is in the new folder; whoever
removes something holds the same lock. Locks are the system's: they end with the process that holds them. Links inside the cache
are not followed: a file that is one is not what is expected, a folder that is one is an error.
"""

import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from distrnn.errors import DistrnnError, IntegrityError, StorageError
from distrnn.registry.manifest import FileEntry, ModelVersion
from distrnn.registry.seen import Seen, hash_of
from distrnn.registry.together import together
from distrnn.storage.local import LocalStore
from distrnn.storage.local_errors import os_errors
from distrnn.storage.partial import discard, sidecar

Fetch = Callable[[FileEntry, Path, Callable[[bytes], object]], None]
_POLL_S = 0.05
_STOP_S = 0.5


class Cache:
    """Manifests, blobs and ready folders under `home`/cache/models."""

    def __init__(self, home: Path) -> None:
        self.root = home / "cache" / "models"
        self.seen = Seen(self.root / "seen")
        self._store = LocalStore(self.root)

    def manifest(self, digest: str) -> bytes | None:
        """The manifest with this sha256, None where it is not here or was altered."""
        found = self._store.find(f"manifests/{digest}.json")
        return found[0] if found is not None and sha256(found[0]).hexdigest() == digest else None

    def manifests(self, prefix: str) -> Iterator[tuple[str, bytes]]:
        """Digest and bytes of each manifest whose digest begins with `prefix`."""
        for entry in self._store.list(f"manifests/{prefix}"):
            digest = entry.key.removeprefix("manifests/").removesuffix(".json")
            if (body := self.manifest(digest)) is not None:
                yield digest, body

    def keep_manifest(self, version: ModelVersion) -> None:
        """Keep a version's manifest."""
        if self.manifest(version.hex_digest) is None:
            self.parent(self.root / "manifests" / version.hex_digest)
            self._store.put(f"manifests/{version.hex_digest}.json", version.body)

    def folder(self, version: ModelVersion, form: str, files: Sequence[FileEntry], fetch: Fetch) -> Path:
        """A folder with these files of a version, made if it is not here or was altered.

        Args:
            version: whose files.
            form: part of the folder's name.
            files: what the folder holds.
            fetch: brings a blob that is missing; called with the file, where to write it, and what to call with each piece.
        Raises:
            IntegrityError: a fetched blob does not match; names the file.
        """
        ready, name = self.root / "folders" / version.hex_digest / form, f"{version.hex_digest}-{form}"
        if self._holds(ready, files):
            self.keep_manifest(version)
        else:
            with self.lock(name):
                # First, so that what a broken pull leaves has a name.
                self.keep_manifest(version)
                if not self._holds(ready, files):
                    self._build(version, name, ready, files, fetch)
        with suppress(OSError):
            os.utime(ready)
        return ready

    def blob(self, digest: str) -> Path:
        """Where the bytes with this sha256 are, or would be."""
        return self.root / "blobs" / digest[:2] / digest

    @contextmanager
    def temporary(self, lock: str) -> Iterator[Path]:
        """A name nobody else uses, for who holds this lock; whatever stands there at the end is removed."""
        path = self.root / "temporary" / f"{lock}.{uuid.uuid4().hex}"
        self.parent(path)
        try:
            yield path
        finally:
            remove(path)

    @contextmanager
    def lock(self, name: str, stopped: Callable[[], bool] = lambda: False) -> Iterator[None]:
        """Hold a lock; while somebody else has it, ask now and then whether to give up."""
        while True:
            with self.lock_if_free(name, wait_s=_STOP_S) as held:
                if held:
                    yield
                    return
            _go_on(stopped)

    @contextmanager
    def lock_if_free(self, name: str, wait_s: float = 0.0) -> Iterator[bool]:
        """Hold a lock, if it is free or becomes so in time; says whether."""
        from filelock import FileLock, Timeout

        path = self.root / "locks" / f"{name}.lock"
        self.parent(path)
        with os_errors(path):
            lock = FileLock(path)
            try:
                lock.acquire(timeout=wait_s, poll_interval=_POLL_S)
            except Timeout:
                yield False
                return
        try:
            yield True
        finally:
            lock.release()

    def parent(self, path: Path) -> None:
        """Make the folder that `path` is in.

        Raises:
            StorageError: it, or one above it, is a link out of the cache.
        """
        linked = self._link_above(path)
        if linked is not None:
            raise StorageError(
                f"{linked} is a link, and the cache follows none inside its folder. Remove it, or move the whole cache with DISTRNN_HOME."
            )
        with os_errors(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)

    def _link_above(self, path: Path) -> Path | None:
        above = path.relative_to(self.root).parts[:-1]
        folders = (self.root.joinpath(*above[:depth]) for depth in range(1, len(above) + 1))
        return next((folder for folder in folders if folder.is_symlink()), None)

    def _holds(self, folder: Path, files: Sequence[FileEntry]) -> bool:
        return all(self._is(folder / file.path, file) for file in files)

    def _is(self, path: Path, file: FileEntry) -> bool:
        return self._link_above(path) is None and self.seen.matches(path, file.size_bytes, file.sha256)

    def _build(self, version: ModelVersion, lock: str, ready: Path, files: Sequence[FileEntry], fetch: Fetch) -> None:
        with self.temporary(lock) as building, os_errors(ready):

            def bring(file: FileEntry, stopped: Callable[[], bool]) -> None:
                blob = self.blob(file.sha256)
                with self.lock(file.sha256, stopped):
                    if not self._is(blob, file):
                        self._fetch(version, file, blob, fetch, stopped)
                    place(blob, building / file.path, link=True)

            together(bring, files)
            self.parent(ready)
            if os.path.lexists(ready):
                with self.temporary(lock) as old:
                    os.rename(ready, old)
            os.rename(building, ready)

    def _fetch(self, version: ModelVersion, file: FileEntry, blob: Path, fetch: Fetch, stopped: Callable[[], bool]) -> None:
        arriving = self.root / "partial" / file.sha256
        self.parent(arriving)
        self.parent(blob)
        with os_errors(arriving):
            if arriving.is_symlink() or sidecar(arriving).is_symlink():
                discard(arriving)
            resumed = arriving.exists()
            while not self._arrived(version, file, arriving, fetch, stopped, final=not resumed):
                resumed = False
            arriving.chmod(0o444)
            remove(blob)
            os.replace(arriving, blob)
            discard(arriving)
        self.seen.remember(blob, file.sha256)

    def _arrived(
        self, version: ModelVersion, file: FileEntry, path: Path, fetch: Fetch, stopped: Callable[[], bool], *, final: bool
    ) -> bool:
        """Fetch a blob; False where what an earlier pull had left of it turned out wrong."""
        digest = sha256()

        def update(piece: bytes) -> None:
            _go_on(stopped)
            digest.update(piece)

        try:
            fetch(file, path, update)
            _verify(version, file, path, digest.hexdigest())
        except IntegrityError:
            discard(path)
            if final:
                raise
            return False
        except BaseException:
            # Only with its map can somebody go on with it.
            if not sidecar(path).exists():
                discard(path)
            raise
        return True


def matches(path: Path, file: FileEntry) -> bool:
    """Whether a file, wherever it is, has the size and the sha256 that are expected."""
    try:
        return path.lstat().st_size == file.size_bytes and hash_of(path) == file.sha256
    except OSError:
        return False


def place(blob: Path, target: Path, *, link: bool) -> None:
    """Put a blob's bytes at `target`, by a hard link where that is wanted and possible."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if link:
        try:
            os.link(blob, target)
        except FileNotFoundError:
            raise
        except OSError:
            link = False
    if not link:
        shutil.copyfile(blob, target)


def remove(path: Path) -> None:
    """Remove a file, a link (not what it leads to) or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _go_on(stopped: Callable[[], bool]) -> None:
    if stopped():
        raise DistrnnError("the pull was given up, because another of its files could not be had")


def _verify(version: ModelVersion, file: FileEntry, path: Path, received: str) -> None:
    size_bytes = path.stat().st_size
    if size_bytes == file.size_bytes and received == file.sha256:
        return
    if size_bytes != file.size_bytes:
        shown = f"{size_bytes:,} bytes" if size_bytes < file.size_bytes else f"more than {file.size_bytes:,} bytes"
        what = f"expected {file.size_bytes:,} bytes, received {shown}"
    else:
        what = f"expected sha256 {file.sha256[:12]}…, received {received[:12]}…"
    raise IntegrityError(
        f"{file.path} of {version} is damaged in the registry: {what}. Nothing was kept. Publish the model again, or pull another version.",
        file=file.path,
        version=str(version),
    )
