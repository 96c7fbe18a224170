"""Handing out one object: ranges, ETag, pieces read ahead in a thread while the last one is on its way; memory bounded.

The first piece is read before the answer begins, so that what is missing or cannot be read is an error and no broken answer.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from distrnn.errors import NotFoundError
from distrnn.service.ranges import Span, matches, span_of
from distrnn.storage import Store

PIECE_BYTES = 1 << 20
OCTETS = "application/octet-stream"
HEAD = "distrnn.head"
_FOREVER = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"


async def send_blob(store: Store, key: str, digest: str, request: Request, *, size_bytes: int | None = None, name: str = "") -> Response:
    """Answer with a blob, or a range of it.

    Args:
        store: the registry.
        key: where the blob is.
        digest: its sha256, which is its ETag.
        request: what was asked.
        size_bytes: where it is known.
        name: what a browser calls the file; '' leaves that to it.
    Raises:
        NotFoundError: there is no such blob.
    """
    headers = {"ETag": f'"{digest}"', "Accept-Ranges": "bytes", "Cache-Control": _FOREVER}
    if name:
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
    if matches(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    size = await run_in_threadpool(store.size, key) if size_bytes is None else size_bytes
    if size is None:
        raise NotFoundError("there is no such file.", kind="key")
    ranges, condition = request.headers.get("range"), request.headers.get("if-range")
    span = span_of(ranges, size, condition=condition, etag=headers["ETag"])
    if span is None:
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{size}"})
    headers["Content-Length"] = str(span.end - span.start)
    if span.partial:
        headers["Content-Range"] = span.content_range
    status = 206 if span.partial else 200
    if request.scope.get(HEAD):
        return Response(status_code=status, headers=headers, media_type=OCTETS)
    first = await run_in_threadpool(store.read_range, key, span.start, min(span.start + PIECE_BYTES, span.end))
    return StreamingResponse(_pieces(store, key, span, first), status, headers, OCTETS)


def send_document(body: bytes, etag: str, request: Request) -> Response:
    """Answer with a small object that may change."""
    headers = {"ETag": f'"{etag}"', "Cache-Control": _ASK_AGAIN, "Accept-Ranges": "bytes"}
    if matches(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    span = span_of(request.headers.get("range"), len(body), condition=request.headers.get("if-range"), etag=headers["ETag"])
    if span is None:
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{len(body)}"})
    if span.partial:
        headers["Content-Range"] = span.content_range
    return Response(body[span.start : span.end], 206 if span.partial else 200, headers, OCTETS)


async def _pieces(store: Store, key: str, span: Span, first: bytes) -> AsyncIterator[bytes]:
    """The bytes of a span; the next piece is read while the last one is sent."""
    piece, position = first, span.start + len(first)
    reading: asyncio.Task[bytes] | None = None
    try:
        while piece:
            if position < span.end:
                reading = asyncio.create_task(run_in_threadpool(store.read_range, key, position, min(position + PIECE_BYTES, span.end)))
            yield piece
            piece = await reading if reading is not None else b""
            reading, position = None, position + len(piece)
    finally:
        if reading is not None:
            reading.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await reading
