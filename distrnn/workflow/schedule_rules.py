"""What must hold in the sections `schedule` and `notify`. That a cron expression ever comes true, the scheduler finds out."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from distrnn.workflow.problems import Problem, show
from distrnn.workflow.sections import Workflow

_FIELD = r"[0-9A-Za-z*,/#-]+"
_CRON = re.compile(rf"\s*{_FIELD}(\s+{_FIELD}){{4}}\s*")


def problems(workflow: Workflow) -> Iterator[Problem]:
    """Every rule of the two sections that `workflow` breaks."""
    if (schedule := workflow.schedule) is not None:
        if not is_crontab(schedule.cron):
            yield Problem("schedule.cron", "five fields of a crontab, for instance 0 3 * * 1", show(schedule.cron))
        if schedule.timezone != "UTC" and not _is_zone(schedule.timezone):
            yield Problem("schedule.timezone", "the IANA name of a time zone, for instance Europe/Berlin", show(schedule.timezone))
    if (notify := workflow.notify) is not None:
        if schedule is None:
            yield Problem(
                "notify", "nothing without a section schedule, whose ticks it tells of", show(notify.model_dump(exclude_none=True))
            )
        if notify.url is not None and not _is_url(notify.url):
            received = "one with a password" if "@" in notify.url else show(notify.url)
            yield Problem("notify.url", "an http:// or https:// URL without a password", received)


def is_crontab(text: str) -> bool:
    """Whether a text has the five fields of a crontab; whether they ever come true, the scheduler finds out."""
    return bool(_CRON.fullmatch(text))


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # no such zone, a folder of zones, or a path that leads out of them
        return False
    return True


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
