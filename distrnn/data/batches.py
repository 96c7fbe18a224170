"""Batches of documents, all of one shape.

Everything here depends on (seed, epoch, step) only, so that a run which starts again at a step gets the batches it would have had.
Rows are gathered a block at a time: a block costs one look-up for each shard, a batch of 32 rows on its own would cost the same.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from distrnn.data.padding import IntArray, Side
from distrnn.data.parts import WHOLE, Part
from distrnn.data.reader import ShardReader
from distrnn.errors import DataError

BLOCK_CELLS = 2**20
NO_ROW = -1


class Batch(NamedTuple):
    """What one step reads.

    Shapes: B batch (or a worker's rows of it), L sequence length or window, C classes.

    Attributes:
        tokens: int32 [B, L].
        labels: float32 [B] of a classifier ([B, C] where a teacher gives probabilities of C classes); int32 [B, L] of a language model, the
            next token of each, or [B], that after the last one.
        weights: float32 [B], or [B, L] where each token has a label; 0 for rows that only fill the last batch up.
    """

    tokens: npt.NDArray[np.int32]
    labels: npt.NDArray[np.float32] | npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]


class Batches(Protocol):
    """Batches of an epoch, from any step on."""

    @property
    def steps(self) -> int:
        """Steps of an epoch."""

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[Batch]:
        """The batches of `epoch` from `start_step`."""


class ClassifierBatches:
    """Documents of a split as padded batches.

    Args:
        reader: the split.
        sequence_length: L, tokens of a row.
        padding: where a short document is filled.
        truncating: which end of a long document is cut.
        batch: B, rows of a batch over all replicas.
        seed: of the shuffle.
        shuffle: a new order each epoch, to train on; otherwise the order of the dataset.
        part: the rows of each batch that are read.

    Raises:
        DataError: the split is empty; or it is shuffled and smaller than one batch, or a document of it has no label; or the part is none.
    """

    def __init__(
        self,
        reader: ShardReader,
        *,
        sequence_length: int,
        padding: Side,
        truncating: Side,
        batch: int,
        seed: int,
        shuffle: bool,
        part: Part = WHOLE,
    ) -> None:
        check_not_empty(reader)
        if shuffle:
            check_fills_a_batch(reader, batch)
            check_labelled(reader)
        self._reader = reader
        self._length, self._padding, self._truncating = sequence_length, padding, truncating
        self._batch, self._seed, self._shuffle, self._part = batch, seed, shuffle, part.of(batch)

    @property
    def rows(self) -> int:
        """Documents of the split."""
        return self._reader.rows

    @property
    def steps(self) -> int:
        """Batches of an epoch; the last one may be filled up."""
        return -(-self.rows // self._batch)

    def order(self, epoch: int) -> npt.NDArray[np.int64]:
        """Rows in the order of `epoch`: int64 [rows]."""
        return shuffled(self.rows, self._seed, epoch) if self._shuffle else np.arange(self.rows, dtype=np.int64)

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[Batch]:
        """Batches of one epoch, from `start_step` on.

        Shapes: b rows of the part, L sequence length; tokens int32 [b, L], labels and weights float32 [b].
        """
        plan = in_batches(self.order(epoch), self._batch)[start_step:, self._part]  # [S, b]
        block = steps_of_block(plan.shape[1], self._length)
        for first in range(0, len(plan), block):
            rows = plan[first : first + block]
            tokens = self._reader.pad_rows(rows, self._length, self._padding, self._truncating)
            yield from map(Batch, tokens, labels_of(self._reader.labels, rows), weights_of(rows))


def shuffled(rows: int, *seed: int) -> npt.NDArray[np.int64]:
    """The numbers below `rows` in an order that follows from the seed alone: int64 [rows]."""
    return np.random.default_rng(seed).permutation(rows).astype(np.int64, copy=False)


def in_batches(order: npt.NDArray[np.int64], batch: int) -> npt.NDArray[np.int64]:
    """Rows cut into batches, the last one filled up with -1: N rows give int64 [ceil(N / B), B]."""
    steps = -(-len(order) // batch)
    return np.append(order, np.full(steps * batch - len(order), NO_ROW, np.int64)).reshape(steps, batch)


def steps_of_block(rows: int, length: int) -> int:
    """How many steps of `rows` rows of `length` tokens are gathered together; at least one."""
    return max(BLOCK_CELLS // (rows * length), 1)


def labels_of(labels: npt.NDArray[np.int16] | npt.NDArray[np.float32], rows: IntArray) -> npt.NDArray[np.float32]:
    """The labels of rows: N documents, labels [N] or [N, C], rows [..] give float32 [..] or [.., C]; 0 where there is no row."""
    found = labels[rows].astype(np.float32)
    found[rows == NO_ROW] = 0
    return found


def weights_of(rows: IntArray) -> npt.NDArray[np.float32]:
    """1 for each row, 0 where there is no row: float32, the shape of `rows`."""
    weights: npt.NDArray[np.float32] = (rows != NO_ROW).astype(np.float32)
    return weights


def check_not_empty(reader: ShardReader) -> None:
    """Refuse an empty split.

    Raises:
        DataError: it has no documents.
    """
    if not reader.rows:
        raise DataError(f"split {reader.name!r} must have at least one document. Received: none. Give it more text.")


def check_fills_a_batch(reader: ShardReader, batch: int) -> None:
    """Refuse a split that is smaller than one batch.

    Raises:
        DataError: it is.
    """
    if reader.rows < batch:
        raise DataError(
            f"a batch must not be larger than the data: train.global_batch_size {batch}. Received: {reader.rows} documents in split "
            f"{reader.name!r}. Use a batch of at most {reader.rows}, or more text."
        )


def check_labelled(reader: ShardReader) -> None:
    """Refuse to train on documents without labels.

    Raises:
        DataError: there are some.
    """
    without = int(np.count_nonzero(reader.labels < 0))
    if without:
        raise DataError(
            f"every document that a classifier is trained on must have a label. Received: {without} of {reader.rows} documents without one "
            f"in split {reader.name!r}. Leave them out, or give their label in the source."
        )
