"""Batches of static shape: padded documents for classifiers, continuing rows of one stream for language models.

Everything here depends on (seed, epoch, step) only, so that a run which starts again at a step gets the batches it would have had.
Rows are gathered a block at a time: a block costs one look-up for each shard, a batch of 32 rows on its own would cost the same.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from distrnn.data.reader import ShardReader, Side, pad_spans
from distrnn.errors import DataError

BLOCK_ROWS = 4096
BLOCK_TOKENS_PER_ROW = 4096

IntArray = npt.NDArray[np.integer]


class Batch(NamedTuple):
    """What one step reads.

    Shapes: B global batch, L sequence length or window.

    Attributes:
        tokens: int32 [B, L].
        labels: float32 [B] of a classifier; int32 [B, L], the next token of each, of a language model.
        weights: float32, the shape of `labels`; 0 for rows that only fill the last batch up.
    """

    tokens: npt.NDArray[np.int32]
    labels: npt.NDArray[np.float32] | npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]


def pad(values: IntArray, offsets: IntArray, length: int, padding: Side, truncating: Side) -> npt.NDArray[np.int32]:
    """Lay ragged rows out as a matrix, filled with zeros.

    Shapes: T tokens, N rows, L length.

    Args:
        values: int [T].
        offsets: int [N + 1]; row i is values[offsets[i]:offsets[i + 1]].
        length: L, in tokens.
        padding: where a short row is filled, `pre` or `post`.
        truncating: which end of a long row is cut, `pre` or `post`.
    Returns:
        int32 [N, L].
    """
    return pad_spans(values, offsets[:-1], offsets[1:], length, padding, truncating)


class ClassifierBatches:
    """Documents of a split as padded batches.

    Args:
        reader: the split.
        sequence_length: L, tokens of a row.
        padding: where a short document is filled.
        truncating: which end of a long document is cut.
        batch: B, rows of a batch over all replicas.
        seed: of the shuffle.
        shuffle: a new order each epoch; otherwise the order of the dataset.

    Raises:
        DataError: the split is empty, has no labels, or is shuffled for training and smaller than one batch.
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
    ) -> None:
        if not reader.rows:
            raise DataError(f"split {reader.name!r} must have at least one document. Received: none. Give it more text.")
        if shuffle and reader.rows < batch:
            raise DataError(
                f"a batch must not be larger than the data: train.global_batch_size {batch}. Received: {reader.rows} documents in split "
                f"{reader.name!r}. Use a batch of at most {reader.rows}, or more text."
            )
        self._reader = reader
        self._length, self._padding, self._truncating = sequence_length, padding, truncating
        self._batch, self._seed, self._shuffle = batch, seed, shuffle

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
        if not self._shuffle:
            return np.arange(self.rows, dtype=np.int64)
        return np.random.default_rng([self._seed, epoch]).permutation(self.rows).astype(np.int64)

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[Batch]:
        """Batches of one epoch, from `start_step` on.

        Shapes: B batch, L sequence length; tokens int32 [B, L], labels and weights float32 [B].
        """
        order = self.order(epoch)
        block_rows = max(BLOCK_ROWS // self._batch, 1) * self._batch
        labels = self._reader.labels
        for start in range(start_step * self._batch, self.rows, block_rows):
            rows = order[start : start + block_rows]
            tokens = self._reader.pad_rows(rows, self._length, self._padding, self._truncating)
            for first in range(0, len(rows), self._batch):
                part = slice(first, first + self._batch)
                yield self._filled(tokens[part], labels[rows[part]])

    def _filled(self, tokens: npt.NDArray[np.int32], labels: npt.NDArray[np.int8]) -> Batch:
        rows = len(tokens)
        if rows == self._batch:
            return Batch(tokens, labels.astype(np.float32), np.ones(rows, np.float32))
        full = Batch(np.zeros((self._batch, self._length), np.int32), np.zeros(self._batch, np.float32), np.zeros(self._batch, np.float32))
        full.tokens[:rows], full.labels[:rows], full.weights[:rows] = tokens, labels, 1.0
        return full


def streams(tokens: IntArray, batch: int, window: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Lay one token stream out as rows that continue across steps.

    The stream is cut into B equal rows, each row into S windows. Shapes: N tokens, B global batch, S steps, W window.

    Args:
        tokens: int [N], corpus order.
        batch: B, in rows.
        window: W, in tokens.

    Returns:
        inputs int32 [S, B, W] and targets int32 [S, B, W], the token after each input; row b of step s+1 continues row b of step s.

    Raises:
        DataError: N is too small for one step.
    """
    layout = _StreamLayout.of(len(tokens), batch, window, "given")
    used = layout.steps * window
    starts = np.arange(batch, dtype=np.int64) * layout.stride
    rows = np.asarray(tokens)[starts[:, None] + np.arange(used + 1)].astype(np.int32)  # [B, S * W + 1]

    def windows(part: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        return np.ascontiguousarray(part.reshape(batch, layout.steps, window).transpose(1, 0, 2))  # [B, S * W] -> [S, B, W]

    return windows(rows[:, :-1]), windows(rows[:, 1:])


class _StreamLayout(NamedTuple):
    stride: int
    steps: int

    @classmethod
    def of(cls, tokens: int, batch: int, window: int, name: str) -> "_StreamLayout":
        stride = max(tokens - 1, 0) // batch
        if stride < window:
            raise DataError(
                f"split {name!r} must have at least {batch * window + 1} tokens for one step of {batch} rows of {window}. "
                f"Received: {tokens} tokens. Use a smaller train.global_batch_size or model.window, or more text."
            )
        return cls(stride, stride // window)


class StreamBatches:
    """A corpus split as batches whose rows continue from step to step; the layout is that of `streams`.

    Args:
        reader: the split.
        batch: B, rows of a batch over all replicas.
        window: W, tokens of a step in each row.

    Raises:
        DataError: the split is too small for one step.
    """

    def __init__(self, reader: ShardReader, *, batch: int, window: int) -> None:
        self._layout = _StreamLayout.of(reader.tokens, batch, window, reader.name)
        self._reader, self._batch, self._window = reader, batch, window

    @property
    def rows(self) -> int:
        """Windows of an epoch, over all rows and steps."""
        return self.steps * self._batch

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        return self._layout.steps

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[Batch]:
        """Batches of one epoch, from `start_step` on; the order is that of the stream in every epoch.

        Shapes: B batch, W window; tokens and labels int32 [B, W], weights float32 [B, W].
        """
        del epoch
        block_steps = max(BLOCK_TOKENS_PER_ROW // self._window, 1)
        for first in range(start_step, self.steps, block_steps):
            steps = min(block_steps, self.steps - first)
            block = self._block(first, steps)
            for step in range(steps):
                start = step * self._window
                tokens, targets = block[:, start : start + self._window], block[:, start + 1 : start + self._window + 1]
                yield Batch(np.ascontiguousarray(tokens), np.ascontiguousarray(targets), np.ones(tokens.shape, np.float32))

    def _block(self, first: int, steps: int) -> npt.NDArray[np.int32]:
        block = np.empty((self._batch, steps * self._window + 1), np.int32)
        for row in range(self._batch):
            start = row * self._layout.stride + first * self._window
            block[row] = self._reader.span(start, start + block.shape[1])
        return block
