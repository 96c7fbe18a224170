"""A proxy in front of an S3 server that drops requests, loses answers, refuses, delays and cuts bodies short.

It runs in a thread of its own, streams both ways, and hands on the client's own Host header, because that is what the client signed.
Rules decide request by request; whatever they decide is in the log, with the bytes that were sent.
"""

import asyncio
import random
import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

if TYPE_CHECKING:
    # pytest rewrites the asserts of a plugin, so nobody may import it before its turn.
    from fixtures_s3 import S3Server

_HOP = {"connection", "keep-alive", "transfer-encoding", "expect"}
_PIECE_BYTES = 1 << 18
_BODIES = {"truncate": ("GET",), "cut": ("PUT", "POST")}
_CODES = {500: "InternalError", 503: "SlowDown"}


@dataclass(frozen=True)
class Fault:
    """What is done to a request instead of passing it on.

    Attributes:
        kind: `drop` closes the connection and forwards nothing; `lose` forwards, then closes without an answer; `status` answers `amount`
            and forwards nothing; `delay` waits `amount` seconds, then passes; `truncate` closes after `amount` bytes of the answer's
            body; `cut` closes both sides after `amount` bytes of the request's body; `stall` stops there, and waits for `release`.
        amount: bytes, seconds or a status.
    """

    kind: str
    amount: float = 0


DROP = Fault("drop")
LOSE = Fault("lose")
BROKEN = Fault("status", 500)
SLOW_DOWN = Fault("status", 503)
MIX = (DROP, LOSE, BROKEN, SLOW_DOWN, Fault("delay", 0.1), Fault("truncate", 20), Fault("cut", 20))


@dataclass
class Record:
    """One request: what was asked for, what was done to it, and how many bytes of body went either way."""

    number: int
    method: str
    key: str
    query: dict[str, list[str]]
    range: str | None
    fault: Fault | None = None
    status: int = 0
    received_bytes: int = 0
    sent_bytes: int = 0


Rule = Callable[[Record], Fault | None]


def when(fault: Fault, *, method: str | None = None, key: str = "", times: int | None = None) -> Rule:
    """A rule for requests with this method and this text in their key; only for the first so many of them."""
    left = [times]

    def rule(record: Record) -> Fault | None:
        if method not in (None, record.method) or key not in record.key or left[0] == 0:
            return None
        left[0] = None if left[0] is None else left[0] - 1
        return fault

    return rule


def at_random(rate: float, seed: int, faults: tuple[Fault, ...] = MIX) -> Rule:
    """A rule that hits this part of all requests, each time with one of `faults`."""
    dice = random.Random(seed)

    def rule(record: Record) -> Fault | None:
        # A body can only be cut short on its way there, an answer on its way back.
        fitting = [fault for fault in faults if record.method in _BODIES.get(fault.kind, (record.method,))]
        return dice.choice(fitting) if dice.random() < rate else None

    return rule


