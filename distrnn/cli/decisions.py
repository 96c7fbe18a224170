"""What the gate said about a candidate, as a person reads it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from distrnn.cli.output import Block, Table


def decision_blocks(decision: Mapping[str, Any]) -> Iterator[Block]:
    """A decision with its figures, a line for each bound."""
    forced = " (forced)" if decision.get("forced") else ""
    rows = [[_figure(check), check["candidate"], check["holder"], check["required"], check["passed"]] for check in decision["rules"]]
    yield Table(["rule", "candidate", "holder", "required", "passed"], rows, title=f"{decision['alias']}: {decision['decision']}{forced}")
    if replaced := decision.get("replaced_rules"):
        yield f"The alias had other rules until now: {'; '.join(replaced)}"


def why_refused(checks: Sequence[Mapping[str, Any]]) -> str:
    """The bounds that the candidate did not keep."""
    return "; ".join(_shortfall(check) for check in checks if not check["passed"])


def _shortfall(check: Mapping[str, Any]) -> str:
    candidate, required, figure = check["candidate"], check["required"], _figure(check)
    if check.get("examples") == 0:
        return f"{figure} was not measured, because the evaluation set has no such document"
    got = "no finite value" if candidate is None else f"{candidate:.4f}"
    if required is None:
        return f"{figure} was {got}" if candidate is None else f"{figure} was {got}, and the holder's is not known"
    against = "the holder's" if required == check["holder"] else "the required"
    return f"{figure} was {got} against {against} {required:.4f}"


def _figure(check: Mapping[str, Any]) -> str:
    """What a rule looks at: the figure, and the documents it was measured on where that is not all of them."""
    if not check.get("slice"):
        return str(check["metric"])
    from distrnn.registry.rules import Slice

    return f"{check['metric']} ({Slice.from_json(check['slice']).words})"
