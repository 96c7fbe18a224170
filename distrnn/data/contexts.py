"""Words with the words around them, to learn vectors from: what word2vec reads.

A row is a word, the words around it as far as a distance that is drawn for each row anew (so that near words count more), and words drawn
at random to tell them apart from. Frequent words are dropped at random before, which also lets the window reach further. Words of two
documents are never around each other, and what has no id of its own (padding, start, unknown) is left out.

Everything depends on (seed, epoch, step) alone. The order of an epoch and the words that are kept are drawn for the whole split at once,
which takes about 25 bytes a token.

Source: Mikolov, Sutskever, Chen, Corrado and Dean (2013), Distributed representations of words and phrases and their compositionality; the
share of a word that is kept is that of their program, sqrt(t / f) + t / f for a word of the frequency f, not of the article's formula.

Shapes: N tokens, M of them kept, V ids, B rows of a batch, b of the part, W window, K random words.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from distrnn.data.batches import Batch
from distrnn.data.parts import WHOLE, Part
from distrnn.data.reader import ShardReader
from distrnn.errors import DataError
from distrnn.text import START_ID

UNIGRAM_POWER = 0.75  # random words are drawn by their frequency to this power (the article, section 2.2)
SPARE_DEVIATIONS = 6  # an epoch has fewer steps than are expected, by so many standard deviations: every draw fills them

Counts = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


def kept_share(counts: Counts, threshold: float | None) -> FloatArray:
    """Which share of its occurrences is kept of each word: float64 [V].

    Args:
        counts: int [V], occurrences; of ids that are no words 0.
        threshold: t, the frequency from which on a word is dropped at random; None: every word is kept.
    """
    is_word = counts > 0
    if threshold is None:
        return is_word.astype(np.float64)
    ratio = np.divide(threshold * counts.sum(), counts, out=np.zeros(len(counts)), where=is_word)  # t / f
    share: FloatArray = np.minimum(1.0, np.sqrt(ratio) + ratio)
    return share


class ContextBatches:
    """Rows of words and their surroundings.

    Args:
        reader: the split of a corpus.
        counts: int [V], occurrences of each id; of ids that are no words 0.
        batch: B, rows of a batch over all replicas.
        window: W, words on each side at most.
        negatives: K, random words of a row.
        subsampling: threshold of `kept_share`.
        seed: of all that is drawn.
        part: the rows of each batch that are read.

    Raises:
        DataError: the split has too few words for a batch, or the part is none.
    """

    def __init__(
        self,
        reader: ShardReader,
        counts: Counts,
        *,
        batch: int,
        window: int,
        negatives: int,
        subsampling: float | None,
        seed: int,
        part: Part = WHOLE,
    ) -> None:
        self._tokens = reader.span(0, reader.tokens).astype(np.int32)  # [N]
        self._document = np.cumsum(self._tokens == START_ID, dtype=np.int32)  # [N]
        self._kept = kept_share(counts, subsampling)
        shares = self._kept[self._tokens]
        expected, deviation = shares.sum(), np.sqrt((shares * (1 - shares)).sum())
        self.steps = int((expected - SPARE_DEVIATIONS * deviation) // batch)
        if self.steps < 1:
            raise DataError(
                f"split {reader.name!r} must have words for one batch of {batch} rows at least. Received: {reader.tokens} tokens, of which "
                f"about {expected:.0f} are kept. Use a smaller train.global_batch_size, or more text."
            )
        self._chances = np.cumsum(np.where(counts > 0, counts, 0) ** UNIGRAM_POWER)
        self._batch, self._seed, self._part = batch, seed, part.of(batch)
        self._offsets = np.concatenate([np.arange(-window, 0), np.arange(1, window + 1)])  # [2W]
        self._negatives = negatives

    @property
    def rows(self) -> int:
        """Rows of an epoch."""
        return self.steps * self._batch

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[Batch]:
        """Batches of one epoch, from `start_step` on.

        Returns:
            tokens int32 [b, 1 + 2W + K]: a word, those around it (0 where there is none) and the random ones; labels float32 [b, 2W], 1
            where there is a word around; weights float32 [b], how many there are.
        """
        generator = np.random.default_rng((self._seed, epoch))
        kept = np.flatnonzero(generator.random(len(self._tokens)) < self._kept[self._tokens])  # [M]
        words, documents = self._tokens[kept], self._document[kept]
        reach = generator.integers(1, self._offsets[-1], len(kept), np.int32, endpoint=True)
        order = np.resize(generator.permutation(len(kept)), (self.steps, self._batch))
        for step in range(start_step, self.steps):
            centre = order[step, self._part]  # [b]
            around = centre[:, None] + self._offsets  # [b, 2W]
            places = np.clip(around, 0, len(kept) - 1)
            is_near = (around == places) & (np.abs(self._offsets) <= reach[centre, None])
            is_near &= documents[places] == documents[centre, None]
            drawn = self._drawn(epoch, step)[self._part]
            tokens = np.concatenate([words[centre, None], np.where(is_near, words[places], 0), drawn], axis=1).astype(np.int32)
            yield Batch(tokens, is_near.astype(np.float32), is_near.sum(axis=1).astype(np.float32))

    def _drawn(self, epoch: int, step: int) -> npt.NDArray[np.int64]:
        """Random words for all rows of a step: int64 [B, K]."""
        generator = np.random.default_rng((self._seed, epoch, step))
        places = generator.random((self._batch, self._negatives)) * self._chances[-1]
        drawn: npt.NDArray[np.int64] = np.searchsorted(self._chances, places, side="right")
        return drawn
