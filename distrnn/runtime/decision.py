"""Which class probabilities amount to.

Of two classes the second is the answer above a threshold: one half, unless a run has chosen another on its validation split. Of more
classes it is the likeliest.

Shapes: N examples, C classes.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

THRESHOLD = 0.5


def predicted_classes(scores: npt.NDArray[np.floating[Any]], threshold: float = THRESHOLD) -> npt.NDArray[np.int64]:
    """The class each example is given.

    Args:
        scores: [N, C].
        threshold: of the second of two classes; of more classes it is not looked at.
    Returns:
        int64 [N]; of two classes the second above `threshold`, of more the likeliest (the first of equals).
    """
    if scores.shape[1] == 2:
        return (scores[:, 1].astype(np.float64) > threshold).astype(np.int64)
    likeliest: npt.NDArray[np.int64] = np.argmax(scores, axis=1).astype(np.int64)
    return likeliest
