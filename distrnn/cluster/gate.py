"""The gate at the end of a run: candidate and holder, measured on one evaluation set, each through its own preprocessing."""

from typing import Any

from distrnn.client import load_model
from distrnn.data.evaluation_set import read_evaluation_set
from distrnn.errors import NotFoundError
from distrnn.evaluation.held_out import measure
from distrnn.registry import ModelVersion, Registry
from distrnn.storage import Store
from distrnn.workflow.sections import Promote


def promote(registry: Registry, version: ModelVersion, rule: Promote, evaluation_set: str, store: Store, run_id: str) -> dict[str, Any]:
    """Move the alias to `version` if its rule allows it; the decision is recorded either way.

    Args:
        registry: holds the alias.
        version: the candidate, published with its figures.
        rule: of the workflow.
        evaluation_set: digest of the set those figures were measured on; a new alias pins it.
        store: the storage root, which keeps evaluation sets.
        run_id: for the alias' history.
    Returns:
        the decision, as `run --json` prints it.
    """

    def measured(other: ModelVersion, on: str) -> dict[str, Any]:
        try:
            _, texts, labels = read_evaluation_set(store, on)
        except NotFoundError:
            raise NotFoundError(
                f"the evaluation set {on[:12]} that the alias {rule.alias!r} is pinned to is not in {store.url}. "
                "Run with the storage root that it was made in."
            ) from None
        return measure(load_model(f"{other.name}@v{other.number}", registry), texts, labels)

    decision = registry.promote(version, rule.alias, [rule], evaluation_set=evaluation_set, measure=measured, run_id=run_id)
    return decision.to_json()


def decided(registry: Registry, version: ModelVersion, rule: Promote, run_id: str) -> dict[str, Any] | None:
    """What the gate said already when a run that goes on asked it before it was stopped."""
    for move in reversed(registry.alias(version.name, rule.alias).history):
        if move.run_id == run_id and move.decision is not None:
            return move.decision
    return None
