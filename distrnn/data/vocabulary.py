"""From the chunks' counts to one vocabulary: falling count, then the token itself, so the order never depends on who counted first."""

import hashlib
import json

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from distrnn.text import TokenizerSpec, bucket

PENDING_ROWS = 1 << 20


class CountMerger:
    """The distinct-token table of a dataset; the only thing whose size grows with the text."""

    def __init__(self) -> None:
        self._pending: list[pa.Table] = []
        self._pending_rows = 0

    def add(self, counts: pa.Table) -> None:
        """Add a chunk's table (token: string, count: int64)."""
        self._pending.append(counts)
        self._pending_rows += len(counts)
        if self._pending_rows > PENDING_ROWS:
            self._pending = [self._merged()]
            self._pending_rows = 0

    def ranked(self) -> pa.Table:
        """Every token that occurs, once, most frequent first, equal counts in the order of code points: (token, count)."""
        merged = self._merged()
        merged = merged.filter(pc.greater(merged["count"], 0))
        return merged.sort_by([("count", "descending"), ("token", "ascending")])

    def _merged(self) -> pa.Table:
        if not self._pending:
            return pa.Table.from_batches([counts_batch(pa.array([], pa.string()), np.zeros(0, np.int64))])
        table = pa.concat_tables(self._pending).group_by("token", use_threads=False).aggregate([("count", "sum")])
        return pa.table({"token": table["token"], "count": table["count_sum"]})


def counts_batch(tokens: pa.StringArray, counts: npt.NDArray[np.int64]) -> pa.RecordBatch:
    """A chunk's counts as (token, count): D distinct tokens, counts int64 [D]."""
    return pa.RecordBatch.from_arrays([tokens, pa.array(counts, pa.int64())], names=["token", "count"])


def cut(ranked: pa.Table, spec: TokenizerSpec) -> pa.Table:
    """The tokens that get an id of their own: as many as `spec.vocabulary_size` leaves beside the reserved ones; none with buckets."""
    if spec.buckets is not None:
        return ranked.slice(0, 0)
    return ranked if spec.vocabulary_size is None else ranked.slice(0, max(spec.vocabulary_size - spec.first_id, 0))


def collisions(ranked: pa.Table, spec: TokenizerSpec) -> int | None:
    """How many distinct tokens share their bucket with another one; None where tokens are not hashed."""
    if spec.buckets is None:
        return None
    filled = np.bincount([bucket(token, spec.buckets) for token in ranked["token"].to_pylist()], minlength=1)
    return int(filled[filled > 1].sum())


def to_bytes(kept: pa.Table) -> bytes:
    """The vocabulary file: a JSON list of [token, count]."""
    pairs = [list(pair) for pair in zip(kept["token"].to_pylist(), kept["count"].to_pylist(), strict=True)]
    return json.dumps(pairs, ensure_ascii=False, separators=(",", ":")).encode()


def digest(body: bytes) -> str:
    """sha256 of a vocabulary file."""
    return hashlib.sha256(body).hexdigest()


def from_bytes(body: bytes) -> list[tuple[str, int]]:
    """Tokens and counts of a vocabulary file, most frequent first."""
    return [(token, count) for token, count in json.loads(body)]
