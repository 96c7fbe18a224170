"""The user's copy of what was pulled: keyed by digest, verified, shared by all processes of the machine.

A file enters under a temporary name, its sha256 is taken while it arrives, and only bytes that match are renamed to their digest.
What lies there is checked again each time it is handed out, so a file that was altered later is fetched anew instead of trusted.
Locks are the system's: they end with the process that holds them.
"""

import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from distrnn.errors import DistrnnError, IntegrityError
from distrnn.registry.manifest import FileEntry, ModelVersion
from distrnn.storage.local import LocalStore
from distrnn.storage.local_errors import os_errors

Fetch = Callable[[FileEntry, Path, Callable[[bytes], object]], None]
_PIECE_BYTES = 1 << 20


class Cache:
    """Manifests, blobs and ready folders under `home`/cache/models."""

    def __init__(self, home: Path) -> None:
        self.root = home / "cache" / "models"
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
        ready = self.root / "folders" / version.hex_digest / form
        if holds(ready, files):
            return ready
        with self._lock(f"{version.hex_digest}-{form}"):
            if not holds(ready, files):
                self._build(ready, [(file, self._blob(version, file, fetch)) for file in files])
        return ready

    def _build(self, ready: Path, blobs: Sequence[tuple[FileEntry, Path]]) -> None:
        with self.temporary() as building, os_errors(ready):
            for file, blob in blobs:
                place(blob, building / file.path, link=True)
            ready.parent.mkdir(parents=True, exist_ok=True)
            if ready.exists():
                with self.temporary() as old:
                    os.rename(ready, old)
            os.rename(building, ready)

    def _blob(self, version: ModelVersion, file: FileEntry, fetch: Fetch) -> Path:
        blob = self.root / "blobs" / file.sha256[:2] / file.sha256
        with self._lock(file.sha256):
            if matches(blob, file):
                return blob
            with self.temporary() as arriving, os_errors(arriving):
                arriving.parent.mkdir(parents=True, exist_ok=True)
                digest = sha256()
                fetch(file, arriving, digest.update)
                _verify(version, file, arriving, digest.hexdigest())
                arriving.chmod(0o444)
                blob.parent.mkdir(parents=True, exist_ok=True)
                os.replace(arriving, blob)
        return blob

    @contextmanager
    def temporary(self) -> Iterator[Path]:
        """A name nobody else uses; whatever stands there at the end is removed."""
        path = self.root / "temporary" / uuid.uuid4().hex
        with os_errors(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield path
        finally:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    @contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        from filelock import FileLock

        path = self.root / "locks" / f"{name}.lock"
        with os_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()


def holds(folder: Path, files: Sequence[FileEntry]) -> bool:
    """Whether a folder has all these files, byte for byte."""
    return all(matches(folder / file.path, file) for file in files)


def matches(path: Path, file: FileEntry) -> bool:
    """Whether a file has the size and the sha256 that are expected."""
    digest = sha256()
    try:
        with os_errors(path):
            if path.stat().st_size != file.size_bytes:
                return False
            with path.open("rb") as opened:
                while piece := opened.read(_PIECE_BYTES):
                    digest.update(piece)
    except (FileNotFoundError, DistrnnError):
        return False
    return digest.hexdigest() == file.sha256


def place(blob: Path, target: Path, *, link: bool) -> None:
    """Put a blob's bytes at `target`, by a hard link where that is wanted and possible."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if link:
        try:
            os.link(blob, target)
        except OSError:
            link = False
    if not link:
        shutil.copyfile(blob, target)


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
