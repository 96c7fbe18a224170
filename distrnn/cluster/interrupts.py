"""SIGINT and SIGTERM: at once wherever nothing is at stake, and while training only after a checkpoint."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

from distrnn.errors import InterruptedRunError

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption(BaseException):
    """A signal arrived; leaves `interruptible` as `InterruptedRunError`."""


class Interrupts:
    """Handles both signals; outside the main thread it does nothing.

    The first signal while `deferred` is only noted in `received`; every other one raises `Interruption` where the program stands.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._deferred = False

    @contextlib.contextmanager
    def handled(self) -> Iterator[None]:
        """Inside, signals are handled; an interruption leaves it as an error.

        Raises:
            InterruptedRunError: a signal arrived.
        """
        in_main = threading.current_thread() is threading.main_thread()
        before: dict[int, Any] = {number: signal.signal(number, self._handle) for number in SIGNALS} if in_main else {}
        try:
            yield
        except Interruption:
            number = self.received or signal.SIGINT
            raise InterruptedRunError(f"interrupted by {signal.Signals(number).name}", signal=number) from None
        finally:
            for number, handler in before.items():
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
            raise Interruption


@contextlib.contextmanager
def kept_handlers() -> Iterator[None]:
    """Restore the signal handlers that a library replaces inside.

    `ray.init` takes SIGTERM for itself, and `ray.shutdown` gives it back to the system behind Python's back, so both are set anew.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
