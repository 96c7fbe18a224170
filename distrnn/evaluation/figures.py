"""The figures of a report, drawn by matplotlib as SVG that belongs to the page it stands in.

Three things make an SVG part of a page: its text stays text (selectable, in the page's font), its colours are the page's
variables (so that dark mode reaches them), and its ids are unlike those of the next figure. matplotlib knows no CSS variables,
so figures are drawn in marker colours which are then replaced. Nothing here touches pyplot, whose state is global.

Figures are drawn narrow, for a phone's width; on a wide screen two stand side by side.
"""

import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from distrnn import amounts
from distrnn.evaluation import wording

# marker colour -> CSS variable of the page
INK, MUTED, GRID, FIRST, SECOND = "#010101", "#020202", "#030303", "#040404", "#050505"
THIRD, FOURTH, FIFTH, SIXTH, SEVENTH, EIGHTH = "#060606", "#070707", "#080808", "#090909", "#0a0a0a", "#0b0b0b"
VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--grid",
    FIRST: "--first",
    SECOND: "--second",
    THIRD: "--third",
    FOURTH: "--fourth",
    FIFTH: "--fifth",
    SIXTH: "--sixth",
    SEVENTH: "--seventh",
    EIGHTH: "--eighth",
}
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "distrnn",
    "font.size": 8.5,
    "font.family": "sans-serif",
    "text.parse_math": False,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
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
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "lines.linewidth": 1.6,
    "lines.markersize": 4,
}
WIDTH_IN, HEIGHT_IN = 4.2, 2.6


@dataclass(frozen=True)
class Picture:
    """A finished figure: its heading, its SVG, and what it shows in words."""

    title: str
    svg: str
    description: str


def learning_curves(history: Sequence[Mapping[str, Any]]) -> list[Picture]:
    """Draw loss, accuracy where it was measured, the loss of each position of a window, and the learning rate where it changes.

    Args:
        history: one mapping an epoch with `epoch` (from 0), `loss` (nats), `accuracy`, `validation_loss`,
            `validation_accuracy` (or None) and `learning_rate`; of a language model that predicts after every token `position_losses` too.
    """
    pictures = []
    if _column(history, "loss"):
        pictures.append(_curve(history, "Loss", "loss", "nats"))
    if _column(history, "accuracy"):
        pictures.append(_curve(history, "Accuracy", "accuracy", "share right"))
    if history and all(len(row.get("position_losses") or ()) > 1 for row in history):
        pictures.append(_positions(history))
    if len(set(_column(history, "learning_rate"))) > 1:
        pictures.append(_learning_rate(history))
    return pictures


def stage_bars(seconds: Mapping[str, float]) -> Picture:
    """Draw how long each stage took, in the order given.

    Args:
        seconds: duration of each stage.
    """
    stages = [wording.words(stage) for stage in seconds]
    values = list(seconds.values())

    def draw(axes: Axes) -> None:
        axes.barh(range(len(values)), values, height=0.62, color=FIRST)
        axes.set_yticks(range(len(values)), stages, color=INK)
        axes.invert_yaxis()
        axes.set_xticks([])
        axes.grid(visible=False)
        axes.spines["bottom"].set_visible(False)
        longest = max(values, default=0.0) or 1.0
        axes.set_xlim(0, longest * 1.25)
        for row, value in enumerate(values):
            axes.text(value + longest * 0.015, row, amounts.duration(value), va="center", color=INK)

    told = ", ".join(f"{stage} {amounts.duration(value)}" for stage, value in zip(stages, values, strict=True))
    return picture("Time by stage", f"Bars: {told}.", draw, height_in=0.35 + 0.3 * len(values))


def _curve(history: Sequence[Mapping[str, Any]], title: str, key: str, unit: str) -> Picture:
    finished = [row["epoch"] + 1 for row in history]
    lines = {"train": key, "validation": f"validation_{key}"}
    told = []

    def draw(axes: Axes) -> None:
        for (label, column), style, color in zip(lines.items(), ("o-", "s--"), (FIRST, SECOND), strict=True):
            if _column(history, column):
                values = [_or_nan(row.get(column)) for row in history]
                axes.plot(finished, values, style if len(history) <= 40 else style[1:], color=color, label=label, clip_on=False)
                told.append(f"{label} from {wording.number(values[0])} to {wording.number(values[-1])}")
        axes.set_ylabel(unit)
        _epochs_axis(axes, finished)
        axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, frameon=False, borderaxespad=0.1, borderpad=0.2, labelcolor=INK)

    return picture(title, lambda: f"{title} by epoch: {'; '.join(told)}.", draw)


