"""How results reach whoever asked: the document as JSON, or the same facts as text.

A verb describes its text as blocks (a line, `Fields`, a `Table`); here it is decided how they look. Results go to stdout, everything
else to stderr, so that a pipe gets what it asked for and nothing more. What may be too long to wait for is streamed: rows appear as they
are read, and nothing of them is kept.
"""

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TextIO
from weakref import WeakSet

from distrnn.errors import DistrnnError
from distrnn.runs import finite

# Texts, labels and metadata may come from a stranger's registry; nothing in them may move the cursor or repaint the terminal.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_NUMBER = re.compile(r"[-+]?[\d,]+(\.\d+)?(e[-+]\d+)?")
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d+)?(Z|\+00:00)")
NOTHING = "–"
GAP = "  "
# Streams that hold a document already: an error after that is told on stderr, so that what stdout holds stays one valid document.
_BEGUN: WeakSet[TextIO] = WeakSet()


@dataclass(frozen=True)
class Fields:
    """Names and values, one a line; a value that is None is left out."""

    pairs: Mapping[str, Any]
    title: str = ""


@dataclass(frozen=True)
class Table:
    """Rows under column names; columns of numbers are right-aligned."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    title: str = ""


@dataclass(frozen=True)
class Column:
    """A column of rows that are shown before all of them are known, so its width is said beforehand; a longer value takes its room."""

    name: str
    width: int = 0
    right: bool = False

    def show(self, value: str) -> str:
        """A value in its place."""
        return value.rjust(self.width) if self.right else value.ljust(self.width)


class Drawn(Protocol):
    """What knows itself how it looks on a stream."""

    def show(self, stream: TextIO) -> None:
        """Write it."""


Block = str | Fields | Table | Drawn


class Output:
    """The two ways out of the program.

    Args:
        json: stdout is one JSON document, and nothing else.
        quiet: nothing on stderr but errors.
    """

    def __init__(self, *, json: bool = False, quiet: bool = False) -> None:
        self.json, self.quiet = json, quiet

    def result(self, document: Any, *blocks: Block) -> None:
        """Show what was asked for: `document` with `--json`, else the blocks."""
        if self.json:
            write(sys.stdout, to_json(document, sys.stdout))
            return
        for position, block in enumerate(blocks):
            if position and (not isinstance(block, str) or not isinstance(blocks[position - 1], str)):
                write(sys.stdout, "\n")
            _show(block, sys.stdout)

    def stream(self, columns: Sequence[Column], rows: Iterable[tuple[Any, Sequence[Any]]]) -> int:
        """Show rows one by one: with `--json` the items of one array, a line each, else lines under the columns' names.

        Args:
            columns: of the text; their names wait for the first row.
            rows: for each the JSON item, and the values under the columns.
        Returns:
            how many there were.
        """
        count = 0
        try:
            for item, values in rows:
                if self.json:
                    _BEGUN.add(sys.stdout)
                    write(sys.stdout, f"{',' if count else '['}\n{to_json(item, sys.stdout, indent=None).rstrip()}")
                else:
                    _stream_line(columns, values, header=not count)
                count += 1
        finally:
            if self.json and count:
                write(sys.stdout, "\n]\n")
        if self.json and not count:
            write(sys.stdout, "[]\n")
        return count

    def pieces(self, texts: Iterable[str]) -> None:
        """Show a text piece by piece, each as soon as it is there."""
        for text in texts:
            write(sys.stdout, printable(text))

    def note(self, text: str) -> None:
        """Tell the person at the terminal something beside the result."""
        if not self.quiet:
            write(sys.stderr, printable(text) + "\n")

    def failure(self, error: DistrnnError) -> None:
        """Show an error instead of a result, or after the part of one that was streamed."""
        if self.json and sys.stdout not in _BEGUN:
            write(sys.stdout, to_json(error.to_json(), sys.stdout))
        else:
            complain(error.message)

    def resolved(self, reference: str, name: str, number: int, digest: str) -> None:
        """Say which version a reference means."""
        version = f"{name}@v{number}"
        meant = version if reference == version else f"{reference} is {version}"
        self.note(f"{meant} ({short_digest(digest)})")


def complain(message: str) -> None:
    """One error on stderr, whatever stdout holds."""
    write(sys.stderr, f"error: {printable(message)}\n")


def to_json(document: Any, stream: TextIO, *, indent: int | None = 2) -> str:
    """A document as JSON that `stream` can carry; numbers JSON has no word for become null."""
    body = json.dumps(finite(document), indent=indent, ensure_ascii=False, allow_nan=False)
    try:
        body.encode(stream.encoding or "utf-8")
    except UnicodeEncodeError:
        body = json.dumps(finite(document), indent=indent, allow_nan=False)
    return body + "\n"


def write(stream: TextIO, text: str) -> None:
    """Write text, escaping what the stream's encoding has no characters for."""
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


