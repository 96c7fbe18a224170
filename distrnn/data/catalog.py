"""The datasets of a storage root: which there are, what a reference means, and how one is removed. Needs no pyarrow."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from distrnn.data.manifest import DatasetManifest
from distrnn.errors import IntegrityError, NotFoundError, UsageError
from distrnn.storage import Store

FOLDER = "datasets/"
FOLDER_DIGITS = 16
LEAST_DIGITS = 4
UNFINISHED = "never finished"
UNREADABLE = "damaged, or made by another version of distrnn"


@dataclass(frozen=True)
class Listed:
    """A dataset as a listing shows it.

    Attributes:
        name: 16 digits of its fingerprint.
        manifest: None where the dataset was never finished, or its manifest cannot be read.
        problem: why there is no manifest; empty where there is one.
        committed: when; None where it never was.
        changed: when a file of it was last written.
        size_bytes: of all its files under its folder.
    """

    name: str
    manifest: DatasetManifest | None
    problem: str
    committed: datetime | None
    changed: datetime | None
    size_bytes: int


def listed(store: Store) -> Iterator[Listed]:
    """Every dataset, finished or not, in the order of the names."""
    for name in sorted(store.folders(FOLDER)):
        yield describe(store, name)


def describe(store: Store, name: str) -> Listed:
    """One dataset by the name of its folder."""
    folder = f"{FOLDER}{name}/"
    entries = list(store.list(folder))
    size_bytes = sum(entry.size_bytes for entry in entries)
    committed = next((entry.modified for entry in entries if entry.key == folder + "manifest.json"), None)
    changed = max((entry.modified for entry in entries), default=None)
    if committed is None:
        return Listed(name, None, UNFINISHED, None, changed, size_bytes)
    try:
        return Listed(name, read_manifest(store, name), "", committed, changed, size_bytes)
    except (IntegrityError, NotFoundError):
        return Listed(name, None, UNREADABLE, committed, changed, size_bytes)


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
    found = sorted(name for name in store.folders(FOLDER) if name.startswith(digits[:FOLDER_DIGITS]))
    if len(digits) > FOLDER_DIGITS:
        found = [name for name in found if read_manifest(store, name).fingerprint.startswith(digits)]
    if len(found) > 1:
        raise UsageError(f"{reference} means several datasets: {', '.join(found)}. Give more digits.")
    if not found:
        raise NotFoundError(f"no dataset {reference} in {store.url}. See: distrnn datasets list")
    return found[0]


def read_manifest(store: Store, name: str) -> DatasetManifest:
    """The manifest of a dataset, by the name of its folder.

    Raises:
        NotFoundError: the dataset was never finished.
        IntegrityError: its manifest cannot be read.
    """
    key = f"{FOLDER}{name}/manifest.json"
    found = store.find(key)
    if found is None:
        raise NotFoundError(f"dataset {name} in {store.url} was never finished. Delete it with: distrnn datasets delete {name}")
    return DatasetManifest.from_bytes(found[0], f"{store.url}/{key}")


def users_of(store: Store, evaluation_set: str, *, but: str) -> list[str]:
    """Names of the datasets, other than `but`, whose test split is an evaluation set; `evaluation_set` is its key."""
    manifests = {one.name: one.manifest for one in listed(store) if one.name != but and one.manifest is not None}
    sets = {name: manifest.evaluation_set for name, manifest in manifests.items()}
    return [name for name, held_out in sets.items() if held_out is not None and held_out.file == evaluation_set]


def delete(store: Store, name: str) -> int:
    """Remove a dataset, its manifest first, so that half of one never looks whole; evaluation sets stay, others may use them.

    Returns:
        files removed.
    """
    folder = f"{FOLDER}{name}/"
    manifest = f"{folder}manifest.json"
    keys = sorted((entry.key for entry in store.list(folder)), key=lambda key: (key != manifest, key))
    for key in keys:
        store.delete(key)
    for upload in store.abandoned_uploads(folder, datetime.now(UTC)):
        store.abort_upload(upload)
    _remove_empty_folders(store, name)
    return len(keys)


def _remove_empty_folders(store: Store, name: str) -> None:
    # A bucket has no folders to leave behind, a disk has; what somebody writes into just now stays
    path = store.local_path(f"{FOLDER}{name}")
    if path is None:
        return
    for folder in (*sorted((found for found in path.rglob("*") if found.is_dir()), reverse=True), path):
        with suppress(OSError):
            folder.rmdir()
