"""What a source is: a digest, and chunks cut by position.

A chunk is a small value that travels to an actor and is read there; about 16 MB of text, cut by position in the source and never by
actor, so that the work of a dead one is repeated by another and the files come out the same for any number of them.
"""

import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from distrnn.data.columns import SCHEMA
from distrnn.data.downloads import file_digest
from distrnn.data.manifest import SPLITS
from distrnn.data.splits import SplitRules, assign, choose
from distrnn.errors import DataError, WorkflowError

CHUNK_BYTES = 16 << 20
Kind = Literal["documents", "corpus"]


class Reader(Protocol):
    """How a chunk is read, in any process: a frozen dataclass of plain values."""

    def read(self) -> pa.Table:
        """Rows (id: string, text: large_string, label: int8), valid UTF-8, no nulls but the labels of a corpus."""


@dataclass(frozen=True)
class Part:
    """Consecutive rows of a split of the source."""

    reader: Reader
    rows: int


@dataclass(frozen=True)
class Chunk:
    """A part of the work.

    Attributes:
        index: position among all chunks; the dataset's rows are in this order.
        split: the split of the source; of a corpus, the final one.
        reader: how its rows are read.
        chosen: positions of the rows that `data.limit` keeps; None: all.
        rules: how documents are dealt to the final splits; None where `split` is final already.
    """

    index: int
    split: Literal["train", "validation", "test"]
    reader: Reader
    chosen: npt.NDArray[np.int64] | None = field(default=None, compare=False)
    rules: SplitRules | None = None


def read_chunk(chunk: Chunk) -> pa.Table:
    """The chunk's rows: (id: string, text: large_string, label: int8).

    Raises:
        DataError: the source holds something that is no text or no label.
    """
    table = chunk.reader.read().select(SCHEMA.names)
    return (table if chunk.chosen is None else table.take(pa.array(chunk.chosen))).combine_chunks()


def final_splits(chunk: Chunk, table: pa.Table) -> npt.NDArray[np.int8]:
    """The final split of each row of a chunk, as a position in `manifest.SPLITS`: int8 [rows]."""
    if chunk.rules is None:
        return np.full(len(table), SPLITS.index(chunk.split), np.int8)
    return assign(_texts_as_bytes(table), chunk.split, chunk.rules)


def _texts_as_bytes(table: pa.Table) -> "list[memoryview | bytes]":
    column = table["text"]
    array = column.chunk(0) if column.num_chunks else pa.array([], column.type)
    _, offsets, data = array.buffers()
    if data is None:
        return [b""] * len(array)
    ends = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1].tolist()
    view = memoryview(data)
    return [view[start:end] for start, end in itertools.pairwise(ends)]


class Source(Protocol):
    """An opened source."""

    @property
    def name(self) -> str:
        """As the workflow calls it."""

    @property
    def kind(self) -> Kind:
        """Labelled documents, or one stream."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the labels, in the order of their numbers."""

    @property
    def rules(self) -> SplitRules:
        """How it is split."""

    def digest(self) -> str:
        """sha256 over the bytes of the source."""

    def chunks(self) -> list[Chunk]:
        """The work, in the order of the dataset.

        Raises:
            DataError: there is nothing in it.
        """


class DocumentSource:
    """Labelled documents.

    Args:
        name: as the workflow calls it.
        where: file, folder or description, for messages.
        parts: makes the parts of each original split, `train` and perhaps `test`.
        digest: makes the sha256 of the source.
        rules: how it is split.
        labels: names of the labels.
    """

    kind: Kind = "documents"

    def __init__(
        self,
        name: str,
        where: str,
        parts: Callable[[], Mapping[str, Sequence[Part]]],
        digest: Callable[[], str],
        rules: SplitRules,
        labels: tuple[str, ...],
    ) -> None:
        self.name, self.where, self.rules, self.labels = name, where, rules, labels
        self._parts, self._digest = parts, digest

    def digest(self) -> str:
        """sha256 over the bytes of the source."""
        return self._digest()

    def chunks(self) -> list[Chunk]:
        """The work, in the order of the dataset."""
        parts = self._parts()
        self._check_test_split(has_own="test" in parts)
        chunks: list[Chunk] = []
        for split in ("train", "test"):
            rows = sum(part.rows for part in parts.get(split, ()))
            if split in parts and not rows:
                raise DataError(f"{self.where}: expected documents in split {split!r}. Received: none.")
            chosen, start = choose(rows, split, self.rules), 0
            for part in parts.get(split, ()):
                chunk = Chunk(len(chunks), split, part.reader, _within(chosen, start, part.rows), self.rules)
                start += part.rows
                if chunk.chosen is None or len(chunk.chosen):
                    chunks.append(chunk)
        return chunks

    def _check_test_split(self, *, has_own: bool) -> None:
        if has_own and self.rules.test_fraction is not None:
            raise WorkflowError(
                f"key 'data.test_fraction': expected nothing, {self.where} brings its own test split. Received: {self.rules.test_fraction}",
                key="data.test_fraction",
            )
        if not has_own and not self.rules.test_fraction:
            raise WorkflowError(
                f"key 'data.test_fraction': expected a share above 0 (or data.test_path for a CSV file), {self.where} has no test split "
                "of its own. Received: nothing",
                key="data.test_fraction",
            )


def _within(chosen: npt.NDArray[np.int64] | None, start: int, rows: int) -> npt.NDArray[np.int64] | None:
    if chosen is None:
        return None
    first, last = np.searchsorted(chosen, [start, start + rows])
    return chosen[first:last] - start


def cut_evenly(sizes_bytes: Sequence[int]) -> list[slice]:
    """Cut a row of things into runs of about `CHUNK_BYTES`, as even as whole things allow."""
    ends = np.cumsum(np.asarray(sizes_bytes, np.int64))
    total = int(ends[-1]) if len(ends) else 0
    pieces = max(-(-total // CHUNK_BYTES), 1)
    borders = np.searchsorted(ends, np.arange(1, pieces) * (total / pieces), "left") + 1
    cuts = sorted({0, *borders.tolist(), len(sizes_bytes)})
    return [slice(first, last) for first, last in itertools.pairwise(cuts)]


def digest_of_files(files: Sequence[tuple[str, Path]]) -> str:
    """sha256 over names and contents of files, in the order given.

    Raises:
        DataError: one cannot be read.
    """
    total = hashlib.sha256()
    for name, path in files:
        total.update(f"{name}\0{file_digest(path)}\n".encode())
    return total.hexdigest()
