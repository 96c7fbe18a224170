"""Answers that are kept for a moment: two hundred who ask the same within two seconds cost the storage what one does.

Only what is shown is kept, never the objects that `pull` reads; who has just published pulls what was published. Of several who ask for
the same at once, one works it out and the others wait for it.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

_ENTRIES = 256
_ENTRY_BYTES = 256 << 10
_STRIPES = 64


class Held:
    """Bodies of answers by what was asked.

    Args:
        age_s: how old one may be; 0 keeps none.
        clock: gives seconds.
    """

    def __init__(self, age_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._age_s, self._clock = age_s, clock
        self._kept: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._lock = threading.Lock()
        self._making = [threading.Lock() for _ in range(_STRIPES)]
        self._cleared = 0

    def get(self, asked: str, make: Callable[[], bytes]) -> bytes:
        """The body for what was asked, made anew where the one that is kept is too old; what `make` raises is kept by nobody."""
        if self._age_s == 0.0:
            return make()
        if (body := self._young(asked)) is not None:
            return body
        with self._making[hash(asked) % _STRIPES]:
            if (body := self._young(asked)) is not None:
                return body
            began, cleared = self._clock(), self._cleared
            body = make()
            self._keep(asked, began, body, cleared)
        return body

    def clear(self) -> None:
        """Keep nothing of what was answered until now, nor of what is being worked out: something has changed."""
        with self._lock:
            self._cleared += 1
            self._kept.clear()

    def _young(self, asked: str) -> bytes | None:
        with self._lock:
            found = self._kept.get(asked)
            return found[1] if found is not None and self._clock() - found[0] <= self._age_s else None

    def _keep(self, asked: str, began: float, body: bytes, cleared: int) -> None:
        with self._lock:
            if len(body) <= _ENTRY_BYTES and cleared == self._cleared:
                self._kept[asked] = began, body
                self._kept.move_to_end(asked)
                if len(self._kept) > _ENTRIES:
                    self._kept.popitem(last=False)
