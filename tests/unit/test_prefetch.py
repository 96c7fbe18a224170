"""Batches in groups, made by a thread that reads ahead."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from distrnn.data.batches import Batch
from distrnn.training.prefetch import Prefetched, grouped


def batches(*lengths: int) -> Iterator[Batch]:
    for number, length in enumerate(lengths):
        yield Batch(np.full((2, length), number, np.int32), np.full(2, number, np.float32), np.ones(2, np.float32))


def numbers(group: Batch) -> list[int]:
    return [int(labels[0]) for labels in group.labels]


def test_neighbours_are_stacked_and_the_last_group_is_short() -> None:
    groups = list(grouped(batches(3, 3, 3, 3, 3), lambda: 2))
    assert [numbers(group) for group in groups] == [[0, 1], [2, 3], [4]]
    assert groups[0].tokens.shape == (2, 2, 3)


def test_batches_of_another_length_begin_a_group() -> None:
    assert [numbers(group) for group in grouped(batches(3, 3, 4, 4, 3), lambda: 8)] == [[0, 1], [2, 3], [4]]


def test_the_size_may_change_from_group_to_group() -> None:
    sizes = iter([1, 3, 1, 1])
    assert [numbers(group) for group in grouped(batches(3, 3, 3, 3, 3), lambda: next(sizes))] == [[0], [1, 2, 3], [4]]


def test_all_groups_come_in_order() -> None:
    with Prefetched(grouped(batches(*[3] * 9), lambda: 2)) as groups:
        assert [number for group in groups for number in numbers(group)] == list(range(9))


def test_a_failure_while_reading_ahead_is_the_readers() -> None:
    def failing() -> Iterator[Batch]:
        yield from batches(3)
        raise OSError("the disk is gone")

    with Prefetched(failing()) as groups, pytest.raises(OSError, match="the disk is gone"):
        list(groups)


def test_the_thread_ends_with_a_reader_that_stops_early() -> None:
    before = threading.active_count()
    with Prefetched(batches(*[3] * 1000)) as groups:
        next(iter(groups))
    assert threading.active_count() == before
