"""Removing from the cache what is not needed, without breaking a pull that is at work.

What goes is decided first and shown; then each thing is removed under the lock that a pull of it would hold. What is locked, or was used
since the decision, stays. A folder leaves under a temporary name, in one step, and a blob goes when no folder has a link to it.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from distrnn.registry.cache import Cache, remove
from distrnn.registry.cache_care import blobs, entries, folders, manifests, moment, walk
from distrnn.storage.local_errors import os_errors
from distrnn.storage.partial import discard, present_bytes, sidecar

LEFTOVERS_KEPT = timedelta(days=7)
_File = tuple[int, int]


@dataclass(frozen=True)
class Prunable:
    """Something that can be removed by itself.

    Attributes:
        kind: `version` (a form of one), `blob` (of no folder), `partial` (of a broken pull), `temporary` (of a killed process).
        path: the folder or the file.
        lock: whoever works on it holds this.
        used_at: when it was last handed out or written.
        files: size of each file in it, by device and inode, so that one with several names counts once.
        label: `name@v3 numpy`, or the digest of a blob.
    """

    kind: str
    path: Path
    lock: str
    used_at: datetime
    files: dict[_File, int]
    label: str

    @property
    def size_bytes(self) -> int:
        """Bytes of its files; those that other versions share with it stay on the disk."""
        return sum(self.files.values())

    def to_json(self) -> dict[str, Any]:
        """The entry as `cache prune --json` shows it."""
        return {
            "kind": self.kind,
            "what": self.label,
            "size_bytes": self.size_bytes,
            "used_at": self.used_at.isoformat(),
            "path": str(self.path),
        }


def to_prune(
    cache: Cache,
    *,
    older_than: timedelta | None = None,
    max_bytes: int | None = None,
    everything: bool = False,
    now: datetime | None = None,
) -> list[Prunable]:
    """Decide what goes; nothing is removed yet.

    What a broken pull or a killed process has left for more than a week always goes.

    Args:
        cache: the cache.
        older_than: what was not used for so long.
        max_bytes: what was not used for longest, until no more than this is left.
        everything: all of it.
        now: default: this moment.
    Returns:
        What goes, the longest unused first.
    """
    moment_now = now or datetime.now(UTC)
    found = sorted(_prunables(cache), key=lambda item: item.used_at)
    going = set[Path]()
    for item in found:
        age = moment_now - item.used_at
        left_over = item.kind != "version" and age > LEFTOVERS_KEPT
        if everything or left_over or (older_than is not None and age > older_than):
            going.add(item.path)
    if max_bytes is not None:
        going.update(_beyond([item for item in reversed(found) if item.path not in going], max_bytes))
    return [item for item in found if item.path in going]


def freed_bytes(cache: Cache, going: Iterable[Prunable]) -> int:
    """What the disk gains when these are gone."""
    gone = {item.path: item.files for item in going}
    kept = {file for item in _prunables(cache) if item.path not in gone for file in item.files}
    return sum({file: size for files in gone.values() for file, size in files.items() if file not in kept}.values())


def prune(cache: Cache, going: Iterable[Prunable]) -> Iterator[Prunable]:
    """Remove what was decided on, but for what is in use, and say what went."""
    with os_errors(cache.root):
        loose: set[_File] = set()
        for item in going:
            with cache.lock_if_free(item.lock) as free:
                if not free or _is_needed(item):
                    continue
                _remove(cache, item)
            loose.update(item.files)
            yield item
        for blob in list(blobs(cache)):
            if _file(blob) in loose:
                with cache.lock_if_free(blob.name) as free:
                    if free and _is_alone(blob):
                        _remove_blob(cache, blob)
        _remove_manifests(cache)


def _is_needed(item: Prunable) -> bool:
    """Whether something happened since it was decided that this goes: somebody used it, or removed it already."""
    if not os.path.lexists(item.path) or moment(item.path) > item.used_at:
        return True
    return item.kind == "blob" and not _is_alone(item.path)


def _remove(cache: Cache, item: Prunable) -> None:
    if item.kind == "version":
        with cache.temporary(item.lock) as old:
            os.rename(item.path, old)
    elif item.kind == "blob":
        _remove_blob(cache, item.path)
    elif item.kind == "partial":
        discard(item.path)
    else:
        remove(item.path)


def _remove_blob(cache: Cache, blob: Path) -> None:
    cache.seen.forget(blob.name)
    remove(blob)


def _remove_manifests(cache: Cache) -> None:
    """Manifests of which nothing is here, and the signatures beside them; the empty folders too."""
    for version in entries(cache.root / "folders"):
        if not entries(version) and not version.is_symlink():
            version.rmdir()
    loose = {path.name for path in (*entries(cache.root / "partial"), *filter(_is_alone, blobs(cache)))}
    for digest, manifest in manifests(cache).items():
        with ExitStack() as locks:
            free = all(locks.enter_context(cache.lock_if_free(f"{digest}-{form}")) for form in (*manifest.forms, "all"))
            here = os.path.lexists(cache.root / "folders" / digest) or any(file.sha256 in loose for file in manifest.files)
            if free and not here:
                remove(cache.root / "manifests" / f"{digest}.json")
                remove(cache.root / "signatures" / digest)


def _beyond(newest_first: list[Prunable], max_bytes: int) -> Iterator[Path]:
    kept: dict[_File, int] = {}
    full = False
    for item in newest_first:
        together = {**kept, **item.files}
        full = full or sum(together.values()) > max_bytes
        if full:
            yield item.path
        else:
            kept = together


def _prunables(cache: Cache) -> Iterator[Prunable]:
    known = manifests(cache)
    for folder in folders(cache):
        digest, form = folder.parent.name, folder.name
        manifest = known.get(digest)
        label = f"{manifest.name}@v{manifest.number} {form}" if manifest else f"sha256:{digest[:12]} {form}"
        yield Prunable("version", folder, f"{digest}-{form}", moment(folder), _files(walk(folder)), label)
    for blob in blobs(cache):
        if _is_alone(blob):
            yield Prunable("blob", blob, blob.name, moment(blob), _files([blob]), f"sha256:{blob.name[:12]}")
    for path in entries(cache.root / "partial"):
        data = path.with_suffix("") if path.suffix else path
        if path == data or not os.path.lexists(data):
            size = present_bytes(path) if sidecar(path).exists() else path.lstat().st_size
            yield Prunable("partial", path, data.name, moment(path), {_file(path): size}, f"sha256:{data.name[:12]}")
    for path in entries(cache.root / "temporary"):
        files = _files(walk(path) if path.is_dir() and not path.is_symlink() else [path])
        yield Prunable("temporary", path, path.name.partition(".")[0], moment(path), files, path.name)


def _files(paths: Iterable[Path]) -> dict[_File, int]:
    return {_file(path): path.lstat().st_size for path in paths}


def _file(path: Path) -> _File:
    found = path.lstat()
    return found.st_dev, found.st_ino


def _is_alone(blob: Path) -> bool:
    return os.path.lexists(blob) and blob.lstat().st_nlink == 1
