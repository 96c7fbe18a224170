"""Looking after the cache: what is in it, and whether it is still what it was.

Nothing here is needed to pull; it reads what pulls have left, and removes only what is wrong.
"""

import json
import os
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from distrnn.errors import DistrnnError
from distrnn.registry.cache import Cache, remove
from distrnn.registry.manifest import FileEntry, Manifest, parse
from distrnn.registry.seen import hash_of
from distrnn.storage.local_errors import os_errors
from distrnn.storage.partial import present_bytes, sidecar


@dataclass(frozen=True)
class Cached:
    """One form of a version in the cache.

    Attributes:
        name: the model; None where the manifest is lost.
        number: the version; likewise.
        digest: of the version.
        form: `numpy`, `keras`, … or `all`.
        state: `complete`, or `partial` where a pull was broken off (or is at work).
        size_bytes: of its files, when they are complete.
        present_bytes: what of them is here.
        used_at: when it was last handed out; of a partial one, when its last bytes came.
        path: the folder.
    """

    name: str | None
    number: int | None
    digest: str
    form: str
    state: str
    size_bytes: int
    present_bytes: int
    used_at: datetime
    path: Path

    def to_json(self) -> dict[str, Any]:
        """The entry as `cache list --json` shows it."""
        return {**asdict(self), "used_at": self.used_at.isoformat(), "path": str(self.path)}


@dataclass(frozen=True)
class Altered:
    """Something in the cache that was not what it should be, and was removed; `version` is `name@v3`."""

    path: Path
    problem: str
    version: str | None = None
    form: str | None = None
    file: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The entry as `cache verify --json` shows it."""
        return {**asdict(self), "path": str(self.path)}


def list_cache(cache: Cache) -> list[Cached]:
    """What the cache has, by model, version and form."""
    known = manifests(cache)
    ready = list(folders(cache))
    found = [_complete(folder, known.get(folder.parent.name)) for folder in ready]
    made = {(folder.parent.name, folder.name) for folder in ready}
    for digest, manifest in known.items():
        for form in manifest.forms:
            if (digest, form) not in made and (begun := _begun(cache, digest, manifest, form)):
                found.append(begun)
    return sorted(found, key=lambda entry: (entry.name or "~", -(entry.number or 0), entry.digest, entry.form))


def cache_bytes(cache: Cache) -> int:
    """What the cache takes on the disk; a file that has several names there counts once."""
    seen: dict[tuple[int, int], int] = {}
    for path in walk(cache.root):
        found = path.lstat()
        size_bytes = present_bytes(path) if path.parent == cache.root / "partial" and sidecar(path).exists() else found.st_size
        seen[(found.st_dev, found.st_ino)] = size_bytes
    return sum(seen.values())


def verify_cache(cache: Cache) -> Iterator[Altered]:
    """Hash every file of the cache, remove what is altered, and say so; what a pull is working on is left to it."""
    with os_errors(cache.root):
        hashes = _Hashes()
        for path in entries(cache.root / "manifests"):
            if path.suffix == ".json" and cache.manifest(path.stem) is None:
                remove(path)
                yield Altered(path, "altered")
        known = manifests(cache)
        for folder in list(folders(cache)):
            with cache.lock_if_free(f"{folder.parent.name}-{folder.name}") as free:
                if free:
                    yield from _verify_folder(cache, folder, known.get(folder.parent.name), hashes)
        for blob in list(blobs(cache)):
            with cache.lock_if_free(blob.name) as free:
                if free and os.path.lexists(blob) and not hashes.match(cache, blob, blob.name):
                    reported = hashes.is_reported(blob)
                    _drop(cache, blob, blob.name)
                    if not reported:
                        yield Altered(blob, "altered")


def manifests(cache: Cache) -> dict[str, Manifest]:
    """The manifests of the cache by digest."""
    found = {}
    for digest, body in cache.manifests(""):
        try:
            document = json.loads(body)
            manifest = parse(body, document["name"], document["number"], f"manifests/{digest}.json")
        except (DistrnnError, ValueError, KeyError, TypeError):
            continue
        if isinstance(manifest, Manifest):
            found[digest] = manifest
    return found


def folders(cache: Cache) -> Iterator[Path]:
    """The ready folders."""
    return (form for version in entries(cache.root / "folders") for form in entries(version))


def blobs(cache: Cache) -> Iterator[Path]:
    """The blobs."""
    return (blob for prefix in entries(cache.root / "blobs") for blob in entries(prefix))


def entries(folder: Path) -> list[Path]:
    """What is in a folder, sorted; nothing where it is absent, no folder, or a link to one."""
    try:
        if folder.is_symlink():
            return []
        with os_errors(folder):
            return sorted(folder / entry.name for entry in os.scandir(folder))
    except (FileNotFoundError, DistrnnError):
        return []


def walk(folder: Path) -> Iterator[Path]:
    """The files under a folder, links not followed."""
    for path in entries(folder):
        if path.is_dir() and not path.is_symlink():
            yield from walk(path)
        elif os.path.lexists(path):
            yield path


def moment(path: Path) -> datetime:
    """When a file or a folder was last changed, or handed out."""
    return datetime.fromtimestamp(path.lstat().st_mtime, UTC)


class _Hashes:
    """Each file is hashed once, however many names it has."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], str | None] = {}
        self._reported: set[tuple[int, int]] = set()

    def match(self, cache: Cache, path: Path, digest: str) -> bool:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            return False
        place = found.st_dev, found.st_ino
        if place not in self._known:
            self._known[place] = hash_of(path)
        if self._known[place] == digest:
            cache.seen.remember(path, digest)
            return True
        return False

    def report(self, path: Path) -> None:
        found = path.lstat()
        self._reported.add((found.st_dev, found.st_ino))

    def is_reported(self, path: Path) -> bool:
        found = path.lstat()
        return (found.st_dev, found.st_ino) in self._reported


