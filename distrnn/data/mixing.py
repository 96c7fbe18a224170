"""Batches of several datasets in fixed shares: 64 rows of one and 16 of another, or 44 + 4 + 16.

The first dataset makes the epoch, in the very order and batches of `ClassifierBatches`; each of the others goes on from step to step and
from epoch to epoch, and is shuffled anew whenever it begins again. The rows of a step follow from (seed, epoch, step) alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from distrnn.data.batches import (
    NO_ROW,
    Batch,
    check_fills_a_batch,
    check_labelled,
    check_not_empty,
    labels_of,
    shuffled,
    steps_of_block,
    weights_of,
)
from distrnn.data.padding import Side
from distrnn.data.parts import WHOLE, Part
from distrnn.data.reader import ShardReader
from distrnn.errors import DataError


@dataclass(frozen=True, eq=False)
class Ingredient:
    """A dataset of a mixture.

    Attributes:
        reader: its documents.
        share: rows of each batch that are its own.
        weight: of each of its rows in the loss.
        labels: soft labels in place of its own, such as a teacher's probabilities: float32 [rows], or [rows, C] for C classes.
    """

    reader: ShardReader
    share: int
    weight: float = 1.0
    labels: npt.NDArray[np.float32] | None = None


class MixedBatches:
    """Documents of several splits as padded batches; rows of one dataset lie together, in the order of the datasets.

    Where a dataset has soft labels for C classes, the labels of all are float32 [B, C], hard ones as one-hot rows.

    Args:
        ingredients: the datasets; B is the sum of their shares.
        sequence_length: L, tokens of a row.
        padding: where a short document is filled.
        truncating: which end of a long document is cut.
        seed: of the shuffles.
        steps: batches of an epoch; None: one pass over the first dataset, whose last batch may be filled up. With a number the first
            dataset goes on like the others.
        part: the rows of each batch that are read.

    Raises:
        DataError: a dataset is empty, or the first smaller than its share; a document has no label; soft labels of another length or of
            another number of classes; a share below 1; or the part is none.
    """

    def __init__(
        self,
        ingredients: Sequence[Ingredient],
        *,
        sequence_length: int,
        padding: Side,
        truncating: Side,
        seed: int,
        steps: int | None = None,
        part: Part = WHOLE,
    ) -> None:
        for ingredient in ingredients:
            _check(ingredient)
        first = ingredients[0]
        if steps is None:
            check_fills_a_batch(first.reader, first.share)
        self._reader, self._labels = ShardReader.joined([each.reader for each in ingredients]), _labels(ingredients)
        self._length, self._padding, self._truncating = sequence_length, padding, truncating
        self._is_one_pass, self._steps = steps is None, steps or -(-first.reader.rows // first.share)
        self._columns = _columns(ingredients, seed)
        shares = [each.share for each in ingredients]
        self._batch = sum(shares)
        self._part = part.of(self._batch)
        self._weights = np.repeat([np.float32(each.weight) for each in ingredients], shares)[self._part]  # [b]

    @property
    def rows(self) -> int:
        """Rows of an epoch, over all datasets and steps."""
        return self._steps * self._batch

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        return self._steps

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[Batch]:
        """Batches of one epoch, from `start_step` on.

        Shapes: b rows of the part, L sequence length, C classes; tokens int32 [b, L], labels float32 [b] or [b, C], weights float32 [b].
        """
        block = steps_of_block(len(self._weights), self._length)
        for first in range(start_step, self._steps, block):
            rows = self._rows_of(epoch, np.arange(first, min(first + block, self._steps)))
            tokens = self._reader.pad_rows(rows, self._length, self._padding, self._truncating)
            yield from map(Batch, tokens, labels_of(self._labels, rows), weights_of(rows) * self._weights)

    def _rows_of(self, epoch: int, steps: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Rows of the joined reader: S steps give [S, b]."""
        found = []
        for column in self._columns:
            low, high = max(column.begin, self._part.start), min(column.begin + column.share, self._part.stop)
            within = np.arange(low - column.begin, high - column.begin)
            if self._is_one_pass and not column.number:
                found.append(column.once(steps[:, None] * column.share + within, epoch))
            else:
                found.append(column.cycled((epoch * self._steps + steps)[:, None] * column.share + within))
        return np.concatenate(found, axis=1)


