"""The list of models, looked at once for everybody who asks within some seconds: a scrape and a page cost the storage nothing then."""

import threading
import time
from dataclasses import dataclass

from distrnn.registry import Registry, Summary


@dataclass(frozen=True)
class Listing:
    """The models of a registry as they were at one moment.

    Attributes:
        summaries: by name.
        at_s: that moment, Unix time.
        took_s: how long it took to find out.
    """

    summaries: tuple[Summary, ...]
    at_s: float
    took_s: float

    def one(self, name: str) -> Summary | None:
        """The summary of a model."""
        return next((found for found in self.summaries if found.name == name), None)


class CachedListing:
    """The newest listing, made again when somebody wants a newer one; one thread at a time makes it, the others wait for it."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._lock = threading.Lock()
        self._made: Listing | None = None
        self._made_at = 0.0

    def get(self, age_s: float) -> Listing:
        """The models; looked up at most `age_s` ago.

        Raises:
            DistrnnError: the storage cannot be read.
        """
        with self._lock:
            if self._made is None or time.monotonic() - self._made_at > age_s:
                began = time.perf_counter()
                found = tuple(self._registry.summaries())
                self._made = Listing(found, time.time(), time.perf_counter() - began)
                self._made_at = time.monotonic()
            return self._made
