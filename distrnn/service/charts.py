"""Line charts as plain SVG: a few pure functions, coloured by the page's own style sheet, so that they follow its dark mode."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH, HEIGHT = 360, 220
LEFT, RIGHT, TOP, BOTTOM = 50, 12, 12, 40
_MOST_TICKS = 8


@dataclass(frozen=True)
class Line:
    """One line of a chart: points by rising x; those without a finite y are left out."""

    name: str
    points: tuple[tuple[float, float], ...]


def line_chart(title: str, lines: Sequence[Line], x_label: str, *, x_prefix: str = "") -> Markup:
    """Draw lines over whole numbers.

    Args:
        title: what a screen reader says.
        lines: the first has the first colour; those without points are left out.
        x_label: under the axis.
        x_prefix: before each number of the axis, `v` for versions.
    Returns:
        an `<svg>`; '' where there is no point at all.
    """
    kept = [Line(line.name, tuple((x, y) for x, y in line.points if math.isfinite(y))) for line in lines]
    kept = [line for line in kept if line.points]
    xs = sorted({x for line in kept for x, _ in line.points})
    ys = [y for line in kept for _, y in line.points]
    if not xs:
        return Markup("")
    y_ticks = ticks(min(ys), max(ys))
    x_low, x_high = (xs[0], xs[-1]) if xs[0] < xs[-1] else (xs[0] - 1.0, xs[0] + 1.0)
    y_low, y_high = min(y_ticks[0], *ys), max(y_ticks[-1], *ys)

    def across(x: float) -> str:
        return f"{LEFT + (x - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT):.1f}"

    def down(y: float) -> str:
        return f"{HEIGHT - BOTTOM - (y - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM):.1f}"

    parts = [Markup('<svg viewBox="0 0 {} {}" role="img"><title>{}</title>').format(WIDTH, HEIGHT, title)]
    for value in y_ticks:
        place = down(value)
        parts.append(Markup('<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(LEFT, WIDTH - RIGHT, place, place))
        parts.append(Markup('<text x="{}" y="{}" dy="4" text-anchor="end">{}</text>').format(LEFT - 8, place, label(value, y_ticks)))
    for x in thinned(xs):
        name = f"{x_prefix}{x:g}"
        parts.append(Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(across(x), HEIGHT - BOTTOM + 18, name))
    middle = (LEFT + WIDTH - RIGHT) // 2
    parts.append(Markup('<text class="axis" x="{}" y="{}" text-anchor="middle">{}</text>').format(middle, HEIGHT - 5, x_label))
    for index, line in enumerate(kept):
        points = " ".join(f"{across(x)},{down(y)}" for x, y in line.points)
        parts.append(Markup('<polyline class="line c{}" points="{}"/>').format(index + 1, points))
        if len(line.points) <= 60:
            for x, y in line.points:
                said = f"{line.name}, {x_label} {x_prefix}{x:g}: {y:.4g}"
                parts.append(
                    Markup('<circle class="c{}" cx="{}" cy="{}" r="3.2"><title>{}</title></circle>').format(
                        index + 1, across(x), down(y), said
                    )
                )
    return Markup("").join([*parts, Markup("</svg>")])


def legend(names: Sequence[str]) -> Markup:
    """The names of lines beside their colours."""
    items = [Markup('<span class="key c{}">{}</span>').format(index + 1, escape(name)) for index, name in enumerate(names)]
    return Markup(" ").join(items)


def ticks(low: float, high: float) -> list[float]:
    """Round values that span [low, high], three to six of them.

    Args:
        low: finite.
        high: finite, `low` or more.
    Returns:
        at least two values in rising order, the first at or below `low`, the last at or above `high`.
    """
    if high - low <= 1e-9 * max(abs(high), abs(low), 1e-300):
        pad = abs(high) * 0.05 or 1.0
        low, high = low - pad, high + pad
    step = 10.0 ** math.floor(math.log10((high - low) / 3))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= 4)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, last + 1)]


def label(value: float, values: Sequence[float]) -> str:
    """A tick as it is written: as many decimals as tell it from its neighbours."""
    step = values[1] - values[0]
    if abs(value) >= 1e6 or step < 1e-5:
        return f"{value:.3g}"
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{value + 0.0:,.{decimals}f}"


def thinned(xs: Sequence[float]) -> list[float]:
    """At most eight of the values, from the first on at even steps."""
    return list(xs[:: -(-len(xs) // _MOST_TICKS)])
