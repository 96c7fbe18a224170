"""Vectors of words in the plane, and whether the same difference of meaning is the same difference of vectors.

Source: the pairs and their picture are those of Mikolov et al. 2013, Distributed Representations of Words and Phrases and their
Compositionality (capitals), and of Mikolov, Yih and Zweig 2013 (gender, plural), as far as reviews and news have them.

Shapes: N vectors, D dimension.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from distrnn.embeddings import FloatArray, WordVectors

FEWEST_PAIRS = 3

RELATIONS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "gender": (
        *(("he", "she"), ("his", "her"), ("himself", "herself"), ("man", "woman"), ("men", "women"), ("boy", "girl")),
        *(("father", "mother"), ("son", "daughter"), ("brother", "sister"), ("husband", "wife"), ("king", "queen")),
        *(("prince", "princess"), ("actor", "actress"), ("uncle", "aunt"), ("hero", "heroine"), ("male", "female")),
    ),
    "plural": (
        *(("movie", "movies"), ("film", "films"), ("actor", "actors"), ("character", "characters"), ("scene", "scenes")),
        *(("story", "stories"), ("year", "years"), ("day", "days"), ("book", "books"), ("song", "songs"), ("word", "words")),
        *(("friend", "friends"), ("child", "children"), ("effect", "effects"), ("country", "countries"), ("city", "cities")),
    ),
    "country and capital": (
        *(("france", "paris"), ("germany", "berlin"), ("england", "london"), ("italy", "rome"), ("spain", "madrid")),
        *(("japan", "tokyo"), ("russia", "moscow"), ("china", "beijing"), ("austria", "vienna"), ("greece", "athens")),
        *(("egypt", "cairo"), ("cuba", "havana"), ("ireland", "dublin"), ("poland", "warsaw"), ("hungary", "budapest")),
        *(("iraq", "baghdad"), ("iran", "tehran"), ("afghanistan", "kabul"), ("korea", "seoul"), ("thailand", "bangkok")),
    ),
}


@dataclass(frozen=True)
class Plane:
    """Vectors in the two directions in which they differ most.

    Attributes:
        points: float64 [N, 2].
        share: of what they differ, how much these directions show, 0 to 1.
    """

    points: npt.NDArray[np.float64]
    share: float


@dataclass(frozen=True)
class Relation:
    """One difference of meaning.

    Attributes:
        name: `gender`, `plural` or `country and capital`.
        pairs: those whose words both have vectors.
        differences: float64 [N, D], second word less first.
    """

    name: str
    pairs: tuple[tuple[str, str], ...]
    differences: npt.NDArray[np.float64]

    @property
    def likeness(self) -> float:
        """The mean cosine between the differences of two pairs: 1 where all are one direction, about 0 where they have none in common."""
        lengths = np.linalg.norm(self.differences, axis=1, keepdims=True)
        unit = self.differences / np.where(lengths > 0, lengths, 1)
        count = len(unit)
        return float(((unit @ unit.T).sum() - np.square(unit).sum()) / (count * (count - 1)))


def plane(vectors: npt.NDArray[np.floating[Any]], *, centred: bool = True) -> Plane:
    """Project vectors to the plane of their first two principal components.

    Args:
        vectors: [N, D].
        centred: around their mean; without it around zero, as differences want it, whose zero means something.
    Returns:
        the plane; the sign of an axis is such that its farthest point is on the positive side, so that a run gives the same picture again.

    Source: Pearson 1901, by way of the singular values of the centred matrix.
    """
    matrix = np.asarray(vectors, np.float64)
    if centred:
        matrix = matrix - matrix.mean(axis=0)
    _, strengths, axes = np.linalg.svd(matrix, full_matrices=False)
    points = matrix @ axes[:2].T  # [N, 1 or 2]
    points = np.concatenate([points, np.zeros((len(points), 2 - points.shape[1]))], axis=1)
    farthest = points[np.abs(points).argmax(axis=0), [0, 1]]
    total = float(np.square(strengths).sum())
    return Plane(points * np.where(farthest < 0, -1.0, 1.0), float(np.square(strengths[:2]).sum()) / total if total else 1.0)


def relations(vectors: WordVectors, known: Mapping[str, Sequence[tuple[str, str]]] = RELATIONS) -> list[Relation]:
    """The differences between the words of pairs, pairs without vectors and relations of few pairs left out.

    Args:
        vectors: of a model or a file.
        known: pairs by relation.
    """
    found: dict[str, FloatArray] = vectors.find(sorted({word for pairs in known.values() for pair in pairs for word in pair}))
    kept = {name: tuple(pair for pair in pairs if pair[0] in found and pair[1] in found) for name, pairs in known.items()}
    return [
        Relation(name, pairs, np.stack([found[second].astype(np.float64) - found[first] for first, second in pairs]))
        for name, pairs in kept.items()
        if len(pairs) >= FEWEST_PAIRS
    ]
