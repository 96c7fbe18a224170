"""The moments that a cron expression means in its time zone.

Where clocks go forward, a time that does not exist is taken as the first moment after the gap. Where they go back, a time of day that comes
twice is meant once, the first time; only an expression for every hour means both, because it speaks of a rhythm and not of a time of day.
This is what cron itself does.
"""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from croniter import croniter

from distrnn.errors import WorkflowError
from distrnn.workflow.schedule_sections import Schedule

COUNTED = 1000


def check_cron(schedule: Schedule, file: str) -> None:
    """Find out that an expression means something.

    Raises:
        WorkflowError: it is none, or never comes true.
    """
    if not comes_true(schedule):
        raise WorkflowError(
            f"{file}: key 'schedule.cron': expected a crontab that comes true, for instance 0 3 * * 1. Received: {schedule.cron!r}",
            file=file,
            key="schedule.cron",
        )


def comes_true(schedule: Schedule) -> bool:
    """Whether a crontab of five fields means a moment to come, in a zone that is known here."""
    try:
        return bool(next_tick(schedule, datetime.now(UTC)))
    except (ValueError, KeyError, OSError):  # what croniter raises is a ValueError; a zone that is not there is one of the others
        return False


def next_tick(schedule: Schedule, after: datetime) -> datetime:
    """The first tick after a moment, in UTC."""
    return next(_ticks(schedule, after))


def missed_ticks(schedule: Schedule, after: datetime, until: datetime) -> tuple[datetime, int] | None:
    """The last tick in (`after`, `until`] and how many there were before it (`COUNTED` at most); None where there is none."""
    last, before = None, -1
    for tick in _ticks(schedule, after):
        if tick > until:
            break
        last, before = tick, before + 1
        if before == COUNTED:
            break
    if last is None:
        return None
    if before == COUNTED:
        last = _last_before(schedule, until)
    return last, before


def begins_at(workflow: str, schedule: Schedule, tick: datetime) -> datetime:
    """When a tick's run begins: up to `jitter_s` later, the same for every scheduler that asks."""
    digest = hashlib.sha256(f"{workflow} {tick.astimezone(UTC).isoformat()}".encode()).digest()
    return tick + timedelta(seconds=schedule.jitter_s * int.from_bytes(digest[:8]) / 2**64)


def zone_of(schedule: Schedule) -> tzinfo:
    """The zone that the expression is read in."""
    return UTC if schedule.timezone == "UTC" else ZoneInfo(schedule.timezone)


def _ticks(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    moments = croniter(schedule.cron, after.astimezone(zone_of(schedule)))
    while True:
        local = moments.get_next(datetime)
        if not _comes_again(schedule, local):
            yield local.astimezone(UTC)


def _last_before(schedule: Schedule, until: datetime) -> datetime:
    moments = croniter(schedule.cron, (until + timedelta(microseconds=1)).astimezone(zone_of(schedule)))
    local: datetime = moments.get_prev(datetime)
    while _comes_again(schedule, local):
        local = moments.get_prev(datetime)
    return local.astimezone(UTC)


def _comes_again(schedule: Schedule, local: datetime) -> bool:
    every_hour = schedule.cron.split()[1].startswith("*")
    return bool(local.fold) and not every_hour
