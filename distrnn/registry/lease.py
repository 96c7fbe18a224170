"""The lease of whoever removes blobs of a model, and how publishers wait for it.

A publisher that finds a blob in place skips its upload, and a cleaner that finds no manifest for it removes it: together they would
lose it. So the cleaner takes this lease first and looks at who is at work afterwards; a publisher says that it is at work first and
looks at the lease afterwards. Whichever came second sees the other.

A lease ends by itself, so a cleaner that died holds nobody up for long. A cleaner therefore removes nothing unless it has `MARGIN` before
it, which is longer than any request lives, and everybody else allows for clocks that differ by `SKEW`.
"""

import time
import uuid
from datetime import UTC, datetime, timedelta

from distrnn.errors import ConflictError, IntegrityError
from distrnn.registry.layout import lease_key, moment_of, timestamp
from distrnn.registry.manifest import LIMIT_BYTES, SCHEMA_VERSION, parse_document, to_json_bytes
from distrnn.storage import Store

DURATION = timedelta(minutes=5)
MARGIN = timedelta(minutes=2)
SKEW = timedelta(minutes=1)
_POLL_S = 0.5


class Lease:
    """The right to remove blobs of one model, for a while."""

    def __init__(self, store: Store, name: str) -> None:
        self.store, self.name, self.key = store, name, lease_key(name)
        self.holder = uuid.uuid4().hex
        self._tag: str | None = None
        self._expires = datetime.min.replace(tzinfo=UTC)

    def acquire(self) -> None:
        """Take it.

        Raises:
            ConflictError: somebody else has it.
        """
        tag, expires = _look(self.store, self.name)
        if expires is not None and datetime.now(UTC) < expires + SKEW:
            raise ConflictError(
                f"another gc of {self.name!r} is at work (until {timestamp(expires)[:19]}Z at the latest). Nothing was removed; "
                "run this again when it is done."
            )
        self._tag = tag
        self._write(datetime.now(UTC) + DURATION)

    def ensure(self) -> None:
        """Make sure that what is removed now is removed while the lease lasts; renews it.

        Raises:
            ConflictError: it was lost.
        """
        now = datetime.now(UTC)
        if self._expires - now < MARGIN:
            if now > self._expires:
                raise self._lost()
            self._write(now + DURATION)

    def release(self) -> None:
        """Give it back."""
        if self._tag is not None and datetime.now(UTC) < self._expires:
            self._write(None)

    def _write(self, expires: datetime | None) -> None:
        document = {
            "schema_version": SCHEMA_VERSION,
            "name": self.name,
            "holder": self.holder,
            "attempt": uuid.uuid4().hex,
            "expires_at": timestamp(expires) if expires else None,
        }
        tag = self.store.compare_and_swap(self.key, to_json_bytes(document, "a lease"), self._tag)
        if tag is None:
            raise self._lost()
        self._tag, self._expires = tag, expires or self._expires

    def _lost(self) -> ConflictError:
        return ConflictError(f"another gc of {self.name!r} took over. What was removed until now was nobody's; run this again later.")


def wait_until_free(store: Store, name: str) -> None:
    """Wait while somebody removes blobs of a model."""
    while (expires := _look(store, name)[1]) is not None and datetime.now(UTC) < expires + SKEW:
        pause(_POLL_S)


def pause(seconds: float) -> None:
    """Wait for somebody else."""
    time.sleep(seconds)


def _look(store: Store, name: str) -> tuple[str | None, datetime | None]:
    """The lease's tag, and until when it is held (None: it is free)."""
    key = lease_key(name)
    found = store.find(key, limit_bytes=LIMIT_BYTES)
    if found is None:
        return None, None
    where = f"{store.url}/{key}"
    text = parse_document(found[0], where).get("expires_at")
    expires = moment_of(text)
    if text is not None and expires is None:
        raise IntegrityError(f"{where} is damaged: expected expires_at. Received: {text!r}. Remove the file when no gc is at work.")
    return found[1], expires
