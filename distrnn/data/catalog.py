"""The datasets of a storage root: which there are, whether they are whole, and how one is removed."""

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from distrnn.data.manifest import DatasetManifest, StoredFile, dataset_folder
from distrnn.errors import DistrnnError, IntegrityError, NotFoundError, UsageError
from distrnn.storage import Store

FOLDER = "datasets/"
LEAST_DIGITS = 4


@dataclass(frozen=True)
class Listed:
    """A dataset as a listing shows it.

    Attributes:
        name: 16 digits of its fingerprint.
        manifest: None where the dataset was never finished, or its manifest cannot be read.
        problem: why there is no manifest.
        committed: when; None where it never was.
        size_bytes: of all its files under its folder.
    """

    name: str
    manifest: DatasetManifest | None
    problem: str
    committed: datetime | None
    size_bytes: int


@dataclass(frozen=True)
class Finding:
    """Something wrong with a dataset: `missing`, `size`, `digest` or `content` of a file, by its key in the store."""

    key: str
    problem: str
    detail: str

    def to_json(self) -> dict[str, Any]:
        """Fields as a JSON object."""
        return asdict(self)


def listed(store: Store) -> Iterator[Listed]:
    """Every dataset, finished or not, in the order of the names."""
    for name in store.folders(FOLDER):
        yield describe(store, name)


def describe(store: Store, name: str) -> Listed:
    """One dataset by the name of its folder."""
    folder = f"{FOLDER}{name}/"
    entries = list(store.list(folder))
    size_bytes = sum(entry.size_bytes for entry in entries)
    committed = next((entry.modified for entry in entries if entry.key == folder + "manifest.json"), None)
    if committed is None:
        return Listed(name, None, "never finished", None, size_bytes)
    try:
        return Listed(name, _manifest(store, name), "", committed, size_bytes)
    except DistrnnError:
        return Listed(name, None, "made by another version of distrnn, or damaged", committed, size_bytes)


def find(store: Store, reference: str) -> str:
    """The name of the dataset that a fingerprint, or the beginning of one, means.

    Raises:
        UsageError: fewer than four digits, or several datasets begin with them.
        NotFoundError: none does.
    """
    digits = reference.lower()
    if len(digits) < LEAST_DIGITS or digits.strip("0123456789abcdef"):
        raise UsageError(
            f"a dataset is named by {LEAST_DIGITS} digits or more of its fingerprint, or by its workflow file. Received: {reference!r}"
        )
    found = [name for name in store.folders(FOLDER) if name.startswith(digits[:16])]
    if len(found) > 1:
        raise UsageError(f"{reference} means several datasets: {', '.join(found)}. Give more digits.")
    if not found:
        raise NotFoundError(f"no dataset {reference} in {store.url}. See: distrnn datasets list")
    return found[0]


def verify(store: Store, name: str) -> Iterator[Finding]:
    """Read every byte of a dataset and tell what is missing, altered or makes no sense.

    Raises:
        NotFoundError: the dataset was never finished.
        IntegrityError: its manifest cannot be read.
    """
    manifest = _manifest(store, name)
    folder = dataset_folder(manifest.fingerprint)
    files: list[tuple[str, str, int | None]] = [_named(folder, manifest.vocabulary)]
    files += [_named(folder, shard) for split in manifest.splits.values() for shard in split.shards]
    if manifest.evaluation_set is not None:
        files.append((manifest.evaluation_set.file, manifest.evaluation_set.sha256, None))
    whole = True
    for key, sha256, size_bytes in files:
        for finding in _file_findings(store, key, sha256, size_bytes):
            whole = False
            yield finding
    if whole:
        yield from _content_findings(store, manifest, folder)


def delete(store: Store, name: str) -> int:
    """Remove a dataset, its manifest first, so that half of one never looks whole; evaluation sets stay, others may use them.

    Returns:
        files removed.
    """
    folder = f"{FOLDER}{name}/"
    store.delete(folder + "manifest.json")
    entries = list(store.list(folder))
    for entry in entries:
        store.delete(entry.key)
    _remove_empty_folders(store, name)
    return len(entries) + 1


def _manifest(store: Store, name: str) -> DatasetManifest:
    key = f"{FOLDER}{name}/manifest.json"
    found = store.find(key)
    if found is None:
        raise NotFoundError(f"dataset {name} in {store.url} was never finished. Delete it with: distrnn datasets delete {name}")
    return DatasetManifest.from_bytes(found[0], f"{store.url}/{key}")


def _named(folder: str, file: StoredFile) -> tuple[str, str, int | None]:
    return folder + file.file, file.sha256, file.size_bytes


def _file_findings(store: Store, key: str, sha256: str, size_bytes: int | None) -> Iterator[Finding]:
    found = store.find(key)
    if found is None:
        yield Finding(key, "missing", "there is no such file")
    elif size_bytes is not None and len(found[0]) != size_bytes:
        yield Finding(key, "size", f"{len(found[0])} bytes instead of {size_bytes}")
    elif (received := hashlib.sha256(found[0]).hexdigest()) != sha256:
        yield Finding(key, "digest", f"sha256 {received} instead of {sha256}")


def _content_findings(store: Store, manifest: DatasetManifest, folder: str) -> Iterator[Finding]:
    """What digests cannot tell: a manifest whose figures are not those of its files."""
    from distrnn.data.dataset import Dataset

    dataset = Dataset(store, manifest)
    for name, split in manifest.splits.items():
        key = f"{folder}manifest.json"
        try:
            reader = dataset.reader(name)
        except IntegrityError as error:
            yield Finding(key, "content", error.message)
            continue
        if (reader.rows, reader.tokens) != (split.rows, split.tokens):
            received, expected = f"{reader.rows} rows and {reader.tokens} tokens", f"{split.rows} and {split.tokens}"
            yield Finding(key, "content", f"{name}: {received} instead of {expected}")
        highest = reader.highest_id
        if highest >= manifest.vocabulary_size:
            yield Finding(key, "content", f"{name}: id {highest} is not below vocabulary_size {manifest.vocabulary_size}")


def _remove_empty_folders(store: Store, name: str) -> None:
    # A bucket has no folders to leave behind, a disk has
    path = store.local_path(f"{FOLDER}{name}")
    if path is None or not path.is_dir():
        return
    for folder in sorted((found for found in path.rglob("*") if found.is_dir()), reverse=True):
        folder.rmdir()
    path.rmdir()
