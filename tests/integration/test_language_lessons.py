"""The orderings of the Nietzsche lesson, on the beginning of the real text and in few epochs, each with the margin by which it must hold.

The figures of the whole text are in the README's table; `make results` makes them.
"""

import math
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distrnn.data.reader import ShardArrays, ShardReader
from distrnn.data.streams import windows
from distrnn.errors import DivergedError
from distrnn.progress import silent
from distrnn.training import variables
from distrnn.training.evaluate import LanguageEvaluator
from distrnn.training.kernel_plan import kernels_for
from distrnn.training.loop import Hooks, Trainer
from distrnn.training.plan import Placement, plan_batches
from distrnn.training.strategy import make_strategy
from distrnn.training.tasks import LanguageTask
from distrnn.workflow import load_workflow
from distrnn.workflow.sections import LanguageModel

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("two_devices"), pytest.mark.timeout(600)]
WORKFLOWS = Path(__file__).parents[2] / "workflows"
CHARACTERS, HELD_OUT, EPOCHS = 150_000, 10_000, 3


def reader(ids: np.ndarray) -> ShardReader:
    return ShardReader([ShardArrays(ids, np.array([0, len(ids)]), np.array([-1], np.int16))])


@cache
def ids_of(text: Path) -> tuple[np.ndarray, dict[str, int]]:
    """The text as ids, most frequent first from 2 on, and the id of each character."""
    characters = text.read_text(encoding="utf-8")[: CHARACTERS + HELD_OUT]
    places = {character: place + 2 for place, (character, _) in enumerate(Counter(characters).most_common())}
    return np.array([places[character] for character in characters], np.uint16), places


@pytest.fixture
def lesson(shared_data: Path) -> Any:
    """Trains a workflow on the beginning of the text: what was trained, the model, and an entry an epoch."""
    return lambda name, epochs=EPOCHS, **keys: trained(shared_data / "nietzsche.txt", name, epochs, tuple(keys.items()))


@cache
def trained(text: Path, name: str, epochs: int, keys: tuple[tuple[str, Any], ...]) -> tuple[LanguageTask, Any, list[dict[str, Any]]]:
    overrides = {"train.epochs": epochs, "train.learning_rate_schedule": None, **{f"model.{key}": value for key, value in keys}}
    workflow = load_workflow(str(WORKFLOWS / f"nietzsche-{name}.yaml"), overrides).workflow
    assert isinstance(workflow.model, LanguageModel)
    ids, places = ids_of(text)
    task, train, placement = LanguageTask(workflow.model, len(places) + 2), workflow.train, Placement("cpu", 2, 0, 1)
    kernels = kernels_for(workflow.model, train, placement)
    trainer = Trainer(task, train, plan_batches(train.global_batch_size, 1), make_strategy(placement), kernels=kernels)
    batches = task.training_batches(reader(ids[:CHARACTERS]), global_batch_size=train.global_batch_size, seed=train.seed)
    position = trainer.fit(batches, Hooks(silent, lambda: False, lambda _: None))
    return task, trainer.model, position.history


def loss(found: tuple[LanguageTask, Any, list[dict[str, Any]]]) -> float:
    """Of the last epoch, in nats."""
    return float(found[2][-1]["loss"])


def test_a_state_that_is_carried_is_better_than_windows_by_themselves(lesson: Any) -> None:
    """The same LSTM on the same text; and better than the sequence of the lesson too."""
    carried, alone = loss(lesson("lstm")), loss(lesson("lstm", stateful=False))
    assert carried < alone - 0.05
    assert carried < loss(lesson("sequence")) - 0.05


def test_the_same_model_loses_more_where_its_state_is_taken_away(lesson: Any, shared_data: Path) -> None:
    """On text that it has not seen, with the state carried and with each window of eight begun anew."""
    task, model, _ = lesson("lstm")
    ids, _ = ids_of(shared_data / "nietzsche.txt")
    with_state, _ = LanguageEvaluator(task, compile_with_xla=True).validate(model, reader(ids[CHARACTERS:]))

    forgetful = LanguageTask(task.model.model_copy(update={"stateful": False}), task.vocabulary_size).published_model()
    variables.copy_weights(model, forgetful)
    inputs, _ = windows(ids[CHARACTERS:], task.model.window)
    shares = forgetful.predict_on_batch(inputs[:-1])  # [N, 8, V]
    right = np.take_along_axis(shares, np.roll(inputs.ravel(), -1)[: inputs[:-1].size].reshape(-1, task.model.window, 1), axis=-1)
    assert with_state < -np.log(right).mean() - 0.1


def test_one_hot_characters_do_as_well_as_an_embedding(lesson: Any) -> None:
    assert loss(lesson("onehot")) == pytest.approx(loss(lesson("sequence")), abs=0.15)


def test_three_characters_give_the_fourth(lesson: Any, shared_data: Path) -> None:
    """The guesses that the lesson shows."""
    task, model, _ = lesson("3char", epochs=10)
    _, places = ids_of(shared_data / "nietzsche.txt")
    published = task.published_model()
    variables.copy_weights(model, published)
    rows = np.array([[places[character] for character in asked] for asked in ("phi", " th", " an")], np.int32)
    characters = {place: character for character, place in places.items()}
    assert [characters[int(best)] for best in published.predict_on_batch(rows)[:, -1].argmax(axis=-1)] == ["l", "e", "d"]


def test_a_recurrence_by_hand_learns_what_the_cell_learns(lesson: Any) -> None:
    assert loss(lesson("rnn-dense")) == pytest.approx(loss(lesson("simple-rnn")), abs=0.1)


def test_the_first_position_stays_flat_and_the_eighth_improves_most(lesson: Any) -> None:
    *_, history = lesson("sequence-dense")
    gains = np.array(history[1]["position_losses"]) - np.array(history[-1]["position_losses"])
    assert gains[0] < 0.6 * gains[1:].min()
    assert gains[-1] > gains.max() - 0.03


def test_the_negative_control_diverges_or_stays_worse(lesson: Any) -> None:
    try:
        found, cause = loss(lesson("stateful-simple-rnn")), ""
    except DivergedError as error:
        found, cause = math.inf, error.message
    assert found > loss(lesson("sequence")) + 0.1
    assert not cause or "nothing bounds a state of relu that is carried on" in cause
