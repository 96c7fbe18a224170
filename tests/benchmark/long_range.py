"""What a carried state is for: brackets that must be closed long after they were opened, on a text that is made for it.

    python tests/benchmark/long_range.py [--epochs N] [--units U]

The text is one bracket of four kinds after the other: opened, then dots, then a sign, then the bracket that closes it. It was opened d
characters ago, d drawn log-uniformly from 4 to 400, and models learn from windows of 40. After the sign only the kind of the bracket is
to be guessed, in which whoever has forgotten it is right in a quarter of the cases: the base rate. Two LSTMs learn, one that carries its
state and one that begins each window anew, and both are asked on a second text of the same make. Beyond the window the one can be right
only if it keeps what no gradient reached that far back to teach, the other not at all. tests/integration/test_long_range.py asserts that
on shorter distances.
"""

import argparse
import os
import time
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import numpy.typing as npt

from distrnn.data.reader import ShardArrays, ShardReader
from distrnn.models import build_language_model
from distrnn.progress import silent
from distrnn.training import variables
from distrnn.training.kernel_plan import kernels_for
from distrnn.training.loop import Hooks, Trainer
from distrnn.training.plan import Placement, plan_batches
from distrnn.training.strategy import make_strategy
from distrnn.training.tasks import LanguageTask
from distrnn.workflow.sections import CosineSchedule, LanguageModel, Optimizer, Train

KINDS, OPENING, CLOSING, SIGN, DOT = 4, 2, 6, 10, 11  # the ids: four kinds from 2 on, and from 6 on
VOCABULARY = DOT + 1
BATCH = 32
ROWS, STEPS = 100, 500  # in which the second text is read
REACHED, GUESSED = 0.95, 0.02  # beyond the window: the share that a carried state must reach, how near the base rate the other must stay
BORDERS = (4, 11, 21, 41, 81, 161, 401)


@dataclass(frozen=True)
class Lesson:
    """How far apart brackets are, in characters, and the windows that models learn from.

    Attributes:
        nearest: the smallest distance; 3 at least.
        farthest: the largest.
        window: in characters.
    """

    nearest: int
    farthest: int
    window: int


FULL = Lesson(nearest=4, farthest=400, window=40)


def brackets(lesson: Lesson, characters: int, seed: int) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """A text, where the closing brackets stand in it, and how far each is from the one that opened it: int [N], int [C], int [C]."""
    generator = np.random.default_rng(seed)
    parts, places, distances, length = [], [], [], 0
    while length < characters:
        kind = generator.integers(KINDS)
        distance = int(np.exp(generator.uniform(np.log(lesson.nearest), np.log(lesson.farthest + 1))))
        parts.append(np.array([OPENING + kind, *[DOT] * (distance - 2), SIGN, CLOSING + kind]))
        length += distance + 1
        places.append(length - 1)
        distances.append(distance)
    return np.concatenate(parts).astype(np.uint16), np.array(places), np.array(distances)


def section(lesson: Lesson, *, stateful: bool, units: int) -> LanguageModel:
    """The model that learns."""
    return LanguageModel(
        task="language-model",
        type="lstm",
        window=lesson.window,
        stateful=stateful,
        embedding_dim=None,
        embedding_normalization="none",
        units=units,
    )


def trained(model: LanguageModel, text: npt.NDArray[np.uint16], epochs: int) -> keras.Model:
    """The model after training, as the engine trains it."""
    train = Train(
        epochs=epochs,
        global_batch_size=BATCH,
        optimizer=Optimizer(learning_rate=0.005),
        learning_rate_schedule=CosineSchedule(type="cosine", warmup_epochs=0.5),
        clip_norm=1.0,
    )
    task, placement = LanguageTask(model, VOCABULARY), Placement("cpu", os.cpu_count() or 1, 0, 1)
    trainer = Trainer(task, train, plan_batches(BATCH, 1), make_strategy(placement), kernels=kernels_for(model, train, placement))
    reader = ShardReader([ShardArrays(text, np.array([0, len(text)]), np.array([-1], np.int16))])
    batches = task.training_batches(reader, global_batch_size=BATCH, seed=0)
    trainer.fit(batches, Hooks(silent, lambda: False, lambda _: None))
    return trainer.model