class ThreadedServer(ABC):
    """An aiohttp application that answers on loopback from a thread and a loop of its own."""

    def __init__(self) -> None:
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(30), "the server did not start"

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @abstractmethod
    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request."""

    async def context(self, application: web.Application) -> AsyncIterator[None]:
        """What is open while the server runs."""
        yield

    def close(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(30)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        application = web.Application()
        application.cleanup_ctx.append(self.context)
        application.router.add_route("*", "/{path:.*}", self.handle)
        runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self._port = runner.addresses[0][1]
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()


class FaultProxy(ThreadedServer):
    """A proxy in front of `upstream`; `rules` are asked in turn, the first that names a fault decides.

    Attributes:
        rules: to be changed at any time; they are called in the proxy's thread.
        log: every request, in the order of arrival.
        stalled: set when a request has been stopped by `stall`.
    """

    def __init__(self, upstream: "S3Server") -> None:
        self.upstream = upstream
        self.rules: list[Rule] = []
        self.log: list[Record] = []
        self.stalled = threading.Event()
        super().__init__()

    @property
    def server(self) -> "S3Server":
        """What a client takes it for."""
        return replace(self.upstream, endpoint=self.endpoint)

    @property
    def environment(self) -> dict[str, str]:
        return self.server.environment

    @property
    def requests(self) -> Counter[str]:
        """Requests by method."""
        return Counter(record.method for record in self.log)

    @property
    def sent_bytes(self) -> Counter[str]:
        """Bytes of body that went to clients, by key."""
        found: Counter[str] = Counter()
        for record in self.log:
            found[record.key] += record.sent_bytes
        return found

    @property
    def received_bytes(self) -> Counter[str]:
        """Bytes of body that came from clients, by key."""
        found: Counter[str] = Counter()
        for record in self.log:
            found[record.key] += record.received_bytes
        return found

    @property
    def faults(self) -> Counter[Fault]:
        """How often each fault was decided on."""
        return Counter(record.fault for record in self.log if record.fault)

    def release(self) -> None:
        """Let everything go on that was stalled."""
        self._loop.call_soon_threadsafe(self._go_on.set)

    async def context(self, application: web.Application) -> AsyncIterator[None]:
        self._go_on = asyncio.Event()
        timeout = aiohttp.ClientTimeout(total=None, sock_read=60)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False, timeout=timeout) as self._session:
            yield

    async def handle(self, request: web.Request) -> web.StreamResponse:
        path = urlsplit(request.raw_path)
        key = unquote(path.path).lstrip("/").partition("/")[2]
        record = Record(len(self.log) + 1, request.method, key, parse_qs(path.query, keep_blank_values=True), request.headers.get("Range"))
        self.log.append(record)
        record.fault = fault = next((found for rule in self.rules if (found := rule(record))), None)
        kind, amount = (fault.kind, fault.amount) if fault else ("pass", 0)
        if kind == "drop":
            return _hang_up(request)
        if kind == "status":
            record.status = int(amount)
            code = _CODES.get(record.status, "Error")
            text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>made up</Message></Error>"
            return web.Response(status=record.status, text=text, content_type="application/xml")
        if kind == "delay":
            await asyncio.sleep(amount)
        try:
            return await self._forward(request, record, kind, int(amount))
        except (aiohttp.ClientError, ConnectionError):
            return _hang_up(request)

    async def _forward(self, request: web.Request, record: Record, kind: str, amount: int) -> web.StreamResponse:
        headers = [(name, value) for name, value in request.headers.items() if name.lower() not in _HOP]
        async with self._session.request(
            request.method,
            URL(self.upstream.endpoint + request.raw_path, encoded=True),
            headers=headers,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            data=self._body(request, record, kind, amount) if request.body_exists else None,
            allow_redirects=False,
        ) as answer:
            record.status = answer.status
            if kind == "lose":
                await answer.read()
                return _hang_up(request)
            response = web.StreamResponse(status=answer.status, reason=answer.reason)
            response.headers.extend((name, value) for name, value in answer.headers.items() if name.lower() not in _HOP)
            await response.prepare(request)
            async for piece in answer.content.iter_chunked(_PIECE_BYTES):
                if kind == "truncate" and record.sent_bytes + len(piece) >= amount:
                    await response.write(piece[: amount - record.sent_bytes])
                    record.sent_bytes = amount
                    return _hang_up(request, response)
                await response.write(piece)
                record.sent_bytes += len(piece)
            await response.write_eof()
            return response

    async def _body(self, request: web.Request, record: Record, kind: str, amount: int) -> AsyncIterator[bytes]:
        async for piece in request.content.iter_chunked(_PIECE_BYTES):
            if kind in ("cut", "stall") and record.received_bytes + len(piece) > amount:
                yield piece[: amount - record.received_bytes]
                record.received_bytes = amount
                if kind == "cut":
                    raise ConnectionResetError("cut, as the rule says")
                self.stalled.set()
                await self._go_on.wait()
                kind, piece = "pass", piece[amount - record.received_bytes :]
            record.received_bytes += len(piece)
            yield piece


def _hang_up(request: web.Request, response: web.StreamResponse | None = None) -> web.StreamResponse:
    """Close the connection, whatever was or was not sent on it."""
    if request.transport is not None:
        request.transport.close() if response is not None else request.transport.abort()
    return response or web.Response(status=500)


@pytest.fixture
def fault_proxy() -> Iterator["Callable[[S3Server], FaultProxy]"]:
    """A function that puts a proxy in front of a server."""
    with ExitStack() as stack:

        def start(server: "S3Server") -> FaultProxy:
            proxy = FaultProxy(server)
            stack.callback(proxy.close)
            return proxy

        yield start
