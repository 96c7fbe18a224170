"""Uploading one file: what is sent is hashed, and nothing becomes visible that has another digest than was promised.

A small file is read, hashed and sent in one request. A large one goes in parts, a few at once; each is hashed while it is on its way,
and only a digest that is right completes the upload. Memory is bounded by the parts in flight.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any, BinaryIO, TypeVar

import s3fs
import yarl

from distrnn.errors import ConflictError
from distrnn.storage.s3_errors import classify
from distrnn.storage.s3_session import PATIENCE_S
from distrnn.storage.s3_transfer import http, presigned, refusal

PART_BYTES = 16 << 20
PARTS_AT_ONCE = 4
_SENT_AT_ONCE = 1 << 20
_TRIES = 4
T = TypeVar("T")


async def upload(fs: s3fs.S3FileSystem, bucket: str, key: str, file: BinaryIO, sha256: str | None) -> None:
    """Write or replace an object with a file; see `Store.put_file`.

    Raises:
        ConflictError: the bytes that were read have another digest.
        DistrnnError: the server does not take it.
    """
    digest = hashlib.sha256()

    def require() -> None:
        if sha256 is not None and digest.hexdigest() != sha256:
            raise ConflictError(f"{file.name} changed: expected sha256 {sha256}. Received: {digest.hexdigest()}.", kind="changed")

    piece = await asyncio.to_thread(file.read, PART_BYTES)
    if len(piece) == PART_BYTES:
        await _upload_parts(fs, bucket, key, piece, file, digest.update, require)
        return
    digest.update(piece)
    require()
    await _again(lambda: _put(fs, piece, "put_object", Bucket=bucket, Key=key), bucket, key)


async def _upload_parts(
    fs: s3fs.S3FileSystem,
    bucket: str,
    key: str,
    piece: bytes,
    file: BinaryIO,
    update: Callable[[bytes], None],
    require: Callable[[], None],
) -> None:
    """Send the parts of a file, of which `piece` is the first; each is hashed while it is on its way."""
    begun = await _again(lambda: fs._call_s3("create_multipart_upload", Bucket=bucket, Key=key), bucket, key)
    target = {"Bucket": bucket, "Key": key, "UploadId": begun["UploadId"]}
    free = asyncio.Semaphore(PARTS_AT_ONCE)
    tasks: list[asyncio.Task[str]] = []

    async def send(part: bytes, number: int) -> str:
        try:
            return await _again(lambda: _put(fs, part, "upload_part", **target, PartNumber=number), bucket, key)
        finally:
            free.release()

    try:
        while piece:
            await free.acquire()
            tasks.append(asyncio.ensure_future(send(piece, len(tasks) + 1)))
            await asyncio.to_thread(update, piece)
            piece = await asyncio.to_thread(file.read, PART_BYTES)
            if broken := next((task for task in tasks if task.done() and task.exception()), None):
                broken.result()
        tags = await asyncio.gather(*tasks)
        require()
        await _again(lambda: _complete(fs, target, tags), bucket, key)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(Exception):
            await fs._call_s3("abort_multipart_upload", **target)
        raise


async def _complete(fs: s3fs.S3FileSystem, target: dict[str, Any], tags: list[str]) -> None:
    """Make an object of the parts. Repeated after an answer that was lost, the upload is gone: then the object is looked at."""
    parts = [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, 1)]
    try:
        await fs._call_s3("complete_multipart_upload", **target, MultipartUpload={"Parts": parts})
    except Exception as error:
        if classify(error, "", "").fields.get("kind") != "key":
            raise
        found = await fs._call_s3("head_object", Bucket=target["Bucket"], Key=target["Key"])
        digests = b"".join(bytes.fromhex(tag.strip('"')) for tag in tags)
        if found["ETag"].strip('"') != f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(tags)}":
            raise


async def _put(fs: s3fs.S3FileSystem, body: bytes, method: str, **parameters: object) -> str:
    """Send one body; returns its ETag."""
    url: yarl.URL = await presigned(fs, method, **parameters)

    async def pieces() -> AsyncIterator[memoryview]:
        for start in range(0, len(body), _SENT_AT_ONCE):
            yield memoryview(body)[start : start + _SENT_AT_ONCE]

    session = await http(fs)
    headers = {"Content-Length": str(len(body))}
    async with session.put(url, data=pieces(), headers=headers, skip_auto_headers=["Content-Type"], allow_redirects=False) as answer:
        if answer.status != 200:
            raise await refusal(answer, method)
        return answer.headers.get("ETag", "")


async def _again(attempt: Callable[[], Awaitable[T]], bucket: str, key: str) -> T:
    """Repeat a request that failed in passing."""
    until = time.monotonic() + PATIENCE_S
    for tried in range(1, _TRIES):
        try:
            return await attempt()
        except Exception as error:
            if classify(error, f"s3://{bucket}/{key}", "").fields.get("kind") != "transient" or time.monotonic() > until:
                raise
        await asyncio.sleep(0.1 * 2**tried)
    return await attempt()
