"""Publishing a folder as the next version.

    announce ► wait while a gc is at work ► blobs ► manifest ► blobs again, where one went missing ► catalog ► announcement removed
                                                    ^^^^^^^^ the commit: before it nothing is visible, after it everything is

Blobs are named by their digest, so a publisher that dies leaves nothing but bytes that nobody refers to, and the next publisher of the
same bytes finds them there. The catalog and the note of the content only save others work: their failure is no failure of the publication.
A version whose blobs could not be looked at again is published all the same, but whoever published it is told.
"""

from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from distrnn.errors import DataError, DistrnnError, NotFoundError, UsageError
from distrnn.registry import catalog, contents
from distrnn.registry.layout import timestamp
from distrnn.registry.manifest import FORMS, FileEntry, Manifest, ModelVersion, check_path, check_together, form_of, to_json_bytes
from distrnn.registry.uploads import Upload, changed, distinct
from distrnn.registry.versions import VersionLog
from distrnn.storage import Store
from distrnn.storage.local_errors import os_errors

_PIECE_BYTES = 1 << 20


def publish(
    store: Store, name: str, folder: Path, metadata: dict[str, Any], *, before_commit: Callable[[], object] | None = None
) -> ModelVersion:
    """Make the files of `folder` the next version of `name`, or find the version that has the same content already.

    A version that is found gets its blobs again, so that publishing once more mends what was damaged.

    Args:
        store: the registry's.
        name: the model.
        folder: its files.
        metadata: plain JSON.
        before_commit: called as the last thing before the manifest is created; where it raises, nothing is published.
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
    wanted = contents.identity(Manifest(name, 0, "", "", files, metadata))
    log = VersionLog(store, name)
    head = log.head()
    known = contents.find(log, head, wanted)
    with Upload(store, name, distinct(files, folder), repair=known is not None) as upload:
        upload.upload()
        if _stamps(folder) != before:
            raise changed(folder)
        created_at, attempt = timestamp(), upload.pending.attempt
        if known is not None and log.read(known.number) == known:
            upload.confirm(known)
            return known

        def last_look() -> None:
            upload.pending.keep = False  # nothing of ours is there yet: a try that came to nothing was somebody else's version
            if before_commit is not None:
                before_commit()
            upload.pending.keep = True

        version, ours = log.commit(
            head,
            lambda number: Manifest(name, number, attempt, created_at, files, metadata),
            same=lambda theirs: contents.identity(theirs) == wanted,
            before_commit=last_look,
        )
        upload.confirm(version)
        if ours:
            contents.note(store, version)
        with suppress(DistrnnError):
            catalog.refresh(store, name, published=version.number)
            upload.pending.keep = False
    return version


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
