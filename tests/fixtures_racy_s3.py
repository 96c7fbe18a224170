"""An S3 server that looks before it writes, as Swift's S3 API and s3rver were *measured* to do: the negative control of the probe.

One request after the other it honours `If-None-Match` and `If-Match`; together, several writers look, and several win.
"""

import asyncio
import re
from collections.abc import Iterator
from hashlib import md5
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import escape

import pytest
from aiohttp import web

from fixtures_faults import ThreadedServer

if TYPE_CHECKING:
    from fixtures_s3 import S3Server

_LOOKING_S = 0.02
_MODIFIED = "2026-01-01T00:00:00.000Z"


class RacyServer(ThreadedServer):
    """A bucket in memory, of any name."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}
        super().__init__()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        key = unquote(urlsplit(request.raw_path).path).lstrip("/").partition("/")[2]
        if not key:
            return self._list(request.query)
        if request.method == "PUT":
            return await self._put(key, await request.read(), request.headers)
        if request.method == "DELETE":
            self.bodies.pop(key, None)
            return web.Response(status=204)
        return self._get(key, request)

    async def _put(self, key: str, body: bytes, headers: "web.BaseRequest.headers") -> web.Response:
        here = _etag(self.bodies[key]) if key in self.bodies else None
        expected = headers.get("If-Match", "").strip('"')
        if (headers.get("If-None-Match") and here) or (expected and expected != here):
            return _error(412, "PreconditionFailed")
        await asyncio.sleep(_LOOKING_S)
        self.bodies[key] = body
        return web.Response(headers={"ETag": f'"{_etag(body)}"'})

    def _get(self, key: str, request: web.Request) -> web.Response:
        if key not in self.bodies:
            return _error(404, "NoSuchKey")
        body, headers = self.bodies[key], {"ETag": f'"{_etag(self.bodies[key])}"'}
        if wanted := re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("Range", "")):
            start, last = int(wanted[1]), int(wanted[2])
            if start >= len(body):
                return _error(416, "InvalidRange")
            piece = body[start : last + 1]
            return web.Response(
                status=206, body=piece, headers={**headers, "Content-Range": f"bytes {start}-{start + len(piece) - 1}/{len(body)}"}
            )
        return web.Response(body=body, headers=headers)

    def _list(self, query: "web.BaseRequest.query") -> web.Response:
        prefix, delimiter, after = query.get("prefix", ""), query.get("delimiter", ""), query.get("start-after", "")
        keys = [key for key in sorted(self.bodies) if key.startswith(prefix) and key > after]
        folders = sorted({prefix + key[len(prefix) :].partition("/")[0] + "/" for key in keys if delimiter and "/" in key[len(prefix) :]})
        shown = [key for key in keys if not delimiter or "/" not in key[len(prefix) :]]
        contents = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(self.bodies[key])}</Size><LastModified>{_MODIFIED}</LastModified></Contents>"
            for key in shown
        )
        prefixes = "".join(f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>" for folder in folders)
        text = f"<?xml version='1.0'?><ListBucketResult><IsTruncated>false</IsTruncated>{contents}{prefixes}</ListBucketResult>"
        return web.Response(text=text, content_type="application/xml")


def _etag(body: bytes) -> str:
    return md5(body, usedforsecurity=False).hexdigest()


def _error(status: int, code: str) -> web.Response:
    return web.Response(status=status, text=f"<?xml version='1.0'?><Error><Code>{code}</Code></Error>", content_type="application/xml")


@pytest.fixture
def racy_s3(fresh_home: object, monkeypatch: pytest.MonkeyPatch) -> "Iterator[S3Server]":
    """A server that cannot decide races, with the environment that leads to it."""
    from fixtures_s3 import S3Server

    running = RacyServer()
    found = S3Server("racy", running.endpoint)
    found.use(monkeypatch)
    yield found
    running.close()
