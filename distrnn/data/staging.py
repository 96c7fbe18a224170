"""A chunk on its way: tokenized once into ids of its own, kept in the dataset's staging area until the vocabulary is known.

A chunk leaves three files, each written under its final name only when whole: its rows (one record batch for each final split), its
dictionary with counts, and the raw text of its test documents. Whoever repeats the chunk writes the same bytes again.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from distrnn.data.manifest import SPLITS, dataset_folder
from distrnn.data.removal import Signatures, signatures
from distrnn.data.sources import Chunk, read_chunk
from distrnn.data.sources.base import final_splits
from distrnn.data.splits import TEST
from distrnn.data.tokenize_arrow import Tokens, tokenize_column
from distrnn.data.vocabulary import counts_batch
from distrnn.storage import Store
from distrnn.text import TokenizerSpec


@dataclass(frozen=True)
class StagedChunk:
    """What the driver keeps of a tokenized chunk.

    Attributes:
        index: the chunk's.
        lengths: tokens of each row, by the position of the final split: int32 [rows of the split].
        labels: documents of each label number, by the position of the final split; empty for a corpus.
        text_bytes: UTF-8 bytes of the text, by the position of the final split.
        replaced: invalid UTF-8 sequences that became U+FFFD.
    """

    index: int
    lengths: tuple[npt.NDArray[np.int32], ...]
    labels: tuple[dict[int, int], ...]
    text_bytes: tuple[int, ...]
    replaced: int = 0


def staging_area(fingerprint: str, attempt: str) -> str:
    """Key prefix of one attempt at a dataset; every attempt has its own, so that two at a time do not disturb each other."""
    return f"{dataset_folder(fingerprint)}staging/{attempt}/"


def staged_key(area: str, index: int, what: str) -> str:
    """Key of a staged file; `what` is rows, dictionary or texts."""
    return f"{area}{index:05d}.{what}.arrow"


def stage_chunk(chunk: Chunk, spec: TokenizerSpec, store: Store, area: str) -> StagedChunk:
    """Read and tokenize a chunk, and write it to the staging area.

    Args:
        chunk: what to read.
        spec: the tokenizer.
        store: the storage root.
        area: key prefix of the staging area.

    Raises:
        DataError: the source cannot be read.
        StorageError: the staging area cannot be written.
    """
    table, replaced = read_chunk(chunk)
    splits = final_splits(chunk, table)
    texts = _only(table, "text")
    tokens = tokenize_column(texts, spec)
    order = np.argsort(splits, kind="stable")
    rows = _ordered_rows(table, tokens, order)
    store.put(staged_key(area, chunk.index, "rows"), to_ipc(_batches(rows, np.bincount(splits, minlength=len(SPLITS)))))
    learned = np.repeat(splits != TEST, tokens.lengths)
    counts = np.bincount(tokens.ids[learned], minlength=len(tokens.dictionary)).astype(np.int64)
    store.put(staged_key(area, chunk.index, "dictionary"), to_ipc([counts_batch(tokens.dictionary, counts)]))
    held_out = table.filter(pa.array(splits == TEST))
    if len(held_out):
        store.put(staged_key(area, chunk.index, "texts"), to_ipc(held_out.combine_chunks().to_batches()))
    inside = [splits == split for split in range(len(SPLITS))]
    labels, sizes_bytes = _only(table, "label"), _sizes_bytes(texts)
    return StagedChunk(
        chunk.index,
        tuple(tokens.lengths[chosen].astype(np.int32) for chosen in inside),
        tuple(_label_counts(labels, chosen) for chosen in inside),
        tuple(int(sizes_bytes[chosen].sum()) for chosen in inside),
        replaced,
    )


def sign_chunk(chunk: Chunk, spec: TokenizerSpec, *, near: bool) -> tuple[Signatures, npt.NDArray[np.int8]]:
    """Read a chunk and sign its documents, so that copies can be left out before anything is staged.

    Returns:
        their signatures, and the final split of each: int8 [rows].

    Raises:
        DataError: the source cannot be read.
    """
    table = read_chunk(chunk).table
    return signatures(_only(table, "text"), spec, near=near), final_splits(chunk, table)


def read_staged(store: Store, area: str, index: int, what: str) -> pa.RecordBatchFileReader:
    """Open a staged file, by memory map where the store is a folder."""
    key = staged_key(area, index, what)
    path = store.local_path(key)
    return pa.ipc.open_file(pa.memory_map(str(path)) if path is not None and path.exists() else pa.py_buffer(store.read(key)))


def to_ipc(batches: list[pa.RecordBatch]) -> bytes:
    """Record batches, one at least, as the bytes of an uncompressed Arrow IPC file."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, batches[0].schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    body: bytes = sink.getvalue().to_pybytes()
    return body


def _ordered_rows(table: pa.Table, tokens: Tokens, order: npt.NDArray[np.int64]) -> pa.RecordBatch:
    narrow = np.uint16 if len(tokens.dictionary) <= np.iinfo(np.uint16).max else np.int32
    offsets = np.concatenate([[0], np.cumsum(tokens.lengths)]).astype(np.int64)
    ids = pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(tokens.ids.astype(narrow)))
    batch = pa.RecordBatch.from_arrays([ids, _only(table, "label"), _only(table, "id")], names=["tokens", "label", "id"])
    return batch if (np.diff(order) == 1).all() else batch.take(pa.array(order))


def _batches(rows: pa.RecordBatch, sizes: npt.NDArray[np.int64]) -> list[pa.RecordBatch]:
    ends = np.cumsum(sizes)
    return [rows.slice(int(end - size), int(size)) for end, size in zip(ends, sizes, strict=True)]


def _label_counts(labels: pa.Array, chosen: npt.NDArray[np.bool_]) -> dict[int, int]:
    counts = labels.filter(pa.array(chosen)).drop_null().value_counts()
    return {item["values"]: item["counts"] for item in counts.to_pylist()}


def _sizes_bytes(texts: pa.LargeStringArray) -> npt.NDArray[np.int64]:
    sizes: npt.NDArray[np.int64] = pc.binary_length(texts).to_numpy(zero_copy_only=False)
    return sizes


def _only(table: pa.Table, name: str) -> pa.Array:
    column = table[name].combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        return column.chunk(0) if column.num_chunks else pa.array([], column.type)
    return column
