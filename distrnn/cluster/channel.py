"""What passes between a run's driver and its workers while it trains.

Events go one way, a request to stop the other, a failure at the end; and several workers learn where each of them is.
"""

import time
from collections.abc import Callable
from typing import Any

import ray

from distrnn.errors import DistrnnError
from distrnn.progress import Event

EXCHANGE_EVERY_S = 0.4


@ray.remote(num_cpus=0)
class Mailbox:
    """Holds events until the driver takes them; outlives a worker that dies."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._stop = False
        self._failure: DistrnnError | None = None
        self._finished: str | None = None
        self._addresses: dict[str, dict[int, str]] = {}

    def arrive(self, group: str, rank: int, address: str) -> None:
        """Leave the address of a worker of a group; a group that is started anew has another name."""
        self._addresses.setdefault(group, {})[rank] = address

    def arrived(self, group: str) -> dict[int, str]:
        """The addresses of a group so far, by rank."""
        return self._addresses.get(group, {})

    def exchange(self, events: list[Event]) -> bool:
        """Leave events; returns whether training should stop."""
        self._events.extend(events)
        return self._stop

    def take(self) -> list[Event]:
        """Events since the last call, oldest first."""
        events, self._events = self._events, []
        return events

    def stop(self) -> None:
        """Ask the worker to save a checkpoint and end."""
        self._stop = True

    def finish(self, checkpoint: str) -> None:
        """Leave the name of the checkpoint that holds the finished model."""
        self._finished = checkpoint

    def finished(self) -> str | None:
        """The checkpoint that holds the finished model, once there is one."""
        return self._finished

    def fail(self, failure: DistrnnError) -> None:
        """Leave the error that ended the worker."""
        self._failure = failure

    def failure(self) -> DistrnnError | None:
        """The error that ended training, if one did."""
        return self._failure


class WorkerSide:
    """The worker's end of a mailbox; talks to it a few times a second, however often it is told something.

    Args:
        mailbox: handle of the actor.
        clock: in seconds.
    """

    def __init__(self, mailbox: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._mailbox = mailbox
        self._clock = clock
        self._pending: list[Event] = []
        self._last = -EXCHANGE_EVERY_S
        self._stop = False

    def progress(self, event: Event) -> None:
        """Pass an event on."""
        self._pending.append(event)
        if self._clock() - self._last >= EXCHANGE_EVERY_S or event.done == event.total or "validation_loss" in event.info:
            self._stop = ray.get(self._mailbox.exchange.remote(self._pending))
            self._pending, self._last = [], self._clock()

    def stop_requested(self) -> bool:
        """Whether the driver asked to stop, as of the last exchange."""
        return self._stop
