"""The IMDB reviews as a folder of parquet files: train and test (unsupervised is left alone), columns text and label, perhaps id."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from distrnn.data import columns
from distrnn.data.sources.base import CHUNK_BYTES, Part, cut_evenly, digest_of_files
from distrnn.errors import DataError


def files_of(folder: Path) -> dict[str, list[Path]]:
    """Parquet files of each labelled split, by name; empty where there are none."""
    found = {split: sorted(folder.glob(f"{split}*.parquet")) for split in ("train", "test")}
    return {split: files for split, files in found.items() if files}


def digest(files: Mapping[str, Sequence[Path]]) -> str:
    """sha256 over the files that are read."""
    return digest_of_files([(f"{split}/{number}", path) for split, paths in files.items() for number, path in enumerate(paths)])


def parts(files: Mapping[str, Sequence[Path]]) -> dict[str, list[Part]]:
    """The rows of each split, cut at row groups, and within a group that is larger than a chunk."""
    return {split: [part for path in paths for part in _parts_of_file(path, split)] for split, paths in files.items()}


@dataclass(frozen=True)
class ParquetRows:
    """Rows [start, stop) of a file, which lie in row groups [first_group, last_group)."""

    path: str
    split: str
    first_group: int
    last_group: int
    group_start: int
    start: int
    stop: int

    def read(self) -> pa.Table:
        """The rows as (id, text, label)."""
        with _reading(self.path):
            file = pq.ParquetFile(self.path)
            wanted = [name for name in ("id", "text", "label") if name in file.schema_arrow.names]
            table = file.read_row_groups(range(self.first_group, self.last_group), columns=wanted, use_threads=False)
        table = table.slice(self.start - self.group_start, self.stop - self.start)
        ids = table["id"].cast(pa.string()) if "id" in wanted else pa.array([f"{self.split}/{row}" for row in range(self.start, self.stop)])
        return columns.documents(
            ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids,
            columns.clean_text(table["text"], f"{self.path}, column 'text'"),
            columns.clean_sentiments(table["label"], f"{self.path}, column 'label'"),
        )


def _parts_of_file(path: Path, split: str) -> Iterator[Part]:
    with _reading(str(path)):
        file = pq.ParquetFile(path)
    columns.require_columns(file.schema_arrow.names, ("text", "label"), str(path))
    groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
    first_rows = [0]
    for group in groups:
        first_rows.append(first_rows[-1] + group.num_rows)
    for run in cut_evenly([group.total_byte_size for group in groups]):
        if run.start == run.stop:
            continue
        start, stop = first_rows[run.start], first_rows[run.stop]
        size_bytes = sum(group.total_byte_size for group in groups[run])
        pieces = 1 if run.stop - run.start > 1 else max(-(-size_bytes // (2 * CHUNK_BYTES)), 1)
        for piece in range(pieces):
            first, last = start + (stop - start) * piece // pieces, start + (stop - start) * (piece + 1) // pieces
            if last > first:
                yield Part(ParquetRows(str(path), split, run.start, run.stop, start, first, last), last - first)


@contextmanager
def _reading(path: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: expected a readable parquet file. Received: {' '.join(str(error).split())}") from None
