"""Downloading one object over HTTP: several ranges in flight, bytes on the disk as they arrive, the digest close behind, memory bounded.

*Measured* against a local Ceph RGW (200 MB, two cores shared with the server): what costs is the event loop, so writing and hashing have
a thread of their own. A chunk is written as soon as it is complete, and hashed at once, while it is in the processor's cache, if it is
the next one in order; chunks that came before their turn are read back from the file, which the system still has in memory. So
the number of ranges in flight costs next to nothing, and no more than two chunks of each are held.

A range that breaks off is asked for again from where it broke. What is complete is noted in the file's map (`partial`), and a later
process asks only for the rest, unless the object is no longer the one that the map belongs to.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import aiohttp

from distrnn.errors import StorageError
from distrnn.storage.local_errors import os_errors
from distrnn.storage.partial import CHUNK_BYTES, Partial

PART_BYTES = 16 << 20
PARTS_AT_ONCE = 3
PATIENCE_S = 30
BUFFER_BYTES = 1 << 18
_TRIES = 4
_CATCH_UP = 8
_AT_THE_END = 64


class Source(Protocol):
    """An object, and how it is asked for."""

    @property
    def url(self) -> str:
        """Of the object, for messages."""

    async def ask(self, start: int, end: int) -> aiohttp.ClientResponse:
        """Ask for bytes [start, end) and return a 206 whose body is still to be read, or raise what `kind` can tell."""

    def kind(self, error: Exception) -> str | None:
        """What an error means to whoever decides whether to ask again: `range`, `transient`, anything else."""


async def download(
    source: Source,
    path: Path,
    update: Callable[[bytes], object] | None = None,
    limit_bytes: int | None = None,
    resume: bool = False,
) -> None:
    """Copy an object to `path`; see `Store.get_file`.

    Args:
        source: the object.
        path: the file to write; with `resume` its map stays beside it, to be removed with `partial.discard` or by the caller.
        update: called in another thread with every byte in order; what it raises ends the download.
        limit_bytes: of a longer object, bring one byte more than this.
        resume: ask only for what an earlier download with `resume` has not brought.
    Raises:
        DistrnnError: the object cannot be read, or was replaced meanwhile.
        OSError: `path` cannot be written.
        aiohttp.ClientError: the server cannot be reached.
    """
    # A connection that fails is an OSError too, so what is about the file is told apart where it is touched
    with os_errors(path):
        opened = Partial(path, keep=resume)
    with opened as partial, ThreadPoolExecutor(1, "download") as disk:
        await _Copy(source, partial, update, disk, path).run(limit_bytes)


def whole_answer(url: str) -> StorageError:
    """The error for an answer that is the object as a whole, where a part of it was asked for."""
    return StorageError(
        f"{url} was answered as a whole, but a part of it was asked for. Something between here and the server drops Range."
    )


@dataclass
class _Part:
    """Bytes [position, end) that one request is bringing; `pieces` are of the chunk that is not complete yet."""

    position: int
    end: int
    pieces: list[bytes] = field(default_factory=list)
    landing: "asyncio.Future[None] | None" = None


class _Patience:
    """How often, and for how long, something that makes no progress is tried again."""

    def __init__(self) -> None:
        self.progress()

    def progress(self) -> None:
        self._tried, self._until = 0, time.monotonic() + PATIENCE_S

    @property
    def over(self) -> bool:
        self._tried += 1
        return self._tried >= _TRIES or time.monotonic() > self._until

    async def pause(self) -> None:
        await asyncio.sleep(0.1 * 2**self._tried)


class _Copy:
    """One download at work."""

    def __init__(
        self, source: Source, partial: Partial, update: Callable[[bytes], object] | None, disk: ThreadPoolExecutor, path: Path
    ) -> None:
        self._source, self._partial, self._update, self._disk, self._path = source, partial, update, disk, path
        self._origin = ""
        self._next = 0
        self._failed: Exception | None = None

    async def run(self, limit_bytes: int | None) -> None:
        answer, start = await self._begin(limit_bytes)
        parts = deque(
            _Part(position, min(position + PART_BYTES, end))
            for begin, end in self._partial.missing()
            for position in range(begin, end, PART_BYTES)
        )

        async def work(first: aiohttp.ClientResponse | None) -> None:
            while parts:
                await self._bring(parts.popleft(), first)
                first = None

        if answer is not None and (not parts or parts[0].position != start):
            answer.close()
            answer = None
        workers = [asyncio.ensure_future(work(answer if number == 0 else None)) for number in range(min(PARTS_AT_ONCE, len(parts)))]
        try:
            await asyncio.gather(*workers)
            while self._update is not None and self._next < self._partial.chunks:
                await self._run(self._follow, _AT_THE_END)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _begin(self, limit_bytes: int | None) -> tuple[aiohttp.ClientResponse | None, int]:
        """Learn what the object is from the first answer: about a part that is missing or, where none is, about the first byte."""
        most_bytes = PART_BYTES if limit_bytes is None else min(PART_BYTES, limit_bytes + 1)
        start, end = next(self._partial.missing(), (0, 1 if self._partial.chunks else most_bytes))
        patience = _Patience()
        while True:
            try:
                answer = await self._source.ask(start, min(end, start + PART_BYTES))
                break
            except Exception as error:
                kind = self._source.kind(error)
                if kind == "range" and start == 0:
                    self._start(0, "")
                    return None, 0
                if kind == "range":
                    start, end = 0, most_bytes
                elif kind != "transient" or patience.over:
                    raise
            await patience.pause()
        self._origin, size_bytes = _identity(answer)
        self._start(size_bytes if limit_bytes is None else min(size_bytes, limit_bytes + 1), self._origin)
        return answer, start

    def _start(self, size_bytes: int, origin: str) -> None:
        with os_errors(self._path):
            self._partial.begin(size_bytes, origin)

    async def _bring(self, part: _Part, answer: aiohttp.ClientResponse | None) -> None:
        """Bring one part; what breaks off is asked for again by itself."""
        patience = _Patience()
        while part.position < part.end:
            before = part.position
            try:
                answer = answer or await self._source.ask(part.position, part.end)
                if _identity(answer)[0] != self._origin:
                    raise StorageError(f"{self._source.url} was replaced while it was read. Run this again.")
                async for piece in answer.content.iter_any():
                    await self._take(part, piece)
                if part.position == before:
                    raise aiohttp.ClientPayloadError("nothing was sent")
            except Exception as error:
                if part.position > before:
                    patience.progress()
                if error is self._failed or self._source.kind(error) != "transient" or patience.over:
                    raise
                await patience.pause()
            finally:
                if answer is not None:
                    answer.release()
                answer = None
        await self._landed(part)

    async def _take(self, part: _Part, piece: bytes) -> None:
        """Add what arrived to the chunk it belongs to, and hand on the chunk when it is complete."""
        while piece and part.position < part.end:
            chunk, stop = part.position // CHUNK_BYTES, self._partial.chunk_end(part.position)
            head, piece = piece[: stop - part.position], piece[stop - part.position :]
            part.pieces.append(head)
            part.position += len(head)
            if part.position == stop:
                await self._landed(part)
                part.landing, part.pieces = self._run(self._land, chunk, part.pieces), []

    async def _landed(self, part: _Part) -> None:
        """Wait until the last chunk of a part that was handed on is on the disk."""
        if part.landing is not None:
            await part.landing
        if self._failed is not None:
            raise self._failed

    def _run(self, work: Callable[..., None], *arguments: object) -> "asyncio.Future[None]":
        return asyncio.get_running_loop().run_in_executor(self._disk, work, *arguments)

    def _land(self, chunk: int, pieces: list[bytes]) -> None:
        """Write a chunk, and hash it if it is its turn; what goes wrong is for the loop to find."""
        try:
            with os_errors(self._path):
                self._partial.write(chunk, pieces)
            if self._failed is not None:
                return  # whoever listens has ended it, and hears no more
            if self._update is not None and chunk == self._next:
                for piece in pieces:
                    self._update(piece)
                self._next += 1
            self._follow(_CATCH_UP)
        except Exception as error:
            self._failed = error

    def _follow(self, at_most: int) -> None:
        """Hash chunks that came before their turn."""
        while self._update is not None and at_most and self._next < self._partial.chunks and self._partial.has(self._next):
            with os_errors(self._path):
                chunk = self._partial.read(self._next)
            self._update(chunk)
            self._next += 1
            at_most -= 1


def _identity(answer: aiohttp.ClientResponse) -> tuple[str, int]:
    """What tells this object from another one under its key, and its size."""
    total = answer.headers.get("Content-Range", "").rpartition("/")[2]
    size_bytes = int(total) if total.isdecimal() else 0
    return f"{answer.headers.get('ETag', '')} {size_bytes}", size_bytes
