"""What the tests of the sources share: workflows over a user's own files, and everything that a source reads."""

import pickle

import pyarrow as pa

from distrnn.data.sources import open_source, read_chunk
from fixtures_data import corpus_workflow, document_workflow

SOURCES = "distrnn.data.sources"


def opened(source, path, **data):
    """A source of documents."""
    return open_source(document_workflow(path, source=source, **data).workflow)


def opened_corpus(source, path, **data):
    return open_source(corpus_workflow(path, source=source, **data).workflow)


def table_of(source, split="train"):
    """Every row of a split, and how many invalid sequences were replaced; chunks travel as they do to an actor."""
    read = [read_chunk(pickle.loads(pickle.dumps(chunk))) for chunk in source.chunks() if chunk.split == split]
    table = pa.concat_tables([rows.table for rows in read])
    assert len(set(table["id"].to_pylist())) == len(table)
    return table, sum(rows.replaced for rows in read)


def texts_of(source, split="train"):
    return table_of(source, split)[0]["text"].to_pylist()


def pairs_of(source, split="train"):
    table = table_of(source, split)[0]
    return list(zip(table["text"].to_pylist(), table["label"].to_pylist(), strict=True))


def tiny_chunks(patch, chunk_bytes=40, read_bytes=7):
    """Chunks and reads so small that records, quotes and characters lie across their borders."""
    patch.setattr(f"{SOURCES}.base.CHUNK_BYTES", chunk_bytes)
    patch.setattr(f"{SOURCES}.streams.READ_BYTES", read_bytes)