def right_answers(
    model: LanguageModel, weights: keras.Model, rows: npt.NDArray[np.int32], places: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Whether the likeliest of the closing brackets is the right one: from all that was read of the row, or from the last window.

    Shapes: R rows of a text, T characters of each, C closing brackets.

    Args:
        model: what was trained.
        weights: after training.
        rows: int [R, T].
        places: of the brackets in the rows behind each other: int [C].
    Returns:
        bool [C].
    """
    sizes: dict[str, Any] = {"vocabulary_size": VOCABULARY, "head": "probabilities"}
    text = rows.ravel()
    if model.carries_state:
        published = build_language_model(model.published, batch=len(rows), window=None, **sizes)
        variables.copy_weights(weights, published)
        pieces = [published.predict_on_batch(piece) for piece in np.split(rows, range(STEPS, rows.shape[1], STEPS), axis=1)]
        shares = np.concatenate(pieces, axis=1).reshape(len(text), VOCABULARY)[places - 1]
    else:
        published = build_language_model(model.published, batch=None, window=model.window, **sizes)
        variables.copy_weights(weights, published)
        windows = np.lib.stride_tricks.sliding_window_view(text, model.window)[places - model.window]
        shares = published.predict(windows, batch_size=256, verbose=0)[:, -1]
    guessed = CLOSING + shares[:, CLOSING : CLOSING + KINDS].argmax(axis=1)
    return np.asarray(guessed == text[places])


def in_rows(lesson: Lesson, characters: int, seed: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """A text cut into rows, int [R, T], and of the brackets that open and close in one row the places and the distances: int [C] each."""
    text, places, distances = brackets(lesson, characters, seed)
    steps = len(text) // ROWS
    inside = (places < ROWS * steps) & (places % steps >= np.maximum(distances, lesson.window))
    return text[: ROWS * steps].reshape(ROWS, steps).astype(np.int32), places[inside], distances[inside]


def compared(
    lesson: Lesson, *, characters: int, epochs: int, units: int
) -> tuple[npt.NDArray[np.int64], dict[bool, npt.NDArray[np.bool_]]]:
    """How far each bracket of the second text is from its opening, and whether each model is right: the one that carries its state (True).

    Shapes: C brackets.

    Args:
        lesson: what is to be learned.
        characters: of either text.
        epochs: of either training.
        units: of either LSTM.
    Returns:
        int [C]; and {whether the state is carried: bool [C]}.
    """
    (text, _, _), (asked, places, distances) = brackets(lesson, characters, 0), in_rows(lesson, characters, 1)
    right = {}
    for stateful in (True, False):
        started = time.perf_counter()
        model = section(lesson, stateful=stateful, units=units)
        right[stateful] = right_answers(model, trained(model, text, epochs), asked, places)
        print(f"{'state carried' if stateful else 'each window anew'}: {time.perf_counter() - started:.0f} s", flush=True)
    return distances, right


def main() -> None:
    """Train both and print the share of right answers by distance; exit 1 where it is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--units", type=int, default=64)
    parser.add_argument("--characters", type=int, default=400_000)
    arguments = parser.parse_args()
    distances, right = compared(FULL, characters=arguments.characters, epochs=arguments.epochs, units=arguments.units)
    print(f"\nbase rate {1 / KINDS:.3f}; windows of {FULL.window}\n")
    print("| distance | brackets | state carried | each window anew |\n|---|---|---|---|")
    for low, high in pairwise(BORDERS):
        inside = (distances >= low) & (distances < high)
        print(f"| {low} to {high - 1} | {inside.sum():,} | {' | '.join(f'{one[inside].mean():.3f}' for one in right.values())} |")
    beyond = distances > FULL.window
    carried, anew = (float(right[stateful][beyond].mean()) for stateful in (True, False))
    print(f"| all beyond the window | {beyond.sum():,} | {carried:.3f} | {anew:.3f} |")
    missed = [] if carried >= REACHED else [f"the carried state reaches {carried:.3f} beyond the window; {REACHED} was to be reached"]
    missed += [] if abs(anew - 1 / KINDS) <= GUESSED else [f"without it {anew:.3f} is not within {GUESSED} of the base rate"]
    if missed:
        raise SystemExit("\n".join(missed))


if __name__ == "__main__":
    main()
