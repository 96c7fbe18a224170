"""The gate at the end of a run: candidate and holder, measured on one evaluation set, each through its own preprocessing."""

import tempfile
from typing import Any

from distrnn.data.dataset import read_evaluation_set
from distrnn.errors import NotFoundError
from distrnn.evaluation.held_out import measure
from distrnn.client import load_model
from distrnn.registry import ModelVersion, Registry
from distrnn.registry.promotion import Rule, decide
from distrnn.storage import Store
from distrnn.workflow.sections import Promote


def promote(
    registry: Registry, version: ModelVersion, rule: Promote, evaluation_set: str, metrics: dict[str, Any], store: Store, run_id: str
) -> dict[str, Any]:
    """Move the alias to `version` if its rule allows it; the decision is recorded either way.

    The figures are those on the evaluation set that the alias has pinned, or, for a new alias, on the candidate's own, which it pins then.

    Args:
        registry: holds the alias.
        version: the candidate.
        rule: of the workflow.
        evaluation_set: digest of the set that `metrics` were measured on.
        metrics: of the candidate.
        store: the storage root, which keeps evaluation sets.
        run_id: for the alias' history.
    Returns:
        the decision, as `run --json` prints it.
    """
    aliases = registry.aliases(version.name)
    pinned = aliases[rule.alias].evaluation_set if rule.alias in aliases else None
    measured_on = pinned or evaluation_set
    candidate = metrics if measured_on == evaluation_set else _measure(registry, version, measured_on, store)
    holder = None
    if rule.better_than in aliases:
        held = registry.resolve(f"{version.name}@{rule.better_than}")
        recorded = held.manifest.metadata
        same = (recorded.get("lineage") or {}).get("evaluation_set") == measured_on
        holder = recorded["metrics"] if same else _measure(registry, held, measured_on, store)
    decision = decide(rule.alias, [Rule.of(rule)], candidate, holder)
    registry.record_decision(version, decision, [Rule.of(rule)], evaluation_set=measured_on, run_id=run_id)
    return decision.to_json()


def _measure(registry: Registry, version: ModelVersion, evaluation_set: str, store: Store) -> dict[str, Any]:
    try:
        _, texts, labels = read_evaluation_set(store, evaluation_set)
    except NotFoundError:
        raise NotFoundError(
            f"the evaluation set sha256:{evaluation_set[:12]} that the alias is pinned to is not in {store.url}. "
            "Run with the storage root it was made in."
        ) from None
    return measure(load_model(f"{version.name}@v{version.number}", registry), texts, labels)
