"""The python-docs source: the language reference that every CPython carries, in memory."""

import hashlib
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from distrnn.data.sources import base
from distrnn.data.sources.base import Chunk, Kind, Read
from distrnn.data.sources.corpus import pieces_table, spans
from distrnn.data.splits import SplitRules, cut_corpus

if TYPE_CHECKING:
    from distrnn.workflow import Workflow


@dataclass(frozen=True)
class PythonDocs:
    """The topics of Python's `help()`, in the order of their names."""

    def text(self) -> str:
        """The text."""
        from pydoc_data.topics import topics

        return "\n\n".join(topics[name].strip("\n") for name in sorted(topics)) + "\n"


@dataclass(frozen=True)
class Pieces:
    """Spans (start, stop) of a text in memory, in characters."""

    source: PythonDocs
    name: str
    spans: tuple[tuple[int, int], ...]

    def read(self) -> Read:
        """One row a span: (id, text, no label)."""
        text = self.source.text()
        return Read(pieces_table([f"{self.name}/{start}" for start, _ in self.spans], [text[start:stop] for start, stop in self.spans]))


class CorpusSource:
    """One text that is small enough for memory.

    Args:
        name: as the workflow calls it.
        source: where the text is.
        rules: how it is split.
    """

    kind: Kind = "corpus"
    labels: tuple[str, ...] = ()

    def __init__(self, name: str, source: PythonDocs, rules: SplitRules) -> None:
        self.name, self.rules = name, rules
        self._source = source

    def digest(self) -> str:
        """sha256 over the text."""
        return hashlib.sha256(self._source.text().encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Nothing else decides what is read."""
        return {}

    def chunks(self) -> list[Chunk]:
        """The work, in the order of the stream; no chunk reaches over the border of a split."""
        text = self._source.text()[: self.rules.limit]
        chunks: list[Chunk] = []
        for part in cut_corpus(len(text), text.find, self.rules):
            cuts = spans(text, part)
            for _, run in groupby(cuts, key=lambda span: (span[0] - part.start) // base.CHUNK_BYTES):
                chunks.append(Chunk(len(chunks), part.split, Pieces(self._source, self.name, tuple(run))))  # type: ignore[arg-type]
        return chunks


def open_python_docs(workflow: "Workflow") -> CorpusSource:
    """Open the language reference of the running Python."""
    return CorpusSource("python-docs", PythonDocs(), SplitRules.of(workflow, seeded=False))
