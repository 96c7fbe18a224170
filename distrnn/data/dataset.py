"""Opening a prepared dataset: its manifest, vocabulary, splits by memory map, and the raw text it is evaluated on."""

import hashlib
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from distrnn.data import vocabulary as vocabulary_file
from distrnn.data.evaluation_set import read_evaluation_set
from distrnn.data.local_copies import bring
from distrnn.data.manifest import DatasetManifest, ShardFile, dataset_folder
from distrnn.data.reader import ShardReader
from distrnn.errors import IntegrityError, NotFoundError
from distrnn.storage import Store, default_home
from distrnn.text import Vocabulary


def open_dataset(store: Store, fingerprint: str) -> "Dataset":
    """Open a committed dataset.

    Args:
        store: the storage root.
        fingerprint: its name, or the first 16 digits of it.

    Raises:
        NotFoundError: there is no such dataset, or it was never finished.
        IntegrityError: its manifest cannot be read.
    """
    dataset = find_dataset(store, fingerprint)
    if dataset is None:
        raise NotFoundError(f"no dataset {fingerprint[:16]} in {store.url}. Prepare it with: distrnn prepare WORKFLOW")
    return dataset


def find_dataset(store: Store, fingerprint: str) -> "Dataset | None":
    """The committed dataset of a fingerprint, or None.

    Raises:
        IntegrityError: its manifest cannot be read.
    """
    key = dataset_folder(fingerprint) + "manifest.json"
    found = store.find(key)
    return Dataset(store, DatasetManifest.from_bytes(found[0], f"{store.url}/{key}")) if found else None


class Dataset:
    """A committed dataset of a store."""

    def __init__(self, store: Store, manifest: DatasetManifest) -> None:
        self.store = store
        self.manifest = manifest
        self._folder = dataset_folder(manifest.fingerprint)

    @property
    def path(self) -> str:
        """Where it is: a folder, or an s3:// URL."""
        return f"{self.store.url}/{self._folder}".rstrip("/")

    @cached_property
    def vocabulary_counts(self) -> list[tuple[str, int]]:
        """Kept tokens and how often each occurs in the training text, most frequent first.

        Raises:
            IntegrityError: the file is not the one that was committed.
        """
        expected = self.manifest.vocabulary
        body = self._read(self._folder + expected.file)
        _check(expected.sha256, hashlib.sha256(body).hexdigest(), f"{self.path}/{expected.file}")
        return vocabulary_file.from_bytes(body)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """Tokens and their ids; encodes a text to the very ids that the shards hold."""
        return Vocabulary([token for token, _ in self.vocabulary_counts], self.manifest.tokenizer)

    def reader(self, split: str) -> ShardReader:
        """The rows of a split.

        Raises:
            NotFoundError: the dataset has no such split.
            IntegrityError: a shard is missing, cut short or altered.
        """
        return ShardReader.open(self.shard_paths(split), split)

    def shard_paths(self, split: str) -> list[Path]:
        """The shards of a split on this machine, in order; remote ones are copied here and checked.

        Raises:
            NotFoundError: the dataset has no such split.
            IntegrityError: a shard is missing, cut short or altered.
        """
        if split not in self.manifest.splits:
            raise NotFoundError(f"dataset {self.path} has no split {split!r}. Received splits: {', '.join(self.manifest.splits)}")
        return [self._local(shard) for shard in self.manifest.splits[split].shards]

    def evaluation_texts(self) -> tuple[list[str], list[str], npt.NDArray[np.int16]]:
        """Ids, raw texts and labels of the test split, in its order; labels are -1 for a corpus.

        Raises:
            NotFoundError: nothing is held out for testing.
            IntegrityError: the evaluation set is missing or altered.
        """
        expected = self.manifest.evaluation_set
        if expected is None:
            raise NotFoundError(f"dataset {self.path} has no test split (data.test_fraction is 0)")
        try:
            return read_evaluation_set(self.store, expected.sha256)
        except NotFoundError:
            raise IntegrityError(
                f"{self.store.url}/{expected.file} is missing from a committed dataset. Delete the dataset and prepare it again."
            ) from None

    def _read(self, key: str) -> bytes:
        found = self.store.find(key)
        if found is None:
            raise IntegrityError(f"{self.store.url}/{key} is missing from a committed dataset. Delete the dataset and prepare it again.")
        return found[0]

    def _local(self, shard: ShardFile) -> Path:
        key = self._folder + shard.file
        size_bytes = self.store.size(key)
        if size_bytes != shard.size_bytes:
            received = "nothing" if size_bytes is None else f"{size_bytes} bytes"
            raise IntegrityError(
                f"{self.store.url}/{key}: expected {shard.size_bytes} bytes. Received: {received}. Delete the dataset and prepare it again."
            )
        return self.store.local_path(key) or _cached(self.store, key, shard)


def _cached(store: Store, key: str, shard: ShardFile) -> Path:
    """A verified copy of a remote shard, named by its digest, so that any dataset and any run on this machine may use it."""
    path = default_home() / "cache" / "shards" / f"{shard.sha256}.arrow"
    return bring(store, key, path, shard.size_bytes, lambda received: _check(shard.sha256, received, f"{store.url}/{key}"))


def _check(expected: str, received: str, name: str) -> None:
    if received != expected:
        raise IntegrityError(f"{name}: expected sha256 {expected}. Received: {received}. Delete the dataset and prepare it again.")
