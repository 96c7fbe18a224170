"""Stores that stand in the way: counting, interrupting, losing answers, letting several writers win."""

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from distrnn.storage import Store


class Watched:
    """A store that calls `before` and `after` around every operation, and counts them.

    `before` and `after` get the operation's name and its key, and may raise.
    """

    def __init__(
        self, store: Store, before: Callable[[str, str], None] | None = None, after: Callable[[str, str], None] | None = None
    ) -> None:
        self._store = store
        self._before = before
        self._after = after
        self.calls: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if not callable(found) or name.startswith("_"):
            return found

        def watched(key: str = "", *arguments: Any, **named: Any) -> Any:
            self.calls[name] += 1
            if self._before is not None:
                self._before(name, key)
            result = found(key, *arguments, **named)
            if self._after is not None:
                self._after(name, key)
            return result

        return watched

    @property
    def requests(self) -> int:
        return sum(self.calls.values())


class Forgetful(Watched):
    """Look before you write: what servers without a real conditional PUT do. One after the other it looks fine."""

    def __init__(self, store: Store, writers: int) -> None:
        super().__init__(store)
        self._together = threading.Barrier(writers)

    is_local = False

    def create_if_absent(self, key: str, body: bytes) -> bool:
        absent = self._store.size(key) is None
        self._together.wait(timeout=10)
        if absent:
            self._store.put(key, body)
        return absent
