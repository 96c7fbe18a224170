"""Text files as one stream, joined in the order of their names.

Files are read as a stream, once to count their characters; what is kept of that pass is a place every megabyte or so where reading can
begin, behind a line end where there is one.
"""

import codecs
import hashlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from distrnn.data import columns, labels
from distrnn.data.columns import InvalidUtf8
from distrnn.data.source_files import SourceFile, check_unchanged
from distrnn.data.sources import base, streams
from distrnn.data.sources.base import Chunk, Kind, Read
from distrnn.data.splits import Part, SplitRules, cut_corpus
from distrnn.errors import DataError

PIECE_CHARACTERS = 1 << 16
# Stands for an invalid sequence until it has been counted: no valid UTF-8 decodes to it
_INVALID = "\udfff"
codecs.register_error("distrnn-invalid", lambda error: (_INVALID, error.end))  # type: ignore[attr-defined]


class Place(NamedTuple):
    """Where reading can begin: a file, a byte of it (decompressed), and the characters of the whole text before it."""

    file: int
    byte: int
    character: int


@dataclass(frozen=True)
class Joined:
    """Files as one text.

    Attributes:
        files: in order.
        sizes_bytes: of each, decompressed.
        invalid_utf8: what happens to bytes that are no UTF-8.
    """

    files: tuple[SourceFile, ...]
    sizes_bytes: tuple[int, ...]
    invalid_utf8: InvalidUtf8

    def text(self, place: Place, start: int, stop: int) -> Iterator[str]:
        """Characters [start, stop) in pieces, invalid sequences marked; `place` is not behind `start`."""
        position = place.character
        for piece in self._decoded(place):
            first, last = max(start - position, 0), min(stop - position, len(piece))
            if first < last:
                yield piece[first:last]
            position += len(piece)
            if position >= stop:
                return

    def _decoded(self, place: Place) -> Iterator[str]:
        byte = place.byte
        for file, size_bytes in zip(self.files[place.file :], self.sizes_bytes[place.file :], strict=True):
            decoder = _decoder(byte)
            while byte < size_bytes:
                stop = min(byte + streams.READ_BYTES, size_bytes)
                yield decoder.decode(streams.read_span(file, byte, stop))
                byte = stop
            yield decoder.decode(b"", final=True)
            byte = 0


@dataclass(frozen=True)
class StreamPieces:
    """Characters [start, stop) of joined files."""

    source: Joined
    name: str
    place: Place
    start: int
    stop: int

    def read(self) -> Read:
        """One row a piece: (id, text, no label)."""
        files = self.source.files[self.place.file :]
        try:
            text = "".join(self.source.text(self.place, self.start, self.stop))
        except DataError:
            check_unchanged(files)
            raise
        check_unchanged(files)
        cuts = list(spans(text, Part("", 0, len(text))))
        texts = [text[start:stop] for start, stop in cuts]
        replaced = np.array([piece.count(_INVALID) for piece in texts], np.int64)
        ids = [f"{self.name}/{self.start + start}" for start, _ in cuts]
        return Read(pieces_table(ids, [piece.replace(_INVALID, "\ufffd") for piece in texts]), replaced if replaced.any() else None)


class StreamSource:
    """Text files as one stream, their tail for testing.

    Args:
        name: as the workflow calls it.
        files: in order.
        rules: how it is split.
        invalid_utf8: what happens to bytes that are no UTF-8.
        options: what of the workflow decides what is read.
    """

    kind: Kind = "corpus"
    labels: tuple[str, ...] = ()

    def __init__(
        self, name: str, files: Sequence[SourceFile], rules: SplitRules, invalid_utf8: InvalidUtf8, options: dict[str, Any] | None = None
    ) -> None:
        self.name, self.rules, self.files, self.invalid_utf8 = name, rules, tuple(files), invalid_utf8
        self._options = options or {}

    def digest(self) -> str:
        """sha256 over names and contents."""
        return base.digest_of(zip((file.name for file in self.files), self._scanned.digests, strict=True))

    def to_json(self) -> dict[str, Any]:
        """What else of the workflow decides what is read."""
        return self._options

    def chunks(self) -> list[Chunk]:
        """The work, in the order of the stream; no chunk reaches over the border of a split."""
        scanned = self._scanned
        length = min(scanned.characters, self.rules.limit or scanned.characters)
        if not length:
            raise DataError(f"{self.name}: expected text. Received: an empty one.")
        source = Joined(self.files, tuple(scanned.sizes_bytes), self.invalid_utf8)
        chunks: list[Chunk] = []
        for part in cut_corpus(length, lambda wanted, start, stop: _find(source, scanned.places, wanted, start, stop), self.rules):
            for start, stop in _borders(part, scanned.places):
                reader = StreamPieces(source, self.name, _before(scanned.places, start), start, stop)
                chunks.append(Chunk(len(chunks), part.split, reader))  # type: ignore[arg-type]
        return chunks

    @cached_property
    def _scanned(self) -> "_Scanned":
        scanned = _Scanned([], [], [], 0)
        for file in self.files:
            scanned = _scan(file, scanned, self.invalid_utf8)
        check_unchanged(self.files)
        return scanned


