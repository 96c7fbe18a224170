"""The records of schedules in a registry's store: what lets any number of schedulers, on any machines, agree who does what.

A state is moved by compare-and-swap, so of several schedulers exactly one gets a turn, and one that has lost its lease finds out at its
next write. A decision is written before the state forgets the turn that it was about: whoever dies in between leaves a decision that the
next one only has to take note of.
"""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from pydantic import ValidationError

from distrnn.errors import AccessError, DistrnnError, IntegrityError, StorageError
from distrnn.refs import check_name
from distrnn.registry.layout import SCHEDULES, decision_key, decision_prefix, schedule_key
from distrnn.registry.manifest import LIMIT_BYTES, parse_document, to_json_bytes
from distrnn.retraining.state import Entry, Record, State
from distrnn.storage import Store

RecordType = TypeVar("RecordType", bound=Record)
Damaged = Callable[[DistrnnError], object]


def _refuse(error: DistrnnError) -> None:
    raise error


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

    def states(self, damaged: Damaged = _refuse) -> list[State]:
        """The state of every scheduled workflow, by name.

        Args:
            damaged: told of each record that cannot be used; default: that is an error.
        """
        found = []
        for name in self.workflows():
            with _hides_no_other(damaged):
                if (held := self.read(name)) is not None:
                    found.append(held.state)
        return found

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
        written = self.store.compare_and_swap(state.key, to_json_bytes(document, "a schedule"), tag)
        return Held(state, written) if written is not None else None

    def decide(self, entry: Entry) -> Entry:
        """Write a decision down, once; returns the one that stands, which is somebody else's where that was first."""
        key = entry.key
        body = to_json_bytes(entry.model_dump(mode="json") | {"write": uuid.uuid4().hex}, "a decision")
        if self.store.create_if_absent(key, body):
            return entry
        return self._parse(self.store.read(key, limit_bytes=LIMIT_BYTES), key, Entry)

    def decision(self, workflow: str, number: int) -> Entry | None:
        """One decision; None where there is none with this number."""
        key = decision_key(workflow, number)
        found = self.store.find(key, limit_bytes=LIMIT_BYTES)
        return self._parse(found[0], key, Entry) if found else None

    def history(self, workflow: str, damaged: Damaged = _refuse) -> Iterator[Entry]:
        """The decisions of a workflow, newest first.

        Args:
            workflow: whose.
            damaged: told of each record that cannot be used; default: that is an error.
        """
        keys = [entry.key for entry in self.store.list(decision_prefix(check_name(workflow, "workflow")))]
        for key, body in self.store.read_many(keys[::-1], limit_bytes=LIMIT_BYTES):
            if body is not None:
                with _hides_no_other(damaged):
                    yield self._parse(body, key, Entry)

    def _parse(self, body: bytes, key: str, kind: type[RecordType]) -> RecordType:
        """A record that is what its place says, and that can be written again."""
        where = f"{self.store.url}/{key}"
        try:
            record = kind.model_validate(parse_document(body, where))
            record.model_dump_json()
        except ValidationError as error:
            first = error.errors()[0]
            at = ".".join(str(part) for part in first["loc"])
            raise _damaged(where, f"expected {at or 'a record'} to be valid. Received: {first['msg'].lower()}") from None
        except ValueError:  # nested too deep, or a text that is none
            raise _damaged(where, "expected plain JSON. Received: what cannot be written again") from None
        if record.key != key:
            raise _damaged(where, f"expected the record of this place. Received: the one of {record.key}")
        return record


def _damaged(where: str, reason: str) -> IntegrityError:
    return IntegrityError(f"{where} is damaged: {reason}. Restore it from a backup, or remove it.")


@contextmanager
def _hides_no_other(damaged: Damaged) -> Iterator[None]:
    """Read one record of several; storage that does not answer is an error of all."""
    try:
        yield
    except (AccessError, StorageError):
        raise
    except DistrnnError as error:
        damaged(error)
