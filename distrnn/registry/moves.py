"""The roads on which an alias moves: set, delete, promote.

An alias that was promoted through rules keeps them and is guarded: from then on only `promote` moves it, unless somebody overrules
the rules and says why. Every decision is recorded with its figures, also one that moved nothing, and where others moved the alias
while a decision was being made, it is made again against the new holder.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from distrnn.errors import GateRefusedError, NotFoundError
from distrnn.registry.aliases import AliasBook, AliasRecord
from distrnn.registry.manifest import ModelVersion
from distrnn.registry.promotion import Decision, Rule, RuleLike, decide
from distrnn.registry.resolve import live
from distrnn.registry.versions import VersionLog
from distrnn.storage import Store

Measure = Callable[[ModelVersion, str], Mapping[str, Any]]


def set_alias(store: Store, name: str, alias: str, number: int, force_reason: str | None, run_id: str | None) -> AliasRecord:
    """Let an alias name a version; see `Registry.set_alias`."""
    target = live(VersionLog(store, name), number, f"{name}@v{number}")

    def step(record: AliasRecord) -> AliasRecord:
        if record.number == target.number:
            return record
        forced = _overrule(record, force_reason)
        return record.moved("set", target.number, target.digest, reason=force_reason, run_id=run_id, forced=forced)

    return AliasBook(store, name).change(alias, step)


def delete_alias(store: Store, name: str, alias: str, force_reason: str | None, run_id: str | None) -> AliasRecord:
    """Let an alias name nothing; see `Registry.delete_alias`."""

    def step(record: AliasRecord) -> AliasRecord:
        if record.number is None:
            raise NotFoundError(f"model {name!r} has no alias {alias!r}, so there is nothing to delete.")
        forced = _overrule(record, force_reason)
        bare = replace(record, rules=(), evaluation_set=None)
        return bare.moved("delete", None, None, reason=force_reason, run_id=run_id, forced=forced)

    return AliasBook(store, name).change(alias, step)


def promote(
    store: Store,
    version: ModelVersion,
    alias: str,
    rules: Sequence[RuleLike],
    evaluation_set: str | None,
    measure: Measure | None,
    force_reason: str | None,
    run_id: str | None,
) -> Decision:
    """Let a version take an alias if the rules allow it; see `Registry.promote`."""
    book = AliasBook(store, version.name)
    kept = tuple(Rule.of(rule) for rule in rules)
    rivals = sorted({rule.better_than for rule in kept if rule.better_than})
    figures = _Figures(store, version, measure)
    made: list[Decision] = []

    def step(record: AliasRecord) -> AliasRecord:
        measured_on = record.evaluation_set or evaluation_set
        holder = (record if rivals[0] == alias else book.read(rivals[0])).number if rivals else None
        beaten = None if holder is None or holder == version.number else figures.of(holder, measured_on)
        decision = decide(alias, kept, figures.of(version.number, measured_on), beaten, forced=force_reason is not None)
        made.append(decision)
        why = {"reason": force_reason, "run_id": run_id, "forced": decision.forced, "decision": decision.to_json()}
        if not decision.promoted:
            return record.moved("refuse", record.number, record.digest, **why)
        return replace(record, rules=kept, evaluation_set=measured_on).moved("promote", version.number, version.digest, **why)

    book.change(alias, step)
    return made[-1]


class _Figures:
    """The figures of versions on an evaluation set, measured once each."""

    def __init__(self, store: Store, candidate: ModelVersion, measure: Measure | None) -> None:
        self.log = VersionLog(store, candidate.name)
        self.candidate = candidate
        self.measure = measure
        self.known: dict[tuple[int, str | None], Mapping[str, Any]] = {}

    def of(self, number: int, evaluation_set: str | None) -> Mapping[str, Any]:
        """The figures of a version."""
        if (number, evaluation_set) not in self.known:
            candidate = self.candidate
            version = candidate if number == candidate.number else live(self.log, number, f"{candidate.name}@v{number}")
            self.known[number, evaluation_set] = self._look(version, evaluation_set)
        return self.known[number, evaluation_set]

    def _look(self, version: ModelVersion, evaluation_set: str | None) -> Mapping[str, Any]:
        recorded: Mapping[str, Any] = version.metadata.get("metrics") or {}
        own = (version.metadata.get("lineage") or {}).get("evaluation_set")
        if evaluation_set in (None, own):
            return recorded
        if self.measure is None:
            raise GateRefusedError(
                f"{version} was measured on evaluation set {str(own)[:12]}, and the decision needs its figures on "
                f"{str(evaluation_set)[:12]}. Nothing was moved. Run the workflow, which measures both on one set."
            )
        return self.measure(version, str(evaluation_set))


def _overrule(record: AliasRecord, force_reason: str | None) -> bool:
    """Whether rules are being overruled, which takes a reason."""
    if record.rules and not force_reason:
        raise GateRefusedError(
            f"alias {record.alias!r} of {record.name!r} is guarded ({'; '.join(map(str, record.rules))}), so only a promotion through "
            "these rules moves it. Run the workflow, or force the move and say why."
        )
    return bool(record.rules)
