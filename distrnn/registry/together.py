"""Several downloads at once, that end together: when one fails, or somebody presses Ctrl-C, the others stop too."""

import threading
from collections.abc import Callable, Iterable
from queue import Empty, SimpleQueue
from typing import TypeVar

AT_ONCE = 4
T = TypeVar("T")


def together(work: Callable[[T, Callable[[], bool]], object], items: Iterable[T]) -> None:
    """Do `work` for every item, a few at once.

    Args:
        work: gets the item, and a question that it asks now and then: whether to stop, by raising something.
        items: what is to be done, begun in this order.
    Raises:
        Exception: what the first `work` that failed has raised; by then no other is running.
    """
    waiting: SimpleQueue[T] = SimpleQueue()
    for item in items:
        waiting.put(item)
    stopped, failures = threading.Event(), list[BaseException]()

    def run() -> None:
        while not stopped.is_set():
            try:
                work(waiting.get_nowait(), stopped.is_set)
            except Empty:
                return
            except BaseException as error:
                failures.append(error)
                stopped.set()

    # Daemons: the program may end without waiting for a server that does not answer.
    threads = [threading.Thread(target=run, daemon=True) for _ in range(min(AT_ONCE, waiting.qsize()))]
    try:
        if len(threads) == 1:
            threads = []
            work(waiting.get_nowait(), stopped.is_set)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        stopped.set()
    if failures:
        raise failures[0]
