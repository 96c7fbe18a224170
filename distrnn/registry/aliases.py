"""Aliases: movable names of versions, with everything that ever moved them.

An alias is one document, replaced by compare-and-swap, so its history holds every acknowledged move exactly once and each move's
`from` is the `to` of the one before. Every document carries the id of the attempt that wrote it: an alias that went from A to B and
back to A between a read and a write is noticed. A deleted alias keeps its document, with no version, for the same reason.
"""

import random
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from distrnn.errors import ConflictError, DistrnnError, IntegrityError
from distrnn.refs import check_alias
from distrnn.registry.layout import alias_key, alias_prefix, timestamp
from distrnn.registry.manifest import SCHEMA_VERSION, parse_document, to_json_bytes
from distrnn.registry.promotion import Rule
from distrnn.storage import Store

_TRIES = 60


@dataclass(frozen=True)
class Move:
    """One entry of an alias' history; numbers are None where the alias held nothing.

    Attributes:
        at: when, ISO 8601 in UTC.
        action: `set`, `promote`, `refuse` (a decision that moved nothing), `delete`.
        from_number: the holder before.
        to_number: the holder after.
        attempt: unique to this write.
        reason: why, where somebody said so.
        run_id: the run that did it.
        forced: whether the alias' rules were overruled.
        decision: the gate's figures.
    """

    at: str
    action: str
    from_number: int | None
    to_number: int | None
    attempt: str
    reason: str | None = None
    run_id: str | None = None
    forced: bool = False
    decision: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """The entry as it stands in the alias."""
        fields = {key: getattr(self, key) for key in ("at", "action", "attempt", "reason", "run_id", "forced", "decision")}
        return {**fields, "from": self.from_number, "to": self.to_number}


@dataclass(frozen=True)
class AliasRecord:
    """What an alias holds (`number` is None where it was deleted or never held anything), and its past, oldest first.

    `updated_at` is the moment of its last move, '' where there was none.
    """

    name: str
    alias: str
    number: int | None = None
    digest: str | None = None
    updated_at: str = ""
    rules: tuple[Rule, ...] = ()
    evaluation_set: str | None = None
    history: tuple[Move, ...] = ()

    def moved(self, action: str, number: int | None, digest: str | None, **why: Any) -> "AliasRecord":
        """The record after one more entry of its history; a refusal is an entry, but no update of what the alias holds."""
        entry = Move(timestamp(), action, self.number, number, uuid.uuid4().hex, **why)
        updated_at = self.updated_at if action == "refuse" else entry.at
        return replace(self, number=number, digest=digest, updated_at=updated_at, history=(*self.history, entry))

    def to_bytes(self) -> bytes:
        """The stored document."""
        document = {
            "schema_version": SCHEMA_VERSION,
            "name": self.name,
            "alias": self.alias,
            "number": self.number,
            "digest": self.digest,
            "updated_at": self.updated_at,
            "rules": [rule.to_json() for rule in self.rules],
            "evaluation_set": self.evaluation_set,
            "history": [move.to_json() for move in self.history],
        }
        return to_json_bytes(document, "an alias")


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
        return self._read(alias)[0]

    def all(self) -> dict[str, AliasRecord]:
        """The aliases that hold a version, by name."""
        return {record.alias: record for record in self._records() if record.number is not None}

    def change(self, alias: str, step: Callable[[AliasRecord], AliasRecord]) -> AliasRecord:
        """Replace an alias' record by what `step` makes of it; when somebody else was first, `step` sees what they wrote.

        Raises:
            ConflictError: others were first again and again.
        """
        for tried in range(_TRIES):
            record, tag = self._read(alias)
            changed = step(record)
            if changed == record or self.store.compare_and_swap(alias_key(self.name, alias), changed.to_bytes(), tag) is not None:
                return changed
            time.sleep(random.random() * min(0.02 * (tried + 1), 0.5))  # noqa: S311
        raise ConflictError(f"alias {alias!r} of {self.name!r} is being moved by many others at once. Nothing was changed; run this again.")

    def _records(self) -> Iterator[AliasRecord]:
        prefix = alias_prefix(self.name)
        for entry in self.store.list(prefix):
            alias = entry.key.removeprefix(prefix).removesuffix(".json")
            try:
                check_alias(alias)
            except DistrnnError:
                continue
            yield self.read(alias)

    def _read(self, alias: str) -> tuple[AliasRecord, str | None]:
        key = alias_key(self.name, check_alias(alias))
        found = self.store.find(key)
        if found is None:
            return AliasRecord(self.name, alias), None
        return parse_alias(found[0], self.name, alias, f"{self.store.url}/{key}"), found[1]


def parse_alias(body: bytes, name: str, alias: str, where: str) -> AliasRecord:
    """Read an alias' document.

    Raises:
        IntegrityError: it is damaged, or another alias'.
    """
    document = parse_document(body, where)
    try:
        if (document["name"], document["alias"]) != (name, alias) or not all(_is_number(document[key]) for key in ("number",)):
            raise ValueError
        rules = tuple(Rule(rule["metric"], rule["min"], rule["max"], rule["better_than"]) for rule in document["rules"])
        history = tuple(_parse_move(move) for move in document["history"])
        held = document["number"], document["digest"], str(document["updated_at"])
        return AliasRecord(name, alias, *held, rules, document["evaluation_set"], history)
    except (KeyError, TypeError, ValueError) as error:
        raise IntegrityError(
            f"{where} is damaged: expected alias {alias!r} of {name!r}. Restore it from a backup, or set the alias anew."
        ) from error


def _parse_move(move: dict[str, Any]) -> Move:
    if not (_is_number(move["from"]) and _is_number(move["to"])):
        raise ValueError
    texts = str(move["at"]), str(move["action"]), move["from"], move["to"], str(move["attempt"])
    return Move(*texts, move["reason"], move["run_id"], bool(move["forced"]), move["decision"])


def _is_number(value: Any) -> bool:
    return value is None or (type(value) is int and value > 0)
