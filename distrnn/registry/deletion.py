"""Deleting a version: its number stays taken for ever, and no alias is left pointing at nothing.

    mark (the manifest stays readable) ► look at every alias ► tombstone

Whoever moves an alias looks at the version again afterwards (see `aliases`). If the alias was moved before the aliases were looked at, it
is seen here, the mark is taken away and nothing is deleted; if it was moved later, the mark or the tombstone is seen there and the
alias is moved back. A deletion that dies in between leaves the mark, which changes nothing for readers, and the next one goes on.
"""

import uuid

from distrnn.errors import ConflictError, NotFoundError
from distrnn.registry import catalog
from distrnn.registry.aliases import read_aliases
from distrnn.registry.layout import timestamp
from distrnn.registry.manifest import ModelVersion, Tombstone
from distrnn.registry.versions import Slot, VersionLog, being_deleted
from distrnn.storage import Store


def delete(store: Store, name: str, number: int, reason: str) -> Tombstone:
    """Put a tombstone in a version's place.

    Raises:
        NotFoundError: there is no such version, or it was deleted already.
        ConflictError: an alias points at it, or somebody else is at it.
    """
    log = VersionLog(store, name)
    slot = log.slot(number)
    if slot is None or not isinstance(slot.found, ModelVersion):
        deleted = slot is not None and isinstance(slot.found, Tombstone) and slot.found.state == "deleted"
        raise NotFoundError(f"{name}@v{number} {'was deleted already' if deleted else 'does not exist'}; there is nothing to delete.")
    _refuse_where_held(store, slot.found)
    with catalog.changing(store, name):
        tombstone = _delete(store, log, slot, slot.found, reason)
    if tombstone is None:
        _refuse_where_held(store, slot.found)
        raise _disturbed(slot.found)
    return tombstone


def _delete(store: Store, log: VersionLog, slot: Slot, version: ModelVersion, reason: str) -> Tombstone | None:
    """The tombstone; None where an alias was moved to the version meanwhile."""
    tag = log.replace(version.number, being_deleted(version, reason), slot.tag)
    if tag is None:
        raise _disturbed(version)
    if _holders(store, version):
        log.replace(version.number, version.body, tag)
        return None
    tombstone = Tombstone(version.name, version.number, timestamp(), reason)
    if log.replace(version.number, tombstone.to_bytes(uuid.uuid4().hex), tag) is None:
        raise _disturbed(version)
    return tombstone


def _holders(store: Store, version: ModelVersion) -> list[str]:
    return [record.alias for record in read_aliases(store, version.name) if record.number == version.number]


def _refuse_where_held(store: Store, version: ModelVersion) -> None:
    if holders := _holders(store, version):
        aliases = ", ".join(f"{version.name}@{alias}" for alias in holders)
        raise ConflictError(f"{version} is held by {aliases}, so it was not deleted. Move or delete the alias first.")


def _disturbed(version: ModelVersion) -> ConflictError:
    return ConflictError(f"{version} is being changed by somebody else. Look at it with `distrnn models show {version}` and try again.")
