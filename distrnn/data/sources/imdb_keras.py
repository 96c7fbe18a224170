"""The IMDB reviews as Keras distributes them: imdb.npz, lists of word numbers, and imdb_word_index.json, the words.

The lists are object arrays, and those are pickles: whoever loads one runs what is in it. So the file is opened only when it is the
published one, bit for bit, and even then in a process of its own, which writes plain Arrow for everybody else.

Source: keras/src/datasets/imdb.py states both digests.
"""

import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from distrnn.data import columns
from distrnn.data.downloads import PublishedFile, fetch, file_digest
from distrnn.data.sources.base import Part, Read
from distrnn.errors import DataError, IntegrityError
from distrnn.storage import default_home
from distrnn.storage.local_errors import os_errors
from distrnn.text import LINE_BREAK

_FOLDER = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
REVIEWS = PublishedFile(f"{_FOLDER}imdb.npz", "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f")
WORD_INDEX = PublishedFile(f"{_FOLDER}imdb_word_index.json", "bfafd718b763782e994055a2d397834f", "md5")
CHUNK_TOKENS = 3_000_000

# Runs isolated (-I) with numpy and pyarrow only. Argv: the npz, then one Arrow file to write for each split.
_UNPICKLE = """
import sys
import numpy as np, pyarrow as pa
with np.load(sys.argv[1], allow_pickle=True) as reviews:
    for split, path in zip(("train", "test"), sys.argv[2:], strict=True):
        words = pa.array([np.asarray(row, np.int32) for row in reviews["x_" + split]], pa.list_(pa.int32()))
        labels = pa.array(np.asarray(reviews["y_" + split], np.int8))
        table = pa.table({"words": words, "label": labels})
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table)
"""


@dataclass(frozen=True)
class KerasFiles:
    """The two files on this machine."""

    reviews: Path
    word_index: Path

    @classmethod
    def locate(cls, reviews: Path | None) -> "KerasFiles":
        """The files beside each other, or the downloads.

        Raises:
            IntegrityError: they are not the published ones.
            DataError: they are not there and cannot be downloaded.
        """
        if reviews is None:
            return cls(fetch(REVIEWS), fetch(WORD_INDEX))
        beside = reviews.with_name(WORD_INDEX.name)
        word_index = beside if beside.exists() else fetch(WORD_INDEX)
        for path, published in ((reviews, REVIEWS), (word_index, WORD_INDEX)):
            if not published.matches(path):
                raise IntegrityError(
                    f"{path}: expected the published file with {published.algorithm} {published.digest}. "
                    f"Received: {file_digest(path, published.algorithm)}. It is not opened; download it again from {published.url}"
                )
        return cls(reviews, word_index)


def digest() -> str:
    """sha256 of the published reviews; the files were checked when they were located."""
    return REVIEWS.digest


def parts(files: KerasFiles) -> dict[str, list[Part]]:
    """The reviews of each split, cut by their number of words."""
    result = {}
    for split in ("train", "test"):
        offsets = _reviews(_unpickled(files.reviews, split))["words"].combine_chunks().offsets.to_numpy()
        pieces = max(-(-int(offsets[-1]) // CHUNK_TOKENS), 1)
        borders = np.searchsorted(offsets, np.linspace(0, int(offsets[-1]), pieces + 1)).tolist()
        borders[0], borders[-1] = 0, len(offsets) - 1
        result[split] = [
            Part(KerasRows(str(files.reviews), str(files.word_index), split, first, last), last - first)
            for first, last in itertools.pairwise(borders)
            if last > first
        ]
    return result


@dataclass(frozen=True)
class KerasRows:
    """Reviews [start, stop) of a split."""

    reviews: str
    word_index: str
    split: str
    start: int
    stop: int

    def read(self) -> Read:
        """The reviews as (id, text, label): their words, joined by spaces, because the signs between them are lost."""
        table = _reviews(_unpickled(Path(self.reviews), self.split)).slice(self.start, self.stop - self.start).combine_chunks()
        numbers = table["words"].chunk(0)
        words = _words(self.word_index).take(numbers.flatten())
        starts = np.concatenate([[0], np.cumsum(pc.list_value_length(numbers).to_numpy())]).astype(np.int64)
        texts = pc.binary_join(pa.LargeListArray.from_arrays(pa.array(starts), words), pa.scalar(" ", words.type))
        ids = pa.array([f"{self.split}/{row}" for row in range(self.start, self.stop)], pa.string())
        return Read(columns.documents(ids, texts.cast(pa.large_string()), table["label"].chunk(0).cast(pa.int16())))


@lru_cache(maxsize=1)
def _words(word_index: str) -> pa.Array:
    """Words by their number. `br` is what Keras' filter left of the tag, so the tag is what the text gets back."""
    index: dict[str, int] = json.loads(Path(word_index).read_bytes())
    words: Sequence[str] = [""] * (max(index.values()) + 1)
    for word, number in index.items():
        words[number] = LINE_BREAK if word == "br" else word  # type: ignore[index]
    return pa.array(words, pa.large_string())


def _reviews(path: Path) -> pa.Table:
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def _unpickled(reviews: Path, split: str) -> Path:
    folder = default_home() / "cache" / "keras-imdb" / REVIEWS.digest
    path = folder / f"{split}.arrow"
    if path.exists():
        return path
    if not REVIEWS.matches(reviews):
        raise IntegrityError(f"{reviews}: expected the published file with sha256 {REVIEWS.digest}. It changed since it was checked.")
    with os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            targets = [Path(scratch) / f"{name}.arrow" for name in ("train", "test")]
            command = [sys.executable, "-I", "-c", _UNPICKLE, str(reviews), *map(str, targets)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
                raise DataError(f"{reviews}: expected arrays x_train, y_train, x_test, y_test. Received: {reason}")
            for target in targets:
                target.replace(folder / target.name)
    return path
