"""Where a reader of batches stands, and reading on from there.

A position is all that has to be kept: batches follow from (seed, epoch, step), so nothing else can be lost with a killed reader.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from distrnn.data.batches import Batch, Batches
from distrnn.errors import DataError


@dataclass(frozen=True)
class Position:
    """The next batch of a reader; `dataclasses.asdict` makes it JSON, `Position(**mapping)` reads that.

    Attributes:
        epoch: from 0.
        step: batches of it that have been read.
    """

    epoch: int = 0
    step: int = 0


class BatchReader(Iterator[Batch]):
    """Batches one after the other, epoch after epoch without an end, from a position on.

    Args:
        batches: classifiers', bucketed, mixed or streams; with the seed, batch size and data that the position was kept of.
        position: of the first batch to read.

    Raises:
        DataError: the position lies outside the epoch, so it was kept of other batches.
    """

    def __init__(self, batches: Batches, position: Position | None = None) -> None:
        position = position or Position()
        if position.epoch < 0 or not 0 <= position.step <= batches.steps:
            raise DataError(
                f"a position must be an epoch from 0 and a step from 0 to {batches.steps}. Received: epoch {position.epoch}, step "
                f"{position.step}. Go on with the data and batch size that it was kept of, or start again."
            )
        self._batches = batches
        self._epoch, self._step = position.epoch, position.step
        self._left = batches.epoch(position.epoch, position.step)

    @property
    def position(self) -> Position:
        """Where the next batch is; kept after a step, it leads to the batch after that step's."""
        return Position(self._epoch, self._step)

    def __next__(self) -> Batch:
        """The next batch."""
        if self._step == self._batches.steps:
            self._epoch, self._step = self._epoch + 1, 0
            self._left = self._batches.epoch(self._epoch)
        batch = next(self._left)
        self._step += 1
        return batch
