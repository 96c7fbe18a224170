"""What is read from a source's files, and which bytes or rows of them."""

from dataclasses import dataclass
from typing import Any, Literal

from distrnn.data.columns import InvalidUtf8
from distrnn.data.labels import Labels
from distrnn.data.source_files import SourceFile

Kind = Literal["csv", "jsonl", "parquet", "text"]
Document = Literal["file", "line", "paragraph"]
ENDINGS = {
    "csv": (".csv", ".tsv"),
    "jsonl": (".jsonl", ".ndjson"),
    "parquet": (".parquet", ".pq"),
    "text": (".txt", ".text", ".md"),
}


@dataclass(frozen=True)
class Form:
    """How files are read.

    Attributes:
        kind: the format.
        text_column: of a table, the column of texts.
        label_column: of a table, the column of labels.
        labels: which values are which label, in text files the names of folders; None: no labels.
        document: of text files, what one document is.
        invalid_utf8: what happens to bytes that are no UTF-8.
        closing: what is put behind each document.
        id_column: of a table, a column that is taken for the ids where it is there.
    """

    kind: Kind
    text_column: str = "text"
    label_column: str = "label"
    labels: Labels | None = None
    document: Document = "file"
    invalid_utf8: InvalidUtf8 = "replace"
    closing: str = ""
    id_column: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that a table must have."""
        return (self.text_column,) if self.labels is None else (self.text_column, self.label_column)

    def to_json(self) -> dict[str, Any]:
        """What of it decides the dataset's bytes."""
        options: dict[str, Any] = {"invalid_utf8": self.invalid_utf8}
        if self.kind == "text":
            options["document"] = self.document
        else:
            options["text_column"] = self.text_column
            if self.labels is not None:
                options["label_column"] = self.label_column
        return options | {"labels": None if self.labels is None else self.labels.to_json()}


@dataclass(frozen=True)
class Span:
    """Consecutive rows of a file.

    Attributes:
        file: the file.
        start: first byte of the decompressed file; of a parquet file the first row group.
        stop: behind the last byte, or row group.
        first_row: counted from 0 in the file.
        rows: how many.
        size_bytes: about how much memory they take.
        header: of a CSV file, the names of its columns.
    """

    file: SourceFile
    start: int
    stop: int
    first_row: int
    rows: int
    size_bytes: int
    header: tuple[str, ...] = ()
