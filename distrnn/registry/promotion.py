"""Whether a candidate may take an alias: a pure decision over figures.

Every rule looks at one figure of one slice. Where there is no holder, `better_than` passes and the bounds still apply. What is missing
or not a number never passes: a figure of the candidate, the holder's that it must beat, a slice without documents.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from distrnn.registry.rules import Rule, RuleLike, Slice, is_number

__all__ = ["Check", "Decision", "Figures", "Rule", "RuleLike", "Slice", "decide", "is_better"]

SMALLER_IS_BETTER = frozenset({"loss", "loss_nats", "bits_per_character", "perplexity"})
# 0.85 - 0.80 is a little less than 0.05 in binary; figures differ by far more than this, or not at all
_ROUNDING = 1e-12

Figures = Mapping[Slice | None, Mapping[str, Any]]


@dataclass(frozen=True)
class Check:
    """One bound, and whether the candidate kept it.

    Attributes:
        metric: the figure.
        candidate: the candidate's; None where it is missing or not a number.
        holder: that of the version to beat.
        required: what the candidate's was compared with; None where there was nothing to compare with.
        passed: whether it was good enough.
        slice: the documents it was measured on; None for all of the evaluation set.
        examples: how many those are; None where nobody counted them.
    """

    metric: str
    candidate: float | None
    holder: float | None
    required: float | None
    passed: bool
    slice: Slice | None = None
    examples: int | None = None


@dataclass(frozen=True)
class Decision:
    """What the gate said about a candidate, with its figures.

    Attributes:
        alias: what the candidate wanted to hold.
        decision: what the gate said.
        rules: one check for each bound.
        forced: somebody answered for the move, whatever the rules say.
        evaluation_set: digest of the set the figures are of; None where that is not known.
        replaced_rules: the rules the alias had, where the promotion put others in their place.
    """

    alias: str
    decision: Literal["promoted", "refused"]
    rules: tuple[Check, ...]
    forced: bool = False
    evaluation_set: str | None = None
    replaced_rules: tuple[Rule, ...] = ()

    @property
    def promoted(self) -> bool:
        """Whether the alias moves."""
        return self.decision == "promoted"

    def to_json(self) -> dict[str, Any]:
        """The decision as `run --json` prints it and the alias' history keeps it."""
        return {
            "alias": self.alias,
            "decision": self.decision,
            "rules": [asdict(check) for check in self.rules],
            "forced": self.forced,
            "evaluation_set": self.evaluation_set,
            "replaced_rules": [str(rule) for rule in self.replaced_rules],
        }


def decide(
    alias: str, rules: Sequence[RuleLike], candidate: Figures, holders: Mapping[str, Figures | None], *, forced: bool = False
) -> Decision:
    """Judge a candidate.

    Args:
        alias: what it wants to hold.
        rules: all of them must pass.
        candidate: its figures on the evaluation set, by slice; None is the whole set.
        holders: the same of the version that each alias named by a `better_than` holds; None where there is none to beat.
        forced: somebody answers for the move, whatever the rules say.
    """
    checks = tuple(check for rule in rules for check in _checks(Rule.of(rule), candidate, holders))
    passed = forced or all(check.passed for check in checks)
    return Decision(alias, "promoted" if passed else "refused", checks, forced)


def _checks(rule: Rule, candidate: Figures, holders: Mapping[str, Figures | None]) -> Iterator[Check]:
    measured = candidate.get(rule.slice, {})
    rival = holders.get(rule.better_than) if rule.better_than is not None else None
    figure, held = _figure(measured, rule.metric), _figure((rival or {}).get(rule.slice, {}), rule.metric)
    examples = measured.get("examples")

    def check(required: float | None, passed: bool) -> Check:
        return Check(rule.metric, figure, held, required, passed, rule.slice, examples if type(examples) is int else None)

    if rule.min is not None:
        yield check(rule.min, figure is not None and figure >= rule.min)
    if rule.max is not None:
        yield check(rule.max, figure is not None and figure <= rule.max)
    if rule.better_than is not None and rival is None:
        yield check(None, figure is not None)
    elif rule.better_than is not None:
        required = None if held is None else _required(rule, held)
        yield check(required, figure is not None and held is not None and _beats(rule, figure, held))
    if rule.min is None and rule.max is None and rule.better_than is None:
        yield check(None, figure is not None)


def is_better(metric: str, candidate: float, holder: float) -> bool:
    """Whether `candidate` beats `holder`; equal is not better."""
    return candidate < holder if metric in SMALLER_IS_BETTER else candidate > holder


def _beats(rule: Rule, candidate: float, holder: float) -> bool:
    enough = abs(candidate - holder) >= (rule.min_delta or 0.0) - _ROUNDING
    return is_better(rule.metric, candidate, holder) and enough


def _required(rule: Rule, holder: float) -> float:
    if not rule.min_delta:
        return holder
    return round(holder - rule.min_delta if rule.metric in SMALLER_IS_BETTER else holder + rule.min_delta, 12)


def _figure(metrics: Mapping[str, Any], metric: str) -> float | None:
    value = metrics.get(metric)
    return float(value) if is_number(value) else None
