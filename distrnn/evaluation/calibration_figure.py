"""The reliability curve of a classifier, as a figure."""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes

from distrnn.evaluation import wording
from distrnn.evaluation.figures import FIRST, INK, MUTED, Picture, picture

LARGEST_PT2 = 110.0


def reliability_curve(calibration: Mapping[str, Any]) -> Picture:
    """Draw accuracy by confidence.

    The area of a point is its share of the documents; the dashed line is a model that is right as often as it says.

    Args:
        calibration: of `calibration.calibration`.
    """
    bins = calibration["bins"]
    confidence, accuracy = [part["confidence"] for part in bins], [part["accuracy"] for part in bins]
    total = sum(part["examples"] for part in bins)
    areas = [3.0 + LARGEST_PT2 * part["examples"] / total for part in bins]

    def draw(axes: Axes) -> None:
        low = min([*confidence, *accuracy])
        start = max(0.0, low - 0.05)
        axes.plot([start, 1.0], [start, 1.0], "--", color=MUTED, linewidth=1.0, label="as sure as right")
        axes.plot(confidence, accuracy, color=FIRST, linewidth=1.0, label="this model")
        axes.scatter(confidence, accuracy, areas, color=FIRST, zorder=3, clip_on=False)
        axes.set_xlim(start, 1.0)
        axes.set_ylim(start, 1.0)
        axes.set_xlabel("probability of the likeliest label")
        axes.set_ylabel("share right")
        axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, frameon=False, borderaxespad=0.1, borderpad=0.2, labelcolor=INK)

    told = "; ".join(
        f"confidence {wording.number(part['confidence'])}: {wording.number(part['accuracy'])} right of {part['examples']:,}"
        for part in bins
    )
    return picture("Reliability", f"Accuracy by confidence. {told}.", draw)
