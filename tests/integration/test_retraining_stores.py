"""Schedules whose records are in a folder, in moto and in a real Ceph RGW; and a webhook that really listens."""

import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from distrnn.errors import IntegrityError, StorageError
from distrnn.registry.layout import schedule_key
from distrnn.retraining.book import Book
from distrnn.retraining.notify import Webhook
from distrnn.retraining.state import Entry, State
from distrnn.storage import open_store
from fixtures_schedule import World

HOUR = timedelta(hours=1)


def test_schedulers_agree_whatever_the_store(world: Callable[..., World], storage_url: str) -> None:
    here = world(url=storage_url, cron="0 * * * *")
    here.takes = timedelta(minutes=3)
    killed = here.scheduler("killed")
    here.scheduler("other")
    here.until("2026-11-01T01:01:00")
    here.kill(killed)
    here.until("2026-11-01T01:10:00")
    here.exit_codes, here.data = [4], "b"
    here.until("2026-11-01T03:10:00")
    assert here.story() == ["01 01:00 abandoned", "01 01:00 promoted", "01 02:00 refused", "01 03:00 skipped"]
    state = here.book.read("reviews").state  # type: ignore[union-attr]
    assert state.counts == {"abandoned": 1, "promoted": 1, "refused": 1, "skipped": 1}
    assert here.book.workflows() == ["reviews"]
    assert here.told == here.history()


def test_of_schedulers_that_write_at_once_one_wins(storage_url: str) -> None:
    book = Book(open_store(storage_url))
    first = State(workflow="reviews", cron="* * * * *", timezone="UTC", since=datetime(2026, 1, 1, tzinfo=UTC))
    held = book.swap(first, None)
    assert held is not None
    assert book.swap(first, None) is None
    barrier, won = threading.Barrier(4), []

    def claim(holder: str) -> None:
        barrier.wait(30)
        if book.swap(first.model_copy(update={"holder": holder}), held.tag):
            won.append(holder)

    threads = [threading.Thread(target=claim, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(won) == 1
    assert book.read("reviews").state.holder == won[0]  # type: ignore[union-attr]


def test_a_damaged_record_is_named(tmp_path: Any) -> None:
    store = open_store(str(tmp_path / "registry"))
    store.put(schedule_key("reviews"), b'{"schema_version": 1, "workflow": "reviews"}')
    with pytest.raises(IntegrityError) as caught:
        Book(store).read("reviews")
    assert caught.value.message == (
        f"{tmp_path}/registry/_schedules/reviews/state.json is damaged: expected cron to be valid. Received: field required. "
        "Restore it from a backup, or remove it."
    )


class Receiver(HTTPServer):
    """Takes what is posted; answers with `answers` (0: with what is no HTTP), then with 204."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[int] = []
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.url = f"http://127.0.0.1:{self.server_port}/hook?token=hidden"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((dict(self.headers), body))
        status = self.server.answers.pop(0) if self.server.answers else 204
        if not status:
            self.wfile.write(b"what?\r\n\r\n")
            return
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", self.server.url)
        self.end_headers()

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def entry() -> Entry:
    at = datetime(2026, 11, 2, 3, tzinfo=UTC)
    facts = {"number": 7, "workflow": "reviews", "tick": at, "missed": 1, "attempt": 1, "outcome": "promoted", "reason": "the first run"}
    made = {"run_id": "reviews-1", "version": {"name": "reviews", "number": 3, "digest": "sha256:33"}}
    return Entry(**facts, **made, began_at=at, ended_at=at + HOUR, scheduler="one")


def test_a_webhook_is_told_and_can_check_who_tells(receiver: Receiver, entry: Entry) -> None:
    Webhook(receiver.url, "secret", now=lambda: 1_800_000_000.0).tell(entry, "s3://bucket/registry")
    ((headers, body),) = receiver.received
    assert json.loads(body) == {
        "event": "schedule.outcome",
        "number": 7,
        "workflow": "reviews",
        "tick": "2026-11-02T03:00:00Z",
        "missed": 1,
        "attempt": 1,
        "outcome": "promoted",
        "reason": "the first run",
        "run_id": "reviews-1",
        "version": {"name": "reviews", "number": 3, "digest": "sha256:33"},
        "promotion": None,
        "error": None,
        "exit_code": None,
        "retry_at": None,
        "began_at": "2026-11-02T03:00:00Z",
        "ended_at": "2026-11-02T04:00:00Z",
        "registry": "s3://bucket/registry",
    }
    expected = hmac.new(b"secret", b"1800000000." + body, hashlib.sha256).hexdigest()
    told = {name.lower(): value for name, value in headers.items()}
    assert told["x-distrnn-signature"] == f"sha256={expected}"
    assert (told["x-distrnn-timestamp"], told["x-distrnn-delivery"]) == ("1800000000", "reviews-7")


def test_a_webhook_that_is_busy_is_told_again(receiver: Receiver, entry: Entry) -> None:
    pauses: list[float] = []
    receiver.answers = [503, 500]
    Webhook(receiver.url, sleep=pauses.append).tell(entry, "registry")
    assert (pauses, len(receiver.received)) == ([1.0, 4.0], 3)
    assert len({body for _, body in receiver.received}) == 1
    assert not [name for name in receiver.received[0][0] if "signature" in name.lower()]


@pytest.mark.parametrize(
    ("answer", "problem"), [(0, "its answer is no HTTP: BadStatusLine"), (301, "it answered 301"), (302, "it answered 302")]
)
def test_what_is_no_answer_is_not_taken_for_one(receiver: Receiver, entry: Entry, answer: int, problem: str) -> None:
    receiver.answers = [answer] * 5
    with pytest.raises(StorageError) as caught:
        Webhook(receiver.url, sleep=lambda _: None).tell(entry, "registry")
    assert caught.value.message == f"the webhook of reviews did not take the outcome of 2026-11-02T03:00:00+00:00: {problem}"
    assert len(receiver.received) == 5


def test_a_webhook_that_never_takes_it_is_an_error_without_its_url(receiver: Receiver, entry: Entry) -> None:
    receiver.answers = [500] * 9
    with pytest.raises(StorageError) as caught:
        Webhook(receiver.url, sleep=lambda _: None).tell(entry, "registry")
    assert caught.value.message == "the webhook of reviews did not take the outcome of 2026-11-02T03:00:00+00:00: it answered 500"
    assert len(receiver.received) == 5
