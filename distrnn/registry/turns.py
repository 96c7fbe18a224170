"""Taking turns: how often a compare-and-swap is tried, and how long one waits after each that somebody else won."""

import random
import time
from collections.abc import Iterator

_TURNS = 60


def turns() -> Iterator[None]:
    """Once for each try; whoever comes to the end of it gives up."""
    for tried in range(_TURNS):
        yield
        time.sleep(random.random() * min(0.02 * (tried + 1), 0.5))  # noqa: S311
