"""A text cut into windows within a graph, for language models that learned from windows by themselves.

All tokens of the first window give an output; of each later window, one token on from the one before, only its last token does.

Shapes: B rows, T steps, W tokens of a window (T where there are fewer), N = T - W + 1 windows of a row, U units.
"""

from dataclasses import dataclass

import numpy as np

from distrnn.conversion.graph import Graph


@dataclass(frozen=True)
class Windows:
    """The windows of all rows.

    Attributes:
        tokens: [B·N, W], the windows of a row one after the other.
        size: W, as an array of one.
        count: N, as an array of one.
    """

    tokens: str
    size: str
    count: str


def cut(graph: Graph, tokens: str, window: int) -> Windows:
    """Add what cuts [B, T] into windows of `window` tokens at most."""
    steps = graph.add("Slice", graph.add("Shape", tokens), graph.axes(1), graph.axes(2))
    size = graph.add("Min", steps, graph.axes(window))
    count = graph.add("Add", graph.add("Sub", steps, size), graph.axes(1))
    begin = graph.add("Unsqueeze", _up_to(graph, count), graph.axes(1))  # [N, 1]
    places = graph.add("Add", begin, _up_to(graph, size))  # [N, W]
    shape = graph.add("Concat", graph.axes(-1), size, axis=0)
    return Windows(graph.add("Reshape", graph.add("Gather", tokens, places, axis=1), shape), size, count)


def joined(graph: Graph, values: str, windows: Windows, units: int) -> str:
    """Add what brings the outputs of windows together again: [B·N, W, U] -> [B, T, U]."""
    shape = graph.add("Concat", graph.axes(-1), windows.count, windows.size, graph.axes(units), axis=0)
    by_window = graph.add("Reshape", values, shape)  # [B, N, W, U]
    first = graph.add("Gather", by_window, graph.constant(np.int64(0)), axis=1)  # [B, W, U]
    last = graph.add("Gather", by_window, graph.constant(np.int64(-1)), axis=2)  # [B, N, U]
    later = graph.add("Slice", last, graph.axes(1), windows.count, graph.axes(1))
    return graph.add("Concat", first, later, axis=1)


def _up_to(graph: Graph, size: str) -> str:
    """0, 1, 2 and so on: [size]."""
    return graph.add("Range", graph.constant(np.int64(0)), graph.add("Squeeze", size), graph.constant(np.int64(1)))
