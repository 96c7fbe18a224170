"""What a run tells whoever watches it: one small event, the same from actors, workers and drivers.

It lives beside the error tree because every layer sends it and none may depend on how the command line shows it.
"""

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

STAGES = ("prepare", "label", "train", "evaluate", "register", "promote")


@dataclass(frozen=True)
class Event:
    """A step forward within one stage.

    Attributes:
        stage: one of `STAGES`.
        done: how much of the stage is done, in `unit`.
        total: all there is to do, in `unit`; None while nobody knows.
        unit: what is counted, for instance "chunks", "steps" or "examples".
        info: figures at this moment. `epoch` and `step` count from 1, `loss` and `validation_loss` are in nats, `tokens_per_s` and
            `samples_per_s` are over all replicas, `data_wait_s` is the wait for batches in this epoch so far, `step_s` the time of one of
            the last steps; `documents` are those read so far, `bytes_per_s` of their text over all actors; keys that do not apply are
            absent. `message`, a text, is shown as it is; a `warning` stands alone, and does not say how far the stage is.
    """

    stage: str
    done: float
    total: float | None = None
    unit: str = ""
    info: dict[str, Any] = field(default_factory=dict)


Progress = Callable[[Event], None]


def silent(_event: Event) -> None:
    """The listener of a caller who does not want to hear anything."""


def log(message: str) -> None:
    """Write a line into the run's log, which is what a worker writes to stderr; unless its disk is full."""
    with contextlib.suppress(OSError):
        os.write(2, f"{message}\n".encode())  # Ray shows twice what is printed
