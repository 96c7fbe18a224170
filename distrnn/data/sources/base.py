"""What a source is: a digest, and chunks cut by position.

A chunk is a small value that travels to an actor and is read there; about 16 MB of text, cut by position in the source and never by
actor, so that the work of a dead one is repeated by another and the files come out the same for any number of them.
"""

import hashlib
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from distrnn.data.columns import SCHEMA
from distrnn.data.manifest import SPLITS
from distrnn.data.splits import SplitRules, assign, choose, undivided
from distrnn.errors import DataError, WorkflowError

CHUNK_BYTES = 16 << 20
Kind = Literal["documents", "corpus"]


class Rows(NamedTuple):
    """The rows of a chunk.

    Attributes:
        table: (id: string, text: large_string, label: int16), valid UTF-8; labels are null where there are none.
        replaced: invalid UTF-8 sequences that became U+FFFD in these rows.
    """

    table: pa.Table
    replaced: int = 0


class Read(NamedTuple):
    """What a reader has read, N rows.

    Attributes:
        table: as in `Rows`.
        replaced: invalid UTF-8 sequences of each row that became U+FFFD: int64 [N]; None: none at all.
    """

    table: pa.Table
    replaced: npt.NDArray[np.int64] | None = None


class Reader(Protocol):
    """How a chunk is read, in any process: a frozen dataclass of plain values."""

    def read(self) -> Read:
        """The rows."""


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


def read_chunk(chunk: Chunk) -> Rows:
    """The chunk's rows, those that are chosen.

    Raises:
        DataError: the source holds something that is no text or no label, or it changed since it was opened.
    """
    table, replaced = chunk.reader.read()
    table = table.select(SCHEMA.names)
    if chunk.chosen is not None:
        table = table.take(pa.array(chunk.chosen))
        replaced = None if replaced is None else replaced[chunk.chosen]
    return Rows(table.combine_chunks(), 0 if replaced is None else int(replaced.sum()))


def without(chunk: Chunk, dropped: npt.NDArray[np.int64], rows: int) -> Chunk | None:
    """A chunk without some of its `rows` rows; None where nothing is left of it.

    Args:
        chunk: as `read_chunk` reads it.
        dropped: int64, positions among the rows that are read, ascending.
        rows: so many are read.
    """
    if not len(dropped):
        return chunk
    left = np.delete(np.arange(rows) if chunk.chosen is None else chunk.chosen, dropped)
    return replace(chunk, chosen=left) if len(left) else None


def final_splits(chunk: Chunk, table: pa.Table) -> npt.NDArray[np.int8]:
    """The final split of each row of a chunk, as a position in `manifest.SPLITS`: int8 [rows]."""
    split = SPLITS.index(chunk.split) if chunk.rules is None else undivided(chunk.split, chunk.rules)
    if split is not None or chunk.rules is None:
        return np.full(len(table), split, np.int8)
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

    def to_json(self) -> dict[str, Any]:
        """What else of the workflow decides what is read; part of the dataset's fingerprint."""

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
        labels: names of the labels; empty: documents without any.
        options: what else of the workflow decides what is read.
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
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.name, self.where, self.rules, self.labels = name, where, rules, labels
        self._parts, self._digest, self._options = parts, digest, dict(options or {})

    def digest(self) -> str:
        """sha256 over the bytes of the source."""
        return self._digest()

    def to_json(self) -> dict[str, Any]:
        """What else of the workflow decides what is read."""
        return self._options

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
        if not has_own and not self.rules.test_fraction and self.labels:
            second = "data.test_path for a CSV file" if self.name == "imdb" else "data.test_path"
            raise WorkflowError(
                f"key 'data.test_fraction': expected a share above 0 (or {second}), {self.where} has no test split of its own. "
                "Received: nothing",
                key="data.test_fraction",
            )


def _within(chosen: npt.NDArray[np.int64] | None, start: int, rows: int) -> npt.NDArray[np.int64] | None:
    if chosen is None:
        return None
    first, last = np.searchsorted(chosen, [start, start + rows])
    return chosen[first:last] - start


def digest_of(files: Iterable[tuple[str, str]]) -> str:
    """sha256 over (name, sha256) of files, in the order given."""
    total = hashlib.sha256()
    for name, digest in files:
        total.update(f"{name}\0{digest}\n".encode())
    return total.hexdigest()