def _learning_rate(history: Sequence[Mapping[str, Any]]) -> Picture:
    rates = [_or_nan(row.get("learning_rate")) for row in history]
    edges = [row["epoch"] for row in history] + [history[-1]["epoch"] + 1]

    def draw(axes: Axes) -> None:
        axes.stairs(rates, edges, baseline=None, color=FIRST, linewidth=1.6)
        axes.set_yscale("log")
        values = sorted(set(_column(history, "learning_rate")))
        axes.set_yticks(values, [wording.number(value) for value in values])
        axes.minorticks_off()
        axes.margins(y=0.15)
        _epochs_axis(axes, edges)

    return picture("Learning rate", f"Learning rate by epoch, from {wording.number(rates[0])} to {wording.number(rates[-1])}.", draw)


def _positions(history: Sequence[Mapping[str, Any]]) -> Picture:
    """The loss after the first token of a window, after the second and so on: in the first epoch, in the last and in two between them."""
    last = len(history) - 1
    rows = [history[place] for place in sorted({0, last // 3, last * 2 // 3, last})]
    positions = range(1, len(rows[0]["position_losses"]) + 1)
    style = "o-" if len(positions) <= 16 else "-"

    def draw(axes: Axes) -> None:
        for row, color in zip(rows, (FOURTH, THIRD, SECOND, FIRST)[-len(rows) :], strict=True):
            losses = [_or_nan(loss) for loss in row["position_losses"]]
            axes.plot(positions, losses, style, color=color, label=f"epoch {row['epoch'] + 1}", clip_on=False)
        axes.set_xlabel("tokens of the window read")
        axes.set_ylabel("nats")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
        close = {"handlelength": 1.2, "handletextpad": 0.4, "columnspacing": 1.0, "borderaxespad": 0.1, "borderpad": 0.2}
        axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=4, frameon=False, labelcolor=INK, **close)

    ends = [(place, rows[0]["position_losses"][place], rows[-1]["position_losses"][place]) for place in (0, len(positions) - 1)]
    told = "; ".join(f"after {place + 1} from {wording.number(then)} to {wording.number(now)}" for place, then, now in ends)
    return picture("Loss by position", f"Training loss by tokens of the window read, first and last epoch: {told}.", draw)


def _epochs_axis(axes: Axes, finished: Sequence[int]) -> None:
    axes.set_xlabel("epochs finished")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
    if len(finished) == 1:
        axes.set_xlim(finished[0] - 1, finished[0] + 1)


def picture(title: str, description: str | Callable[[], str], draw: Callable[[Axes], None], height_in: float = HEIGHT_IN) -> Picture:
    """Draw a figure in the page's style.

    Args:
        title: its heading; no two figures of a page have the same.
        description: what it shows in words; a function is asked after the figure is drawn.
        draw: draws it in the marker colours.
        height_in: its height; all are as wide as a phone.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure.add_subplot())
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = _inline(buffer.getvalue(), title.lower().replace(" ", "-"))
    return Picture(title, svg, description if isinstance(description, str) else description())


def _inline(document: str, prefix: str) -> str:
    svg = document[document.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg).replace("xlink:href=", "href=")
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1), count=1)
    svg = svg.replace("<svg", '<svg aria-hidden="true" focusable="false"', 1)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', svg)
    svg = re.sub(r'href="#([^"]+)"', rf'href="#{prefix}-\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", svg)
    for marker, variable in VARIABLES.items():
        svg = svg.replace(marker, f"var({variable})")
    return svg


def _column(history: Sequence[Mapping[str, Any]], key: str) -> list[float]:
    return [value for row in history if not math.isnan(value := _or_nan(row.get(key)))]


def _or_nan(value: float | None) -> float:
    return math.nan if value is None or not math.isfinite(value) else float(value)
