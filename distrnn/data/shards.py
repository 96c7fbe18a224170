"""Shards: where their borders lie, and how one is written from the staged chunks once the vocabulary is known."""

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from distrnn.data.manifest import SPLITS, ShardFile
from distrnn.data.staging import StagedChunk, read_staged, to_ipc
from distrnn.storage import Store
from distrnn.text import START_ID, TokenizerSpec, bucket

SHARD_TOKENS = 4_000_000


@dataclass(frozen=True)
class Span:
    """Rows [start, stop) of one final split in one staged chunk."""

    chunk: int
    start: int
    stop: int


@dataclass(frozen=True)
class ShardPlan:
    """A shard to write; its spans follow each other in the order of the dataset."""

    split: int
    number: int
    spans: tuple[Span, ...]

    @property
    def file(self) -> str:
        """Its name under the dataset's folder."""
        return f"shards/{SPLITS[self.split]}-{self.number:05d}.arrow"


@dataclass(frozen=True)
class WrittenShard:
    """A shard in its place."""

    plan: ShardPlan
    file: ShardFile
    unknown_tokens: int


def plan_shards(chunks: Sequence[StagedChunk], *, target_tokens: int = SHARD_TOKENS) -> list[ShardPlan]:
    """Lay shard borders so that the shards of a split hold about the same number of tokens.

    Borders follow from the rows and their lengths alone, never from who tokenized them.

    Args:
        chunks: in order.
        target_tokens: tokens of a shard, about.
    """
    plans: list[ShardPlan] = []
    for split in range(len(SPLITS)):
        lengths = np.concatenate([chunk.lengths[split] for chunk in chunks] or [np.zeros(0, np.int32)])
        first_rows = np.cumsum([0] + [len(chunk.lengths[split]) for chunk in chunks])
        borders = _borders(lengths, target_tokens)
        for number, (start, stop) in enumerate(itertools.pairwise(borders)):
            plans.append(ShardPlan(split, number, tuple(_spans(chunks, first_rows.tolist(), start, stop))))
    return plans


