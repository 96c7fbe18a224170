"""Batches of documents of about the same length, so that little of them is padding.

An epoch's documents are shuffled, cut into windows of many batches, sorted by length within each, cut into batches, and the batches are
shuffled: who comes together still differs from epoch to epoch, but a batch is hardly wider than its rows are long.
"""

from collections.abc import Iterator, Sequence
from itertools import chain, pairwise

import numpy as np
import numpy.typing as npt

from distrnn.data.batches import (
    Batch,
    check_fills_a_batch,
    check_labelled,
    check_not_empty,
    in_batches,
    labels_of,
    shuffled,
    steps_of_block,
    weights_of,
)
from distrnn.data.padding import IntArray, Side
from distrnn.data.parts import WHOLE, Part
from distrnn.data.reader import ShardReader

WINDOW_BATCHES = 400
WIDTH_MULTIPLE = 8


class BucketBatches:
    """Documents of a split as padded batches, each as wide as its longest document.

    Args:
        reader: the split.
        sequence_length: tokens of a row at most; None: no document is cut.
        padding: where a short document is filled.
        truncating: which end of a long document is cut.
        batch: B, rows of a batch over all replicas.
        seed: of the shuffle.
        window_batches: batches of a window that is sorted; 1 gives random batches.
        multiple: widths are rounded up to one of it (and never above `sequence_length`), so that a compiled step sees few shapes.
        part: the rows of each batch that are read.

    Raises:
        DataError: the split is smaller than one batch, or a document has no label, or the part is none.
    """

    def __init__(
        self,
        reader: ShardReader,
        *,
        sequence_length: int | None,
        padding: Side,
        truncating: Side,
        batch: int,
        seed: int,
        window_batches: int = WINDOW_BATCHES,
        multiple: int = WIDTH_MULTIPLE,
        part: Part = WHOLE,
    ) -> None:
        check_not_empty(reader)
        check_fills_a_batch(reader, batch)
        check_labelled(reader)
        self._reader, self._batch, self._seed, self._part = reader, batch, seed, part.of(batch)
        self._limit, self._padding, self._truncating = sequence_length, padding, truncating
        self._window, self._multiple = window_batches * batch, multiple

    @property
    def rows(self) -> int:
        """Documents of the split."""
        return self._reader.rows

    @property
    def steps(self) -> int:
        """Batches of an epoch; the last one may be filled up."""
        return -(-self.rows // self._batch)

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[Batch]:
        """Batches of one epoch, from `start_step` on.

        Shapes: b rows of the part, L width of this batch; tokens int32 [b, L], labels and weights float32 [b].
        """
        plan = bucketed(self._reader.lengths, self._batch, self._window, self._seed, epoch)
        widths = widths_of(self._reader.lengths, plan, self._multiple, self._limit)
        plan, widths = plan[start_step:, self._part], widths[start_step:]
        for first, stop in _runs(widths):
            width = int(widths[first])
            block = steps_of_block(plan.shape[1], width)
            for start in range(first, stop, block):
                rows = plan[start : min(start + block, stop)]
                tokens = self._reader.pad_rows(rows, width, self._padding, self._truncating)
                yield from map(Batch, tokens, labels_of(self._reader.labels, rows), weights_of(rows))


def _runs(widths: npt.NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Where neighbouring batches have one width, so that they can be gathered together: [start, stop) of each run."""
    changes = (np.flatnonzero(np.diff(widths)) + 1).tolist()
    return pairwise([0, *changes, len(widths)]) if len(widths) else iter(())


def bucketed(lengths: IntArray, batch: int, window: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """The rows of each batch of an epoch.

    Shapes: N rows, B batch, S = ceil(N / B) steps.

    Args:
        lengths: int [N], tokens of each row.
        batch: B.
        window: rows that are sorted together, a multiple of B.
        seed: of the shuffle.
        epoch: from 0.

    Returns:
        int64 [S, B]; the last step is filled up with -1.
    """
    order = shuffled(len(lengths), seed, epoch)
    sorted_windows = [order[first : first + window] for first in range(0, len(order), window)]
    sorted_windows = [rows[np.argsort(lengths[rows], kind="stable")] for rows in sorted_windows]
    plan = in_batches(np.concatenate(sorted_windows), batch)
    whole = len(lengths) // batch
    # A batch that is filled up stays the last one, as in every other epoch
    return np.concatenate([plan[:whole][shuffled(whole, seed, epoch, 1)], plan[whole:]])


def widths_of(lengths: IntArray, plan: npt.NDArray[np.int64], multiple: int, limit: int | None) -> npt.NDArray[np.int64]:
    """How wide each batch is: N rows, a plan [S, B] of them, int64 [S]."""
    longest = np.where(plan < 0, 0, lengths[plan]).max(axis=1)
    widths = np.maximum(-(-longest // multiple), 1) * multiple
    found: npt.NDArray[np.int64] = (widths if limit is None else np.minimum(widths, limit)).astype(np.int64)
    return found


def padding_share(batches: Iterator[Batch] | Sequence[Batch]) -> float:
    """The share of the cells of some batches that hold no token, from 0 to 1; rows that only fill a batch up count."""
    cells = [(int(np.count_nonzero(batch.tokens)), batch.tokens.size) for batch in chain(batches)]
    filled, every = map(sum, zip(*cells, strict=True))
    return 1 - filled / every