class _Scanned(NamedTuple):
    """What one pass over the files leaves."""

    digests: list[str]
    sizes_bytes: list[int]
    places: list[Place]
    characters: int


def _scan(file: SourceFile, before: _Scanned, invalid_utf8: InvalidUtf8) -> _Scanned:
    digest, decoder = hashlib.sha256(), _decoder(0)
    number, size_bytes, characters, line = len(before.digests), 0, before.characters, 1
    places = [Place(number, 0, characters)]
    for block in streams.hashed_blocks(file, digest):
        border = block.rfind(b"\n") + 1 or block.rfind(b" ") + 1 or len(block)
        for piece in (block[:border], block[border:]):
            text = decoder.decode(piece)
            size_bytes += len(piece)
            characters += len(text)
            line = _refuse(text, file, line) if invalid_utf8 == "refuse" else line
            # Reading cannot begin within a sequence of several bytes, so behind what is decoded; between the two it does so cleanly
            places.append(Place(number, size_bytes - len(decoder.getstate()[0]), characters))
        places.pop()
    tail = decoder.decode(b"", final=True)
    if invalid_utf8 == "refuse":
        _refuse(tail, file, line)
    return _Scanned(
        [*before.digests, digest.hexdigest()], [*before.sizes_bytes, size_bytes], [*before.places, *places], characters + len(tail)
    )


def _decoder(byte: int) -> codecs.IncrementalDecoder:
    """Of UTF-8 from a byte of a file on; a byte order mark at its start is no text."""
    return codecs.getincrementaldecoder("utf-8" if byte else "utf-8-sig")("distrnn-invalid")


def _refuse(text: str, file: SourceFile, line: int) -> int:
    """The line that `text` ends in."""
    place = text.find(_INVALID)
    if place >= 0:
        raise DataError(
            f"{file.url}: expected UTF-8. Received: bytes that are none in line {line + text.count(chr(10), 0, place)}. Correct the line, "
            "or set data.invalid_utf8 to replace."
        )
    return line + text.count("\n")


def _before(places: Sequence[Place], character: int) -> Place:
    """The last place that is not behind a character."""
    return places[bisect_right(places, character, key=lambda place: place.character) - 1]


def _borders(part: Part, places: Sequence[Place]) -> Iterator[tuple[int, int]]:
    """Chunks of a part, each as long as `CHUNK_BYTES` in characters, cut at places."""
    start = part.start
    for place in places:
        if start + base.CHUNK_BYTES <= place.character < part.stop:
            yield start, place.character
            start = place.character
    yield start, part.stop


def _find(source: Joined, places: Sequence[Place], wanted: str, start: int, stop: int) -> int:
    position = start
    for piece in source.text(_before(places, start), start, stop) if stop > start else ():
        found = piece.find(wanted)
        if found >= 0:
            return position + found
        position += len(piece)
    return -1


def spans(text: str, part: Part) -> Iterator[tuple[int, int]]:
    """Pieces of a part, cut after a line end or else a space where there is one, so that no word is cut."""
    start = part.start
    while start < part.stop:
        stop = min(start + PIECE_CHARACTERS, part.stop)
        if stop < part.stop:
            stop = text.rfind("\n", start, stop) + 1 or text.rfind(" ", start, stop) + 1 or stop
        yield start, stop
        start = stop


def pieces_table(ids: Sequence[str], texts: Sequence[str]) -> pa.Table:
    """Pieces of a corpus as (id, text, no label)."""
    return columns.documents(pa.array(ids, pa.string()), pa.array(texts, pa.large_string()), labels.nothing(len(ids)))
