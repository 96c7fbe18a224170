"""Shards: where their borders lie, and how one is written from the staged chunks once the vocabulary is known."""

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from distrnn.data.manifest import SPLITS, ShardFile
from distrnn.data.staging import StagedChunk, read_staged, to_ipc
from distrnn.storage import Store
from distrnn.text import START_ID, TokenizerSpec

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
        tokens: string [V], the kept tokens, most frequent first.
        with_start: whether every row begins with the start id (documents of words).
    """

    spec: TokenizerSpec
    tokens: pa.StringArray
    with_start: bool

    @property
    def dtype(self) -> "np.dtype[np.uint16] | np.dtype[np.int32]":
        """The narrowest of the two id types that holds every id."""
        return np.dtype(np.uint16) if self.spec.first_id + len(self.tokens) <= 2**16 else np.dtype(np.int32)


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
    spans = [_encoded_span(span, plan.split, encoding, store, area) for span in plan.spans]
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
    ranks = pc.index_in(dictionary, value_set=encoding.tokens)
    table = pc.fill_null(pc.add(ranks, encoding.spec.first_id), encoding.spec.unknown_id).to_numpy().astype(encoding.dtype)
    batch = read_staged(store, area, span.chunk, "rows").get_batch(split).slice(span.start, span.stop - span.start)
    rows = batch.column("tokens")
    offsets = rows.offsets.to_numpy()
    values = table[rows.values.to_numpy()[offsets[0] : offsets[-1]]]
    lengths = np.diff(offsets)
    if encoding.with_start:
        values, lengths = _with_start(values, offsets - offsets[0], encoding.dtype), lengths + 1
    return _EncodedSpan(values, lengths, batch.column("label"), batch.column("id"))


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
