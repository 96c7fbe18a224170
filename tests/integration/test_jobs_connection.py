"""The connection to a Jobs API: one that breaks while a job is followed, and one that wants a token. A small server stands in for Ray's."""

import asyncio
import threading
from typing import Any

import pytest
import ray
from aiohttp import web

from distrnn.cluster import jobs
from distrnn.cluster.jobs import Jobs
from distrnn.errors import AccessError

TOLD = {"distrnn_run": "mine", "distrnn_workflow": "w", "distrnn_attempt": "1", "distrnn_digest": "", "distrnn_resume": ""}


class StandIn:
    """Answers as a dashboard does, for the one job `mine.1`.

    Attributes:
        sent: for each connection that follows the log, the pieces it gets before it breaks (all but the last) or is closed (the last).
        log: the whole log, once the job has ended.
        refusal: status and text of every answer, if there is no other.
        followed: how many connections have followed the log.
    """

    def __init__(self, sent: list[list[str]], log: str = "", refusal: tuple[int, str] | None = None) -> None:
        self.sent, self.log, self.refusal, self.followed = sent, log, refusal, 0
        self._loop, self._ready = asyncio.new_event_loop(), threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> "StandIn":
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)

    def _serve(self) -> None:
        app = web.Application(middlewares=[self._refused])
        app.router.add_get("/api/version", self._version)
        app.router.add_get("/api/jobs/", self._list)
        app.router.add_get("/api/jobs/mine.1", self._job)
        app.router.add_get("/api/jobs/mine.1/logs", self._logs)
        app.router.add_get("/api/jobs/mine.1/logs/tail", self._tail)
        runner = web.AppRunner(app)
        self._loop.run_until_complete(runner.setup())
        self._loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", 0).start())
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    @web.middleware
    async def _refused(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if self.refusal is not None:
            return web.Response(status=self.refusal[0], text=self.refusal[1])
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _version(self, _: web.Request) -> web.Response:
        return web.json_response({"version": "4", "ray_version": ray.__version__, "ray_commit": ""})

    def _details(self) -> dict[str, Any]:
        status = "SUCCEEDED" if self.followed == len(self.sent) else "RUNNING"
        return {"type": "SUBMISSION", "submission_id": "mine.1", "status": status, "entrypoint": "", "metadata": TOLD}

    async def _list(self, _: web.Request) -> web.Response:
        return web.json_response([self._details()])

    async def _job(self, _: web.Request) -> web.Response:
        return web.json_response(self._details())

    async def _logs(self, _: web.Request) -> web.Response:
        return web.json_response({"logs": self.log})

    async def _tail(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        pieces = self.sent[self.followed]
        self.followed += 1
        for piece in pieces:
            await socket.send_str(piece)
        if self.followed < len(self.sent):
            assert request.transport is not None
            await asyncio.sleep(0.05)  # what was sent is on its way
            request.transport.abort()
        else:
            await socket.close()
        return socket


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the pauses between two looks."""
    monkeypatch.setattr(jobs, "_POLL_S", 0.01)


@pytest.mark.filterwarnings("ignore:ssl=None is deprecated:DeprecationWarning")  # Ray's client says that to aiohttp
@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "sent",
    [
        [["one\n", "tw"], ["one\ntwo\n"]],
        [["one\ntwo\n"], ["one\n"], ["one\n", "two\n", "thr"]],
        [[], ["one\n"]],
    ],
    ids=["within a line", "twice, and it had heard more before", "before anything came"],
)
def test_a_connection_that_breaks_is_made_again_and_nothing_is_told_twice(sent: list[list[str]]) -> None:
    said: list[str] = []
    with StandIn(sent, log="one\ntwo\nthree\n") as server:
        cluster = Jobs(server.url)
        job = cluster.follow(cluster.find("mine"), said.append)
    assert "".join(said) == "one\ntwo\nthree\n"
    assert (job.status, server.followed) == ("finished", len(sent))


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        ((401, "Unauthorized: Missing authentication token"), "Authentication required: Unauthorized: Missing authentication token"),
        ((403, "Forbidden: Invalid authentication token"), "Authentication failed: Forbidden: Invalid authentication token"),
    ],
)
def test_a_cluster_that_wants_a_token_says_so(refusal: tuple[int, str], reason: str) -> None:
    with StandIn([], refusal=refusal) as server, pytest.raises(AccessError) as caught:
        Jobs(server.url)
    assert caught.value.exit_code == 7
    assert caught.value.message == (
        f"{server.url} wants a token: {reason}. Set RAY_AUTH_MODE=token, and the cluster's token in RAY_AUTH_TOKEN or in ~/.ray/auth_token."
    )
