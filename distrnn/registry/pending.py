"""Writers at work: what they are about to use, and that the model's summary may be behind.

A writer announces itself before it changes anything and takes the announcement away when the catalog is up to date again. Where it
could not bring the catalog up to date (or does not know whether its change went through) the announcement stays until it expires, so
whoever lists models knows which summaries not to trust, and a cleaner knows which blobs are about to be referred to.
"""

import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType

from distrnn.errors import DistrnnError, IntegrityError
from distrnn.registry.layout import PENDING, moment_of, pending_key, pending_prefix, timestamp
from distrnn.registry.lease import SKEW
from distrnn.registry.manifest import LIMIT_BYTES, SCHEMA_VERSION, parse_document, to_json_bytes
from distrnn.storage import Store

LIFETIME = timedelta(hours=24)


class Pending:
    """One writer's announcement.

    Attributes:
        keep: leave it behind: the catalog may not show what was done.
    """

    def __init__(self, store: Store, name: str, digests: Iterable[str] = ()) -> None:
        self.store, self.name = store, name
        self.attempt = uuid.uuid4().hex
        self.key = pending_key(name, self.attempt)
        self.keep = False
        self._digests = sorted(set(digests))
        self._started_at = timestamp()
        self._expires = datetime.min.replace(tzinfo=UTC)

    def __enter__(self) -> "Pending":
        self.renew()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Take it away, if it was written and need not stay."""
        if self._expires.year > 1 and not self.keep:
            self.remove()

    def renew(self) -> None:
        """Write it, unless it still has most of its time before it."""
        now = datetime.now(UTC)
        if self._expires - now < LIFETIME * 2 / 3:
            self._expires = now + LIFETIME
            document = {
                "schema_version": SCHEMA_VERSION,
                "name": self.name,
                "attempt": self.attempt,
                "started_at": self._started_at,
                "expires_at": timestamp(self._expires),
                "digests": self._digests,
            }
            self.store.put(self.key, to_json_bytes(document, "an announcement"))

    def remove(self) -> None:
        """Take it away; one that stays behind expires."""
        with suppress(DistrnnError):
            self.store.delete(self.key)


@dataclass(frozen=True)
class Announcement:
    """What an announcement said when it was read."""

    key: str
    digests: frozenset[str]
    started: datetime
    expires: datetime

    def alive(self, now: datetime) -> bool:
        """Whether its writer may still be at work."""
        return now < self.expires + SKEW


def announcements(store: Store, name: str) -> Iterator[Announcement]:
    """Who is at work on a model.

    Raises:
        IntegrityError: one cannot be read, so nobody knows what it is about to use.
    """
    keys = [entry.key for entry in store.list(pending_prefix(name))]
    for key, body in store.read_many(keys, limit_bytes=LIMIT_BYTES):
        if body is None:
            continue
        where = f"{store.url}/{key}"
        document = parse_document(body, where)
        digests, started, expires = document.get("digests"), moment_of(document.get("started_at")), moment_of(document.get("expires_at"))
        known = isinstance(digests, list) and all(isinstance(digest, str) for digest in digests)
        if not known or started is None or expires is None:
            raise IntegrityError(
                f"{where} is damaged: expected digests, started_at and expires_at. Remove the file when nobody publishes {name!r}."
            )
        yield Announcement(key, frozenset(digests or ()), started, expires)


def busy_models(store: Store) -> set[str]:
    """The models that somebody is, or was, at work on: their summaries are not to be trusted."""
    return {entry.key.removeprefix(PENDING).partition("/")[0] for entry in store.list(PENDING)}
