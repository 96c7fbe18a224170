"""What every request passes first, and every answer last: limits, security headers, HEAD, the time it took, errors nobody foresaw."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from distrnn.service.clients import client_address
from distrnn.service.downloads import HEAD
from distrnn.service.errors import problem, unexpected
from distrnn.service.limits import RateLimit

UNLIMITED = frozenset({"/healthz", "/readyz", "/metrics"})
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Distrnn-Registry": "1",
}
_BODY_WAIT_S = 30.0


class Guard:
    """The outermost middleware.

    Args:
        app: what answers.
        limit: of requests.
        behind_proxy: whether a proxy says whose request it is.
        body_bytes: the largest request.
        served: called with operation, outcome and seconds when an answer begins.
    """

    def __init__(
        self, app: ASGIApp, limit: RateLimit, behind_proxy: bool, body_bytes: int, served: Callable[[str, str, float], None]
    ) -> None:
        self.app, self.limit, self.behind_proxy, self.body_bytes, self.served = app, limit, behind_proxy, body_bytes, served

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, answering = time.perf_counter(), False
        head = scope["method"] == "HEAD"
        # In place, because the server's log names the client of the scope that it made
        scope["client"] = self._client(scope)
        scope = {**scope, "method": "GET", HEAD: True} if head else dict(scope)

        async def finish(message: Message) -> None:
            nonlocal answering
            if message["type"] == "http.response.start":
                answering = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-cache")
                self.served(operation(scope), outcome(message["status"]), time.perf_counter() - began)
            elif head:
                message = {**message, "body": b""}
            await send(message)

        refusal = await self._refusal(scope, receive)
        if isinstance(refusal, Response):
            await refusal(scope, receive, finish)
            return
        try:
            await self.app(scope, refusal, finish)
        except Exception as error:
            if answering:
                raise
            await unexpected(error)(scope, receive, finish)

    async def _refusal(self, scope: Scope, receive: Receive) -> Response | Receive:
        """Why a request is not answered; where there is no reason, what gives its body, which is read by then."""
        wait_s = 0.0 if scope["path"] in UNLIMITED else self.limit.wait_s(scope["client"][0], time.monotonic())
        if wait_s:
            again = str(int(wait_s) + 1)
            return problem(429, "TooManyRequests", f"too many requests from one client. Try again in {again} s.", 1, {"Retry-After": again})
        declared = Headers(scope=scope).get("content-length", "0")
        if not declared.isdecimal() or int(declared) > self.body_bytes:
            return self._too_large()
        if scope["method"] == "GET":
            return receive
        try:
            async with asyncio.timeout(_BODY_WAIT_S):
                body = await _read(receive, self.body_bytes)
        except TimeoutError:
            return problem(408, "Timeout", "the request's body did not arrive in time.", 1)
        return self._too_large() if body is None else _replayed(body, receive)

    def _client(self, scope: Scope) -> tuple[str, int]:
        """Address and port of the client; the port is 0 where a proxy told the address."""
        peer, port = scope.get("client") or ("", 0)
        address = client_address(peer, Headers(scope=scope).getlist("x-forwarded-for"), behind_proxy=self.behind_proxy)
        return address, port if address == peer else 0

    def _too_large(self) -> Response:
        return problem(413, "TooLarge", f"a request may have at most {self.body_bytes:,} bytes.", 2)


def operation(scope: Scope) -> str:
    """What was asked for, as a label: the name of the function that answered, so that labels do not grow without end."""
    endpoint: Any = scope.get("endpoint")
    return str(getattr(endpoint, "__name__", "other"))


def outcome(status: int) -> str:
    """How a request ended, as a label."""
    if status < 400:
        return "ok"
    return "refused" if status < 500 else "failed"


async def _read(receive: Receive, limit_bytes: int) -> bytes | None:
    """The body of a request; None where it is longer than it may be."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return bytes(body)
        body += message.get("body", b"")
        if len(body) > limit_bytes:
            return None
        if not message.get("more_body", False):
            return bytes(body)


def _replayed(body: bytes, receive: Receive) -> Receive:
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
