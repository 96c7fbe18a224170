"""Language models: rows that continue one token stream from step to step, and separate windows with the token after each."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from distrnn.data.batches import Batch
from distrnn.data.padding import IntArray
from distrnn.data.parts import WHOLE, Part
from distrnn.data.reader import ShardReader
from distrnn.errors import DataError

BLOCK_TOKENS_PER_ROW = 4096


def window_count(tokens: int, window: int) -> int:
    """Windows of `window` tokens in a stream of `tokens`, each with the token after it."""
    return len(range(0, tokens - 1 - window, window))


def windows(tokens: IntArray, window: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Cut a stream into windows that follow each other, each with the token after it.

    Windows begin at range(0, n - 1 - w, w), so the token after window i is the first one of window i + 1.
    Shapes: n tokens, w window, N = ceil((n - 1 - w) / w) windows.

    Args:
        tokens: int [n], corpus order.
        window: w, in tokens.

    Returns:
        inputs int32 [N, w], and the token after each, int32 [N].

    Raises:
        DataError: n is too small for one window.
    """
    count = window_count(len(tokens), window)
    if not count:
        raise DataError(
            f"a stream must have at least {window + 2} tokens for one window of {window}. Received: {len(tokens)} tokens. "
            "Use a smaller window, or more text."
        )
    used = np.asarray(tokens[: count * window + 1]).astype(np.int32)
    return used[:-1].reshape(count, window), used[window::window].copy()


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

    def cut(part: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        return np.ascontiguousarray(part.reshape(batch, layout.steps, window).transpose(1, 0, 2))  # [B, S * W] -> [S, B, W]

    return cut(rows[:, :-1]), cut(rows[:, 1:])


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
        only_last: a label for the token after each window alone, not for that after each token.
        part: the rows of each batch that are read.

    Raises:
        DataError: the split is too small for one step, or the part is none.
    """

    def __init__(self, reader: ShardReader, *, batch: int, window: int, only_last: bool = False, part: Part = WHOLE) -> None:
        self._layout = _StreamLayout.of(reader.tokens, batch, window, reader.name)
        self._reader, self._batch, self._window = reader, batch, window
        self._only_last, self._part = only_last, part.of(batch)

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

        Shapes: b rows of the part, W window; tokens int32 [b, W], labels int32 and weights float32 [b, W], or [b] of the last token alone.
        """
        del epoch
        block_steps = max(BLOCK_TOKENS_PER_ROW // self._window, 1)
        for first in range(start_step, self.steps, block_steps):
            steps = min(block_steps, self.steps - first)
            block = self._block(first, steps)
            for step in range(steps):
                start = step * self._window
                tokens, targets = block[:, start : start + self._window], block[:, start + 1 : start + self._window + 1]
                labels = targets[:, -1] if self._only_last else targets
                yield Batch(np.ascontiguousarray(tokens), np.ascontiguousarray(labels), np.ones(labels.shape, np.float32))

    def _block(self, first: int, steps: int) -> npt.NDArray[np.int32]:
        rows = range(self._part.start, self._part.stop)
        block = np.empty((len(rows), steps * self._window + 1), np.int32)
        for row, filled in zip(rows, block, strict=True):
            start = row * self._layout.stride + first * self._window
            filled[:] = self._reader.span(start, start + len(filled))
        return block
