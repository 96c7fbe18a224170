"""Downloading one object: ranges in flight, bytes in order, memory bounded.

The sha256 of a blob is taken while it arrives, so pieces are written in order; a few ranges travel at once behind the one that is
being written. A range that breaks off is asked for again by itself.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import s3fs

from distrnn.storage.local_errors import os_errors
from distrnn.storage.s3_errors import classify
from distrnn.storage.s3_session import PATIENCE_S

PART_BYTES = 16 << 20
PARTS_AT_ONCE = 4
_TRIES = 4


async def download(
    fs: s3fs.S3FileSystem, bucket: str, key: str, path: Path, update: Callable[[bytes], object] | None, limit_bytes: int | None
) -> None:
    """Copy an object to `path`; see `Store.get_file`.

    Raises:
        DistrnnError: the object or its server cannot be read.
        OSError: `path` cannot be written.
    """
    first, size_bytes = await _part(fs, bucket, key, 0)
    wanted = size_bytes if limit_bytes is None else min(size_bytes, limit_bytes + 1)
    starts = deque(range(len(first), wanted, PART_BYTES))
    flying: deque[asyncio.Task[tuple[bytes, int]]] = deque()

    def launch() -> None:
        while starts and len(flying) < PARTS_AT_ONCE:
            flying.append(asyncio.ensure_future(_part(fs, bucket, key, starts.popleft())))

    try:
        with os_errors(path), path.open("wb") as file:
            launch()
            _take(file, first, update)
            while flying:
                piece, _ = await flying.popleft()
                launch()
                await asyncio.to_thread(_take, file, piece, update)
    finally:
        for task in flying:
            task.cancel()
        await asyncio.gather(*flying, return_exceptions=True)


def _take(file: Any, piece: bytes, update: Callable[[bytes], object] | None) -> None:
    file.write(piece)
    if update is not None:
        update(piece)


async def _part(fs: s3fs.S3FileSystem, bucket: str, key: str, start: int) -> tuple[bytes, int]:
    """Up to PART_BYTES from `start`, and the size of the whole object."""
    until = time.monotonic() + PATIENCE_S
    tried = 0
    while True:
        tried += 1
        try:
            answer = await fs._call_s3("get_object", Bucket=bucket, Key=key, Range=f"bytes={start}-{start + PART_BYTES - 1}")
            async with answer["Body"] as stream:
                piece = await stream.read()
            return piece, int(answer.get("ContentRange", f"/{len(piece)}").rpartition("/")[2])
        except Exception as error:
            kind = classify(error, f"s3://{bucket}/{key}", "").fields.get("kind")
            if kind == "range" and start == 0:
                return b"", 0
            if kind != "transient" or tried == _TRIES or time.monotonic() > until:
                raise
        await asyncio.sleep(0.1 * 2**tried)
