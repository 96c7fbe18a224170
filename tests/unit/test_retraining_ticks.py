"""The moments of a cron expression: across the changes of clocks, and how many were missed."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.errors import WorkflowError
from distrnn.retraining.ticks import COUNTED, begins_at, check_cron, missed_ticks, next_tick
from distrnn.workflow.schedule_sections import Schedule

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe")
MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))


def schedule(cron, zone="UTC", **keys):
    return Schedule(cron=cron, timezone=zone, **keys)


def ticks(cron, zone, begins, count):
    at, found = datetime.fromisoformat(begins).replace(tzinfo=UTC), []
    for _ in range(count):
        at = next_tick(schedule(cron, zone), at)
        found.append(f"{at:%d %H:%M}")
    return found


def test_days_of_the_week_are_those_of_cron():
    assert f"{next_tick(schedule('0 3 * * 1'), datetime(2026, 11, 27, tzinfo=UTC)):%A}" == "Monday"
    assert f"{next_tick(schedule('0 3 * * 0'), datetime(2026, 11, 27, tzinfo=UTC)):%A}" == "Sunday"


@pytest.mark.parametrize(
    ("zone", "begins", "expected"),
    [
        ("Europe/Berlin", "2026-03-28T12:00", ["29 01:00", "30 00:30"]),
        ("America/New_York", "2026-03-07T12:00", ["08 07:00", "09 06:30"]),
    ],
)
def test_a_time_that_does_not_exist_is_the_first_moment_after_the_gap(zone, begins, expected):
    assert ticks("30 2 * * *", zone, begins, 2) == expected


@pytest.mark.parametrize(
    ("cron", "zone", "begins", "expected"),
    [
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", ["25 00:30", "26 01:30"]),
        ("30 1 * * *", "America/New_York", "2026-10-31T12:00", ["01 05:30", "02 06:30"]),
    ],
)
def test_a_time_that_comes_twice_is_the_first_of_the_two(cron, zone, begins, expected):
    assert ticks(cron, zone, begins, 2) == expected


def test_an_expression_for_every_hour_means_every_hour():
    assert ticks("0 * * * *", "Europe/Berlin", "2026-10-24T23:30", 4) == ["25 00:00", "25 01:00", "25 02:00", "25 03:00"]
    assert ticks("0 * * * *", "Europe/Berlin", "2026-03-28T23:30", 4) == ["29 00:00", "29 01:00", "29 02:00", "29 03:00"]


@given(after=MOMENTS, zone=st.sampled_from(ZONES), cron=st.sampled_from(["30 2 * * *", "0 */3 * * *", "15 1 * * 1", "0 0 1 * *"]))
def test_ticks_come_one_after_another_and_a_daily_one_once_a_day(after, zone, cron):
    found, at = [], after
    for _ in range(6):
        at = next_tick(schedule(cron, zone), at)
        found.append(at)
    assert all(second > first > after for first, second in pairwise(found))
    if cron.startswith("30 2"):
        assert all(timedelta(hours=22) <= second - first <= timedelta(hours=26) for first, second in pairwise(found))


@given(after=MOMENTS, minutes=st.integers(0, 3000), zone=st.sampled_from(ZONES))
def test_the_last_missed_tick_is_the_last_of_all_in_between(after, minutes, zone):
    every, until = schedule("*/20 * * * *", zone), after + timedelta(minutes=minutes)
    inside, at = [], after
    while (at := next_tick(every, at)) <= until:
        inside.append(at)
    assert missed_ticks(every, after, until) == ((inside[-1], len(inside) - 1) if inside else None)


def test_many_missed_ticks_are_counted_up_to_a_limit_and_the_last_is_right():
    after = datetime(2026, 1, 1, tzinfo=UTC)
    assert missed_ticks(schedule("* * * * *"), after, after + timedelta(days=90)) == (after + timedelta(days=90), COUNTED)


@given(tick=MOMENTS, jitter=st.floats(0.0, 86400.0))
def test_jitter_stays_within_its_bound_and_is_the_same_for_all(tick, jitter):
    begins = begins_at("reviews", schedule("0 0 * * *", jitter_s=jitter), tick)
    assert tick <= begins <= tick + timedelta(seconds=jitter)
    assert begins == begins_at("reviews", schedule("0 0 * * *", jitter_s=jitter), tick)


@pytest.mark.parametrize("cron", ["0 0 30 2 *", "61 * * * *", "a b c d e"])
def test_an_expression_that_never_comes_true_is_an_error(cron):
    with pytest.raises(WorkflowError) as caught:
        check_cron(schedule(cron), "a.yaml")
    assert caught.value.message == (
        f"a.yaml: key 'schedule.cron': expected a crontab that comes true, for instance 0 3 * * 1. Received: {cron!r}"
    )
