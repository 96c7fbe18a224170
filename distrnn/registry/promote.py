"""The road of an alias through its gate.

Candidate and holders are compared by their figures on one evaluation set: the one that the alias has pinned, or the candidate's own where
it has pinned none or the promotion replaces it, and then the holders are measured on that one too. The decision is recorded with its
figures whether it says yes or no, and where others moved the alias while it was being made, it is made again against the new holder.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from distrnn.errors import GateRefusedError, NotFoundError, UsageError
from distrnn.registry.alias_book import AliasBook
from distrnn.registry.aliases import AliasRecord
from distrnn.registry.manifest import ModelVersion
from distrnn.registry.promotion import Decision, Figures, decide
from distrnn.registry.resolve import live
from distrnn.registry.rules import Rule, RuleLike, Slice
from distrnn.registry.versions import VersionLog
from distrnn.storage import Store

Measure = Callable[[ModelVersion, str, Sequence[Slice]], Figures]


def promote(
    store: Store,
    version: ModelVersion,
    alias: str,
    rules: Sequence[RuleLike] | None,
    evaluation_set: str | None,
    measure: Measure | None,
    reason: str | None,
    force: bool,
    run_id: str | None,
    *,
    replace_evaluation_set: bool = False,
    before_commit: Callable[[], object] | None = None,
) -> Decision:
    """Let a version take an alias if the rules allow it; see `Registry.promote`.

    Raises:
        UsageError: there are no rules to decide by, or no evaluation set to pin.
        GateRefusedError: figures are needed that were not recorded, and there is no `measure`; or the alias has other rules than those
            given, and it is no run whose workflow gives them.
        NotFoundError: the version was deleted.
    """
    asked = tuple(Rule.of(rule) for rule in rules or ())
    own = evaluation_set or _own_set(version)
    if replace_evaluation_set and own is None:
        raise UsageError(f"{version} was published without an evaluation set, so there is none that the alias {alias!r} could pin.")
    book = AliasBook(store, version.name)
    figures = _Figures(store, version, measure, forced=force)
    made: list[Decision] = []
    live(figures.log, version.number, str(version))

    def step(record: AliasRecord) -> AliasRecord:
        kept = asked or record.rules
        if not kept:
            raise UsageError(
                f"alias {alias!r} of {version.name!r} has no rules, so there is nothing to decide by. Give rules with --rule "
                f"'accuracy min=0.8', keep them with `distrnn models alias guard {version.name} {alias} --rule …`, or move the alias with "
                f"`distrnn models alias set {version.name} {alias} v{version.number}`."
            )
        if record.rules and kept != record.rules and run_id is None and not force:
            raise GateRefusedError(
                f"alias {alias!r} of {version.name!r} is guarded by other rules ({'; '.join(map(str, record.rules))}). Nothing was moved. "
                "Leave --rule out to decide by those, or overrule them with --force --reason TEXT."
            )
        on = own if replace_evaluation_set or record.evaluation_set is None else record.evaluation_set
        slices = tuple(dict.fromkeys(rule.slice for rule in kept if rule.slice is not None))
        holders = {
            rival: figures.of_rival((record if rival == alias else book.read(rival)).number, on, slices)
            for rival in dict.fromkeys(rule.better_than for rule in kept)
            if rival is not None
        }
        decision = decide(alias, kept, figures.of(version.number, on, slices), holders, forced=force)
        replaced = record.rules if decision.promoted and record.rules != kept else ()
        decision = replace(decision, evaluation_set=on, replaced_rules=replaced)
        made.append(decision)
        why = {"reason": reason, "run_id": run_id, "forced": decision.forced, "decision": decision.to_json()}
        if not decision.promoted:
            return record.moved("refuse", record.number, record.digest, **why)
        return replace(record, rules=kept, evaluation_set=on).moved("promote", version.number, version.digest, **why)

    book.change(alias, step, before_commit=before_commit)
    return made[-1]


class _Figures:
    """The figures of versions on evaluation sets, measured once each."""

    def __init__(self, store: Store, candidate: ModelVersion, measure: Measure | None, *, forced: bool) -> None:
        self.log = VersionLog(store, candidate.name)
        self.candidate, self.measure, self.forced = candidate, measure, forced
        self.known: dict[tuple[int, str | None, tuple[Slice, ...]], Figures] = {}

    def of_rival(self, number: int | None, evaluation_set: str | None, slices: tuple[Slice, ...]) -> Figures | None:
        """The figures to beat; None where the alias holds nothing, or the candidate itself."""
        return None if number in (None, self.candidate.number) else self.of(int(number or 0), evaluation_set, slices)

    def of(self, number: int, evaluation_set: str | None, slices: tuple[Slice, ...]) -> Figures:
        """The figures of a version, by slice."""
        key = number, evaluation_set, slices
        if key not in self.known:
            try:
                candidate = self.candidate
                version = candidate if number == candidate.number else live(self.log, number, f"{candidate.name}@v{number}")
                self.known[key] = self._look(version, evaluation_set, slices)
            except (GateRefusedError, NotFoundError):
                # What cannot be measured does not stop somebody who answers for the move; the decision shows no figure
                if not self.forced:
                    raise
                self.known[key] = {}
        return self.known[key]

    def _look(self, version: ModelVersion, evaluation_set: str | None, slices: tuple[Slice, ...]) -> Figures:
        recorded = version.metadata.get("metrics")
        whole: Mapping[str, Any] = recorded if isinstance(recorded, dict) else {}
        has_these = evaluation_set in (None, _own_set(version)) and bool(whole or evaluation_set is None)
        if has_these and not slices:
            return {None: whole}
        if self.measure is None or evaluation_set is None:
            where = f"evaluation set {evaluation_set[:12]}" if evaluation_set else "an evaluation set (it was published without one)"
            parts = "".join(f", on its documents of {part.words}" for part in slices)
            raise GateRefusedError(
                f"the decision needs figures of {version} on {where}{parts}, and they were not recorded. Nothing was moved. "
                "Run the workflow, or `distrnn models promote` with the storage root that has the evaluation set: both measure."
            )
        measured = self.measure(version, evaluation_set, slices)
        return {**measured, None: whole} if has_these else measured


def _own_set(version: ModelVersion) -> str | None:
    """The evaluation set that the version's recorded figures are of."""
    lineage = version.metadata.get("lineage")
    found = lineage.get("evaluation_set") if isinstance(lineage, dict) else None
    return found if isinstance(found, str) else None
