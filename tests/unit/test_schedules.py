"""The learning rate of every step."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.training.schedules import learning_rate
from distrnn.workflow.sections import CosineSchedule, OneCycleSchedule, Optimizer, StepSchedule, Train

STEPS = 10


def rates(schedule: Any, epochs: int = 5) -> list[float]:
    train = Train(epochs=epochs, optimizer=Optimizer(learning_rate=0.5), learning_rate_schedule=schedule)
    return [learning_rate(train, epoch, step, STEPS) for epoch in range(epochs) for step in range(STEPS)]


def test_without_a_schedule_it_is_constant() -> None:
    assert set(rates(None)) == {0.5}


def test_steps_change_it_at_the_start_of_the_named_epochs() -> None:
    assert rates(StepSchedule(epochs=[2, 4], factor=0.1))[::STEPS] == pytest.approx([0.5, 0.5, 0.05, 0.05, 0.005])


def test_a_cosine_begins_at_the_full_rate_and_ends_at_its_share() -> None:
    found = rates(CosineSchedule(type="cosine", final_factor=0.1))
    assert (found[0], found[-1]) == pytest.approx((0.5, 0.05))
    assert found == sorted(found, reverse=True)


def test_a_cosine_is_half_way_down_in_the_middle() -> None:
    train = Train(epochs=1, optimizer=Optimizer(learning_rate=0.5), learning_rate_schedule=CosineSchedule(type="cosine"))
    assert learning_rate(train, 0, 50, 101) == pytest.approx(0.25)


def test_a_warmup_rises_in_a_line() -> None:
    found = rates(CosineSchedule(type="cosine", warmup_epochs=0.4))
    assert found[:5] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])
    assert max(found) == 0.5


def test_one_cycle_rises_and_falls() -> None:
    found = rates(OneCycleSchedule(type="one-cycle", peak_at=0.3, initial_factor=0.04, final_factor=0.001))
    assert (found[0], found[-1]) == pytest.approx((0.02, 0.0005))
    assert found.index(max(found)) == 15  # of 49 steps after the first, 0.3 are 14.7
    assert found[:15] == sorted(found[:15])
    assert found[15:] == sorted(found[15:], reverse=True)


@given(
    st.one_of(
        st.none(),
        st.builds(CosineSchedule, type=st.just("cosine"), warmup_epochs=st.floats(0, 0.99), final_factor=st.floats(0, 1)),
        st.builds(OneCycleSchedule, type=st.just("one-cycle"), peak_at=st.floats(0.01, 0.99), initial_factor=st.floats(0.01, 1)),
    ),
    st.integers(1, 3),
    st.integers(1, 7),
)
def test_it_is_never_negative_nor_above_the_full_rate(schedule: Any, epochs: int, steps: int) -> None:
    train = Train(epochs=epochs, optimizer=Optimizer(learning_rate=0.5), learning_rate_schedule=schedule)
    for epoch in range(epochs):
        for step in range(steps):
            assert 0.0 <= learning_rate(train, epoch, step, steps) <= 0.5 * (1 + 1e-12)
