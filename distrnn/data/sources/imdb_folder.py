"""The IMDB reviews as their authors publish them: aclImdb/{train,test}/{pos,neg}/*.txt, one review a file."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from distrnn.data import columns
from distrnn.data.sources.base import Part, cut_evenly
from distrnn.data.sources.base import digest_of_files as _digest_of_files
from distrnn.errors import DataError

_LABELS = {"neg": 0, "pos": 1}


@dataclass(frozen=True)
class ReviewFile:
    """One review: its name under the folder, for instance `train/pos/0_9.txt`, and its size."""

    name: str
    size_bytes: int


def has_reviews(folder: Path) -> bool:
    """Whether `folder` is laid out as aclImdb is."""
    return all((folder / "train" / label).is_dir() for label in _LABELS)


def files_of(folder: Path) -> dict[str, list[ReviewFile]]:
    """Review files of each split, in the order of their names, negative ones first.

    Raises:
        DataError: a folder cannot be listed.
    """
    splits = [split for split in ("train", "test") if (folder / split).is_dir()]
    return {split: [file for label in _LABELS for file in _list(folder, f"{split}/{label}")] for split in splits}


def digest(folder: Path, files: dict[str, list[ReviewFile]]) -> str:
    """sha256 over names and contents."""
    return _digest_of_files([(file.name, folder / file.name) for of_split in files.values() for file in of_split])


def parts(folder: Path, files: dict[str, list[ReviewFile]]) -> dict[str, list[Part]]:
    """The reviews of each split, cut by size."""
    return {split: _parts_of_split(folder, of_split) for split, of_split in files.items()}


@dataclass(frozen=True)
class ReviewFiles:
    """Some review files."""

    folder: str
    names: tuple[str, ...]

    def read(self) -> pa.Table:
        """The reviews as (id, text, label)."""
        texts = [_text(Path(self.folder) / name) for name in self.names]
        labels = np.array([_LABELS[name.split("/")[1]] for name in self.names], np.int8)
        ids = [name.removesuffix(".txt") for name in self.names]
        return columns.documents(pa.array(ids, pa.string()), pa.array(texts, pa.large_string()), pa.array(labels))


def _parts_of_split(folder: Path, files: Sequence[ReviewFile]) -> list[Part]:
    runs = [files[run] for run in cut_evenly([file.size_bytes for file in files])]
    return [Part(ReviewFiles(str(folder), tuple(file.name for file in run)), len(run)) for run in runs if run]


def _list(folder: Path, label_folder: str) -> list[ReviewFile]:
    try:
        with os.scandir(folder / label_folder) as entries:
            found = [ReviewFile(f"{label_folder}/{entry.name}", entry.stat().st_size) for entry in entries if entry.name.endswith(".txt")]
    except OSError as error:
        raise DataError(f"{folder / label_folder}: expected a folder of reviews (*.txt). Received: {error.strerror}") from None
    return sorted(found, key=lambda file: file.name)


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", errors="replace")
    except OSError as error:
        raise DataError(f"{path}: expected a readable review. Received: {error.strerror}") from None
