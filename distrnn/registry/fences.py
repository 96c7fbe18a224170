"""The number that a scheduled run must still have when it publishes.

A scheduler that was given up for dead may be alive, and its run too. So each decision of a schedule has a number; a run is told its own
(DISTRNN_FENCE), and as the last thing before it creates a version or moves an alias it looks whether the schedule's record still has it.
Between that look and the write is nothing but the write and its turn at a lock: two objects of a store cannot be changed as one.
"""

import os
from collections.abc import Mapping

from distrnn.errors import ConflictError, UsageError
from distrnn.registry.layout import schedule_key
from distrnn.registry.manifest import LIMIT_BYTES, parse_document
from distrnn.storage import Store

FENCE = "DISTRNN_FENCE"


def fence_of(workflow: str, number: int) -> str:
    """The value of DISTRNN_FENCE."""
    return f"{workflow}:{number}"


def check_fence(store: Store, environment: Mapping[str, str] = os.environ) -> None:
    """Make sure that the schedule has not given up the run that this process is.

    Args:
        store: the registry's.
        environment: where DISTRNN_FENCE is looked for; without it the run is nobody's schedule.
    Raises:
        ConflictError: it has, and another run may be in its place.
        UsageError: the variable is none that a scheduler sets.
    """
    told = environment.get(FENCE)
    if not told:
        return
    workflow, _, number = told.rpartition(":")
    if not workflow or not number.isdecimal():
        raise UsageError(f"{FENCE} is set by `distrnn schedule run` to WORKFLOW:NUMBER. Received: {told!r}")
    key = schedule_key(workflow)
    found = store.find(key, limit_bytes=LIMIT_BYTES)
    newest = parse_document(found[0], f"{store.url}/{key}").get("fence") if found else None
    if newest != int(number):
        raise ConflictError(
            f"the schedule of {workflow} has given up this run (its number is {number}, the newest one {newest}), so nothing is published. "
            f"See: distrnn schedule history {workflow}"
        )
