"""Whether a training has overfitted, read off its learning curves: from which epoch validation gets worse while training still improves.

Curves of small validation splits are noisy, and their best epoch is partly luck; so a rise counts only where it is worth to be spoken of,
lasts two epochs or more, and is several times as large as the jitter of the curve itself. With these bounds a level curve whose noise is
2.5 % of it is called overfitted about once in twenty times.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal

FEWEST_EPOCHS = 3
FEWEST_AFTER_BEST = 2
LAST_EPOCHS = 3
JITTER_FACTOR = 4.0
# what is too little to speak of: a share of the best loss, and a share of the documents
LEAST_LOSS_RISE = 0.03
LEAST_ACCURACY_FALL = 0.01

State = Literal["unknown", "none", "unclear", "overfits"]
Metric = Literal["loss", "accuracy"]


@dataclass(frozen=True)
class Verdict:
    """What a pair of curves says.

    Attributes:
        state: `overfits`; `none` where validation ends about as good as at its best; `unclear` where it ends worse, but one epoch only, not
            by much more than its jitter, or while training did not improve; `unknown` without a validation curve of three epochs.
        best_epoch: of validation, from 1; None where that is unknown.
        from_epoch: the first one after the best, where it overfits.
        worse_by: how much worse than at its best validation is in the last epochs, never negative; None where that is unknown.
    """

    state: State
    best_epoch: int | None = None
    from_epoch: int | None = None
    worse_by: float | None = None


def judge(train: Sequence[float | None], validation: Sequence[float | None], least: float) -> Verdict:
    """Find the epoch from which validation gets worse while training still improves.

    Shapes: E epochs.

    Args:
        train: E figures, of which smaller is better.
        validation: E figures, None where it was not measured.
        least: a rise of validation that is worth to be spoken of, in its unit.
    """
    pairs = [
        (epoch, float(trained), float(held))
        for epoch, (trained, held) in enumerate(zip(train, validation, strict=True), start=1)
        if trained is not None and held is not None and math.isfinite(trained) and math.isfinite(held)
    ]
    if len(pairs) < FEWEST_EPOCHS:
        return Verdict("unknown")
    curve = [held for _, _, held in pairs]
    best = curve.index(min(curve))
    best_epoch, trained_at_best, _ = pairs[best]
    after = pairs[best + 1 :]
    worse_by = fmean(curve[max(best + 1, len(curve) - LAST_EPOCHS) :] or [curve[best]]) - curve[best]
    if worse_by < least or worse_by <= 0.0:
        return Verdict("none", best_epoch, None, worse_by)
    improves = min(trained for _, trained, _ in after) < trained_at_best
    if len(after) < FEWEST_AFTER_BEST or not improves or worse_by < JITTER_FACTOR * jitter(curve):
        return Verdict("unclear", best_epoch, None, worse_by)
    return Verdict("overfits", best_epoch, after[0][0], worse_by)


def jitter(curve: Sequence[float]) -> float:
    """How far a curve jumps around its own course: the standard deviation of its noise.

    A validation loss that falls and then rises bends upwards all the way; what bends downwards is noise. Second differences of pure noise
    have 6 times its variance, and half of them are below 0.

    Args:
        curve: 3 figures or more.

    Source: variance from second differences: Gasser, Sroka and Jennen-Steinmetz, "Residual variance and residual pattern in nonlinear
    regression", Biometrika 73 (1986); the restriction to one sign is ours.
    """
    bends = [min(0.0, before - 2.0 * here + after) for before, here, after in zip(curve, curve[1:], curve[2:], strict=False)]
    return math.sqrt(2.0 * fmean(bend * bend for bend in bends) / 6.0)


def of_history(history: Sequence[Mapping[str, Any]]) -> dict[str, Verdict]:
    """The verdicts on the curves of a run: `loss`, and `accuracy`.

    Args:
        history: one mapping an epoch with `loss`, `accuracy`, `validation_loss` and `validation_accuracy`; any may be None or missing.
    """
    losses = [row.get("validation_loss") for row in history]
    least = LEAST_LOSS_RISE * min((abs(loss) for loss in losses if loss is not None and math.isfinite(loss)), default=0.0)
    wrong = [[None if row.get(key) is None else 1.0 - row[key] for row in history] for key in ("accuracy", "validation_accuracy")]
    return {
        "loss": judge([row.get("loss") for row in history], losses, least),
        "accuracy": judge(wrong[0], wrong[1], LEAST_ACCURACY_FALL),
    }


def told(history: Sequence[Mapping[str, Any]], *, kept_by: Metric | None = None) -> str:
    """The verdict on a run in a sentence or two: by loss, which shows it first, and by accuracy, which may fall while loss is level.

    Args:
        history: see `of_history`.
        kept_by: the figure of validation whose best epoch its model is of; None: it is of the last epoch.
    """
    if not history:
        return "Its learning curves are not known."
    verdicts = of_history(history)
    loss, accuracy = verdicts["loss"], verdicts["accuracy"]
    kept = f" The model is that of the epoch with the best validation {kept_by}." if kept_by else ""
    if loss.state == "overfits":
        return f"Overfits from epoch {loss.from_epoch}: {_course(history, loss, 'loss')}.{_beside(accuracy)}{kept}"
    if accuracy.state == "overfits":
        course = _course(history, accuracy, "accuracy")
        beside = "" if loss.state == "unknown" else f" {_level(history, loss).capitalize()}."
        return f"Overfits from epoch {accuracy.from_epoch} by accuracy: {course}.{beside}{kept}"
    if loss.state == "unknown":
        measured = sum(row.get("validation_loss") is not None for row in history)
        why = "it had no validation split" if not measured else f"{measured} {'epoch is' if measured == 1 else 'epochs are'} too few"
        return f"Whether it overfits is not known: {why}."
    return f"No {'' if loss.state == 'none' else 'clear '}overfitting: {_level(history, loss)}."


def _level(history: Sequence[Mapping[str, Any]], loss: Verdict) -> str:
    """What validation loss does that is known and does not overfit."""
    if loss.state == "none":
        end = "at its best in the last epoch" if loss.best_epoch == len(history) else f"as good as at its best (epoch {loss.best_epoch})"
        return f"validation loss ends {end}"
    return (
        f"validation loss is best in epoch {loss.best_epoch} and ends worse, but for one epoch only, by little more than its jitter, or "
        "while training does not improve"
    )


def _course(history: Sequence[Mapping[str, Any]], verdict: Verdict, figure: Metric) -> str:
    """How a figure of validation gets worse from its best epoch to the last one measured, while that of training improves."""
    known = [row for row in history if row.get(f"validation_{figure}") is not None and row.get(figure) is not None]
    best, last = history[(verdict.best_epoch or 1) - 1], known[-1]
    worse, better = ("rises", "falls") if figure == "loss" else ("falls", "rises")
    held, trained = ([f"{row[key]:.3f}" for row in (best, last)] for key in (f"validation_{figure}", figure))
    return f"validation {figure} {worse} from {held[0]} to {held[1]} while training {figure} {better} from {trained[0]} to {trained[1]}"


def _beside(accuracy: Verdict) -> str:
    """What validation accuracy does where loss overfits."""
    if accuracy.state == "overfits":
        return f" Validation accuracy falls from epoch {accuracy.from_epoch}."
    return "" if accuracy.state == "unknown" else " Validation accuracy does not fall with it."
