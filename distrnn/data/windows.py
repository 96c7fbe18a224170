"""A corpus split as windows that do not overlap, shuffled anew each epoch: for a model that begins each window from a state of zeros.

Window i is where `distrnn.data.streams.windows` cuts it. A batch is read as so many short spans of the stream, so memory does not grow with
the corpus but for the order of an epoch.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from distrnn.data.batches import NO_ROW, Batch, in_batches, shuffled, steps_of_block, weights_of
from distrnn.data.padding import IntArray
from distrnn.data.parts import WHOLE, Part
from distrnn.data.reader import ShardReader
from distrnn.data.streams import window_count
from distrnn.errors import DataError


class WindowBatches:
    """Shuffled windows of a split.

    Args:
        reader: the split.
        batch: B, rows of a batch over all replicas; of the last one some may be empty and weigh nothing.
        window: W, tokens of a row.
        only_last: a label for the token after each window alone, not for that after each token.
        seed: of the shuffle.
        part: the rows of each batch that are read.

    Raises:
        DataError: there are fewer windows than a batch has rows, or the part is none.
    """

    def __init__(self, reader: ShardReader, *, batch: int, window: int, only_last: bool, seed: int, part: Part = WHOLE) -> None:
        self.rows = window_count(reader.tokens, window)
        if self.rows < batch:
            raise DataError(
                f"split {reader.name!r} must have at least {batch * window + 2} tokens for a batch of {batch} windows of "
                f"{window}. Received: {reader.tokens} tokens. Use a smaller train.global_batch_size or model.window, or more text."
            )
        self._reader, self._batch, self._window, self._only_last = reader, batch, window, only_last
        self._seed, self._part = seed, part.of(batch)

    @property
    def steps(self) -> int:
        """Batches of an epoch; the last one may be filled up."""
        return -(-self.rows // self._batch)

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[Batch]:
        """Batches of one epoch, from `start_step` on.

        Shapes: b rows of the part, W window; tokens int32 [b, W], labels int32 and weights float32 [b, W], or [b] of the last token alone.
        """
        plan = in_batches(shuffled(self.rows, self._seed, epoch), self._batch)[start_step:, self._part]  # [S, b]
        block = steps_of_block(plan.shape[1], self._window)
        for first in range(0, len(plan), block):
            rows = plan[first : first + block]
            spans = self._spans(rows)  # [S, b, W + 1]
            labels, weights = spans[..., 1:], np.broadcast_to(weights_of(rows)[..., None], (*rows.shape, self._window))
            if self._only_last:
                labels, weights = labels[..., -1], weights[..., -1]
            yield from map(Batch, *(np.ascontiguousarray(array) for array in (spans[..., :-1], labels, weights)))

    def _spans(self, rows: IntArray) -> npt.NDArray[np.int32]:
        """Windows and the token after each: int [S, b] -> int32 [S, b, W + 1]; zeros where there is no row."""
        spans = np.zeros((rows.size, self._window + 1), np.int32)
        for row, span in zip(rows.ravel().tolist(), spans, strict=True):
            if row != NO_ROW:
                span[:] = self._reader.span(row * self._window, row * self._window + len(span))
        return spans.reshape(*rows.shape, -1)
