"""Files of word vectors: GloVe text, word2vec text and word2vec binary, read as a stream of (word, numbers still as bytes).

The numbers stay unparsed because most words of a large file are not in the vocabulary: whoever reads looks the word up first.

Source: the binary form is what word2vec's C program writes: a line "count dimension", then for each vector the word, a space, its
little-endian float32 numbers and, in some versions, a line end.
"""

import gzip
import mmap
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, NamedTuple, cast, get_args

import numpy as np
import numpy.typing as npt

from distrnn.data.local_copies import LocalFile, local_file
from distrnn.errors import DataError, NotFoundError
from distrnn.storage.local_errors import os_errors

VectorFormat = Literal["glove", "word2vec-text", "word2vec-binary"]
FORMATS: tuple[VectorFormat, ...] = get_args(VectorFormat)

BLOCK_BYTES = 1 << 22
HEAD_BYTES = 1 << 16
GZIP_MAGIC = b"\x1f\x8b"
_PRINTABLE = bytes(range(32, 127))
_FORMS = "GloVe text, word2vec text or word2vec binary"


class Entry(NamedTuple):
    """One vector of a file; `place` is its line in a text file (from 1), its number in a binary one (from 1)."""

    place: int
    word: bytes
    body: bytes


@dataclass(frozen=True)
class VectorFile:
    """A file of vectors whose beginning has been understood.

    Attributes:
        file: on this machine.
        format: its form.
        dimension: D, numbers of a vector.
        promised: vectors that the header announces; None where there is no header.
        header_bytes: length of the header with its line end.
        compressed: whether the file is gzip.
    """

    file: LocalFile
    format: VectorFormat
    dimension: int
    promised: int | None
    header_bytes: int
    compressed: bool

    def entries(self) -> Iterator[Entry]:
        """Every vector in order.

        Raises:
            DataError: a line with another number of fields, or a file that is cut short or holds more than its header announces.
        """
        read = 0
        for entry in self._binary_entries() if self.format == "word2vec-binary" else self._text_entries():
            read += 1
            yield entry
        if self.promised is not None and read != self.promised:
            raise DataError(
                f"{self.file}: expected {self.promised} vectors, as the header says. Received: {read}. Get the whole file again."
            )

    def numbers(self, entry: Entry) -> npt.NDArray[np.float32]:
        """The numbers of an entry, float32 [D].

        Raises:
            DataError: one of them is no number, or not finite.
        """
        if self.format == "word2vec-binary":
            values = np.frombuffer(entry.body, "<f4").astype(np.float32, copy=False)
        else:
            fields = entry.body.split(b" ")
            try:
                with np.errstate(over="ignore"):  # too large for float32 becomes inf, which is refused below
                    values = np.array([float(field) for field in fields], np.float32)
            except ValueError:
                wrong = next(field for field in fields if not _is_number(field))
                raise self._wrong_number(entry, _shown(wrong)) from None
        if not np.isfinite(values).all():
            raise self._wrong_number(entry, str(values[~np.isfinite(values)][0]))
        return values

    def _wrong_number(self, entry: Entry, received: str) -> DataError:
        place = f"vector {entry.place}" if self.format == "word2vec-binary" else f"line {entry.place}"
        return DataError(
            f"{self.file}, {place} ({_shown(entry.word)}): expected {self.dimension} finite numbers. Received: {received}. "
            "Correct the line, or get the file again."
        )

    def _text_entries(self) -> Iterator[Entry]:
        dimension, first = self.dimension, 1
        lines = _lines(self.file)
        if self.promised is not None:
            next(lines)
            first = 2
        for place, line in enumerate(lines, first):
            line = line.rstrip(b" \r")
            spaces = line.count(b" ")
            if spaces == dimension:
                end = line.index(b" ")
            elif not line:
                continue
            else:
                end = self._end_of_spaced_word(place, line, spaces)
            yield Entry(place, line[:end], line[end + 1 :])

    def _end_of_spaced_word(self, place: int, line: bytes, spaces: int) -> int:
        """Where the word ends in a line of more fields than usual: some words of GloVe hold spaces, none ends with a number of its own."""
        word = line.rsplit(b" ", self.dimension)[0] if spaces > self.dimension else b""
        if self.promised is not None or not word or _is_number(word.rsplit(b" ", 1)[-1]):
            raise DataError(
                f"{self.file}, line {place}: expected a word and {self.dimension} numbers. Received: {spaces + 1} fields. "
                "Correct the line, or get the file again."
            )
        return len(word)

    def _binary_entries(self) -> Iterator[Entry]:
        size = 4 * self.dimension
        with self.file.path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            mapped.madvise(mmap.MADV_SEQUENTIAL)
            position, released = self.header_bytes, 0
            for number in range(1, (self.promised or 0) + 1):
                end = mapped.find(b" ", position) + 1
                if not end or end + size > len(mapped):
                    raise DataError(
                        f"{self.file}, vector {number} of {self.promised}: expected a word, a space and {size} bytes. "
                        "Received: the end of the file. Get the whole file again."
                    )
                yield Entry(number, mapped[position : end - 1].lstrip(b"\n"), mapped[end : end + size])
                position = end + size
                if position - released > BLOCK_BYTES:
                    released = position - position % mmap.PAGESIZE
                    mapped.madvise(mmap.MADV_DONTNEED, 0, released)  # what was read no longer counts as this process' memory
            if mapped[position : position + 2].strip(b"\n"):
                raise DataError(
                    f"{self.file}: expected {self.promised} vectors of {self.dimension} numbers, as the header says. "
                    f"Received: {len(mapped) - position} bytes after the last of them. Get the file again."
                )


