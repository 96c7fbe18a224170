"""Files as rows: one pass over each gives its digest and its spans, and any process reads any span."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from distrnn.data import columns, labels
from distrnn.data.source_files import SourceFile, check_unchanged
from distrnn.data.sources import base, parse
from distrnn.data.sources.base import Part, Read
from distrnn.data.sources.borders import Borders, CsvBorders, LineBorders, ParagraphBorders, cut
from distrnn.data.sources.form import Form, Span
from distrnn.data.sources.parquet import parquet_spans, read_parquet
from distrnn.data.sources.streams import hashed_blocks, read_span, sha256_of
from distrnn.errors import DataError

AT_ONCE = 16
T = TypeVar("T")
R = TypeVar("R")
_MARK = b"\xef\xbb\xbf"
_HEADER_BYTES = 1 << 20
_PARSERS = {"csv": parse.parse_csv, "jsonl": parse.parse_jsonl, "text": parse.parse_text}


@dataclass(frozen=True)
class SpanReader:
    """Rows of some spans, in order."""

    spans: tuple[Span, ...]
    form: Form

    def read(self) -> Read:
        """The rows as (id, text, label)."""
        files = [span.file for span in self.spans]
        try:
            read = _each(partial(_read, form=self.form), self.spans, files)
        except DataError:
            # Whatever else is wrong with a file that changed, that it changed is what its owner must know
            check_unchanged(files)
            raise
        check_unchanged(files)
        if all(found.replaced is None for found in read):
            return Read(pa.concat_tables([found.table for found in read]))
        counts = [np.zeros(len(found.table), np.int64) if found.replaced is None else found.replaced for found in read]
        return Read(pa.concat_tables([found.table for found in read]), np.concatenate(counts))


class FileRows:
    """The files of one split, read once to know where their rows are.

    Args:
        files: in order.
        form: how they are read.
    """

    def __init__(self, files: Sequence[SourceFile], form: Form) -> None:
        self.files, self.form = files, form

    def digests(self) -> list[tuple[str, str]]:
        """(name, sha256) of each file, as it is stored."""
        return [(file.name, digest) for file, (digest, _) in zip(self.files, self._scanned, strict=True)]

    def parts(self) -> list[Part]:
        """All rows, cut into chunks; small files share one."""
        runs = _runs([span for _, spans in self._scanned for span in spans])
        return [Part(SpanReader(tuple(run), self.form), sum(span.rows for span in run)) for run in runs]

    @cached_property
    def _scanned(self) -> list[tuple[str, list[Span]]]:
        found = _each(partial(scan, form=self.form), self.files, self.files)
        check_unchanged(self.files)
        return found


def scan(file: SourceFile, form: Form) -> tuple[str, list[Span]]:
    """One pass over a file: its sha256, and its rows in spans of about `CHUNK_BYTES`.

    Raises:
        DataError: it cannot be read, its compression is damaged, or a column is missing.
    """
    if form.kind == "parquet":
        if file.compression:
            raise DataError(f"{file.url}: expected a parquet file. Received: one within {file.compression}. Unpack it.")
        return sha256_of(file), list(parquet_spans(file, form))
    digest = hashlib.sha256()
    blocks = hashed_blocks(file, digest)
    if form.kind == "text" and form.document == "file":
        size_bytes = sum(map(len, blocks))
        return digest.hexdigest(), [Span(file, 0, size_bytes, 0, 1, size_bytes)]
    stream = _Marked(blocks)
    if form.kind == "csv":
        delimiter = parse.delimiter_of(file.key)
        header = _Header(stream, delimiter)
        pieces = list(cut(CsvBorders(delimiter.encode()), header, base.CHUNK_BYTES, header=True))
        names = parse.csv_header(header.line, file.key)
        columns.require_columns(names, form.columns, file.url)
    else:
        names, pieces = (), list(cut(_finder(form), stream, base.CHUNK_BYTES))
    skipped = stream.skipped
    spans = [Span(file, start + skipped, stop + skipped, first_row, rows, stop - start, names) for start, stop, first_row, rows in pieces]
    return digest.hexdigest(), spans


def _each(work: Callable[[T], R], items: Sequence[T], files: Sequence[SourceFile]) -> list[R]:
    """Do some work for each item, in order; where each lies in a file of its own on a server, many of them are asked for at once."""
    # Spans of one file, and compressed files, are read through a stream that stays open and only goes forward
    is_apart = len(set(files)) == len(files) > 1 and not any(file.store.is_local or file.compression for file in files)
    if not is_apart:
        return [work(item) for item in items]
    with ThreadPoolExecutor(min(AT_ONCE, len(items))) as pool:
        return list(pool.map(work, items))


class _Marked:
    """Blocks without the byte order mark that some programs put before a text."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks, self.skipped = blocks, 0

    def __iter__(self) -> Iterator[bytes]:
        first = next(self._blocks, b"")
        while len(first) < len(_MARK) and (more := next(self._blocks, b"")):
            first += more
        self.skipped = len(_MARK) if first.startswith(_MARK) else 0
        yield first[self.skipped :]
        yield from self._blocks