def _verify_folder(cache: Cache, folder: Path, manifest: Manifest | None, hashes: _Hashes) -> Iterator[Altered]:
    wrong = [Altered(folder, "its manifest is lost")] if manifest is None else []
    for file in () if manifest is None else manifest.files_of(folder.name):
        path = folder / file.path
        problem = _problem(cache, folder, file, hashes)
        if problem is not None:
            cache.seen.forget(file.sha256)
            wrong.append(Altered(path, problem, f"{manifest.name}@v{manifest.number}" if manifest else None, folder.name, file.path))
    if wrong:
        with cache.temporary(f"{folder.parent.name}-{folder.name}") as old:
            os.rename(folder, old)
    yield from wrong


def _problem(cache: Cache, folder: Path, file: FileEntry, hashes: _Hashes) -> str | None:
    path = folder / file.path
    if not os.path.lexists(path):
        return "missing"
    if folder.is_symlink() or not path.resolve().is_relative_to(folder.resolve()) or not hashes.match(cache, path, file.sha256):
        hashes.report(path)
        return "altered"
    return None


def _drop(cache: Cache, blob: Path, digest: str) -> None:
    cache.seen.forget(digest)
    remove(blob)


def _complete(folder: Path, manifest: Manifest | None) -> Cached:
    files = manifest.files_of(folder.name) if manifest else ()
    sizes = {path: path.lstat().st_size for path in walk(folder)}
    whole = manifest is not None and all(sizes.get(folder / file.path) == file.size_bytes for file in files)
    present = sum(sizes.get(folder / file.path, 0) for file in files) if manifest else sum(sizes.values())
    return Cached(
        manifest.name if manifest else None,
        manifest.number if manifest else None,
        f"sha256:{folder.parent.name}",
        folder.name,
        "complete" if whole else "partial",
        sum(file.size_bytes for file in files) if manifest else present,
        present,
        moment(folder),
        folder,
    )


def _begun(cache: Cache, digest: str, manifest: Manifest, form: str) -> Cached | None:
    """What a broken pull has left of a form: blobs on their way, or blobs that no folder has a link to."""
    files = manifest.files_of(form)
    arriving = [path for file in files if file.form and os.path.lexists(path := cache.root / "partial" / file.sha256)]
    arrived = [path for file in files if os.path.lexists(path := cache.blob(file.sha256))]
    own = [*arriving, *(cache.blob(file.sha256) for file in files if file.form and _is_alone(cache.blob(file.sha256)))]
    if not own:
        return None
    present = sum(map(present_bytes, arriving)) + sum(path.lstat().st_size for path in arrived)
    folder = cache.root / "folders" / digest / form
    size_bytes = sum(file.size_bytes for file in files)
    moments = max(map(moment, own))
    return Cached(manifest.name, manifest.number, f"sha256:{digest}", form, "partial", size_bytes, present, moments, folder)


def _is_alone(blob: Path) -> bool:
    return os.path.lexists(blob) and blob.lstat().st_nlink == 1