def open_vectors(path: str | Path, form: VectorFormat | None = None) -> VectorFile:
    """Read the beginning of a file of vectors.

    Args:
        path: a local file, or the s3:// URL of one, which is brought here; text may be gzip.
        form: its form; None: found from its bytes.

    Raises:
        NotFoundError: there is no such file.
        DataError: it is empty, a folder, or no file of vectors in this form.
        AccessError: it may not be read.
    """
    file = local_file(str(path))
    if file is None:
        raise _absent(str(path))
    head = _head(file)
    compressed = head.startswith(GZIP_MAGIC)
    if compressed:
        head = next(_blocks(file), b"")[:HEAD_BYTES]
    if not head.strip():
        raise DataError(f"{file}: expected {_FORMS}. Received: an empty file.")
    first, _, rest = head.partition(b"\n")
    header = _header(first)
    found = form or _detected(header, rest)
    if found == "word2vec-binary" and compressed:
        raise DataError(f"{file}: expected a plain binary file, which can be memory-mapped. Received: gzip. Unpack it first with: gunzip")
    if found == "glove":
        return VectorFile(file, found, _dimension(file, first), None, 0, compressed)
    if header is None:
        raise DataError(
            f"{file}: expected {found} with a first line of two numbers, count and dimension. Received: {_shown(first)}. "
            f"Name another format ({', '.join(FORMATS)}), or none to have it found."
        )
    if header[0] == 0:
        raise DataError(f"{file}: expected word vectors. Received: a header that announces none. Name another file.")
    vectors = VectorFile(file, found, header[1], header[0], len(first) + 1, compressed)
    _check_promise(vectors)
    return vectors


def _check_promise(vectors: VectorFile) -> None:
    """Refuse a header that the file cannot hold, before anything is made in the size that it names."""
    if vectors.compressed:
        return
    size_bytes = vectors.file.path.stat().st_size
    number_bytes = 4 if vectors.format == "word2vec-binary" else 2
    if (vectors.promised or 0) * vectors.dimension * number_bytes > size_bytes:
        raise DataError(
            f"{vectors.file}: expected {vectors.promised} vectors of {vectors.dimension} numbers, as the header says. "
            f"Received: a file of {size_bytes} bytes, too short for them. Get the whole file again."
        )


def _header(line: bytes) -> tuple[int, int] | None:
    fields = line.split()
    if len(fields) != 2 or not all(field.isdigit() and len(field) < 19 for field in fields) or int(fields[1]) == 0:
        return None
    return int(fields[0]), int(fields[1])


def _detected(header: tuple[int, int] | None, rest: bytes) -> VectorFormat:
    """The form, from the header and what follows it: numbers in text are as many printable fields as the header says."""
    if header is None:
        return "glove"
    line = rest.partition(b"\n")[0].rstrip(b" \r")
    numbers = line.partition(b" ")[2]
    as_text = not numbers.translate(None, _PRINTABLE) and (b"\n" not in rest or numbers.count(b" ") + 1 == header[1])
    return "word2vec-text" if as_text else "word2vec-binary"


def _dimension(file: LocalFile, line: bytes) -> int:
    """D of a file without a header: the numbers that its first line ends with."""
    fields = line.rstrip(b" \r").split(b" ")
    numbers = 0
    while numbers < len(fields) - 1 and _is_number(fields[-1 - numbers]):
        numbers += 1
    if not numbers:
        raise DataError(f"{file}: expected {_FORMS}. Received a first line: {_shown(line)}. Name another file.")
    return numbers


def _head(file: LocalFile) -> bytes:
    try:
        if file.path.is_dir():
            raise DataError(f"{file}: expected a file of word vectors: {_FORMS}. Received: a folder. Name a file in it.")
        with os_errors(file.path), file.path.open("rb") as opened:
            return opened.read(HEAD_BYTES)
    except FileNotFoundError:
        raise _absent(file.name) from None


def _absent(name: str) -> NotFoundError:
    return NotFoundError(f"no file {name}. Name a file of word vectors: {_FORMS}.")


def _lines(file: LocalFile) -> Iterator[bytes]:
    """The lines of a text file without their ends; never more than a block and a line in memory."""
    rest = b""
    for block in _blocks(file):
        lines = (rest + block).split(b"\n")
        rest = lines.pop()
        yield from lines
        if len(rest) > BLOCK_BYTES:
            raise DataError(f"{file}: expected lines of text. Received: one of more than {BLOCK_BYTES} bytes. Name another file.")
    if rest:
        yield rest


def _blocks(file: LocalFile) -> Iterator[bytes]:
    with file.path.open("rb") as plain:
        compressed = plain.read(2) == GZIP_MAGIC
        plain.seek(0)
        opened = cast(IO[bytes], gzip.open(plain)) if compressed else plain
        try:
            while block := opened.read(BLOCK_BYTES):
                yield block
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(f"{file}: expected a whole gzip file. Received: {error}. Get the file again.") from None


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _shown(value: bytes) -> str:
    return repr(value[:40].decode("utf-8", errors="replace"))
