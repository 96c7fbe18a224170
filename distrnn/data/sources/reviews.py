"""The synthetic-reviews source: the grammar's documents, made where they are needed, so there is no file to read or to ship."""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from distrnn.data import columns, labels
from distrnn.data.sources import synthetic
from distrnn.data.sources.base import DocumentSource, Part, Read
from distrnn.data.splits import SplitRules

if TYPE_CHECKING:
    from distrnn.workflow import Workflow

# Fixed, so that runs with different train.seed measure themselves on the same text.
GRAMMAR_SEED = 0
CHUNK_DOCUMENTS = 1_500


@dataclass(frozen=True)
class MadeReviews:
    """Documents [start, stop) of a split."""

    split: str
    start: int
    stop: int

    def read(self) -> Read:
        """The documents as (id, text, label)."""
        made = [synthetic.document(index, self.split, GRAMMAR_SEED) for index in range(self.start, self.stop)]
        ids = [f"{self.split}/{index}" for index in range(self.start, self.stop)]
        texts, of_each = zip(*made, strict=True)
        return Read(columns.documents(pa.array(ids, pa.string()), pa.array(texts, pa.large_string()), labels.numbers(of_each)))


def open_synthetic_reviews(workflow: "Workflow") -> DocumentSource:
    """Open the synthetic reviews."""
    rules = SplitRules.of(workflow, seeded=True)
    return DocumentSource("synthetic-reviews", "synthetic-reviews", _parts, _digest, rules, labels.SENTIMENTS)


def _parts() -> dict[str, list[Part]]:
    return {split: [_part(split, start, rows) for start in range(0, rows, CHUNK_DOCUMENTS)] for split, rows in synthetic.SIZES.items()}


def _part(split: str, start: int, rows: int) -> Part:
    stop = min(start + CHUNK_DOCUMENTS, rows)
    return Part(MadeReviews(split, start, stop), stop - start)


def _digest() -> str:
    return hashlib.sha256(f"{synthetic.digest()}:{GRAMMAR_SEED}:{sorted(synthetic.SIZES.items())}".encode()).hexdigest()
