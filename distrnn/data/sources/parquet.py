"""Rows of parquet files, batch by batch, so that a row group of any size is never in memory as a whole."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import pyarrow as pa
import pyarrow.parquet as pq

from distrnn.data.columns import require_columns
from distrnn.data.source_files import SourceFile
from distrnn.data.sources import base
from distrnn.data.sources.form import Form, Span
from distrnn.data.sources.parse import Raw
from distrnn.data.sources.streams import raw, reading
from distrnn.errors import DataError

_BUFFER_BYTES = 1 << 20
_BATCH_ROWS = 4096


def parquet_spans(file: SourceFile, form: Form) -> Iterator[Span]:
    """Cut a file at row groups, and within a group that is larger than a chunk.

    Raises:
        DataError: it is no parquet file, or lacks a column.
    """
    with _opened(file) as opened:
        require_columns(opened.schema_arrow.names, form.columns, file.url)
        groups = [opened.metadata.row_group(number) for number in range(opened.metadata.num_row_groups)]
        wanted = set(form.columns)
        sizes = [_size_bytes(group, wanted) for group in groups]
        first_row = 0
        for number, (group, size_bytes) in enumerate(zip(groups, sizes, strict=True)):
            pieces = min(max(-(-size_bytes // base.CHUNK_BYTES), 1), max(group.num_rows, 1))
            for piece in range(pieces):
                first, last = group.num_rows * piece // pieces, group.num_rows * (piece + 1) // pieces
                if last > first:
                    yield Span(file, number, number + 1, first_row + first, last - first, size_bytes // pieces)
            first_row += group.num_rows


def read_parquet(span: Span, form: Form) -> Raw:
    """The rows of a span.

    Raises:
        DataError: it cannot be read.
    """
    with _reading(span.file):
        batches = _Forward.of(span, form).read(span.first_row, span.rows)
        table = pa.Table.from_batches(batches)
    ids = table[form.id_column].cast(pa.string()) if form.id_column in table.column_names else None
    return Raw(table[form.text_column], None if form.labels is None else table[form.label_column], ids)


class _Forward:
    """Batches of one row group that stay open between spans and only go forward."""

    def __init__(self, file: SourceFile, group: int, form: Form) -> None:
        self._file = pq.ParquetFile(_source(file), buffer_size=_BUFFER_BYTES)
        names = self._file.schema_arrow.names
        wanted = [name for name in (*form.columns, form.id_column or "") if name in names]
        metadata = self._file.metadata.row_group(group)
        # Batches of a quarter of a chunk on average, so that long documents do not come by the thousand
        row_bytes = _size_bytes(metadata, set(wanted)) // max(metadata.num_rows, 1) + 1
        batch_rows = max(min(_BATCH_ROWS, base.CHUNK_BYTES // (4 * row_bytes)), 1)
        self._batches = self._file.iter_batches(batch_rows, [group], wanted, use_threads=False)
        self.position = sum(self._file.metadata.row_group(number).num_rows for number in range(group))
        self._left: pa.RecordBatch | None = None

    @classmethod
    def of(cls, span: Span, form: Form) -> "_Forward":
        """The one that is open, or another where it has gone too far."""
        found = _group(span.file, span.start, form)
        if found.position > span.first_row:
            _group.cache_clear()
            found = _group(span.file, span.start, form)
        return found

    def read(self, start: int, rows: int) -> list[pa.RecordBatch]:
        """Rows [start, start + rows) of the file."""
        taken = []
        try:
            while rows:
                batch = self._left if self._left is not None and len(self._left) else next(self._batches)
                skipped = min(start - self.position, len(batch))
                kept = batch.slice(skipped, rows)
                self._left = batch.slice(skipped + len(kept))
                self.position += skipped + len(kept)
                start, rows = self.position if len(kept) else start, rows - len(kept)
                if len(kept):
                    taken.append(kept)
        except BaseException:
            _group.cache_clear()
            raise
        return taken


@lru_cache(maxsize=1)
def _group(file: SourceFile, group: int, form: Form) -> _Forward:
    return _Forward(file, group, form)


@contextmanager
def _opened(file: SourceFile) -> Iterator[pq.ParquetFile]:
    with _reading(file), pq.ParquetFile(_source(file), buffer_size=_BUFFER_BYTES) as opened:
        yield opened


def _source(file: SourceFile) -> "pa.NativeFile":
    path = file.store.local_path(file.key)
    return pa.OSFile(str(path)) if path is not None else pa.PythonFile(raw(file), mode="r")


@contextmanager
def _reading(file: SourceFile) -> Iterator[None]:
    try:
        with reading(file, "parquet file"):
            yield
    except StopIteration:
        raise DataError(f"{file.url}: expected more rows. Received: its end. It changed while it was read; run it again.") from None


def _size_bytes(group: pq.RowGroupMetaData, wanted: set[str]) -> int:
    columns = (group.column(number) for number in range(group.num_columns))
    return sum(column.total_uncompressed_size for column in columns if column.path_in_schema in wanted)
