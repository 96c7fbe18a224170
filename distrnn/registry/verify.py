"""Reading every byte of a registry, and telling what is missing, altered, damaged or dangling.

Nothing that is wrong stops the rest: each finding names the version, the file or the document, and what was expected and received.
Versions are found by listing, because a manifest that is missing hides those after it from probing. A blob is read once however
many versions share it, in pieces, several blobs at once; of one that is whole only its digest and size are remembered.
"""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from distrnn.errors import DistrnnError, IntegrityError, NotFoundError
from distrnn.registry.blobs import Examined, broken, examine
from distrnn.registry.findings import Finding, bodies, damaged
from distrnn.registry.layout import blob_key, version_key, version_prefix
from distrnn.registry.manifest import LIMIT_BYTES, ModelVersion, Tombstone
from distrnn.registry.verify_documents import aliases, catalog_entry, documents, documents_of
from distrnn.registry.versions import VersionLog, model_names
from distrnn.storage import Store

__all__ = ["Finding", "require_whole", "verify"]

_AT_ONCE = 8
_BATCH_FILES = 256
_NAMED_GAP = 1000
_KEY = re.compile(r"(\d{10})\.json")


def verify(store: Store, name: str | None, number: int | None) -> Iterator[Finding]:
    """Find what is wrong.

    Args:
        store: the registry.
        name: one model; None: all.
        number: one version of it; None: all, and everything else that the model has.
    Raises:
        NotFoundError: there is no such model or version.
    """
    if name is None:
        for model in model_names(store):
            yield from _model(store, model)
    elif number is None:
        if not any(True for _ in store.list(version_prefix(name))) and VersionLog(store, name).head() == 0:
            raise NotFoundError(f"registry {store.url} has no model {name!r}, so there is nothing to verify.")
        yield from _model(store, name)
    else:
        yield from _one(store, name, number)


def require_whole(store: Store, version: ModelVersion) -> None:
    """Make sure that every file of a version is there, byte for byte.

    Raises:
        IntegrityError: one is not; names it.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        files = version.manifest.files
        for file, problem in zip(files, pool.map(lambda file: examine(store, version.name, file), files), strict=True):
            if problem is not None:
                raise broken(version, file, problem, "Nothing was changed.")


def _model(store: Store, name: str) -> Iterator[Finding]:
    with closing(_Versions(store, name)) as versions:
        yield from versions.all()
    yield from aliases(store, name)
    yield from documents(store, name)
    yield from catalog_entry(store, name)


def _one(store: Store, name: str, number: int) -> Iterator[Finding]:
    with closing(_Versions(store, name)) as versions:
        found = versions.at(number)
        if found is None or isinstance(found, Tombstone):
            why = "does not exist" if found is None else "was deleted"
            raise NotFoundError(f"{name}@v{number} {why}, so there is nothing to verify.")
        yield from versions.examined([found])
    if isinstance(found, ModelVersion):
        yield from documents_of(store, found)


class _Versions:
    """The manifests of a model, and the blobs that they name."""

    def __init__(self, store: Store, name: str) -> None:
        self.store, self.name, self.log = store, name, VersionLog(store, name)
        self._pool = ThreadPoolExecutor(_AT_ONCE)
        self._blobs = Examined(store, name, self._pool)

    def close(self) -> None:
        """End what is being read."""
        self._pool.shutdown(cancel_futures=True)

    def all(self) -> Iterator[Finding]:
        """What is wrong with any version, in the order of their numbers."""
        batch: list[ModelVersion | Finding] = []
        files = 0
        for found in self._each():
            if isinstance(found, Tombstone):
                continue
            batch.append(found)
            files += len(found.manifest.files) if isinstance(found, ModelVersion) else 1
            if files >= _BATCH_FILES:
                yield from self.examined(batch)
                batch, files = [], 0
        yield from self.examined(batch)

    def examined(self, batch: list[ModelVersion | Finding]) -> Iterator[Finding]:
        """What is wrong with these versions, after their blobs were read; what was found before goes with it."""
        self._blobs.examine(file for found in batch if isinstance(found, ModelVersion) for file in found.manifest.files)
        for found in batch:
            if isinstance(found, Finding):
                yield found
                continue
            for file in found.manifest.files:
                if (problem := self._blobs.problem(file)) is not None:
                    yield Finding(str(found), blob_key(found.name, file.sha256), file.path, problem.kind, problem.detail)

    def at(self, number: int) -> ModelVersion | Tombstone | Finding | None:
        """What stands at a number, asked for directly; None where nothing is there."""
        try:
            found = self.store.find(version_key(self.name, number), limit_bytes=LIMIT_BYTES)
        except IntegrityError as error:
            return self._damaged(number, error)
        return self._parsed(number, found[0]) if found is not None else None

    def _each(self) -> Iterator[ModelVersion | Tombstone | Finding]:
        expected = 1
        for key, body in bodies(self.store, version_prefix(self.name)):
            number = _number(key)
            if number < expected or body is None:  # no version's name, or gone since it was listed
                continue
            yield from self._gap(expected, number)
            yield self._damaged(number, body) if isinstance(body, DistrnnError) else self._parsed(number, body)
            expected = number + 1
        while (found := self.at(expected)) is not None:  # what the listing did not show yet
            yield found
            expected += 1

    def _gap(self, start: int, end: int) -> Iterator[ModelVersion | Tombstone | Finding]:
        """What a listing did not show of the numbers from `start` to before `end`."""
        named = min(end, start + _NAMED_GAP)
        for number in range(start, named):
            yield self.at(number) or self._missing(number, number, end)
        if named < end:
            yield self._missing(named, end - 1, end)

    def _parsed(self, number: int, body: bytes) -> ModelVersion | Tombstone | Finding:
        try:
            return self.log.parse(body, number)
        except DistrnnError as error:
            return self._damaged(number, error)

    def _missing(self, first: int, last: int, there: int) -> Finding:
        names = f"{self.name}@v{first}" if first == last else f"{self.name}@v{first} to v{last}"
        detail = f"expected a manifest or a tombstone, because v{there} exists; received nothing"
        return Finding(names, version_key(self.name, first), None, "missing", detail)

    def _damaged(self, number: int, error: DistrnnError) -> Finding:
        return damaged(version_key(self.name, number), error, f"{self.name}@v{number}")


def _number(key: str) -> int:
    """The number of the version with this key, 0 for what is no version's."""
    match = _KEY.fullmatch(key.rpartition("/")[2])
    return int(match[1]) if match else 0
