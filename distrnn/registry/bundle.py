"""Carrying versions to a registry without network, in one file.

    bundle:    manifests, signatures, tags, later cards, blobs (each once) ► one file, verified while it is written, then renamed
    unbundle:  read all of it, nothing believed ► look at every number that it wants ► publish, by the same protocol as `publish`

A version keeps its number and its bytes, so its digest and its signatures stay true. Where its number holds something else, nothing is
changed. Where numbers below it are free they become tombstones that say `absent`, because readers rely on numbers without gaps; a later
bundle puts the version itself in such a tombstone's place. Aliases are not carried: what is in production is each registry's own.

Nothing that the registry has is overwritten: its tags and later cards of a version win over those in the bundle.
"""

import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from distrnn.errors import ConflictError, DistrnnError, UsageError
from distrnn.registry import bundle_file, catalog, contents, signing
from distrnn.registry.blobs import broken, examine
from distrnn.registry.bundle_file import Carried, Index, Member
from distrnn.registry.bundle_reading import Arrival, read
from distrnn.registry.cache import Cache
from distrnn.registry.layout import blob_key, card_key, tags_key, timestamp, version_key
from distrnn.registry.manifest import LIMIT_BYTES, FileEntry, ModelVersion, Tombstone
from distrnn.registry.uploads import Upload
from distrnn.registry.versions import Slot, VersionLog
from distrnn.storage import Store
from distrnn.storage.local_errors import os_errors

MAX_ABSENT = 100_000
_TRIES = 10
_REASON = "its version is in another registry"


@dataclass(frozen=True)
class Bundled:
    """A bundle that was written.

    Attributes:
        path: the file.
        size_bytes: its size.
        sha256: of the whole file, to compare where it arrives.
        versions: what it carries.
    """

    path: str
    size_bytes: int
    sha256: str
    versions: tuple[Carried, ...]

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON."""
        versions = [version.to_json() for version in self.versions]
        return {"path": self.path, "size_bytes": self.size_bytes, "sha256": self.sha256, "versions": versions}


@dataclass(frozen=True)
class Arrived:
    """A version of a bundle that is in the registry now; `added` says that it was not there before."""

    version: Carried
    added: bool

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON."""
        return {**self.version.to_json(), "added": self.added}


