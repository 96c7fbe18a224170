"""Where the names of points go in a figure, so that none stands on another."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.textpath import TextPath

GAP_PT = 3.0
DOT_PT = 1.5
AIR = 1.08  # the page's font may be wider than the one that is measured
PT_PER_IN = 72.0
# Which side of its point a name stands on, in the order in which they are tried: -1 left or below, 0 middle, 1 right or above
SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1))
Box = tuple[float, float, float, float]


def place_names(
    axes: Axes, points: npt.NDArray[np.float64], names: Sequence[str], size_pt: float, most: int, *, clear_of_points: bool = False
) -> list[tuple[int, tuple[float, float]]]:
    """Choose which points get their name, and where it stands; the first ones have the choice.

    Shapes: N points.

    Args:
        axes: with its final limits.
        points: [N, 2] in data coordinates.
        names: N texts.
        size_pt: of the letters.
        most: names at most.
        clear_of_points: no name stands on another's point either.
    Returns:
        for each name that has room its position among N, and the lower left corner of its text in data coordinates.
    """
    axes.figure.draw_without_rendering()  # type: ignore[union-attr]
    to_pt = PT_PER_IN / axes.figure.dpi
    places = axes.transData.transform(points) * to_pt
    (left, bottom), (right, top) = axes.get_window_extent().get_points() * to_pt
    dots = [(x - DOT_PT, y - DOT_PT, x + DOT_PT, y + DOT_PT) for x, y in places.tolist()]
    taken: list[Box] = list(dots) if clear_of_points else []
    chosen: list[tuple[int, tuple[float, float]]] = []
    for index, ((x, y), name) in enumerate(zip(places.tolist(), names, strict=True)):
        if len(chosen) == most:
            break
        width, height = text_width_pt(name, size_pt) * AIR, size_pt
        for across, up in SIDES:
            corner = (x + across * GAP_PT + (across - 1) * width / 2, y + up * GAP_PT + (up - 1) * height / 2)
            box = (*corner, corner[0] + width, corner[1] + height)
            inside = left <= box[0] and box[2] <= right and bottom <= box[1] and box[3] <= top
            if inside and not any(_overlap(box, other) for other in taken):
                taken += [box, dots[index]]
                spot = axes.transData.inverted().transform(np.array(corner) / to_pt)
                chosen.append((index, (float(spot[0]), float(spot[1]))))
                break
    return chosen


@cache
def text_width_pt(text: str, size_pt: float) -> float:
    """How wide a text is in the figures' font, in points."""
    return float(TextPath((0, 0), text, size=size_pt).get_extents().width) if text.strip() else size_pt


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
