"""The records of schedules in a registry's store: what lets any number of schedulers, on any machines, agree who does what.

A state is moved by compare-and-swap, so of several schedulers exactly one gets a turn, and one that has lost its lease finds out at its
next write. A decision is written before the state forgets the turn that it was about: whoever dies in between leaves a decision that the
next one only has to take note of.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from pydantic import ValidationError

from distrnn.errors import IntegrityError
from distrnn.refs import check_name
from distrnn.registry.layout import SCHEDULES, decision_key, decision_prefix, schedule_key
from distrnn.registry.manifest import LIMIT_BYTES, parse_document, to_json_bytes
from distrnn.retraining.state import Entry, Record, State
from distrnn.storage import Store

RecordType = TypeVar("RecordType", bound=Record)


@dataclass(frozen=True)
class Held:
    """A state as it was read or written, and the tag that replaces it."""

    state: State
    tag: str


class Book:
    """The schedules that are kept in one registry.

    Args:
        store: the registry's.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    def workflows(self) -> list[str]:
        """The names of all scheduled workflows, sorted."""
        return sorted(self.store.folders(SCHEDULES))

    def states(self) -> list[State]:
        """The state of every scheduled workflow, by name."""
        found = (self.read(name) for name in self.workflows())
        return [held.state for held in found if held is not None]

    def read(self, workflow: str) -> Held | None:
        """The state of a workflow; None where no scheduler has seen it yet.

        Raises:
            IntegrityError: the record is damaged.
        """
        key = schedule_key(check_name(workflow, "workflow"))
        found = self.store.find(key, limit_bytes=LIMIT_BYTES)
        return Held(self._parse(found[0], key, State), found[1]) if found else None

    def swap(self, state: State, tag: str | None) -> Held | None:
        """Replace a state (None: write the first one); None where somebody else was first."""
        document = state.model_dump(mode="json") | {"attempt": uuid.uuid4().hex}
        written = self.store.compare_and_swap(schedule_key(state.workflow), to_json_bytes(document, "a schedule"), tag)
        return Held(state, written) if written is not None else None

    def decide(self, entry: Entry) -> Entry:
        """Write a decision down, once; returns the one that stands, which is somebody else's where that was first."""
        key = decision_key(entry.workflow, entry.number)
        body = to_json_bytes(entry.model_dump(mode="json") | {"write": uuid.uuid4().hex}, "a decision")
        if self.store.create_if_absent(key, body):
            return entry
        return self._parse(self.store.read(key, limit_bytes=LIMIT_BYTES), key, Entry)

    def decision(self, workflow: str, number: int) -> Entry | None:
        """One decision; None where there is none with this number."""
        key = decision_key(workflow, number)
        found = self.store.find(key, limit_bytes=LIMIT_BYTES)
        return self._parse(found[0], key, Entry) if found else None

    def history(self, workflow: str) -> Iterator[Entry]:
        """The decisions of a workflow, newest first."""
        keys = [entry.key for entry in self.store.list(decision_prefix(check_name(workflow, "workflow")))]
        for key, body in self.store.read_many(keys[::-1], limit_bytes=LIMIT_BYTES):
            if body is not None:
                yield self._parse(body, key, Entry)

    def _parse(self, body: bytes, key: str, kind: type[RecordType]) -> RecordType:
        where = f"{self.store.url}/{key}"
        try:
            return kind.model_validate(parse_document(body, where))
        except ValidationError as error:
            first = error.errors()[0]
            at = ".".join(str(part) for part in first["loc"])
            reason = f"expected {at or 'a record'} to be valid. Received: {first['msg'].lower()}"
            raise IntegrityError(f"{where} is damaged: {reason}. Restore it from a backup, or remove it.") from None
