"""Batches made while the step before them is taken."""

import queue
import threading
from collections.abc import Callable, Iterator
from itertools import groupby, islice

import numpy as np

from distrnn.data.batches import Batch

READY = 2


def grouped(batches: Iterator[Batch], size: Callable[[], int]) -> Iterator[Batch]:
    """Neighbouring batches of one shape, stacked: arrays [K, ...] with K up to what `size` says, which is asked once a group."""
    for _, same in groupby(batches, key=lambda batch: batch.tokens.shape):
        while group := list(islice(same, size())):
            yield _stacked(group)


def _stacked(group: list[Batch]) -> Batch:
    return Batch(*(np.stack(arrays) for arrays in zip(*group, strict=True)))


class Prefetched:
    """An iterator that a thread reads ahead of; use it as a context, whose end stops the thread.

    Args:
        items: read in the thread.
    """

    def __init__(self, items: Iterator[Batch]) -> None:
        self._items = items
        self._ready: queue.Queue[Batch | BaseException | None] = queue.Queue(READY)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read, name="batches", daemon=True)

    def __enter__(self) -> "Prefetched":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        while self._thread.is_alive():
            self._take_one()

    def __iter__(self) -> Iterator[Batch]:
        while (item := self._ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item

    def _take_one(self) -> None:
        try:
            self._ready.get(timeout=0.05)
        except queue.Empty:
            return

    def _read(self) -> None:
        try:
            for item in self._items:
                if self._ended.is_set():
                    return
                self._ready.put(item)
            self._ready.put(None)
        except BaseException as error:
            self._ready.put(error)
