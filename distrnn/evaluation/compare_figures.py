"""The figures of a comparison: a colour and a marker for each model, the same in every figure of the page."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from distrnn.evaluation import figures, wording
from distrnn.evaluation.figures import INK, Picture, picture

COLORS = (figures.FIRST, figures.SECOND, figures.THIRD, figures.FOURTH, figures.FIFTH, figures.SIXTH, figures.SEVENTH, figures.EIGHTH)
MARKERS = "os^DvP*X"
GLYPHS = "●■▲◆▼✚★✖"
LONGEST_NAME = 30
MOST_MARKED_EPOCHS = 40


def curves(names: Sequence[str], histories: Sequence[Sequence[Mapping[str, Any]]]) -> list[Picture]:
    """Draw loss and accuracy by epoch, training and validation side by side with one scale.

    Args:
        names: of M models.
        histories: M, one mapping an epoch with `loss`, `accuracy`, `validation_loss` and `validation_accuracy`, or None in their place.
    """
    pictures, longest = [], max((len(history) for history in histories), default=0)
    for key, unit in (("loss", "nats"), ("accuracy", "share right")):
        columns = (key, f"validation_{key}")
        values = [value for history in histories for column in columns for value in _numbers(history, column) if not math.isnan(value)]
        if not values:
            continue
        limits = _limits(values)
        for column, split in zip(columns, ("Training", "Validation"), strict=True):
            if any(not math.isnan(value) for history in histories for value in _numbers(history, column)):
                drawn = [_numbers(history, column) for history in histories]
                pictures.append(_curves(f"{split} {key}", names, drawn, unit, limits, longest))
    return pictures


def accuracies(names: Sequence[str], shares: Sequence[Mapping[str, Any]], signs: Sequence[int]) -> Picture:
    """Draw the accuracy of each model with its 95 % interval.

    Args:
        names: of M models.
        shares: of `compare_documents.shares`, M.
        signs: which colour and marker each has, M.
    """

    def draw(axes: Axes) -> None:
        for row, share in enumerate(shares):
            _interval(axes, row, share, signs[row], vertical=False)
        axes.set_yticks(range(len(names)), [shortened(name) for name in names], color=INK)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        axes.grid(visible=True, axis="x")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
        axes.set_xlabel("share right, with 95 % intervals")

    told = "; ".join(f"{name} {_told(share)}" for name, share in zip(names, shares, strict=True))
    return picture("Accuracy", f"Accuracy with 95 % intervals: {told}.", draw, height_in=0.75 + 0.3 * len(names))


def lengths(names: Sequence[str], groups: Sequence[Mapping[str, Any]], signs: Sequence[int]) -> Picture:
    """Draw the accuracy of each model by the length of the documents.

    Args:
        names: of M models.
        groups: of `compare_documents.by_length`.
        signs: which colour and marker each has, M.
    """
    count = len(names)

    def draw(axes: Axes) -> None:
        for model in range(count):
            places = [group + 0.6 * ((model + 0.5) / count - 0.5) for group in range(len(groups))]
            for place, group in zip(places, groups, strict=True):
                _interval(axes, place, group["models"][model], signs[model], vertical=True)
            axes.plot(places, [group["models"][model]["share"] for group in groups], color=COLORS[signs[model]], linewidth=0.8, alpha=0.6)
        axes.set_xticks(range(len(groups)), [length_words(group) for group in groups])
        axes.set_xlim(-0.5, len(groups) - 0.5)
        axes.set_xlabel("words of the document")
        axes.set_ylabel("share right")

    told = "; ".join(
        f"{length_words(group)} words: "
        + ", ".join(f"{name} {wording.measured(share['share'])}" for name, share in zip(names, group["models"], strict=True))
        for group in groups
    )
    return picture("Accuracy by length", f"Accuracy by length. {told}.", draw)


def length_words(group: Mapping[str, Any]) -> str:
    """The lengths of a group: `19–112`."""
    return str(group["low"]) if group["low"] == group["high"] else f"{group['low']:,}–{group['high']:,}"


def shortened(name: str) -> str:
    """A name that leaves room for the figure beside it; its middle is left out."""
    half = (LONGEST_NAME - 1) // 2
    return name if len(name) <= LONGEST_NAME else f"{name[:half]}…{name[-half:]}"


def _curves(
    title: str,
    names: Sequence[str],
    columns: Sequence[Sequence[float]],
    unit: str,
    limits: tuple[float, float],
    longest: int,
) -> Picture:
    shown = [(model, values) for model, values in enumerate(columns) if any(not math.isnan(value) for value in values)]

    def draw(axes: Axes) -> None:
        for model, values in shown:
            marker = MARKERS[model] if len(values) <= MOST_MARKED_EPOCHS or len(values) == 1 else ""
            axes.plot(range(1, len(values) + 1), values, f"{marker}-", color=COLORS[model], clip_on=False)
        axes.set_ylim(*limits)
        axes.set_ylabel(unit)
        axes.set_xlabel("epochs finished")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
        axes.set_xlim(*((0, 2) if longest == 1 else (1, longest)))

    told = "; ".join(f"{names[model]} from {wording.number(values[0])} to {wording.number(values[-1])}" for model, values in shown)
    return picture(title, f"{title} by epoch: {told}.", draw)


def _interval(axes: Axes, place: float, share: Mapping[str, Any], sign: int, *, vertical: bool) -> None:
    """A model's share as its marker, with a line over its interval."""
    ends, here = [share["low"], share["high"]], [place, place]
    across: Any = (here, ends) if vertical else (ends, here)
    axes.plot(*across, color=COLORS[sign], linewidth=1.4, solid_capstyle="butt")
    point: Any = (place, share["share"]) if vertical else (share["share"], place)
    axes.plot(*point, MARKERS[sign], color=COLORS[sign], markersize=5)


def _numbers(history: Sequence[Mapping[str, Any]], column: str) -> list[float]:
    values = [row.get(column) for row in history]
    return [math.nan if value is None or not math.isfinite(value) else float(value) for value in values]


def _limits(values: Sequence[float]) -> tuple[float, float]:
    """The range of all values with some air; a loss of one epoch that is far above the others does not press those together."""
    ordered = sorted(values)
    low, high, middle = ordered[0], ordered[-1], ordered[len(ordered) // 2]
    if high > 1.0:
        high = min(high, middle + 4.0 * (middle - low) + 0.05 * low)
    air = 0.06 * (high - low) or 0.05
    return low - air, high + air


def _told(share: Mapping[str, Any]) -> str:
    return f"{wording.measured(share['share'])} ({wording.measured(share['low'])} to {wording.measured(share['high'])})"
