"""Whether a candidate may take an alias: a pure decision over figures.

A rule bounds one figure (`min`, `max`) or asks that it beat the holder of an alias (`better_than`). Where there is no holder,
`better_than` passes and the bounds still apply. A figure that is missing or not a number never passes.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

SMALLER_IS_BETTER = frozenset({"loss", "loss_nats", "bits_per_character", "perplexity"})


class RuleLike(Protocol):
    """What a rule looks like, in a workflow or in an alias."""

    @property
    def metric(self) -> str:
        """The figure that decides."""

    @property
    def min(self) -> float | None:
        """The candidate must reach it."""

    @property
    def max(self) -> float | None:
        """The candidate must not exceed it."""

    @property
    def better_than(self) -> str | None:
        """The alias whose holder the candidate must beat."""


@dataclass(frozen=True)
class Rule:
    """A rule as an alias keeps it."""

    metric: str
    min: float | None = None
    max: float | None = None
    better_than: str | None = None

    @classmethod
    def of(cls, rule: RuleLike) -> "Rule":
        """The same rule, from a workflow."""
        return cls(rule.metric, rule.min, rule.max, rule.better_than)

    def __str__(self) -> str:
        bounds = [f"at least {self.min:g}"] if self.min is not None else []
        bounds += [f"at most {self.max:g}"] if self.max is not None else []
        bounds += [f"better than {self.better_than}"] if self.better_than is not None else []
        return f"{self.metric} {' and '.join(bounds) or 'measured'}"

    def to_json(self) -> dict[str, Any]:
        """The rule as it stands in an alias."""
        return asdict(self)


@dataclass(frozen=True)
class Check:
    """One bound, and whether the candidate kept it; `required` is None where there was no holder to beat."""

    metric: str
    candidate: float | None
    holder: float | None
    required: float | None
    passed: bool


@dataclass(frozen=True)
class Decision:
    """What the gate said about a candidate, with its figures."""

    alias: str
    decision: Literal["promoted", "refused"]
    rules: tuple[Check, ...]
    forced: bool = False

    @property
    def promoted(self) -> bool:
        """Whether the alias moves."""
        return self.decision == "promoted"

    def to_json(self) -> dict[str, Any]:
        """The decision as `run --json` prints it."""
        return {"alias": self.alias, "decision": self.decision, "rules": [asdict(check) for check in self.rules], "forced": self.forced}


def decide(
    alias: str,
    rules: Sequence[RuleLike],
    candidate_metrics: Mapping[str, Any],
    holder_metrics: Mapping[str, Any] | None,
    *,
    forced: bool = False,
) -> Decision:
    """Judge a candidate.

    Args:
        alias: what it wants to hold.
        rules: all of them must pass.
        candidate_metrics: its figures on the evaluation set.
        holder_metrics: the figures, on the same evaluation set, of the version that `better_than` names; None: there is none.
        forced: somebody answers for the move, whatever the rules say.
    """
    checks = tuple(check for rule in rules for check in _checks(rule, candidate_metrics, holder_metrics))
    passed = forced or all(check.passed for check in checks)
    return Decision(alias, "promoted" if passed else "refused", checks, forced)


def _checks(rule: RuleLike, candidate_metrics: Mapping[str, Any], holder_metrics: Mapping[str, Any] | None) -> Iterator[Check]:
    candidate = _figure(candidate_metrics, rule.metric)
    holder = _figure(holder_metrics or {}, rule.metric)

    def check(required: float | None, passed: bool) -> Check:
        return Check(rule.metric, candidate, holder, required, candidate is not None and passed)

    if rule.min is not None:
        yield check(rule.min, candidate is not None and candidate >= rule.min)
    if rule.max is not None:
        yield check(rule.max, candidate is not None and candidate <= rule.max)
    if rule.better_than is not None:
        yield check(holder, holder is None or (candidate is not None and is_better(rule.metric, candidate, holder)))
    if rule.min is None and rule.max is None and rule.better_than is None:
        yield check(None, True)


def is_better(metric: str, candidate: float, holder: float) -> bool:
    """Whether `candidate` beats `holder`; equal is not better."""
    return candidate < holder if metric in SMALLER_IS_BETTER else candidate > holder


def _figure(metrics: Mapping[str, Any], metric: str) -> float | None:
    value = metrics.get(metric)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)
