"""What must hold within the `sweep` section; whether each combination is a workflow is found out when a sweep is planned."""

from collections.abc import Iterator, Sequence
from typing import Any

from distrnn.workflow.problems import Problem, show
from distrnn.workflow.sweep_sections import Sweep

SWEPT_SECTIONS = ("data", "model", "train")
# What these decide is how a run is kept, not what it learns
KEPT_ALIKE = ("train.checkpoint_every_s", "train.checkpoints_kept", "train.tensorboard", "train.max_failures")
MOST_TRIALS = 1000


def problems(sweep: Sweep | None) -> Iterator[Problem]:
    """Every rule that the section breaks."""
    if sweep is None:
        return
    trials = 1
    for key, values in sweep.grid.items():
        trials *= len(values)
        at = f"sweep.grid.{key}"
        section, _, below = key.partition(".")
        if section not in SWEPT_SECTIONS or not below:
            yield Problem(at, f"a key of {', '.join(SWEPT_SECTIONS)}, for instance model.units", key)
        if key in KEPT_ALIKE:
            yield Problem(at, "a key that changes what is learned", key)
        if above := next((other for other in sweep.grid if key.startswith(f"{other}.")), None):
            yield Problem(at, f"nothing beside sweep.grid.{above}, which holds it", show(values))
        if (twice := _repeated(values)) is not None:
            yield Problem(at, "values that differ", f"{show(values[twice])} twice")
    if trials > MOST_TRIALS:
        yield Problem("sweep.grid", f"at most {MOST_TRIALS:,} combinations", f"{trials:,}")


def _repeated(values: Sequence[Any]) -> int | None:
    """Where a value stands that stood before; 1 and 1.0 are one value, true is another."""
    marks = [(isinstance(value, bool), value) for value in values]
    return next((index for index, mark in enumerate(marks) if mark in marks[:index]), None)
