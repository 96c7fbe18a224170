"""When a workflow is run again by itself, and who is told; `distrnn run` leaves these sections alone."""

from typing import Annotated, Literal

from pydantic import Field

from distrnn.workflow.section import Section

Outcome = Literal["promoted", "refused", "finished", "skipped", "failed", "abandoned"]


class Retries(Section):
    """What is done when a run fails for a reason that may pass."""

    count: int = Field(2, ge=0, le=20, description="How many times a run that failed goes on before its tick is given up.")
    wait_s: float = Field(60.0, gt=0.0, le=86400.0, description="Wait before the first time; doubled for each further one.")


class Schedule(Section):
    """When the workflow is run by `distrnn schedule run`."""

    cron: str = Field(description="Minute, hour, day of the month, month, day of the week (0 and 7 are Sunday), for instance 0 3 * * 1.")
    timezone: str = Field("UTC", description="IANA name of the zone that cron means, for instance Europe/Berlin.")
    jitter_s: float = Field(
        0.0,
        ge=0.0,
        le=86400.0,
        description="A run begins up to so much later, a part that workflow and tick decide, so that not all start at once.",
    )
    retries: Retries = Field(default_factory=lambda: Retries(), description="What is done when a run fails for a reason that may pass.")


class Notify(Section):
    """A webhook that is told what came of each tick; its secret is DISTRNN_WEBHOOK_SECRET, never a key of this file."""

    url: str | None = Field(None, description="http(s):// URL to post to; default DISTRNN_WEBHOOK_URL.")
    outcomes: Annotated[list[Outcome], Field(min_length=1)] = Field(
        ["promoted", "refused", "finished", "failed", "abandoned"], description="Which outcomes are told of."
    )
