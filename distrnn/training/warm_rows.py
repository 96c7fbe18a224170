"""A long stream read in rows side by side, each of which reads some tokens for its state alone before its predictions count.

Reading in one row is exact, and slow: step after step multiplies one row of state by matrices that have to come from memory each time. What
a recurrent state remembers fades, so rows that begin in the middle of a stream have almost the state of the exact reading after a while.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MOST_ROWS = 64
WARM_UP = 512  # tokens
SHORTEST = 4 * WARM_UP  # predictions of a row; so that at most a fifth is read for the state alone


@dataclass(frozen=True)
class WarmRows:
    """Which predictions each row makes.

    Row r reads from token r·S on, L tokens. Its first K predictions do not count, but for row 0, before which there is nothing; what the
    last rows read beyond the end does not count either.

    Attributes:
        predictions: N of the stream, the first of which is for the token at 1.
        rows: R.
        stride: S, tokens from the beginning of a row to that of the next.
        warm_up: K, with L = K + S.
    """

    predictions: int
    rows: int
    stride: int
    warm_up: int

    @classmethod
    def of(cls, predictions: int) -> "WarmRows | None":
        """As many rows as are long enough; None: one, which is exact."""
        rows = min(MOST_ROWS, predictions // SHORTEST)
        return None if rows < 2 else cls(predictions, rows, -(-(predictions - WARM_UP) // rows), WARM_UP)

    @property
    def length(self) -> int:
        """L, tokens that a row reads."""
        return self.warm_up + self.stride

    def counts(self, start: int, steps: int) -> npt.NDArray[np.bool_]:
        """Which predictions of a window of all rows count: bool [R, `steps`].

        Args:
            start: of the window within each row.
            steps: of the window; those beyond L do not count.
        """
        row, place = np.arange(self.rows)[:, None], start + np.arange(steps)
        in_time = (place < self.length) & (self.stride * row + place < self.predictions)
        counts: npt.NDArray[np.bool_] = in_time & ((place >= self.warm_up) | (row == 0))
        return counts
