"""What a carried state is for, asserted: the benchmark of long range on shorter distances, learned in less than a minute.

The full one, brackets opened 4 to 400 characters ago and windows of 40, takes minutes; its figures stand in the README.
"""

import numpy as np
import numpy.typing as npt
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("two_devices")]

Answers = dict[str, npt.NDArray[np.bool_]]


@pytest.fixture(scope="module")
def answers() -> Answers:
    """Right answers, bool [C], of both models on both sides of the border of the window."""
    from benchmark.long_range import Lesson, compared

    lesson = Lesson(nearest=4, farthest=60, window=10)
    distances, right = compared(lesson, characters=100_000, epochs=30, units=32)
    beyond = distances > lesson.window
    sides = {"within": ~beyond, "beyond": beyond}
    kinds = {"carried": right[True], "anew": right[False]}
    return {f"{kind} {side}": one[inside] for kind, one in kinds.items() for side, inside in sides.items()}


def test_both_models_have_learned_what_a_window_shows(answers: Answers) -> None:
    assert min(answers["carried within"].mean(), answers["anew within"].mean()) > 0.9


def test_a_carried_state_answers_beyond_the_window(answers: Answers) -> None:
    assert answers["carried beyond"].mean() > 0.9


def test_without_it_answers_beyond_the_window_are_guesses(answers: Answers) -> None:
    from benchmark.long_range import KINDS

    assert answers["anew beyond"].size > 2000
    assert answers["anew beyond"].mean() == pytest.approx(1 / KINDS, abs=0.05)
