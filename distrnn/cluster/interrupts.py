"""SIGINT and SIGTERM: at once wherever nothing is at stake, and while training only after a checkpoint."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

from distrnn.errors import InterruptedRunError

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Handles both signals inside `with`; outside the main thread it does nothing.

    The first signal while `deferred` is only noted in `received`; every other one raises `InterruptedRunError`.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._deferred = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._handle) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Inside, the first signal is noted and not raised."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        first = self.received is None
        self.received = number
        if not (self._deferred and first):
            raise InterruptedRunError(f"interrupted by {signal.Signals(number).name}", signal=number)