class _Header:
    """Blocks of a CSV file on their way, of which the first row is kept."""

    def __init__(self, blocks: _Marked, delimiter: str) -> None:
        self.line = b""
        self._blocks, self._finder = blocks, CsvBorders(delimiter.encode())

    def __iter__(self) -> Iterator[bytes]:
        is_complete = False
        for block in self._blocks:
            if not is_complete and len(self.line) < _HEADER_BYTES:
                self.line += block
                ends = self._finder.feed(block)
                if is_complete := bool(len(ends)):
                    self.line = self.line[: int(ends[0])]
            yield block


def _finder(form: Form) -> Borders:
    if form.kind == "text" and form.document == "paragraph":
        return ParagraphBorders()
    return LineBorders(skip_empty=form.kind == "jsonl")


def _runs(spans: Sequence[Span]) -> Iterator[list[Span]]:
    run: list[Span] = []
    size_bytes = 0
    for span in spans:
        if run and size_bytes + span.size_bytes > base.CHUNK_BYTES:
            yield run
            run, size_bytes = [], 0
        run.append(span)
        size_bytes += span.size_bytes
    if run:
        yield run


def _read(span: Span, form: Form) -> Read:
    if form.kind == "parquet":
        found = read_parquet(span, form)
    else:
        found = _PARSERS[form.kind](read_span(span.file, span.start, span.stop), span, form)
    return _clean(found, span, form)


def _clean(found: parse.Raw, span: Span, form: Form) -> Read:
    where = span.file.url
    of_text, of_labels = (where, f"{where}, the name of its folder") if form.kind == "text" else _of_columns(where, form)
    texts, replaced = columns.clean_text(found.texts, of_text, span.first_row, form.invalid_utf8)
    if form.closing:
        texts = pc.binary_join_element_wise(texts, pa.scalar(form.closing, texts.type), pa.scalar("", texts.type))
    if form.labels is None or found.labels is None:
        numbers = labels.nothing(len(texts))
    else:
        numbers = labels.clean_labels(found.labels, form.labels, of_labels, span.first_row)
    return Read(columns.documents(_ids(found, span, form), texts, numbers), replaced)


def _of_columns(where: str, form: Form) -> tuple[str, str]:
    return f"{where}, column {form.text_column!r}", f"{where}, column {form.label_column!r}"


def _ids(found: parse.Raw, span: Span, form: Form) -> pa.Array:
    if found.ids is not None:
        return found.ids.combine_chunks() if found.ids.num_chunks != 1 else found.ids.chunk(0)
    if form.kind == "text" and form.document == "file":
        return pa.array([span.file.name], pa.string())
    return pa.array([f"{span.file.name}/{row}" for row in range(span.first_row, span.first_row + span.rows)], pa.string())
