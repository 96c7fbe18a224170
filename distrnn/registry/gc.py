"""Removing what nobody refers to.

    lease ► versions beyond the retention become tombstones ► announcements ► manifests ► list of blobs ► remove ► lease given back

Announcements are read before manifests: a publisher whose announcement is gone by then has committed, so its manifest is read. One
that announces itself later sees the lease and waits (see `lease`). Where a document cannot be read nobody knows what it refers to,
and nothing of that model is removed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from distrnn.errors import ConflictError, NotFoundError
from distrnn.registry import catalog
from distrnn.registry.aliases import read_aliases
from distrnn.registry.deletion import delete
from distrnn.registry.layout import CATALOG, blob_prefix, content_prefix, pending_prefix
from distrnn.registry.lease import SKEW, Lease
from distrnn.registry.manifest import LIMIT_BYTES, parse_document
from distrnn.registry.pending import announcements
from distrnn.registry.retention import Retention, beyond
from distrnn.registry.versions import VersionLog
from distrnn.storage import Store

GRACE = timedelta(hours=24)
_REASON = "beyond the retention rule"


@dataclass(frozen=True)
class Collected:
    """What was removed of a model, or would be.

    Attributes:
        name: the model.
        versions: numbers that became tombstones.
        blobs: how many files nobody refers to.
        blob_bytes: their size.
        uploads: how many uploads nobody completed.
        leftovers: announcements of dead writers, and notes of content that is no longer there.
    """

    name: str
    versions: tuple[int, ...] = ()
    blobs: int = 0
    blob_bytes: int = 0
    uploads: int = 0
    leftovers: int = 0

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON."""
        return {**asdict(self), "versions": list(self.versions)}


def collect(store: Store, name: str, *, retention: Retention, grace: timedelta = GRACE, apply: bool = False) -> Collected:
    """Remove what nobody refers to in one model.

    Args:
        store: the registry.
        name: the model.
        retention: which versions stay.
        grace: what is younger stays, whoever refers to it.
        apply: really remove it; otherwise only say what would go.
    Raises:
        NotFoundError: there is no such model.
        IntegrityError: a document is damaged; nothing was removed.
        ConflictError: another gc is at work.
    """
    if VersionLog(store, name).head() == 0 and not any(True for _ in store.list(f"{name}/")):
        raise NotFoundError(f"registry {store.url} has no model {name!r}, so there is nothing to clean.")
    lease = Lease(store, name)
    with _held(lease, apply):
        now = datetime.now(UTC)
        gone = _expire(store, name, retention, now, apply)
        kept, stale, since = _announced(store, name, now)
        live, used = _live(store, name, set(gone))
        kept |= used
        blobs = [entry for entry in store.list(blob_prefix(name)) if entry.modified < now - grace and entry.key[-64:] not in kept]
        places = (f"{name}/", pending_prefix(name), CATALOG)
        uploads = [upload for place in places for upload in store.abandoned_uploads(place, min(now - grace, since))]
        notes = list(_stale_notes(store, name, live))
        if apply:
            for entry in blobs:
                lease.ensure()
                store.delete(entry.key)
            for upload in uploads:
                lease.ensure()
                store.abort_upload(upload)
            if stale:
                catalog.refresh(store, name)
            for key in [*stale, *notes]:
                store.delete(key)
    return Collected(name, gone, len(blobs), sum(entry.size_bytes for entry in blobs), len(uploads), len(stale) + len(notes))


@contextmanager
def _held(lease: Lease, apply: bool) -> Iterator[None]:
    if not apply:
        yield
        return
    lease.acquire()
    try:
        yield
    finally:
        lease.release()


def _expire(store: Store, name: str, retention: Retention, now: datetime, apply: bool) -> tuple[int, ...]:
    if retention.keeps_everything:
        return ()
    versions = [(version.number, version.manifest.created_at) for version in VersionLog(store, name).newest_first()]
    gone = beyond(retention, versions, list(read_aliases(store, name)), now)
    return tuple(number for number in gone if not apply or _deleted(store, name, number))


def _deleted(store: Store, name: str, number: int) -> bool:
    """Delete a version, unless an alias was moved to it, or somebody deleted it, since the decision."""
    try:
        delete(store, name, number, _REASON)
    except (ConflictError, NotFoundError):
        return False
    return True


def _announced(store: Store, name: str, now: datetime) -> tuple[set[str], list[str], datetime]:
    """The blobs that writers at work are about to use, the announcements of dead ones, and since when anybody has been at work.

    An upload that was begun before that is nobody's. Of uploads to the catalog, which all models share, the same is only likely, and one
    that is lost costs a summary that is worked out again.
    """
    found = list(announcements(store, name))
    alive = [one for one in found if one.alive(now)]
    since = min((one.started - SKEW for one in alive), default=now)
    return {digest for one in alive for digest in one.digests}, [one.key for one in found if not one.alive(now)], since


def _live(store: Store, name: str, without: set[int]) -> tuple[set[int], set[str]]:
    """The numbers of the versions that stay, and the blobs they refer to."""
    numbers: set[int] = set()
    digests: set[str] = set()
    for version in VersionLog(store, name).newest_first():
        if version.number not in without:
            numbers.add(version.number)
            digests |= {file.sha256 for file in version.manifest.files}
    return numbers, digests


def _stale_notes(store: Store, name: str, live: set[int]) -> Iterator[str]:
    keys = [entry.key for entry in store.list(content_prefix(name))]
    for key, body in store.read_many(keys, limit_bytes=LIMIT_BYTES):
        if body is not None and parse_document(body, f"{store.url}/{key}").get("number") not in live:
            yield key
