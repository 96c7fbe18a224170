"""The gate at the end of a run: candidate and holder, measured on one evaluation set, each through its own preprocessing."""

from collections.abc import Callable, Sequence
from typing import Any

from distrnn.evaluation.held_out import measure_version
from distrnn.registry import ModelVersion, Registry
from distrnn.registry.promotion import Figures
from distrnn.registry.rules import Slice
from distrnn.storage import Store
from distrnn.workflow.sections import Promote


def promote(
    registry: Registry,
    version: ModelVersion,
    gate: Promote,
    evaluation_set: str,
    store: Store,
    run_id: str,
    *,
    before_commit: Callable[[], object] | None = None,
) -> dict[str, Any]:
    """Move the alias to `version` if its rules allow it; the decision is recorded either way.

    Args:
        registry: holds the alias.
        version: the candidate, published with its figures.
        gate: of the workflow; its rules take the place of those the alias had.
        evaluation_set: digest of the set that the candidate's figures were measured on.
        store: the storage root, which keeps evaluation sets.
        run_id: for the alias' history.
        before_commit: called as the last thing before the alias' record is written.
    Returns:
        the decision, as `run --json` prints it.
    """

    def measured(other: ModelVersion, on: str, slices: Sequence[Slice]) -> Figures:
        return measure_version(registry, store, other, on, slices)

    decision = registry.promote(
        version,
        gate.alias,
        gate.gate,
        evaluation_set=evaluation_set,
        replace_evaluation_set=gate.evaluation_set == "own",
        measure=measured,
        run_id=run_id,
        before_commit=before_commit,
    )
    return decision.to_json()


def decided(registry: Registry, version: ModelVersion, gate: Promote, run_id: str) -> dict[str, Any] | None:
    """What the gate said already when a run that goes on asked it before it was stopped."""
    for move in reversed(registry.alias(version.name, gate.alias).history):
        if move.run_id == run_id and move.decision is not None:
            return move.decision
    return None
