"""The IMDB reviews as a CSV file with columns review and sentiment; a second file, or a share, is the test split."""

import itertools
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from distrnn.data import columns
from distrnn.data.sources.base import CHUNK_BYTES, Part, digest_of_files
from distrnn.errors import DataError

_COLUMNS = ("review", "sentiment")


def digest(files: dict[str, Path]) -> str:
    """sha256 over the files."""
    return digest_of_files(list(files.items()))


def parts(files: dict[str, Path]) -> dict[str, list[Part]]:
    """The rows of each file, cut evenly."""
    return {split: _parts_of_file(path, split) for split, path in files.items()}


@dataclass(frozen=True)
class CsvRows:
    """Rows [start, stop) of a CSV file."""

    path: str
    split: str
    start: int
    stop: int

    def read(self) -> pa.Table:
        """The rows as (id, text, label)."""
        table = _read(self.path).slice(self.start, self.stop - self.start)
        ids = pa.array([f"{self.split}/{row}" for row in range(self.start, self.stop)], pa.string())
        texts = columns.clean_text(table["review"], f"{self.path}, column 'review'")
        return columns.documents(ids, texts, columns.clean_sentiments(table["sentiment"], f"{self.path}, column 'sentiment'"))


def _parts_of_file(path: Path, split: str) -> list[Part]:
    table = _read(str(path))
    pieces = max(-(-table.nbytes // CHUNK_BYTES), 1)
    borders = np.linspace(0, len(table), pieces + 1).astype(int).tolist()
    return [Part(CsvRows(str(path), split, first, last), last - first) for first, last in itertools.pairwise(borders) if last > first]


def _read(path: str) -> pa.Table:
    """The whole file; a quoted review may hold line ends, so no chunk can find its own start, and each process parses once."""
    try:
        status = Path(path).stat()
    except OSError as error:
        raise DataError(f"{path}: expected a readable CSV file. Received: {error.strerror}") from None
    return _parsed(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=1)
def _parsed(path: str, modified_ns: int, size_bytes: int) -> pa.Table:
    del modified_ns, size_bytes
    parsing = pacsv.ParseOptions(newlines_in_values=True)
    types = dict.fromkeys(_COLUMNS, pa.binary())
    converting = pacsv.ConvertOptions(
        column_types=types, check_utf8=False, strings_can_be_null=True, null_values=[""], quoted_strings_can_be_null=False
    )
    try:
        table = pacsv.read_csv(path, parse_options=parsing, convert_options=converting)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: expected a readable CSV file. Received: {' '.join(str(error).split())}") from None
    columns.require_columns(table.column_names, _COLUMNS, path)
    return table.select(list(_COLUMNS))