def printable(text: str) -> str:
    """`text` without control characters other than tabs and line ends."""
    return _CONTROL.sub("", text)


def cell(value: Any) -> str:
    """A value as a person reads it."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4f}" if abs(value) >= 0.001 or value == 0.0 else f"{value:.3g}"
    if isinstance(value, list | tuple):
        return ", ".join(cell(item) for item in value) or NOTHING
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {cell(item)}" for key, item in value.items()) or NOTHING
    return printable(str(value))


def short_digest(digest: str) -> str:
    """The first twelve digits of a digest: enough to refer to it."""
    return f"sha256:{digest.removeprefix('sha256:')[:12]}"


def moment(text: str | None) -> str | None:
    """A time stamp as a person reads it: to the second, in UTC."""
    match = _MOMENT.fullmatch(text or "")
    return f"{match[1]} {match[2]} UTC" if match else text


def _stream_line(columns: Sequence[Column], values: Sequence[Any], *, header: bool) -> None:
    lines = [[column.name.upper() for column in columns]] if header else []
    lines.append([cell(value).replace("\n", " ") for value in values])
    for line in lines:
        shown = GAP.join(column.show(value) for column, value in zip(columns, line, strict=True))
        write(sys.stdout, shown.rstrip() + "\n")


def _show(block: Block, stream: TextIO) -> None:
    if isinstance(block, str):
        write(stream, printable(block) + "\n")
        return
    if not isinstance(block, Fields | Table):
        block.show(stream)
        return
    if block.title:
        _show_title(block.title, stream)
    if isinstance(block, Fields):
        pairs = [(name, cell(value)) for name, value in block.pairs.items() if value is not None]
        width = max((len(name) for name, _ in pairs), default=0)
        write(stream, "".join(f"{name:<{width}}{GAP}{value}\n" for name, value in pairs))
    elif stream.isatty():
        _show_rich(block, stream)
    else:
        write(stream, _aligned(block))


def _show_title(title: str, stream: TextIO) -> None:
    if not stream.isatty():
        write(stream, title + "\n")
        return
    from rich.console import Console
    from rich.text import Text

    Console(file=stream).print(Text(title, style="bold"))


def _show_rich(table: Table, stream: TextIO) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    rows = _cells(table)
    shown = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for index, column in enumerate(table.columns):
        shown.add_column(column, justify="right" if _is_numeric(rows, index) else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(Text(value) for value in row))
    Console(file=stream).print(shown)


def _aligned(table: Table) -> str:
    rows = _cells(table)
    lines = [[column.upper() for column in table.columns], *rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(table.columns))]
    right = [_is_numeric(rows, index) for index in range(len(table.columns))]
    padded = [[value.rjust(w) if r else value.ljust(w) for value, w, r in zip(line, widths, right, strict=True)] for line in lines]
    return "".join(GAP.join(line).rstrip() + "\n" for line in padded)


def _cells(table: Table) -> list[list[str]]:
    return [[cell(value).replace("\n", " ") for value in row] for row in table.rows]


def _is_numeric(rows: Sequence[Sequence[str]], index: int) -> bool:
    values = [row[index] for row in rows if row[index] != NOTHING]
    return bool(values) and all(_NUMBER.fullmatch(value) for value in values)
