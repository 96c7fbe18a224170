"""The picture of a sweep: a panel for each key that took several values, and the curves of all trials; the best one stands out.

A PNG, because it is looked at outside of any page: in a mail, in a terminal's viewer, in the browser of an object store.
"""

import io
import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from distrnn.workflow.sweep_words import label, shown

INK, MUTED, GRID, REST, BEST, FAILED = "#1f2328", "#59636e", "#d8dee4", "#8c959f", "#0969da", "#cf222e"
STYLE: Any = {
    "font.size": 8.5,
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "ytick.major.size": 0,
}
PANEL_IN, DPI = (3.6, 2.5), 150
LABEL_CHARACTERS, TITLE_CHARACTERS = 14, 46
CAPTION = "A dot is a trial at its best epoch, a line the mean of its column, blue the best trial"
SPREAD = 0.28


def draw(document: Mapping[str, Any]) -> bytes:
    """Draw a sweep.

    Args:
        document: of `sweep --json`: `workflow`, `metric`, `grid`, and `trials`, the best one first.
    Returns:
        a PNG.
    """
    trials, metric = document["trials"], document["metric"]
    keys = [key for key, values in document["grid"].items() if len(values) > 1]
    panels = len(keys) + 1
    columns = panels if panels <= 3 else min((3, 4), key=lambda count: (-panels % count, -count))
    rows = math.ceil(panels / columns)
    title = _title(document, columns)
    with matplotlib.rc_context(STYLE):
        figure = Figure(
            figsize=(PANEL_IN[0] * columns, PANEL_IN[1] * rows + 0.17 * (len(title) + 1)), layout="constrained", facecolor="white"
        )
        FigureCanvasAgg(figure)
        axes = [figure.add_subplot(rows, columns, place + 1) for place in range(panels)]
        for place, key in zip(axes, keys, strict=False):
            _values(place, key, document["grid"][key], trials)
            place.set_ylim(*_limits([trial["value"] for trial in trials if trial["status"] == "finished"]))
        _curves(axes[-1], trials, metric)
        axes[0].set_ylabel(f"validation {metric}" + (", nats" if metric == "loss" else ""))
        figure.suptitle("\n".join(title), x=0.01, ha="left", fontsize=10, color=INK)
        failed = any(trial["status"] == "failed" for trial in trials)
        figure.supxlabel(f"{CAPTION}{', a red cross one that failed' if failed else ''}.", x=0.01, ha="left", fontsize=8, color=MUTED)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def spread(count: int) -> list[float]:
    """Places beside each other around 0, wider the more there are, so that dots of one value do not hide each other."""
    width = SPREAD * min(1.0, count / 8)
    return [0.0] if count == 1 else [width * (2 * index / (count - 1) - 1) for index in range(count)]


def _values(axes: Axes, key: str, values: Sequence[Any], trials: Sequence[Mapping[str, Any]]) -> None:
    """A column of dots for each value of a key, with their mean as a line; what failed is a cross at the bottom."""
    axes.set_title(key)
    for column, value in enumerate(values):
        here = [trial for trial in trials if _same(trial["values"][key], value)]
        finished = sorted((trial for trial in here if trial["status"] == "finished"), key=lambda trial: float(trial["value"]))
        for place, trial in zip(spread(len(finished)), finished, strict=True):
            best = trial is trials[0]
            axes.plot(
                column + place, trial["value"], "o", color=BEST if best else REST, markersize=6 if best else 4, zorder=4 if best else 3
            )
        if finished:
            mean = math.fsum(trial["value"] for trial in finished) / len(finished)
            axes.plot([column - 0.38, column + 0.38], [mean, mean], color=INK, linewidth=1.2, zorder=2)
        for place in spread(len(here) - len(finished)) if len(here) > len(finished) else []:
            axes.plot(column + place, 0.03, "x", color=FAILED, markersize=4, transform=axes.get_xaxis_transform())
    axes.set_xticks(range(len(values)), [_short(shown(value)) for value in values])
    axes.set_xlim(-0.6, len(values) - 0.4)


def _curves(axes: Axes, trials: Sequence[Mapping[str, Any]], metric: str) -> None:
    axes.set_title("by epoch")
    column = f"validation_{metric}"
    for trial in reversed(trials):
        best = trial is trials[0] and trial["status"] == "finished"
        figures = [row[column] for row in trial["history"]]
        color = BEST if best else FAILED if trial["status"] == "failed" else REST
        style: Any = {"color": color, "linewidth": 2.0 if best else 0.9, "alpha": 1.0 if best else 0.6}
        axes.plot(
            range(1, len(figures) + 1), figures, marker="o" if len(figures) == 1 else "", markersize=4, zorder=3 if best else 2, **style
        )
        if best:
            axes.plot(trial["best_epoch"], trial["value"], "o", color=BEST, markersize=6, zorder=4)
    axes.set_ylim(*_limits([row[column] for trial in trials if trial["status"] == "finished" for row in trial["history"]]))
    axes.set_xlabel("epochs finished")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
    if max((len(trial["history"]) for trial in trials), default=0) <= 1:
        axes.set_xlim(0, 2)


def _limits(figures: Sequence[float]) -> tuple[float, float]:
    """The range of figures with some air; a few losses that are far above the others do not press those together."""
    if not figures:
        return (0.0, 1.0)
    ordered = sorted(figures)
    low, high, middle = ordered[0], ordered[-1], ordered[len(ordered) // 2]
    if high > 1.0:
        high = min(high, middle + 3.0 * (middle - low) + 0.05 * low)
    air = 0.08 * (high - low) or 0.05
    return low - air, high + air


def _title(document: Mapping[str, Any], columns: int) -> list[str]:
    """What was swept, and the best of it, in lines that fit over so many panels."""
    trials, metric = document["trials"], document["metric"]
    finished = [trial for trial in trials if trial["status"] == "finished"]
    failed = f", {len(trials) - len(finished)} failed" if len(finished) < len(trials) else ""
    left = f", {document['left']} not tried" if document["left"] else ""
    lines = [f"{document['workflow']}: {len(trials)} trials{failed}{left}"]
    if finished:
        best = finished[0]
        lines.append(
            f"best validation {metric} {best['value']:.4f} at epoch {best['best_epoch']}: {label(best['values'], document['grid'])}"
        )
    return [part for line in lines for part in textwrap.wrap(line, TITLE_CHARACTERS * columns)]


def _short(text: str) -> str:
    return text if len(text) <= LABEL_CHARACTERS else text[: LABEL_CHARACTERS - 1] + "…"


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)
