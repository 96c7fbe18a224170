"""Where records end in a stream of bytes, found a block at a time with NumPy; nothing is kept of what has gone by.

A border finder is fed blocks in order and answers with the offsets behind the records that ended in it, counted from the start of the
stream. What a record is, is the format's matter: a CSV row may hold line ends between quotes, a paragraph ends at an empty line.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

QUOTE, LINE_FEED, RETURN = b'"'[0], b"\n"[0], b"\r"[0]


class Piece(NamedTuple):
    """Bytes [start, stop) of the stream: rows from `first_row`, `rows` of them."""

    start: int
    stop: int
    first_row: int
    rows: int


class Borders(Protocol):
    """Finds the ends of records; for one stream."""

    def feed(self, block: bytes) -> npt.NDArray[np.int64]:
        """Offsets behind the records that end in this block, ascending: int64 [R]."""

    @property
    def is_open(self) -> bool:
        """Whether a record has begun that no line end closed; the end of the stream closes it."""


@dataclass(frozen=True)
class Lines:
    """Ends of lines in a block.

    Attributes:
        ends: offsets behind the line ends: int64 [L].
        is_empty: whether nothing but the line end is in the line: bool [L].
    """

    ends: npt.NDArray[np.int64]
    is_empty: npt.NDArray[np.bool_]


class LineFinder:
    """Ends of lines: after each line feed. A line of nothing but a carriage return counts as empty."""

    def __init__(self) -> None:
        self.offset = 0
        self.line_start = 0
        self._last = LINE_FEED

    def feed(self, block: bytes) -> Lines:
        """The lines that end in this block."""
        data = np.frombuffer(block, np.uint8)
        feeds = np.flatnonzero(data == LINE_FEED)
        before = np.where(feeds > 0, data[np.maximum(feeds - 1, 0)], self._last)
        ends = feeds + (self.offset + 1)
        starts = np.concatenate([[self.line_start], ends[:-1]]) if len(ends) else ends
        lengths = ends - 1 - starts
        if len(ends):
            self.line_start = int(ends[-1])
        if len(data):
            self._last = int(data[-1])
        self.offset += len(data)
        return Lines(ends, (lengths == 0) | ((lengths == 1) & (before == RETURN)))

    @property
    def is_open(self) -> bool:
        """Whether a line has begun that holds something."""
        length = self.offset - self.line_start
        return length > 1 or (length == 1 and self._last != RETURN)


class LineBorders:
    """Every line is a record; `skip_empty` leaves out those that hold nothing."""

    def __init__(self, *, skip_empty: bool) -> None:
        self._lines, self._skip_empty = LineFinder(), skip_empty

    def feed(self, block: bytes) -> npt.NDArray[np.int64]:
        """Offsets behind the lines."""
        lines = self._lines.feed(block)
        return lines.ends[~lines.is_empty] if self._skip_empty else lines.ends

    @property
    def is_open(self) -> bool:
        """Whether the stream so far ends within a line."""
        return self._lines.is_open


class ParagraphBorders:
    """Lines that follow each other make a record; empty lines end it."""

    def __init__(self) -> None:
        self._lines, self._inside = LineFinder(), False

    def feed(self, block: bytes) -> npt.NDArray[np.int64]:
        """Offsets behind the empty line that ended each record."""
        lines = self._lines.feed(block)
        if not len(lines.ends):
            return lines.ends
        was_inside = np.concatenate([[self._inside], ~lines.is_empty[:-1]])
        self._inside = not lines.is_empty[-1]
        ends: npt.NDArray[np.int64] = lines.ends[lines.is_empty & was_inside]
        return ends

    @property
    def is_open(self) -> bool:
        """Whether the stream so far ends within a paragraph."""
        return self._inside or self._lines.is_open


class CsvBorders:
    """Rows of a CSV file: lines, but for line ends between quotes. Empty lines are no rows, as for pyarrow.

    A quote opens a value only where the value begins, or right behind the quote that closed it (a doubled quote); anywhere else
    outside it is a character like another. Where every quote that the plain parity takes for an opening one stands in such a place,
    parity is right, and that is nearly every block; the rest are walked through quote by quote.
    """

    def __init__(self, delimiter: bytes) -> None:
        self._starters = np.isin(np.arange(256), [delimiter[0], LINE_FEED, RETURN])
        self.offset = 0
        self._row_start = 0
        self._last = LINE_FEED
        self._inside = False
        self._last_closed = False

    def feed(self, block: bytes) -> npt.NDArray[np.int64]:
        """Offsets behind the rows."""
        data = np.frombuffer(block, np.uint8)
        if not len(data):
            return np.empty(0, np.int64)
        before = np.concatenate([[self._last], data[:-1]]).astype(np.uint8)
        was_inside = self._inside
        toggles = self._toggles(data, before)
        ends, has_both = self._line_ends(data, before, was_inside, toggles)
        self.offset += len(data)
        self._last = int(data[-1])
        self._last_closed = bool(len(toggles) and toggles[-1] == len(data) - 1 and not self._inside)
        return self._rows(ends, has_both)

    @property
    def is_open(self) -> bool:
        """Whether the stream so far ends within a row."""
        return self.offset > self._row_start and not (self.offset == self._row_start + 1 and self._last == RETURN)

    def _toggles(self, data: npt.NDArray[np.uint8], before: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
        """Positions of the quotes that open or close."""
        quotes = np.flatnonzero(data == QUOTE)
        opening = quotes[int(self._inside) :: 2]
        doubled = before[opening] == QUOTE
        if len(opening) and opening[0] == 0 and not self._last_closed:
            doubled[0] = False
        if bool((self._starters[before[opening]] | doubled).all()):
            self._inside ^= bool(len(quotes) % 2)
            return quotes
        return self._walk(quotes, before)

    def _walk(self, quotes: npt.NDArray[np.int64], before: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
        found, inside, closed = [], self._inside, -1 if self._last_closed else -2
        for position, starts in zip(quotes.tolist(), self._starters[before[quotes]].tolist(), strict=True):
            if inside:
                inside, closed = False, position
            elif starts or closed == position - 1:
                inside = True
            else:
                continue
            found.append(position)
        self._inside = inside
        return np.array(found, np.int64)

    def _line_ends(
        self, data: npt.NDArray[np.uint8], before: npt.NDArray[np.uint8], was_inside: bool, toggles: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """Offsets behind line feeds, and behind returns that no line feed follows, outside of quotes; and which are both together."""
        feeds = np.flatnonzero(data == LINE_FEED)
        # A return is a line end by itself once the byte behind it is seen and is no line feed
        behind_returns = np.flatnonzero((before == RETURN) & (data != LINE_FEED))
        places = np.concatenate([feeds, behind_returns - 1])
        outside = (np.searchsorted(toggles, places, "left") + int(was_inside)) % 2 == 0
        behind = (np.concatenate([feeds + 1, behind_returns]) + self.offset)[outside]
        has_both = np.concatenate([before[feeds] == RETURN, np.zeros(len(behind_returns), bool)])[outside]
        order = np.argsort(behind, kind="stable")
        return behind[order], has_both[order]

    def _rows(self, ends: npt.NDArray[np.int64], has_both: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        if not len(ends):
            return ends
        starts = np.concatenate([[self._row_start], ends[:-1]])
        self._row_start = int(ends[-1])
        rows: npt.NDArray[np.int64] = ends[ends - starts > 1 + has_both]
        return rows


def cut(finder: Borders, blocks: Iterable[bytes], target_bytes: int, *, header: bool = False) -> Iterator[Piece]:
    """Cut a stream behind records into pieces of `target_bytes` and what the last record has beyond that.

    Args:
        finder: a fresh one.
        blocks: the stream.
        target_bytes: a piece ends with the record that reaches it.
        header: the first record is a header and belongs to no piece.

    Returns:
        pieces of one row or more.
    """
    start = first_row = rows = total = 0
    for block in blocks:
        total += len(block)
        ends = finder.feed(block)
        if header and len(ends):
            header, start, ends = False, int(ends[0]), ends[1:]
        while (index := int(np.searchsorted(ends, start + target_bytes))) < len(ends):
            yield Piece(start, int(ends[index]), first_row, rows + index + 1)
            start, first_row, rows, ends = int(ends[index]), first_row + rows + index + 1, 0, ends[index + 1 :]
        rows += len(ends)
    rows += int(finder.is_open and not header)
    if rows:
        yield Piece(start, total, first_row, rows)
