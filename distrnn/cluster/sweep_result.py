"""What came of a sweep: its rows, best first, and the best one as a workflow file. Pure."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from distrnn.cluster.sweep_plan import SweepPlan, Trial
from distrnn.errors import DistrnnError, DivergedError
from distrnn.workflow.sweep_words import label

Row = dict[str, Any]


def row(trial: Trial, metric: str, outcome: Mapping[str, Any]) -> Row:
    """One trial of the result.

    Args:
        trial: what was tried.
        metric: that ranks.
        outcome: `history`, `parameters`, `seconds` and `error` of it.
    Returns:
        `values`, `status` (finished or failed), `value` (of the metric at the best epoch), `best_epoch` (from 1), `epochs`, `seconds`,
        `parameters`, `error` and `history`; what a failed trial does not have is None.
    """
    history, error = list(outcome["history"]), outcome["error"]
    figures = [entry[f"validation_{metric}"] for entry in history]
    best = None if error else figures.index(max(figures) if metric == "accuracy" else min(figures))
    return {
        "values": trial.values,
        "status": "failed" if error else "finished",
        "value": None if best is None else figures[best],
        "best_epoch": None if best is None else best + 1,
        "epochs": len(history),
        "seconds": outcome["seconds"],
        "parameters": outcome["parameters"],
        "error": error,
        "history": history,
    }


def lost(trial: Trial, metric: str, reason: str) -> Row:
    """The row of a trial whose process died."""
    error = DistrnnError(f"the trial's process died: {reason}").to_json()
    return row(trial, metric, {"history": [], "parameters": None, "seconds": None, "error": error})


def ranked(rows: Sequence[Row], metric: str) -> list[Row]:
    """Rows best first, of equals the smaller model first; failed ones at the end."""
    sign = -1.0 if metric == "accuracy" else 1.0
    return sorted(rows, key=lambda row: (row["status"] == "failed", sign * (row["value"] or 0.0), row["parameters"] or 0))


def identity(values: Mapping[str, Any]) -> str:
    """What tells one combination from the others."""
    return json.dumps(values, sort_keys=True)


def failure(plan: SweepPlan, rows: Sequence[Row]) -> DistrnnError | None:
    """The error that a sweep ends with whose every trial failed."""
    if not rows or any(row["status"] == "finished" for row in rows):
        return None
    kind = DivergedError if all(row["error"]["code"] == DivergedError.code for row in rows) else DistrnnError
    first = rows[0]
    return kind(f"none of the {len(rows)} trials came to its end; {label(first['values'], plan.grid)}: {first['error']['message']}")


def best_workflow(plan: SweepPlan, rows: Sequence[Row], sweep_id: str, command: str, date: str) -> str | None:
    """The best combination as a workflow file; None where there is none.

    Args:
        plan: of the sweep.
        rows: best first.
        sweep_id: of the sweep.
        command: that the sweep was started with.
        date: of its end.
    """
    if not rows or rows[0]["status"] == "failed":
        return None
    best = rows[0]
    trial = next(trial for trial in plan.trials if identity(trial.values) == identity(best["values"]))
    train = trial.loaded.workflow.train
    at = f"at epoch {best['best_epoch']} of {best['epochs']}"
    tried = f"{len(rows)} combinations" if len(rows) > 1 else "one combination"
    lines = [
        f"The best of {tried}, {date}: {trial.label}",
        f"Validation {plan.metric} {best['value']:.4f} {at}; the test split was not looked at.",
        "",
        f"  {command}",
        "",
        f"Sweep {sweep_id}.",
    ]
    if best["best_epoch"] != best["epochs"] and train.early_stopping is None and train.keep_best is None:
        lines[-1] += f" A run keeps the weights of the last epoch; train.keep_best: {plan.metric} keeps those of the best one."
    header = "".join(f"# {line}".rstrip() + "\n" for line in lines)
    return header + yaml.safe_dump(_without_nothing(trial.loaded.to_json()), sort_keys=False, allow_unicode=True, width=120)


def _without_nothing(value: Any) -> Any:
    """A resolved workflow without the keys and sections that say nothing."""
    if isinstance(value, list):
        return [_without_nothing(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    return {key: kept for key, item in value.items() if (kept := _without_nothing(item)) is not None and kept != {}}
