"""Aliases: movable names of versions, with everything that ever moved them.

An alias is one document, replaced by compare-and-swap, so its history holds every acknowledged move exactly once and each move's
`from` is the `to` of the one before. Every document carries the id of the attempt that wrote it: an alias that went from A to B and
back to A between a read and a write is noticed. A deleted alias keeps its document, with no version, for the same reason.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from distrnn.errors import DistrnnError, IntegrityError
from distrnn.refs import check_alias
from distrnn.registry.layout import alias_key, alias_prefix, timestamp
from distrnn.registry.manifest import LIMIT_BYTES, SCHEMA_VERSION, parse_document, to_json_bytes
from distrnn.registry.rules import Rule
from distrnn.storage import Entry, Store

STILL = frozenset({"refuse", "guard"})


@dataclass(frozen=True)
class Move:
    """One entry of an alias' history; numbers are None where the alias held nothing.

    Attributes:
        at: when, ISO 8601 in UTC.
        action: `set`, `promote`, `rollback`, `delete`, `refuse` (a decision that moved nothing), `guard` (new rules), `undo` (the
            version was being deleted).
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
        """The record after one more entry of its history; some entries are no update of what the alias holds."""
        entry = Move(timestamp(), action, self.number, number, uuid.uuid4().hex, **why)
        updated_at = self.updated_at if action in STILL else entry.at
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


def read_alias(store: Store, name: str, alias: str) -> tuple[AliasRecord, str | None]:
    """An alias' record (one without a version where there is no such alias) and its tag.

    Raises:
        IntegrityError: its document is damaged.
    """
    key = alias_key(name, check_alias(alias))
    found = store.find(key, limit_bytes=LIMIT_BYTES)
    if found is None:
        return AliasRecord(name, alias), None
    return parse_alias(found[0], name, alias, f"{store.url}/{key}"), found[1]


def read_aliases(store: Store, name: str) -> Iterator[AliasRecord]:
    """Every alias that a model ever had, by name; those that hold nothing now have no number."""
    aliases = {entry.key: alias for alias, entry in list_aliases(store, name)}
    for key, body in store.read_many(list(aliases), limit_bytes=LIMIT_BYTES):
        if body is not None:
            yield parse_alias(body, name, aliases[key], f"{store.url}/{key}")


def list_aliases(store: Store, name: str) -> Iterator[tuple[str, Entry]]:
    """Each alias that a model ever had, by name, with the entry of its document in a listing of the storage."""
    prefix = alias_prefix(name)
    for entry in store.list(prefix):
        alias = entry.key.removeprefix(prefix).removesuffix(".json")
        if _names_alias(alias):
            yield alias, entry


def parse_alias(body: bytes, name: str, alias: str, where: str) -> AliasRecord:
    """Read an alias' document.

    Raises:
        IntegrityError: it is damaged, or another alias'.
    """
    document = parse_document(body, where)
    try:
        if (document["name"], document["alias"]) != (name, alias) or not all(_is_number(document[key]) for key in ("number",)):
            raise ValueError
        rules = tuple(Rule.from_json(rule) for rule in document["rules"])
        history = tuple(_parse_move(move) for move in document["history"])
        held = document["number"], document["digest"], str(document["updated_at"])
        return AliasRecord(name, alias, *held, rules, document["evaluation_set"], history)
    except (KeyError, TypeError, ValueError) as error:
        raise IntegrityError(
            f"{where} is damaged: expected alias {alias!r} of {name!r}. Restore it from a backup, or remove the file and set the alias "
            "anew."
        ) from error


def _parse_move(move: dict[str, Any]) -> Move:
    if not (_is_number(move["from"]) and _is_number(move["to"])):
        raise ValueError
    texts = str(move["at"]), str(move["action"]), move["from"], move["to"], str(move["attempt"])
    return Move(*texts, move["reason"], move["run_id"], bool(move["forced"]), move["decision"])


def _names_alias(text: str) -> bool:
    try:
        check_alias(text)
    except DistrnnError:
        return False
    return True


def _is_number(value: Any) -> bool:
    return value is None or (type(value) is int and value > 0)
