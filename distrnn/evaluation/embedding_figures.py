"""Figures of a model's words: the most frequent ones in the plane, and the differences that gender, number and capitals make."""

from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from distrnn.embeddings import WordVectors
from distrnn.evaluation import wording
from distrnn.evaluation.figures import FIRST, GRID, INK, MUTED, SECOND, Picture, picture
from distrnn.evaluation.labels import place_names
from distrnn.evaluation.projection import Plane, plane, relations

WORDS_DRAWN = 300
NAMES_SHOWN = 80
FARTHEST_NAMED = 25
SIZE_PT = 6.5
HEIGHT_IN = 3.6
MARKERS = ((FIRST, "o"), (SECOND, "s"), (INK, "^"))


def embedding_figures(vectors: WordVectors) -> dict[str, Any]:
    """Draw what a model has learned about its words.

    Args:
        vectors: of a model of words, or of a file.
    Returns:
        `pictures`; and for each relation with pairs enough `name`, `pairs` (how many) and `likeness` under `relations`.
    """
    found = relations(vectors)
    pictures = [_frequent_words(vectors)]
    if found:
        names = [f"{first}–{second}" for relation in found for first, second in relation.pairs]
        kinds = [kind for kind, relation in enumerate(found) for _ in relation.pairs]
        shown = plane(np.concatenate([relation.differences for relation in found]), centred=False)
        pictures.append(_differences(shown, names, kinds, [relation.name for relation in found]))
    told = [{"name": relation.name, "pairs": len(relation.pairs), "likeness": relation.likeness} for relation in found]
    return {"pictures": pictures, "relations": told}


def _frequent_words(vectors: WordVectors) -> Picture:
    words, matrix = vectors.most_frequent(WORDS_DRAWN)
    words = [wording.clean(word) for word in words]
    shown = plane(matrix)
    # the farthest words say what the directions mean, so they get their names first
    farthest = np.argsort(-np.square(shown.points / _spread(shown)).sum(axis=1), kind="stable")[:FARTHEST_NAMED].tolist()
    order = [*farthest, *(row for row in range(len(words)) if row not in farthest)]
    named: list[str] = []

    def draw(axes: Axes) -> None:
        _bare(axes, shown)
        axes.plot(*shown.points.T, "o", color=GRID, markersize=2.5)
        for index, spot in place_names(axes, shown.points[order], [words[row] for row in order], SIZE_PT, NAMES_SHOWN):
            axes.plot(*shown.points[order[index]], "o", color=FIRST, markersize=2.5)
            _name(axes, words[order[index]], spot)
            named.append(words[order[index]])

    def told() -> str:
        return (
            f"The vectors of the {len(words)} most frequent words in the plane in which they differ most, which shows "
            f"{wording.percent(shown.share)} of their variance. Named: {', '.join(named)}."
        )

    return picture("Most frequent words", told, draw, HEIGHT_IN)


def _differences(shown: Plane, names: list[str], kinds: list[int], relations_shown: list[str]) -> Picture:
    # one of each relation in turn, so that each has names where they do not all fit
    turns = sorted(range(len(names)), key=lambda index: (kinds[:index].count(kinds[index]), kinds[index]))

    def draw(axes: Axes) -> None:
        _bare(axes, shown, origin=True)
        axes.plot(0, 0, "+", color=MUTED, markersize=8)
        for kind, (name, (color, marker)) in enumerate(zip(relations_shown, MARKERS, strict=False)):
            points = shown.points[np.array(kinds) == kind]
            axes.plot(*points.T, marker, color=color, markersize=3.5, label=name)
        for index, spot in place_names(
            axes, shown.points[turns], [names[turn] for turn in turns], SIZE_PT, len(names), clear_of_points=True
        ):
            _name(axes, names[turns[index]], spot)
        axes.legend(
            loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, frameon=False, handlelength=1.0, handletextpad=0.4, labelcolor=INK
        )

    told = (
        f"The differences between the vectors of {len(names)} pairs of words ({', '.join(relations_shown)}) in the plane that shows most "
        f"of them, {wording.percent(shown.share)}. The cross is no difference. Pairs: {', '.join(names)}."
    )
    return picture("Differences between words", told, draw, HEIGHT_IN)


def _spread(shown: Plane) -> npt.NDArray[np.float64]:
    """How far the points reach in each direction: float64 [2], never 0."""
    reach = np.abs(shown.points).max(axis=0)
    return np.where(reach > 0, reach, 1.0)


def _bare(axes: Axes, shown: Plane, *, origin: bool = False) -> None:
    """Axes without numbers, whose unit is the same in both directions of the data's spread, with room for names at the edges."""
    points = np.concatenate([shown.points, np.zeros((1, 2))]) if origin else shown.points
    low, high = points.min(axis=0), points.max(axis=0)
    room = np.where(high > low, 0.08 * (high - low), 1.0)
    axes.set_xlim(low[0] - 2 * room[0], high[0] + 2 * room[0])
    axes.set_ylim(low[1] - room[1], high[1] + room[1])
    axes.set_axis_off()


def _name(axes: Axes, text: str, spot: tuple[float, float]) -> None:
    axes.text(*spot, text, fontsize=SIZE_PT, color=INK, va="baseline").set_in_layout(False)
