"""Schedules on a clock that the test moves: each run exactly as the policy says, and the history tells the story."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distrnn.errors import AccessError, IntegrityError, NotFoundError, StorageError
from distrnn.retraining.book import Book
from fixtures_schedule import World, scheduled_workflow
from storage_doubles import MemoryStore

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def test_a_week_trains_on_the_days_whose_data_changed(world):
    here = world()
    here.scheduler("one")
    for data in "aabbbcc":
        here.data = data
        here.forward(DAY)
    assert here.story() == [
        "01 03:00 promoted",
        "02 03:00 skipped",
        "03 03:00 promoted",
        "04 03:00 skipped",
        "05 03:00 skipped",
        "06 03:00 promoted",
        "07 03:00 skipped",
    ]
    assert [entry.reason for entry in here.history()][:3] == [
        "the first run",
        "data, workflow and code are unchanged",
        "the data changed: the source's bytes changed",
    ]
    assert [entry.version["number"] for entry in here.history() if entry.version] == [1, 2, 3]
    assert here.told == here.history()


def test_nothing_is_made_up_for_the_time_before_it_was_first_seen(world):
    here = world("2026-11-01T04:00:00")
    here.scheduler("one")
    here.forward(22 * HOUR)
    assert here.story() == []


def test_ticks_that_were_missed_are_run_once(world):
    here = world()
    first = here.scheduler("one")
    here.until("2026-11-01T12:00:00")
    here.kill(first)
    here.now += 4 * DAY
    here.data = "b"
    here.scheduler("two")
    here.until("2026-11-06T12:00:00")
    assert here.story() == ["01 03:00 promoted", "05 03:00 promoted", "06 03:00 skipped"]
    assert [entry.missed for entry in here.history()] == [0, 3, 0]


def test_a_run_that_outlasts_its_next_tick_is_followed_by_one_run(world):
    here = world(cron="0 * * * *")
    here.takes = timedelta(minutes=150)
    here.scheduler("one")
    here.until("2026-11-01T02:00:00")
    here.data, here.takes = "b", timedelta(minutes=20)
    here.until("2026-11-01T04:50:00")
    assert here.story() == ["01 01:00 promoted", "01 03:00 promoted", "01 04:00 skipped"]
    assert [entry.missed for entry in here.history()] == [0, 1, 0]
    assert here.history()[1].began_at - here.history()[0].ended_at < timedelta(minutes=11)


def test_two_schedulers_run_each_tick_once(world):
    here = world()
    here.scheduler("one")
    here.scheduler("two")
    for data in "abc":
        here.data = data
        here.forward(DAY)
    assert here.story() == ["01 03:00 promoted", "02 03:00 promoted", "03 03:00 promoted"]
    assert len(here.runs) == 3


def test_a_scheduler_that_was_killed_is_followed_by_another_and_its_run_may_not_publish(world):
    here = world()
    here.takes = 10 * HOUR
    killed = here.scheduler("killed")
    here.until("2026-11-01T03:10:00")
    here.kill(killed)
    here.takes = HOUR
    here.scheduler("next")
    here.until("2026-11-01T06:00:00")
    assert here.story() == ["01 03:00 abandoned", "01 03:00 promoted"]
    first, second = here.history()
    assert (first.number, second.number, first.run_id == second.run_id) == (1, 3, True)
    assert first.error == "its scheduler (killed) is gone; next goes on"
    orphan, _ = here.runs
    here.now = orphan.ends_at
    assert orphan.poll().exit_code == 6
    assert orphan.poll().error == (
        "the schedule of reviews has given up this run (its number is 1, the newest one 3), so nothing is published. "
        "See: distrnn schedule history reviews"
    )
    assert len(here.published) == 1


def test_a_scheduler_that_was_killed_and_restarted_waits_for_its_lease_to_end(world):
    here = world()
    here.takes = 10 * HOUR
    killed = here.scheduler("killed")
    here.until("2026-11-01T03:10:00")
    here.kill(killed)
    here.scheduler("next")
    here.until("2026-11-01T03:12:00")
    assert len(here.runs) == 1
    here.until("2026-11-01T03:16:00")
    assert len(here.runs) == 2


def test_a_run_on_a_cluster_is_found_again_and_goes_on(world):
    here = world()
    here.takes, here.finds_again = 2 * HOUR, True
    killed = here.scheduler("killed")
    here.until("2026-11-01T03:30:00")
    here.kill(killed)
    here.scheduler("next")
    here.until("2026-11-02T02:00:00")
    assert here.story() == ["01 03:00 promoted"]
    assert (len(here.runs), len(here.published)) == (1, 1)
    assert here.history()[0].ended_at - here.runs[0].ends_at < timedelta(minutes=2)


def test_a_decision_whose_scheduler_died_before_the_state_knew_is_not_made_twice(world):
    here = world()

    class Dies(Book):
        def swap(self, state, tag):
            if state.last_outcome is not None:
                raise StorageError("killed")
            return super().swap(state, tag)

    killed = here.scheduler("killed", Dies(here.store))
    here.until("2026-11-01T03:21:00")
    here.kill(killed)
    here.scheduler("next")
    here.until("2026-11-02T02:00:00")
    assert here.story() == ["01 03:00 promoted"]
    assert (len(here.runs), len(here.published)) == (1, 1)
    assert here.counts() == {"promoted": 1}
    assert here.told == here.history()


def test_a_decision_of_a_slow_scheduler_that_comes_before_the_takeover_stands(world):
    here = world()
    here.takes = timedelta(minutes=5)
    slow = here.scheduler("slow")
    here.until("2026-11-01T03:02:00")
    here.kill(slow)
    here.until("2026-11-01T03:10:00")

    class Overtaken(Book):
        def decision(self, workflow, number):
            found = super().decision(workflow, number)
            slow.step()  # its run has ended long ago
            return found

    here.scheduler("next", Overtaken(here.store))
    here.until("2026-11-02T02:00:00")
    assert here.story() == ["01 03:00 promoted"]
    assert here.counts() == {"promoted": 1}
    assert here.told == here.history()


def test_a_scheduler_that_renews_its_lease_as_it_is_taken_over_publishes_once(world):
    here = world()
    here.takes = HOUR
    slow = here.scheduler("slow")
    here.until("2026-11-01T03:10:00")
    here.kill(slow)
    here.until("2026-11-01T03:20:00")

    class Overtaken(Book):
        def decide(self, entry):
            stands = super().decide(entry)
            if entry.outcome == "abandoned":
                slow.step()
                here.schedulers.append(slow)
            return stands

    here.scheduler("next", Overtaken(here.store))
    for _ in range(60):
        here.forward(timedelta(minutes=1))
    here.until("2026-11-02T02:00:00")
    assert here.story() == ["01 03:00 abandoned", "01 03:00 promoted"]
    assert here.counts() == {"abandoned": 1, "promoted": 1}
    assert (len(here.runs), len(here.published)) == (1, 1)
    assert here.told == here.history()


def test_a_run_that_takes_its_scheduler_down_each_time_is_given_up_until_the_next_tick(world):
    here = world(retries={"count": 2, "wait_s": 600})
    here.takes = 10 * HOUR
    for number, taken_down_at in enumerate(("03:01", "03:17", "03:43", "06:00"), start=1):
        victim = here.scheduler(f"victim-{number}")
        here.until(f"2026-11-01T{taken_down_at}:00")
        here.kill(victim)
    assert here.story() == ["01 03:00 abandoned", "01 03:00 abandoned", "01 03:00 failed"]
    assert [entry.attempt for entry in here.history()] == [1, 2, 3]
    assert [entry.error for entry in here.history()] == [
        "its scheduler (victim-1) is gone; victim-2 goes on",
        "its scheduler (victim-2) is gone; victim-3 goes on",
        "its scheduler (victim-3) is gone, and attempt 3 was the last one",
    ]
    waits = [entry.retry_at - entry.ended_at if entry.retry_at else None for entry in here.history()]
    assert waits == [timedelta(minutes=10), timedelta(minutes=20), None]
    assert (len(here.runs), here.published) == (3, [])
    assert here.counts() == {"abandoned": 2, "failed": 1}
    assert here.told == here.history()
    here.takes = HOUR
    here.scheduler("next")
    here.until("2026-11-02T05:00:00")
    assert here.story()[3:] == ["02 03:00 promoted"]


def test_a_scheduler_that_is_stopped_again_and_again_costs_its_run_no_attempt(world):
    here = world(retries={"count": 0})
    here.takes = 2 * HOUR
    for number in range(3):
        stopped = here.scheduler(f"stopped-{number}")
        here.until(f"2026-11-01T03:1{number}:00")
        stopped.shut_down()
        here.kill(stopped)
    here.scheduler("next")
    here.until("2026-11-01T12:00:00")
    assert here.story() == ["01 03:00 abandoned"] * 3 + ["01 03:00 promoted"]
    assert [entry.attempt for entry in here.history()] == [1] * 4
    assert here.counts() == {"abandoned": 3, "promoted": 1}
    assert here.told == here.history()


def test_a_run_that_was_given_up_cannot_publish_while_its_turn_waits(world):
    here = world(retries={"count": 1, "wait_s": 3600})
    here.takes = timedelta(minutes=30)
    killed = here.scheduler("killed")
    here.until("2026-11-01T03:01:00")
    here.kill(killed)
    here.scheduler("next")
    here.until("2026-11-01T03:40:00")
    (orphan,) = here.runs
    assert orphan.poll().exit_code == 6
    assert here.published == []


def test_a_scheduler_that_died_before_it_ordered_a_run_on_a_cluster_is_counted_too(world):
    here = world()
    here.finds_again = True
    killed = here.scheduler("killed")
    here.until("2026-11-01T02:59:00")
    here.now += timedelta(minutes=1)
    killed.step()  # looks at the inputs
    here.kill(killed)
    here.scheduler("next")
    here.until("2026-11-01T12:00:00")
    assert here.story() == ["01 03:00 abandoned", "01 03:00 promoted"]
    assert [entry.attempt for entry in here.history()] == [1, 2]


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (StorageError("no answer"), 1, "no answer"),
        (OSError(12, "Cannot allocate memory"), 1, "[Errno 12] Cannot allocate memory"),
        (ValueError("a fault"), 1, "internal error: ValueError: a fault"),
    ],
)
def test_a_run_that_cannot_be_started_has_failed_and_is_tried_again(world, error, code, message):
    here = world(retries={"count": 1, "wait_s": 600})
    here.start_errors = [error]
    here.scheduler("one")
    here.until("2026-11-01T12:00:00")
    assert here.story() == ["01 03:00 failed", "01 03:00 promoted"]
    first, second = here.history()
    assert (first.exit_code, first.error) == (code, f"the run could not be started: {message}")
    assert (first.retry_at - first.ended_at, first.attempt, second.attempt) == (timedelta(minutes=10), 1, 2)
    assert here.counts() == {"failed": 1, "promoted": 1}
    assert here.told == here.history()
    assert not [text for text in here.said if "took over" in text]


@pytest.mark.parametrize(("error", "code"), [(AccessError("access denied"), 7), (IntegrityError("run.json is damaged"), 5)])
def test_a_run_that_will_never_start_is_given_up(world, error, code):
    here = world()
    here.start_errors = [error] * 9
    here.scheduler("one")
    here.until("2026-11-01T12:00:00")
    assert here.story() == ["01 03:00 failed"]
    assert (here.history()[0].exit_code, here.history()[0].retry_at) == (code, None)
    assert len(here.start_errors) == 8


def test_what_goes_wrong_with_one_workflow_holds_up_no_other(world, tmp_path):
    here = world()

    class Faulty(Book):
        def read(self, workflow):
            if workflow == "other":
                raise TypeError("can't compare offset-naive and offset-aware datetimes")
            return super().read(workflow)

    here.scheduler("one", Faulty(here.store), scheduled_workflow({"cron": "0 3 * * *"}, tmp_path, "other"))
    here.until("2026-11-01T12:00:00")
    assert here.story() == ["01 03:00 promoted"]
    assert here.said[0] == "other: internal error: TypeError: can't compare offset-naive and offset-aware datetimes"


def test_a_run_that_cannot_be_stopped_holds_up_the_turn_of_no_other(world, tmp_path):
    here = world()
    here.takes = HOUR
    one = here.scheduler("one", None, scheduled_workflow({"cron": "0 3 * * *"}, tmp_path, "other"))
    here.until("2026-11-01T03:10:00")

    def fail():
        raise OSError(5, "Input/output error")

    assert [run.order.workflow for run in here.runs] == ["other", "reviews"]
    here.runs[0].stop = fail
    one.shut_down()
    assert here.said[-1] == "other: [Errno 5] Input/output error"
    assert here.book.read("reviews").state.holder is None


def test_a_scheduler_that_slept_through_its_lease_stops_its_run(world):
    here = world()
    here.takes = 2 * HOUR
    sleeper = here.scheduler("sleeper")
    here.until("2026-11-01T03:10:00")
    here.kill(sleeper)
    here.scheduler("next")
    here.until("2026-11-01T03:20:00")
    here.schedulers.append(sleeper)
    here.until("2026-11-02T02:00:00")
    assert here.story() == ["01 03:00 abandoned", "01 03:00 promoted"]
    assert here.runs[0].stopped
    assert "reviews: another scheduler took over, because this one did not renew its lease in time" in here.said


def test_a_scheduler_that_is_stopped_gives_its_turn_to_the_next_at_once(world):
    here = world()
    here.takes = 2 * HOUR
    stopped = here.scheduler("stopped")
    here.until("2026-11-01T03:10:00")
    stopped.shut_down()
    here.kill(stopped)
    here.scheduler("next")
    here.until("2026-11-01T03:11:00")
    assert [run.stopped for run in here.runs] == [True, False]
    here.until("2026-11-01T12:00:00")
    assert here.story() == ["01 03:00 abandoned", "01 03:00 promoted"]
    assert here.history()[0].error == "its scheduler was stopped; next goes on"


def test_a_run_that_fails_goes_on_after_longer_and_longer_waits(world):
    here = world(retries={"count": 2, "wait_s": 600})
    here.exit_codes = [1, -9, 0]
    here.scheduler("one")
    here.until("2026-11-02T12:00:00")
    assert here.story() == ["01 03:00 failed", "01 03:00 failed", "01 03:00 promoted", "02 03:00 skipped"]
    assert [entry.attempt for entry in here.history()] == [1, 2, 3, 1]
    assert len({run.order.run_id for run in here.runs}) == 1
    assert [run.order.again for run in here.runs] == [False, True, True]
    waits = [entry.retry_at - entry.ended_at if entry.retry_at else None for entry in here.history()]
    assert waits == [timedelta(minutes=10), timedelta(minutes=20), None, None]


def test_a_run_that_fails_too_often_is_given_up_until_the_next_tick(world):
    here = world(retries={"count": 1, "wait_s": 60})
    here.exit_codes = [1, 1]
    here.scheduler("one")
    here.until("2026-11-02T12:00:00")
    assert here.story() == ["01 03:00 failed", "01 03:00 failed", "02 03:00 promoted"]
    assert [entry.error for entry in here.history()] == ["failed with 1", "failed with 1", None]
    assert here.history()[2].reason == "the first run"


@pytest.mark.parametrize("code", [2, 3, 5, 7, 8])
def test_a_failure_that_will_not_pass_is_not_tried_again(world, code):
    here = world()
    here.exit_codes = [code]
    here.scheduler("one")
    here.until("2026-11-01T12:00:00")
    assert here.story() == ["01 03:00 failed"]
    assert (here.history()[0].exit_code, here.history()[0].retry_at) == (code, None)


def test_data_that_cannot_be_read_is_a_failure(world):
    here = world()
    here.look_error = NotFoundError("no file at 'reviews.csv'")
    here.scheduler("one")
    here.until("2026-11-01T12:00:00")
    (entry,) = here.history()
    assert (entry.outcome, entry.error, entry.exit_code, here.runs) == ("failed", "no file at 'reviews.csv'", 3, [])


def test_a_store_that_does_not_answer_when_a_run_has_ended_is_asked_again(world):
    here = world()
    broken = [True]

    class Flaky(Book):
        def decide(self, entry):
            if broken[0]:
                raise StorageError("no answer")
            return super().decide(entry)

    here.scheduler("one", Flaky(here.store))
    here.until("2026-11-01T03:22:00")
    assert (here.story(), here.said[-1]) == ([], "reviews: no answer")
    broken[0] = False
    here.until("2026-11-01T12:00:00")
    assert (here.story(), len(here.runs)) == (["01 03:00 promoted"], 1)


def test_a_fault_of_a_library_is_a_failed_tick_and_no_end_of_the_scheduler(world):
    here = world()
    here.look_error = ValueError("not parquet")
    here.scheduler("one")
    here.until("2026-11-01T12:00:00")
    assert here.history()[0].error == "internal error: ValueError: not parquet"
    assert here.story() == ["01 03:00 failed"] * 3


def test_a_refused_gate_is_an_outcome_and_the_same_data_is_not_trained_on_again(world):
    here = world()
    here.exit_codes = [4]
    here.scheduler("one")
    here.until("2026-11-03T02:00:00")
    assert here.story() == ["01 03:00 refused", "02 03:00 skipped"]
    assert here.history()[0].promotion == {"alias": "production", "decision": "refused"}
    assert here.history()[0].error is None


def test_force_trains_at_every_tick(world):
    here = world()
    here.force = True
    here.scheduler("one")
    here.until("2026-11-03T02:00:00")
    assert [entry.reason for entry in here.history()] == ["the first run", "nothing changed, and --force was given"]


def test_a_run_begins_within_the_jitter_and_the_same_for_all(world):
    here = world(jitter_s=3600)
    here.scheduler("one")
    here.until("2026-11-02T02:00:00")
    late = here.history()[0].began_at - here.history()[0].tick
    assert timedelta(0) < late < HOUR
    other = world(jitter_s=3600)
    other.scheduler("two")
    other.until("2026-11-02T02:00:00")
    assert other.history()[0].began_at == here.history()[0].began_at


@pytest.mark.parametrize(
    ("zone", "begins", "story"),
    [
        ("Europe/Berlin", "2026-03-27T12:00", ["28 01:30", "29 01:00", "30 00:30", "31 00:30"]),
        ("Europe/Berlin", "2026-10-23T12:00", ["24 00:30", "25 00:30", "26 01:30", "27 01:30"]),
        ("America/New_York", "2026-03-06T12:00", ["07 07:30", "08 07:00", "09 06:30", "10 06:30"]),
        ("America/New_York", "2026-10-30T12:00", ["31 06:30", "01 07:30", "02 07:30", "03 07:30"]),
    ],
)
def test_a_time_of_day_comes_once_on_the_days_when_clocks_change(world, zone, begins, story):
    here = world(begins, cron="30 2 * * *", timezone=zone)
    here.force = True
    here.scheduler("one")
    here.forward(4 * DAY)
    assert here.story() == [f"{moment} promoted" for moment in story]


def test_a_store_that_does_not_answer_holds_a_scheduler_up_and_does_not_end_it(world):
    here = world()
    broken = [True]

    class Flaky(Book):
        def read(self, workflow):
            if broken[0]:
                raise StorageError("no answer")
            return super().read(workflow)

    here.scheduler("one", Flaky(here.store))
    here.until("2026-11-01T02:00:00")
    broken[0] = False
    here.until("2026-11-01T12:00:00")
    assert here.said[0] == "reviews: no answer"
    assert here.story() == ["01 03:00 promoted"]


@settings(max_examples=25)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["step", "kill", "start", "stop"]), st.integers(0, 2), st.integers(1, 90)), min_size=5, max_size=20
    ),
    codes=st.lists(st.sampled_from([0, 1, 4, 8, -9]), max_size=6),
)
def test_whatever_becomes_of_the_schedulers_no_tick_is_published_twice(steps, codes):
    scheduled = scheduled_workflow({"cron": "0 * * * *", "retries": {"count": 2, "wait_s": 120}}, Path("folder"))
    here = World(MemoryStore(), datetime(2026, 11, 1, tzinfo=UTC), scheduled, exit_codes=list(codes), force=True)
    here.scheduler("first")
    for position, (what, which, minutes) in enumerate(steps):
        if what == "start" and len(here.schedulers) < 3:
            here.scheduler(f"number-{position}")
        elif what in ("kill", "stop") and here.schedulers:
            gone = here.schedulers[which % len(here.schedulers)]
            if what == "stop":
                gone.shut_down()
            here.kill(gone)
        for _ in range(minutes):
            here.now += timedelta(minutes=1)
            for scheduler in list(here.schedulers):
                scheduler.step()
    for run in here.runs:
        run.poll()
    final = [entry for entry in here.history() if entry.outcome in ("promoted", "refused")]
    assert len({entry.tick for entry in final}) == len(final)
    assert len({entry.number for entry in here.history()}) == len(here.history())
    assert here.counts() == Counter(entry.outcome for entry in here.history())
    assert sorted(entry.number for entry in here.told) == [entry.number for entry in here.history()]
    assert all(entry.attempt <= 3 for entry in here.history())
    assert len(here.published) == len(set(here.published))
