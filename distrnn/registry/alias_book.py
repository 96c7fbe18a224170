"""Changing an alias: one compare-and-swap, and what must be true around it.

An alias never stays at a version that is being deleted: after the move the version is looked at again, and where a mark or a tombstone
stands (see `deletion`), the alias goes back to what it held, with an entry in its history that says so.
"""

from collections.abc import Callable
from contextlib import suppress

from distrnn.errors import ConflictError, DistrnnError
from distrnn.registry import catalog
from distrnn.registry.aliases import AliasRecord, read_alias, read_aliases
from distrnn.registry.layout import alias_key
from distrnn.registry.manifest import ModelVersion
from distrnn.registry.pending import Pending
from distrnn.registry.turns import turns
from distrnn.registry.versions import VersionLog
from distrnn.storage import Store

Step = Callable[[AliasRecord], AliasRecord]


class AliasBook:
    """The aliases of one model."""

    def __init__(self, store: Store, name: str) -> None:
        self.store = store
        self.name = name

    def read(self, alias: str) -> AliasRecord:
        """An alias' record; one without a version where there is no such alias.

        Raises:
            IntegrityError: its document is damaged.
        """
        return read_alias(self.store, self.name, alias)[0]

    def all(self) -> dict[str, AliasRecord]:
        """The aliases that hold a version, by name."""
        return {record.alias: record for record in read_aliases(self.store, self.name) if record.number is not None}

    def change(self, alias: str, step: Step, *, before_commit: Callable[[], object] | None = None) -> AliasRecord:
        """Replace an alias' record by what `step` makes of it; when somebody else was first, `step` sees what they wrote.

        Args:
            alias: which.
            step: the new record from the present one.
            before_commit: called as the last thing before each try; the record stays as it was where it raises.
        Raises:
            ConflictError: others were first again and again, or the version was being deleted; the alias holds what it held.
        """
        pending = Pending(self.store, self.name)
        try:
            before, after = self._swap(alias, step, pending, before_commit)
            if after == before:
                return after
            undone = after.number is not None and after.number != before.number and not self._stands(after.number)
            if undone:
                self._swap(alias, lambda record: self._back(record, before, after), pending, None)
            with suppress(DistrnnError):
                catalog.refresh(self.store, self.name, alias=alias)
                pending.keep = False
        finally:
            pending.close()
        if undone:
            raise ConflictError(f"{self.name}@v{after.number} is being deleted, so {alias!r} was not moved to it. Choose another version.")
        return after

    def _swap(
        self, alias: str, step: Step, pending: Pending, before_commit: Callable[[], object] | None
    ) -> tuple[AliasRecord, AliasRecord]:
        for _ in turns():
            record, tag = read_alias(self.store, self.name, alias)
            changed = step(record)
            if changed == record:
                return record, record
            pending.renew()
            if before_commit is not None:
                before_commit()
            pending.keep = True  # until it is known whether the alias was moved, and the catalog shows it
            if self.store.compare_and_swap(alias_key(self.name, alias), changed.to_bytes(), tag) is not None:
                return record, changed
            pending.keep = False
        raise ConflictError(f"alias {alias!r} of {self.name!r} is being moved by many others at once. Nothing was changed; run this again.")

    def _stands(self, number: int) -> bool:
        slot = VersionLog(self.store, self.name).slot(number)
        return slot is not None and isinstance(slot.found, ModelVersion) and not slot.deleting

    def _back(self, record: AliasRecord, before: AliasRecord, after: AliasRecord) -> AliasRecord:
        """What the alias held before, unless somebody has moved it on already."""
        if record.history != after.history:
            return record
        held = before.number is not None and self._stands(before.number)
        number, digest = (before.number, before.digest) if held else (None, None)
        return record.moved("undo", number, digest, reason=f"v{after.number} was being deleted")
