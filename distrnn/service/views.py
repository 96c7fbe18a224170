"""What the pages show, worked out from documents that strangers wrote: every value is looked at before it is trusted to be one."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from distrnn.evaluation.wording import METRIC_UNITS, metric_words
from distrnn.registry import Summary
from distrnn.registry.query import figure
from distrnn.service.charts import Line, legend, line_chart
from distrnn.service.comparing import COUNTS
from distrnn.service.documents import HEADLINES

LINEAGE_FIRST = ("run_id", "commit", "dataset", "source", "evaluation_set")
CHARTS = 4


def model_row(summary: Summary) -> dict[str, Any]:
    """A line of the list of models."""
    latest = summary.latest
    found: Mapping[str, Any] | None = latest.metrics if latest else None
    return {
        "name": summary.name,
        "versions": summary.head,
        "latest": latest,
        "headline": headline(found),
        "aliases": sorted((alias, held.number) for alias, held in summary.aliases.items()),
    }


def headline(metrics: Mapping[str, Any] | None) -> tuple[str, float] | None:
    """The figure that a version is judged by, and its name."""
    for name in HEADLINES:
        if (value := figure(metrics, name)) is not None:
            return metric_words(name), value
    return None


def columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The figures that a table of versions shows: those the newest versions have, counts apart, five at most."""
    names = [name for row in rows for name in (row["metrics"] if isinstance(row["metrics"], Mapping) else ())]
    return [name for name in dict.fromkeys(names) if name not in COUNTS and any(_value(row, name) is not None for row in rows)][:5]


def over_versions(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A chart for each figure of a model over its versions; none where there is one version only."""
    charts = []
    for name in columns(rows)[:CHARTS]:
        found = [(float(row["number"]), value) for row in rows if (value := _value(row, name)) is not None]
        points = tuple(sorted(found))
        if len(points) > 1:
            drawn = line_chart(f"{metric_words(name)} of each version", [Line(metric_words(name), points)], "version", x_prefix="v")
            charts.append({"title": titled(name), "svg": drawn, "legend": Markup("")})
    return charts


def learning_curves(metadata: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Loss and accuracy of each epoch, where the publisher recorded them."""
    history = metadata.get("history")
    rows = [row for row in history if isinstance(row, Mapping)] if isinstance(history, list) else []
    charts = []
    for name in ("loss", "accuracy"):
        lines = [Line(words, _curve(rows, key)) for key, words in ((name, "training"), (f"validation_{name}", "validation"))]
        drawn = line_chart(f"{metric_words(name)} of each epoch", lines, "epoch")
        if drawn:
            charts.append({"title": titled(name), "svg": drawn, "legend": legend([line.name for line in lines if line.points])})
    return charts


def lineage(metadata: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Where a version came from, its workflow apart: keys and values, nested ones by dotted keys."""
    found = metadata.get("lineage")
    known = {key: value for key, value in found.items() if key != "workflow"} if isinstance(found, Mapping) else {}
    ordered = {key: known[key] for key in LINEAGE_FIRST if key in known} | known
    return list(_flat(ordered))


def workflow_of(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The workflow that made a version; empty where it was not recorded."""
    found = metadata.get("lineage")
    workflow = found.get("workflow") if isinstance(found, Mapping) else None
    return dict(workflow) if isinstance(workflow, Mapping) else {}


def titled(metric: str) -> str:
    """The name of a figure with its unit."""
    unit = METRIC_UNITS.get(metric)
    return f"{metric_words(metric)} ({unit})" if unit else metric_words(metric)


def _curve(rows: Sequence[Mapping[str, Any]], key: str) -> tuple[tuple[float, float], ...]:
    found = [(float(position), value) for position, row in enumerate(rows, 1) if (value := figure(row, key)) is not None]
    return tuple(found)


def _value(row: Mapping[str, Any], name: str) -> float | None:
    return figure(row["metrics"], name)


def _flat(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in document.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        elif value is not None:
            yield f"{prefix}{key}", value
