"""The roads on which an alias moves, promotion apart: set, delete, rollback; and how it is guarded.

An alias with rules is guarded: only a promotion through them, or a rollback to what it held before, moves it, unless somebody
overrules the rules and says why.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from distrnn.errors import ConflictError, GateRefusedError, NotFoundError, UsageError
from distrnn.registry.alias_book import AliasBook
from distrnn.registry.aliases import AliasRecord, Move
from distrnn.registry.manifest import ModelVersion
from distrnn.registry.resolve import live
from distrnn.registry.rules import Rule
from distrnn.registry.versions import VersionLog
from distrnn.storage import Store


def set_alias(
    store: Store, name: str, alias: str, number: int, *, reason: str | None = None, force: bool = False, run_id: str | None = None
) -> AliasRecord:
    """Let an alias name a version; see `Registry.set_alias`."""
    require_reason(force, reason)
    target = live(VersionLog(store, name), number, f"{name}@v{number}")

    def step(record: AliasRecord) -> AliasRecord:
        if record.number == target.number:
            return record
        forced = _overrule(record, force)
        return record.moved("set", target.number, target.digest, reason=reason, run_id=run_id, forced=forced)

    return AliasBook(store, name).change(alias, step)


def delete_alias(
    store: Store, name: str, alias: str, *, reason: str | None = None, force: bool = False, run_id: str | None = None
) -> AliasRecord:
    """Let an alias name nothing; see `Registry.delete_alias`."""
    require_reason(force, reason)

    def step(record: AliasRecord) -> AliasRecord:
        if record.number is None:
            raise NotFoundError(f"model {name!r} has no alias {alias!r}, so there is nothing to delete.")
        forced = _overrule(record, force)
        bare = replace(record, rules=(), evaluation_set=None)
        return bare.moved("delete", None, None, reason=reason, run_id=run_id, forced=forced)

    return AliasBook(store, name).change(alias, step)


def guard(store: Store, name: str, alias: str, rules: Sequence[Rule], *, reason: str | None = None, force: bool = False) -> AliasRecord:
    """Give an alias its rules; see `Registry.guard`."""
    require_reason(force, reason)
    if VersionLog(store, name).head() == 0:
        raise NotFoundError(f"registry {store.url} has no model {name!r}. Publish it first.")

    def step(record: AliasRecord) -> AliasRecord:
        if record.rules == tuple(rules):
            return record
        forced = _overrule(record, force)
        guarded = replace(record, rules=tuple(rules))
        return guarded.moved("guard", record.number, record.digest, reason=reason, forced=forced)

    return AliasBook(store, name).change(alias, step)


def rollback(
    store: Store,
    name: str,
    alias: str,
    check: Callable[[ModelVersion], object],
    *,
    reason: str | None = None,
    run_id: str | None = None,
) -> AliasRecord:
    """Let an alias name what it named before; see `Registry.rollback`."""
    book = AliasBook(store, name)
    seen = book.read(alias)
    number = previous_holder(seen.history)
    if number is None:
        raise NotFoundError(f"{name}@{alias} held no other version before, so there is nothing to go back to.")
    target = live(VersionLog(store, name), number, f"{name}@v{number}, which {name}@{alias} held before,")
    check(target)

    def step(record: AliasRecord) -> AliasRecord:
        if previous_holder(record.history) != number or record.number != seen.number:
            raise ConflictError(f"{name}@{alias} was moved by somebody else meanwhile. Nothing was changed; look at it and try again.")
        return record.moved("rollback", target.number, target.digest, reason=reason, run_id=run_id)

    return book.change(alias, step)


def previous_holder(history: Sequence[Move]) -> int | None:
    """The version that an alias held before the one it holds; after a rollback the one before that, and so on."""
    held: list[int | None] = [None]
    for move in history:
        if move.to_number == held[-1]:
            continue
        if move.action in ("rollback", "undo") and move.to_number in held:
            while held[-1] != move.to_number:
                held.pop()
        else:
            held.append(move.to_number)
    return held[-2] if len(held) > 1 else None


def require_reason(force: bool, reason: str | None) -> None:
    """Refuse to overrule rules without a reason.

    Raises:
        UsageError: there is none.
    """
    if force and not (reason or "").strip():
        raise UsageError("overruling an alias' rules needs a reason, which is recorded. Say why.")


def _overrule(record: AliasRecord, force: bool) -> bool:
    """Whether rules are being overruled, which somebody must answer for."""
    if record.rules and not force:
        raise GateRefusedError(
            f"alias {record.alias!r} of {record.name!r} is guarded ({'; '.join(map(str, record.rules))}), so only a promotion through "
            "these rules or a rollback moves it. Run the workflow, or force the change and say why."
        )
    return bool(record.rules)
