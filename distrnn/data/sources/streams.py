"""Bytes of a source's file, decompressed: as a stream from the start, or a span of them wherever it lies.

A compressed file has no inside: a span is reached by decompressing all that comes before. So the stream that read the last span is kept
open, and whoever reads spans in order decompresses a file once.
"""

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, BinaryIO, cast

import pyarrow as pa

from distrnn.data.source_files import SourceFile
from distrnn.errors import DataError

READ_BYTES = 1 << 20
_REMOTE_BYTES = 8 << 20


def hashed_blocks(file: SourceFile, digest: Any) -> Iterator[bytes]:
    """The decompressed bytes in order, about `READ_BYTES` at a time; `digest.update` gets the bytes as they are stored.

    Raises:
        DataError: the file cannot be read, or its compression is damaged.
    """
    with reading(file), io.BufferedReader(_Hashed(raw(file), digest), _buffer_bytes(file)) as stored:
        opened = _decompressed(file, stored)
        while piece := _read(file, opened, READ_BYTES):
            yield piece


def read_span(file: SourceFile, start: int, stop: int) -> bytes:
    """Bytes [start, stop) of the decompressed file.

    Raises:
        DataError: the file cannot be read, is damaged, or ends before `stop`.
    """
    if file.compression is None:
        with reading(file):
            body = file.store.read_range(file.key, start, stop)
    else:
        body = _Forward.of(file, start).read_to(start, stop)
    if len(body) != stop - start:
        raise DataError(f"{file.url}: expected {stop:,} bytes. Received: {start + len(body):,}. Run it again when nothing writes to it.")
    return body


def stream(file: SourceFile) -> BinaryIO:
    """The decompressed bytes, to be closed by the caller."""
    with reading(file):
        return _decompressed(file, io.BufferedReader(raw(file), _buffer_bytes(file)))


def raw(file: SourceFile) -> io.RawIOBase:
    """The bytes as they are stored, seekable."""
    path = file.store.local_path(file.key)
    if path is not None:
        return io.FileIO(path)
    return _Ranges(file)


def sha256_of(file: SourceFile) -> str:
    """sha256 of a file that is read for nothing else.

    Raises:
        DataError: it cannot be read.
    """
    digest = hashlib.sha256()
    with reading(file), io.BufferedReader(raw(file), _buffer_bytes(file)) as stored:
        while piece := stored.read(READ_BYTES):
            digest.update(piece)
    return digest.hexdigest()


@contextmanager
def reading(file: SourceFile, what: str = "file") -> Iterator[None]:
    """Say which file it was that could not be read.

    Raises:
        DataError: it could not.
    """
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise DataError(f"{file.url}: expected a readable {what}. Received: {reason}") from None


def _buffer_bytes(file: SourceFile) -> int:
    """A request to a server takes longer than a read, so it asks for more."""
    return READ_BYTES if file.store.is_local else _REMOTE_BYTES


def _read(file: SourceFile, opened: BinaryIO, size: int) -> bytes:
    kind = file.compression
    try:
        return opened.read(size)
    except OSError as error:
        expected = f"a whole {kind} file" if kind else "a readable file"
        raise DataError(f"{file.url}: expected {expected}. Received: {error}. Copy or write it again.") from None


def _decompressed(file: SourceFile, stored: Any) -> BinaryIO:
    if file.compression is None:
        return cast(BinaryIO, stored)
    return cast(BinaryIO, pa.CompressedInputStream(pa.PythonFile(stored, mode="r"), file.compression))


class _Ranges(io.RawIOBase):
    """An object of a store without paths, read in ranges."""

    def __init__(self, file: SourceFile) -> None:
        self._file, self._position = file, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._file.size_bytes}[whence]
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        stop = min(self._position + len(buffer), self._file.size_bytes)
        body = self._file.store.read_range(self._file.key, self._position, stop) if stop > self._position else b""
        buffer[: len(body)] = body
        self._position += len(body)
        return len(body)


class _Hashed(io.RawIOBase):
    """Bytes on their way, told to a digest."""

    def __init__(self, below: io.RawIOBase, digest: Any) -> None:
        self._below, self._digest = below, digest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        count = cast(Any, self._below).readinto(buffer)
        self._digest.update(memoryview(buffer)[: count or 0])
        return cast("int | None", count)

    def close(self) -> None:
        self._below.close()
        super().close()


class _Forward:
    """A decompressor that stays open between spans and only goes forward."""

    def __init__(self, file: SourceFile) -> None:
        self._file, self._stream, self._position = file, stream(file), 0

    @classmethod
    def of(cls, file: SourceFile, start: int) -> "_Forward":
        """The one that is open, or another where it has gone too far."""
        found = _opened(file)
        if found._position > start:
            _opened.cache_clear()
            found = _opened(file)
        return found

    def read_to(self, start: int, stop: int) -> bytes:
        """Skip to `start` and read to `stop`."""
        try:
            while self._position < start and self._take(min(READ_BYTES, start - self._position)):
                pass
            pieces = []
            while self._position < stop and (piece := self._take(min(READ_BYTES, stop - self._position))):
                pieces.append(piece)
        except BaseException:
            _opened.cache_clear()
            raise
        return b"".join(pieces)

    def _take(self, size: int) -> bytes:
        piece = _read(self._file, self._stream, size)
        self._position += len(piece)
        return piece


@lru_cache(maxsize=1)
def _opened(file: SourceFile) -> _Forward:
    return _Forward(file)