def _borders(lengths: npt.NDArray[np.int32], target_tokens: int) -> list[int]:
    if not len(lengths):
        return []
    ends = np.cumsum(lengths, dtype=np.int64)
    shards = max(-(-int(ends[-1]) // target_tokens), 1)
    cuts = np.searchsorted(ends, np.arange(1, shards) * (int(ends[-1]) / shards), "left") + 1
    return sorted({0, *cuts.tolist(), len(lengths)})


def _spans(chunks: Sequence[StagedChunk], first_rows: list[int], start: int, stop: int) -> list[Span]:
    spans = []
    for chunk, first, end in zip(chunks, first_rows, first_rows[1:], strict=False):
        low, high = max(start, first), min(stop, end)
        if low < high:
            spans.append(Span(chunk.index, low - first, high - first))
    return spans


@dataclass(frozen=True)
class Encoding:
    """How staged ids become final ones.

    Attributes:
        spec: the tokenizer.
        tokens: string [V], the kept tokens, most frequent first; none where tokens are hashed.
        with_start: whether every row begins with the start id.
    """

    spec: TokenizerSpec
    tokens: pa.StringArray
    with_start: bool

    @property
    def size(self) -> int:
        """Ids in use, reserved ones included."""
        return self.spec.first_id + (self.spec.buckets or len(self.tokens))

    @property
    def dtype(self) -> "np.dtype[np.uint16] | np.dtype[np.int32]":
        """The narrowest of the two id types that holds every id."""
        return np.dtype(np.uint16) if self.size <= 2**16 else np.dtype(np.int32)

    def ids_of(self, dictionary: pa.StringArray) -> "npt.NDArray[np.uint16 | np.int32]":
        """The final id of each token of a chunk's dictionary: D tokens give [D]."""
        first, unknown = self.spec.first_id, self.spec.unknown_id
        if (buckets := self.spec.buckets) is not None:
            return np.array([first + bucket(token, buckets) for token in dictionary.to_pylist()], self.dtype)
        ranks = pc.index_in(dictionary, value_set=self.tokens)
        ids: npt.NDArray[np.uint16 | np.int32] = pc.fill_null(pc.add(ranks, first), unknown).to_numpy().astype(self.dtype)
        return ids


def write_shard(plan: ShardPlan, encoding: Encoding, store: Store, area: str, folder: str) -> WrittenShard:
    """Write one shard from staged chunks.

    Args:
        plan: which rows.
        encoding: the vocabulary and its rules.
        store: the storage root.
        area: key prefix of the staging area.
        folder: key prefix of the dataset.

    Raises:
        StorageError: it cannot be written.
    """
    spans = [_finished(_encoded_span(span, plan.split, encoding, store, area), encoding) for span in plan.spans]
    values = np.concatenate([span.values for span in spans])
    lengths = np.concatenate([span.lengths for span in spans])
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    tokens = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(values))
    columns = [tokens, pa.concat_arrays([span.labels for span in spans]), pa.concat_arrays([span.ids for span in spans])]
    body = to_ipc([pa.RecordBatch.from_arrays(columns, names=["tokens", "label", "id"])])
    store.put(folder + plan.file, body)
    file = ShardFile(plan.file, hashlib.sha256(body).hexdigest(), len(body), len(lengths), len(values))
    return WrittenShard(plan, file, int(np.count_nonzero(values == encoding.spec.unknown_id)))


@dataclass(frozen=True)
class _EncodedSpan:
    values: npt.NDArray[np.uint16 | np.int32]
    lengths: npt.NDArray[np.int64]
    labels: pa.Array
    ids: pa.Array


def _encoded_span(span: Span, split: int, encoding: Encoding, store: Store, area: str) -> _EncodedSpan:
    dictionary = read_staged(store, area, span.chunk, "dictionary").read_all()["token"].combine_chunks()
    table = encoding.ids_of(dictionary)
    batch = read_staged(store, area, span.chunk, "rows").get_batch(split).slice(span.start, span.stop - span.start)
    rows = batch.column("tokens")
    offsets = rows.offsets.to_numpy()
    values = np.take(table, rows.values.to_numpy()[offsets[0] : offsets[-1]])
    return _EncodedSpan(values, np.diff(offsets), batch.column("label"), batch.column("id"))


def _finished(span: _EncodedSpan, encoding: Encoding) -> _EncodedSpan:
    """Bags hold each id once, sequences may begin with the start id."""
    if encoding.spec.layout == "bag":
        values, lengths = distinct_ids(span.values, span.lengths, encoding.size)
        return replace(span, values=values, lengths=lengths)
    if not encoding.with_start:
        return span
    offsets = np.concatenate([[0], np.cumsum(span.lengths)])
    return replace(span, values=_with_start(span.values, offsets, encoding.dtype), lengths=span.lengths + 1)


def distinct_ids(
    values: "npt.NDArray[np.uint16 | np.int32]", lengths: npt.NDArray[np.int64], size: int
) -> "tuple[npt.NDArray[np.uint16 | np.int32], npt.NDArray[np.int64]]":
    """The distinct ids of each row, ascending.

    Shapes: T ids, N rows, D distinct ids over all rows.

    Args:
        values: [T], row after row.
        lengths: int64 [N].
        size: above every id.

    Returns:
        [D], and the distinct ids of each row, int64 [N].
    """
    rows = np.repeat(np.arange(len(lengths)), lengths)
    keys = np.unique(rows * size + values)  # [D]
    return (keys % size).astype(values.dtype), np.bincount(keys // size, minlength=len(lengths)).astype(np.int64)


def _with_start(
    values: npt.NDArray[np.uint16 | np.int32], offsets: npt.NDArray[np.int64], dtype: "np.dtype[np.uint16] | np.dtype[np.int32]"
) -> npt.NDArray[np.uint16 | np.int32]:
    """Put the start id before each row: T tokens and N rows give [T + N]."""
    rows = len(offsets) - 1
    result = np.full(len(values) + rows, START_ID, dtype)
    is_token = np.ones(len(result), np.bool_)
    is_token[offsets[:-1] + np.arange(rows)] = False
    result[is_token] = values
    return result
