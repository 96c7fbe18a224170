"""Publishing a folder as the next version.

    pending ► blobs ► manifest ► blobs again, where one went missing ► hint ► pending removed
                      ^^^^^^^^ the commit: before it nothing is visible, after it everything is

Blobs are named by their digest, so a publisher that dies leaves nothing but bytes that nobody refers to, and the next publisher of the
same bytes finds them there. The hint and the removal of pending only save others work: their failure is no failure of the publication.
A version whose blobs could not be looked at again is published all the same, but whoever published it is told.
"""

import uuid
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from distrnn.errors import ConflictError, DataError, DistrnnError, NotFoundError, StorageError, UsageError
from distrnn.registry.layout import blob_key, pending_key, timestamp
from distrnn.registry.manifest import (
    FORMS,
    SCHEMA_VERSION,
    FileEntry,
    Manifest,
    ModelVersion,
    check_path,
    check_together,
    form_of,
    to_json_bytes,
)
from distrnn.registry.versions import VersionLog
from distrnn.storage import Store
from distrnn.storage.local_errors import os_errors

LEASE = timedelta(hours=1)
_PIECE_BYTES = 1 << 20


def publish(store: Store, name: str, folder: Path, metadata: dict[str, Any]) -> ModelVersion:
    """Make the files of `folder` the next version of `name`.

    Raises:
        NotFoundError: there is no such folder.
        UsageError: the metadata is no JSON, or a folder is no form.
        DataError: the folder is empty, or holds a link or a special file.
        ConflictError: a file changed while it was being uploaded.
        StorageError: also where the version is published, but its blobs could not be checked afterwards; names it.
    """
    to_json_bytes(metadata, "metadata")
    before = _stamps(folder)
    files = tuple(_describe(folder, path) for path in before)
    attempt = uuid.uuid4().hex
    pending = Pending(store, name, attempt, files)
    try:
        for file in files:
            pending.renew()
            _upload(store, name, folder, file)
        if _stamps(folder) != before:
            raise ConflictError(
                f"{folder} changed while it was being published. Nothing was published; run this again when nobody writes there."
            )
        created_at = timestamp()
        log = VersionLog(store, name)
        version = log.commit(lambda number: Manifest(name, number, attempt, created_at, files, metadata))
        with suppress(DistrnnError):
            log.leave_hint(version.number)
        _check_again(store, version, folder)
    finally:
        pending.remove()
    return version


class Pending:
    """Tells whoever cleans up which blobs are about to be referred to."""

    def __init__(self, store: Store, name: str, attempt: str, files: Sequence[FileEntry]) -> None:
        self.store = store
        self.key = pending_key(name, attempt)
        self.document = {
            "schema_version": SCHEMA_VERSION,
            "name": name,
            "attempt": attempt,
            "started_at": timestamp(),
            "digests": sorted({file.sha256 for file in files}),
        }
        self.expires = datetime.min.replace(tzinfo=UTC)

    def renew(self) -> None:
        """Write it, unless it still has most of its time before it."""
        now = datetime.now(UTC)
        if self.expires - now < LEASE * 2 / 3:
            self.expires = now + LEASE
            self.store.put(self.key, to_json_bytes({**self.document, "expires_at": timestamp(self.expires)}, "pending"))

    def remove(self) -> None:
        """Take it away; one that stays behind expires."""
        with suppress(DistrnnError):
            self.store.delete(self.key)


def _check_again(store: Store, version: ModelVersion, folder: Path) -> None:
    """Bring back the blobs of a new version that a cleaner removed before it could see the manifest."""
    try:
        for file in version.manifest.files:
            _upload(store, version.name, folder, file)
    except (DistrnnError, OSError) as error:
        reason = str(error).rstrip(".")
        raise StorageError(
            f"{version} is published in {store.url}, but whether all of its files are there could not be checked: {reason}. "
            f"Run `distrnn pull {version} --for all`: if it names a missing file, publish the folder again.",
            kind="unverified",
            version=str(version),
        ) from error


def _upload(store: Store, name: str, folder: Path, file: FileEntry) -> None:
    key = blob_key(name, file.sha256)
    if store.size(key) != file.size_bytes:
        store.put_file(key, folder / file.path)


def _stamps(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Every file of a folder with what changes when it is written to: inode, size, time of the last change in ns."""
    if not folder.is_dir():
        raise NotFoundError(f"{folder} is not a folder. Expected a folder with the model's files.")
    found: dict[str, tuple[int, int, int]] = {}
    with os_errors(folder):
        for path in sorted(folder.rglob("*")):
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise DataError(f"{path} is a link or a special file. Expected plain files only; copy what it points to.")
            if path.is_file():
                stat = path.stat()
                found[path.relative_to(folder).as_posix()] = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
    if not found:
        raise DataError(f"{folder} is empty. Expected the model's files.")
    check_together(list(found))
    return found


def _describe(folder: Path, path: str) -> FileEntry:
    form = form_of(check_path(path))
    if form is not None and form not in FORMS:
        raise UsageError(f"{folder / form} is no form of a model. Expected files at the top, and folders {', '.join(FORMS)} only.")
    digest, size_bytes = sha256(), 0
    with os_errors(folder / path), (folder / path).open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
            size_bytes += len(piece)
    return FileEntry(path, size_bytes, digest.hexdigest(), form)