@dataclass(frozen=True)
class Unbundled:
    """What became of a bundle; `absent` is how many numbers below its versions were filled with tombstones."""

    versions: tuple[Arrived, ...]
    absent: int

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON."""
        return {"versions": [version.to_json() for version in self.versions], "absent": self.absent}


def bundle(store: Store, versions: Sequence[ModelVersion], path: Path) -> Bundled:
    """Put versions into one file; the same versions of a registry that did not change make the same file.

    Raises:
        UsageError: there is no version, or a file of 8 GiB or more.
        IntegrityError: a file or a document of a version is damaged; nothing was written.
    """
    if not versions:
        raise UsageError("a bundle needs at least one version. Received: none.")
    documents = {key: body for version in versions for key, body in _documents(store, version)}
    blobs = {blob_key(version.name, file.sha256): (version, file) for version in versions for file in version.manifest.files}
    for version, file in blobs.values():
        if file.size_bytes > bundle_file.MAX_MEMBER_BYTES:
            raise UsageError(f"a bundle carries files of less than 8 GiB. Received: {file.path} of {version}, {file.size_bytes:,} bytes.")
    members = [Member(key, len(body), sha256(body).hexdigest()) for key, body in documents.items()]
    members += [Member(key, file.size_bytes, file.sha256) for key, (_, file) in blobs.items()]
    index = Index.of({Carried(version.name, version.number, version.digest) for version in versions}, members)

    def body(member: Member, take: Callable[[bytes], object]) -> None:
        if member.path in documents:
            take(documents[member.path])
            return
        version, file = blobs[member.path]
        if (problem := examine(store, version.name, file, take)) is not None:
            raise broken(version, file, problem, "No bundle was written.")

    with _appearing(path) as target:
        hashed = _Hashed(target)
        bundle_file.write(hashed.write, index, body)
    return Bundled(str(path), hashed.size_bytes, hashed.digest.hexdigest(), index.versions)


def unbundle(store: Store, path: Path, home: Path) -> Unbundled:
    """Publish the versions of a bundle under the numbers that they have; what is there already gets its files again.

    Args:
        store: the registry.
        path: the bundle.
        home: where there is room for its files; they are checked there before anything is published.
    Raises:
        NotFoundError: there is no such file.
        IntegrityError: it is damaged or hostile; nothing was changed.
        ConflictError: a number holds something else; nothing was changed. Or it was taken while versions were being published.
    """
    cache, lock = Cache(home), f"bundle-{sha256(str(path.absolute()).encode()).hexdigest()[:16]}"
    with cache.lock(lock), cache.temporary(lock) as folder:
        arrivals = read(path, folder)
        for arrival in arrivals:
            _refuse_where_taken(store, arrival.version)
        _refuse_large_gaps(store, arrivals)
        names = sorted({arrival.version.name for arrival in arrivals})
        done = [_publish(store, name, [arrival for arrival in arrivals if arrival.version.name == name], folder) for name in names]
    return Unbundled(tuple(arrived for one in done for arrived in one.versions), sum(one.absent for one in done))


def _documents(store: Store, version: ModelVersion) -> Iterator[tuple[str, bytes]]:
    yield version_key(version.name, version.number), version.body
    for key in (tags_key(version.name, version.number), card_key(version.name, version.number)):
        if (found := store.find(key, limit_bytes=LIMIT_BYTES)) is not None:
            yield key, found[0]
    yield from signing.documents(store, version.name, version.hex_digest)


def _publish(store: Store, name: str, arrivals: Sequence[Arrival], folder: Path) -> Unbundled:
    """Publish versions of one model, in the order of their numbers."""
    log, filled, done = VersionLog(store, name), 0, []
    files: dict[FileEntry, Path] = {file: folder / file.sha256 for arrival in arrivals for file in arrival.version.manifest.files}
    with Upload(store, name, files, repair=True) as upload:
        upload.upload()
        upload.pending.keep = True
        for arrival in arrivals:
            version = arrival.version
            filled += _fill(log, version.number)
            added = _commit(log, version)
            for key, body in arrival.documents.items():
                store.create_if_absent(key, body)
            if added:
                contents.note(store, version)
            done.append(Arrived(Carried(name, version.number, version.digest), added))
        upload.confirm(arrivals[-1].version)
        with suppress(DistrnnError):
            catalog.refresh(store, name)
            upload.pending.keep = False
    return Unbundled(tuple(done), filled)


def _fill(log: VersionLog, number: int) -> int:
    """Take the free numbers below `number`, one after the other so that there is never a gap; how many they were."""
    filled = 0
    for free in range(log.head() + 1, number):
        grave = Tombstone(log.name, free, timestamp(), _REASON, state="absent")
        filled += log.store.create_if_absent(version_key(log.name, free), grave.to_bytes(uuid.uuid4().hex))
    return filled


def _commit(log: VersionLog, version: ModelVersion) -> bool:
    """Put a version's manifest at its number; whether it was not there before."""
    for _ in range(_TRIES):
        slot = log.slot(version.number)
        if slot is None:
            if log.store.create_if_absent(version_key(log.name, version.number), version.body):
                return True
        elif _is_absent(slot):
            if log.replace(version.number, version.body, slot.tag) is not None:
                return True
        elif slot.found == version:
            return False
        else:
            raise _taken(log.store, version, slot, "What came before it in the bundle was published.")
    raise ConflictError(f"{version} is being written by others at once. What came before it in the bundle was published; try again.")


def _refuse_where_taken(store: Store, version: ModelVersion) -> None:
    slot = VersionLog(store, version.name).slot(version.number)
    if slot is not None and slot.found != version and not _is_absent(slot):
        raise _taken(store, version, slot, "Nothing was changed.")


def _refuse_large_gaps(store: Store, arrivals: Sequence[Arrival]) -> None:
    heads: dict[str, int] = {}
    for version in (arrival.version for arrival in arrivals):
        head = heads[version.name] if version.name in heads else VersionLog(store, version.name).head()
        if version.number - 1 - head > MAX_ABSENT:
            raise ConflictError(
                f"{version} would leave more than {MAX_ABSENT:,} numbers below it without a version in {store.url}. Nothing was changed. "
                "Bring versions with lower numbers first."
            )
        heads[version.name] = max(head, version.number)


def _is_absent(slot: Slot) -> bool:
    return isinstance(slot.found, Tombstone) and slot.found.state == "absent"


def _taken(store: Store, version: ModelVersion, slot: Slot, done: str) -> ConflictError:
    found = slot.found
    there = f"{version} with digest {found.digest[:19]}…" if isinstance(found, ModelVersion) else f"{version}, which was deleted"
    return ConflictError(
        f"the bundle carries {version} with digest {version.digest[:19]}…, but {store.url} has {there}. {done} A number is never used "
        "for another version; publish the model under another name, or leave this version out of the bundle."
    )


@contextmanager
def _appearing(path: Path) -> Iterator[BinaryIO]:
    """A file that appears at `path` when it is whole, and not before."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    with os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


class _Hashed:
    """A file that is hashed while it is written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = sha256()
        self.size_bytes = 0

    def write(self, piece: bytes) -> None:
        """Write a piece."""
        self._file.write(piece)
        self.digest.update(piece)
        self.size_bytes += len(piece)
