"""Remote objects that are read by memory map or from their beginning to their end, brought once to this machine.

A copy lies under DISTRNN_HOME/cache and arrives by rename, so whoever sees it sees all of it, in however many processes it is asked for.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from distrnn.data.source_files import SourceFile, check_unchanged, file_at
from distrnn.storage import Store, default_home
from distrnn.storage.local_errors import os_errors


@dataclass(frozen=True)
class LocalFile:
    """A file that can be opened here.

    Attributes:
        name: what its user calls it, for messages: its path or its s3:// URL.
        path: where it lies on this machine.
    """

    name: str
    path: Path

    def __str__(self) -> str:
        return self.name


def local_file(name: str) -> LocalFile | None:
    """A file of this machine as it is, or the copy of an object: another one whenever the object has changed.

    Args:
        name: a path, which need not exist, or an s3:// URL.
    Returns:
        None where there is no such object.
    Raises:
        DataError: the object changed while it was brought.
        StorageError: there is no room for it.
    """
    if "://" not in name:
        return LocalFile(name, Path(name))
    found = file_at(name)
    if found is None:
        return None
    copy = default_home() / "cache" / "files" / _name_of_copy(found)
    return LocalFile(name, bring(found.store, found.key, copy, found.size_bytes, lambda _: check_unchanged([found])))


def bring(store: Store, key: str, path: Path, size_bytes: int, check: Callable[[str], None]) -> Path:
    """Copy an object to `path`, unless that is there already.

    Args:
        store: has the object.
        key: of the object.
        path: of the copy; its name tells it from every other content.
        size_bytes: of the object.
        check: given the sha256 of what arrived; what it raises leaves no copy.
    Returns:
        `path`.
    """
    if path.exists() and path.stat().st_size == size_bytes:
        return path
    with os_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
            arrived, digest = Path(scratch) / path.name, hashlib.sha256()
            store.get_file(key, arrived, update=digest.update, limit_bytes=size_bytes)
            check(digest.hexdigest())
            arrived.replace(path)
    return path


def _name_of_copy(file: SourceFile) -> str:
    """Two servers may hold two objects under one URL."""
    known_by = [file.store.endpoint, file.url, file.size_bytes, file.stamp]
    return hashlib.sha256(json.dumps(known_by).encode()).hexdigest()
