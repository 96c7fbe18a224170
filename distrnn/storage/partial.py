"""A file that arrives in pieces, and the map of which pieces are there.

The file is written in chunks of 1 MiB. A byte a chunk says that it is complete; the map lies in a small file beside it and is mapped
into memory, so that noting a chunk costs a store to memory and is kept by the system when this process is killed, even by SIGKILL. The
byte is set after the write has returned, so the map is never ahead of what another process reads. It may be ahead of the *disk*: after
a power failure a chunk may be noted and lost. Whoever goes on with a partial file therefore checks the sha256 of the whole, and begins
again where it is wrong.
"""

import mmap
import os
import struct
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from types import TracebackType

CHUNK_BYTES = 1 << 20
_SUFFIX = ".have"
_MAGIC = b"distrnn partial\n"
_HEADER = struct.Struct("<16sQ32s")
_PIECES = 64


class Partial:
    """A file of known size that is being completed. Its chunks may be written in any order, by one thread at a time.

    Args:
        path: the file; made where it is absent, never followed where it is a link.
        keep: note what is there beside the file, so that another process can go on; else the file begins empty.
    """

    def __init__(self, path: Path, *, keep: bool) -> None:
        self.size_bytes = 0
        self._map: mmap.mmap | bytearray = bytearray(_HEADER.size)
        self._sidecar = sidecar(path) if keep else None
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        try:
            if self._sidecar is not None:
                self._load(self._sidecar)
        except BaseException:
            os.close(self._file)
            raise

    def __enter__(self) -> "Partial":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._unmap()
        os.close(self._file)

    @property
    def chunks(self) -> int:
        """How many chunks the file has; the last one may be shorter."""
        return len(self._map) - _HEADER.size

    def begin(self, size_bytes: int, origin: str) -> None:
        """Say what the file is going to be; what is there of anything else is dropped.

        Args:
            size_bytes: when it is complete.
            origin: what tells these bytes from other bytes of the same size: the object's ETag.
        """
        mark = _HEADER.pack(_MAGIC, size_bytes, sha256(origin.encode()).digest())
        if self._map[: _HEADER.size] == mark:
            return
        self.forget()
        os.ftruncate(self._file, size_bytes)
        self.size_bytes = size_bytes
        blank = bytes(_HEADER.size + -(-size_bytes // CHUNK_BYTES))
        self._map = bytearray(blank) if self._sidecar is None else _made(self._sidecar, blank)
        # A process that is killed between these lines leaves a map without its first word, which is no map.
        self._map[16 : _HEADER.size] = mark[16:]
        self._map[:16] = mark[:16]

    def forget(self) -> None:
        """Drop what is there."""
        self._unmap()
        if self._sidecar is not None:
            self._sidecar.unlink(missing_ok=True)
        os.ftruncate(self._file, 0)
        self.size_bytes = 0

    def has(self, chunk: int) -> bool:
        """Whether a chunk is complete."""
        return bool(self._map[_HEADER.size + chunk])

    def missing(self) -> Iterator[tuple[int, int]]:
        """The bytes [start, end) that are not there, in order, as few stretches as possible."""
        absent = bytes(self._map[_HEADER.size :])
        start = absent.find(0)
        while start >= 0:
            end = absent.find(1, start)
            end = self.chunks if end < 0 else end
            yield start * CHUNK_BYTES, min(end * CHUNK_BYTES, self.size_bytes)
            start = absent.find(0, end)

    def chunk_end(self, position: int) -> int:
        """Where the chunk of the byte at `position` ends."""
        return min((position // CHUNK_BYTES + 1) * CHUNK_BYTES, self.size_bytes)

    def write(self, chunk: int, pieces: Sequence[bytes | memoryview]) -> None:
        """Write a whole chunk."""
        position = chunk * CHUNK_BYTES
        rest = list(pieces) if len(pieces) <= _PIECES else [b"".join(pieces)]
        written = os.pwritev(self._file, rest, position)
        if written < self.chunk_end(position) - position:
            body = memoryview(b"".join(rest))
            while written < len(body):
                written += os.pwrite(self._file, body[written:], position + written)
        self._map[_HEADER.size + chunk] = 1

    def read(self, chunk: int) -> bytes:
        """A chunk that is complete."""
        position = chunk * CHUNK_BYTES
        return os.pread(self._file, self.chunk_end(position) - position, position)

    def _load(self, path: Path) -> None:
        try:
            file = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            if (found := _read_mark(file)) is not None and found == os.fstat(self._file).st_size:
                self._map, self.size_bytes = mmap.mmap(file, 0), found
        finally:
            os.close(file)

    def _unmap(self) -> None:
        if isinstance(self._map, mmap.mmap):
            self._map.close()
        self._map = bytearray(_HEADER.size)


def sidecar(path: Path) -> Path:
    """Where the map of a partial file is."""
    return path.with_name(path.name + _SUFFIX)


def discard(path: Path) -> None:
    """Remove a partial file and its map."""
    sidecar(path).unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def present_bytes(path: Path) -> int:
    """How much of a partial file is there; all that is in it where it has no map."""
    try:
        file = os.open(sidecar(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return path.lstat().st_size
    try:
        size_bytes = _read_mark(file)
        chunks = os.pread(file, os.fstat(file).st_size, _HEADER.size)
    finally:
        os.close(file)
    if size_bytes is None:
        return 0
    beyond = -size_bytes % CHUNK_BYTES if chunks.endswith(b"\1") else 0
    return chunks.count(1) * CHUNK_BYTES - beyond


def _read_mark(file: int) -> int | None:
    """The size that a map is of, None where it is no map or an unfinished one."""
    head = os.pread(file, _HEADER.size, 0)
    if len(head) < _HEADER.size:
        return None
    magic, size_bytes, _ = _HEADER.unpack(head)
    expected = _HEADER.size + -(-size_bytes // CHUNK_BYTES)
    return int(size_bytes) if magic == _MAGIC and os.fstat(file).st_size == expected else None


def _made(path: Path, blank: bytes) -> mmap.mmap:
    """A new map. Written before it is mapped: a store to a page that the full disk has no room for would end the process."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        os.write(file, blank)
        return mmap.mmap(file, 0)
    finally:
        os.close(file)
