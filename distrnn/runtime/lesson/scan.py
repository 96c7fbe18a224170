"""The scan: carry something along a sequence, and keep what it was after every step.

    >>> list(scan(lambda total, item: total + item, 0, range(5)))
    [0, 1, 3, 6, 10]

A recurrent network is a scan: what is carried is its state, the items are the inputs, and the function is the cell.

Addition is associative: (a + b) + c = a + (b + c). So a running sum need not go from left to right. Halves can be summed at the same time
and put together afterwards, which with enough processors takes log2 N steps in place of N. A cell is not like that: h' = tanh(x·K + h·R)
has a function around the state that cannot be moved, so there is no way to put two halves of a sequence together before the state that the
second one begins with is known. That is why an RNN's time grows with the length of a sequence however many processors there are, and why
networks that are to be fast on long sequences take the function away (h' = a·h + b is associative, the pair (a, b) being what is scanned).

Source: Blelloch (1990), Prefix sums and their applications; Martin and Cundy (2018), Parallelizing linear recurrent neural nets over
sequence length.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

State = TypeVar("State")
Item = TypeVar("Item")


def scan(function: Callable[[State, Item], State], state: State, items: Iterable[Item]) -> Iterator[State]:
    """The states after each item, one after the other.

    Args:
        function: the state before and an item give the state after.
        state: before the first item.
        items: in order.
    """
    for item in items:
        state = function(state, item)
        yield state