class _Column:
    """One dataset's rows of the batches: pass after pass, each in an order of its own.

    Args:
        number: of the dataset.
        begin: its first row in a batch.
        share: its rows in a batch.
        first_row: of the dataset, in the joined reader.
        rows: of the dataset.
        seed: of the shuffles.
    """

    def __init__(self, *, number: int, begin: int, share: int, first_row: int, rows: int, seed: int) -> None:
        self.number, self.begin, self.share = number, begin, share
        self._first_row, self._rows, self._seed = first_row, rows, seed
        # The order of the latest pass, which the next block most likely needs as well
        self._latest = (-1, np.zeros(0, np.int64))

    def once(self, positions: npt.NDArray[np.int64], number_of_pass: int) -> npt.NDArray[np.int64]:
        """Rows at positions of one pass, -1 behind its end: the shape of `positions`."""
        rows: npt.NDArray[np.int64] = self._order(number_of_pass)[np.minimum(positions, self._rows - 1)]
        rows[positions >= self._rows] = NO_ROW
        return rows

    def cycled(self, positions: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Rows at positions of all passes behind each other: the shape of `positions`."""
        passes, within = np.divmod(positions, self._rows)
        rows = np.empty_like(positions)
        for number in np.unique(passes).tolist():
            where = passes == number
            rows[where] = self._order(number)[within[where]]
        return rows

    def _order(self, number_of_pass: int) -> npt.NDArray[np.int64]:
        known, order = self._latest
        if known != number_of_pass:
            # The first dataset is shuffled as ClassifierBatches shuffles it
            key = (number_of_pass, self.number) if self.number else (number_of_pass,)
            order = self._first_row + shuffled(self._rows, self._seed, *key)
            self._latest = (number_of_pass, order)
        return order


def _columns(ingredients: Sequence[Ingredient], seed: int) -> list[_Column]:
    columns, begin, first_row = [], 0, 0
    for number, each in enumerate(ingredients):
        rows = each.reader.rows
        columns.append(_Column(number=number, begin=begin, share=each.share, first_row=first_row, rows=rows, seed=seed))
        begin, first_row = begin + each.share, first_row + rows
    return columns


def _check(ingredient: Ingredient) -> None:
    reader, labels = ingredient.reader, ingredient.labels
    check_not_empty(reader)
    if ingredient.share < 1:
        raise DataError(
            f"a dataset's share of a batch must be at least one row. Received: {ingredient.share} for split {reader.name!r}. "
            "Leave it out, or give it rows."
        )
    if labels is None:
        check_labelled(reader)
    elif len(labels) != reader.rows:
        raise DataError(
            f"soft labels must be one for each of the {reader.rows} documents of split {reader.name!r}. Received: {len(labels)}. "
            "Let the teacher judge this very dataset."
        )


def _labels(ingredients: Sequence[Ingredient]) -> npt.NDArray[np.float32]:
    """The labels of all datasets behind each other: float32 [rows], or [rows, C] where some are soft for C classes."""
    given = [each.reader.labels if each.labels is None else each.labels for each in ingredients]
    classes = sorted({labels.shape[1] for labels in given if labels.ndim == 2})
    if not classes:
        return np.concatenate(given).astype(np.float32)
    soft_but_flat = any(each.labels is not None and each.labels.ndim == 1 for each in ingredients)
    highest = max((int(labels.max()) for labels in given if labels.ndim == 1), default=0)
    if len(classes) > 1 or soft_but_flat or highest >= classes[0]:
        raise DataError(
            f"labels must agree on the number of classes. Received: soft labels of {' and '.join(map(str, classes))} classes, "
            f"{'probabilities of one class' if soft_but_flat else f'class numbers up to {highest}'}. Give all of them for the same classes."
        )
    one_hot = np.eye(classes[0], dtype=np.float32)
    return np.concatenate([labels if labels.ndim == 2 else one_hot[labels] for labels in given]).astype(np.float32)
