"""Sources that are one text: the Nietzsche text of the Keras examples, and the language reference every CPython carries."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

from distrnn.data import columns
from distrnn.data.downloads import PublishedFile, fetch
from distrnn.data.sources.base import CHUNK_BYTES, Chunk, Kind
from distrnn.data.splits import Part, SplitRules, cut_corpus
from distrnn.errors import DataError, NotFoundError

if TYPE_CHECKING:
    from distrnn.workflow import Workflow

NIETZSCHE = PublishedFile(
    "https://s3.amazonaws.com/text-datasets/nietzsche.txt", "dea01ca2da603db6736fd856c585d073ccf3dca68efe4a59c5e73242cdf0b028"
)
PIECE_CHARACTERS = 1 << 16


class Text(Protocol):
    """Something any process can read the whole text from."""

    def text(self) -> str:
        """The text."""


@dataclass(frozen=True)
class FileText:
    """A file of UTF-8; bytes that are none become U+FFFD."""

    path: str

    def text(self) -> str:
        """The text, line ends as they are."""
        try:
            return Path(self.path).read_bytes().decode("utf-8", errors="replace")
        except OSError as error:
            raise DataError(f"{self.path}: expected a readable text file. Received: {error.strerror}") from None


@dataclass(frozen=True)
class PythonDocs:
    """The topics of Python's `help()`, in the order of their names."""

    def text(self) -> str:
        """The text."""
        from pydoc_data.topics import topics

        return "\n\n".join(topics[name].strip("\n") for name in sorted(topics)) + "\n"


@dataclass(frozen=True)
class Pieces:
    """Spans (start, stop) of a text, in characters."""

    source: Text
    name: str
    spans: tuple[tuple[int, int], ...]

    def read(self) -> pa.Table:
        """One row a span: (id, text, no label)."""
        text = self.source.text()
        ids = [f"{self.name}/{start}" for start, _ in self.spans]
        texts = [text[start:stop] for start, stop in self.spans]
        return columns.documents(pa.array(ids, pa.string()), pa.array(texts, pa.large_string()), pa.nulls(len(ids), pa.int8()))


class CorpusSource:
    """One stream of text.

    Args:
        name: as the workflow calls it.
        source: where the text is.
        rules: how it is split.
    """

    kind: Kind = "corpus"
    labels: tuple[str, ...] = ()

    def __init__(self, name: str, source: Text, rules: SplitRules) -> None:
        self.name, self.rules = name, rules
        self._source = source

    def digest(self) -> str:
        """sha256 over the text."""
        return hashlib.sha256(self._source.text().encode()).hexdigest()

    def chunks(self) -> list[Chunk]:
        """The work, in the order of the stream; no chunk reaches over the border of a split."""
        text = self._source.text()[: self.rules.limit]
        if not text:
            raise DataError(f"{self.name}: expected text. Received: an empty one.")
        chunks: list[Chunk] = []
        for part in cut_corpus(text, self.rules):
            spans = _spans(text, part)
            for _, run in groupby(spans, key=lambda span: (span[0] - part.start) // CHUNK_BYTES):
                chunks.append(Chunk(len(chunks), part.split, Pieces(self._source, self.name, tuple(run))))  # type: ignore[arg-type]
        return chunks


def _spans(text: str, part: Part) -> Iterator[tuple[int, int]]:
    """Pieces of a part, cut after a line end or else a space where there is one, so that no word is cut."""
    start = part.start
    while start < part.stop:
        stop = min(start + PIECE_CHARACTERS, part.stop)
        if stop < part.stop:
            stop = text.rfind("\n", start, stop) + 1 or text.rfind(" ", start, stop) + 1 or stop
        yield start, stop
        start = stop


def open_nietzsche(workflow: "Workflow") -> CorpusSource:
    """Open the text that `data.path` names, or the download.

    Raises:
        NotFoundError: `data.path` is no file.
        DataError: there is no network to download from.
    """
    path = workflow.data.path
    if path is not None and not Path(path).is_file():
        raise NotFoundError(f"data.path: expected a text file. Received: {path!r}, which is none. Correct it, or leave it out to download.")
    return CorpusSource("nietzsche", FileText(path or str(fetch(NIETZSCHE))), SplitRules.of(workflow, seeded=False))


def open_python_docs(workflow: "Workflow") -> CorpusSource:
    """Open the language reference of the running Python."""
    return CorpusSource("python-docs", PythonDocs(), SplitRules.of(workflow, seeded=False))
