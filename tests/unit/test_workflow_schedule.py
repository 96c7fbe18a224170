"""The sections `schedule` and `notify` of a workflow, and what is wrong with them."""

import pytest

from distrnn.errors import WorkflowError
from distrnn.workflow import validate

SCHEDULE = {"cron": "0 3 * * 1"}


def message(document):
    with pytest.raises(WorkflowError) as caught:
        validate(document, "a.yaml")
    return caught.value.message


def test_defaults(classifier):
    schedule = validate({**classifier, "schedule": SCHEDULE, "notify": {}}, "a.yaml").schedule
    assert schedule.model_dump() == {
        "cron": "0 3 * * 1",
        "timezone": "UTC",
        "jitter_s": 0.0,
        "retries": {"count": 2, "wait_s": 60.0},
    }


def test_a_run_does_not_depend_on_its_schedule(classifier):
    with_one = validate({**classifier, "schedule": SCHEDULE, "notify": {"url": "https://hooks.example/a"}}, "a.yaml")
    dumped = with_one.resolved().model_dump(mode="json", by_alias=True)
    assert dumped == validate(classifier, "a.yaml").resolved().model_dump(mode="json", by_alias=True)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (
            {"schedule": {"cron": "0 3 * *"}},
            "key 'schedule.cron': expected five fields of a crontab, for instance 0 3 * * 1. Received: \"0 3 * *\"",
        ),
        (
            {"schedule": {"cron": "@daily"}},
            "key 'schedule.cron': expected five fields of a crontab, for instance 0 3 * * 1. Received: \"@daily\"",
        ),
        (
            {"schedule": {**SCHEDULE, "timezone": "Berlin"}},
            "key 'schedule.timezone': expected the IANA name of a time zone, for instance Europe/Berlin. Received: \"Berlin\"",
        ),
        (
            {"schedule": {**SCHEDULE, "timezone": "../UTC"}},
            "key 'schedule.timezone': expected the IANA name of a time zone, for instance Europe/Berlin. Received: \"../UTC\"",
        ),
        ({"notify": {}}, "key 'notify': expected nothing without a section schedule, whose ticks it tells of. Received: "),
        (
            {"schedule": SCHEDULE, "notify": {"url": "ftp://hooks.example"}},
            "key 'notify.url': expected an http:// or https:// URL without a password. Received: \"ftp://hooks.example\"",
        ),
        (
            {"schedule": SCHEDULE, "notify": {"url": "https://me:secret@hooks.example"}},
            "key 'notify.url': expected an http:// or https:// URL without a password. Received: one with a password",
        ),
    ],
)
def test_what_is_wrong_is_named(classifier, keys, expected):
    assert message({**classifier, **keys}).startswith(f"a.yaml: {expected}")
