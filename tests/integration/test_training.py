"""The training loop proves its numerics: replicas equal one device, a resumed run equals an uninterrupted one, each with a control."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distrnn.data.mixing import Ingredient, MixedBatches
from distrnn.data.reader import ShardArrays, ShardReader
from distrnn.errors import DivergedError, WorkflowError
from distrnn.progress import silent
from distrnn.training import checkpoints, variables
from distrnn.training.checkpoints import Checkpoint
from distrnn.training.evaluate import ClassifierEvaluator, LanguageEvaluator
from distrnn.training.kernel_plan import kernels_for
from distrnn.training.loop import Hooks, Interrupted, Trainer
from distrnn.training.model_facts import parameter_counts
from distrnn.training.plan import Placement, plan_batches
from distrnn.training.schedules import learning_rate
from distrnn.training.strategy import make_strategy
from distrnn.training.tasks import ClassifierTask, LanguageTask, Task
from distrnn.training.warm_rows import SHORTEST, WarmRows
from distrnn.workflow.sections import ClassifierModel, EarlyStopping, LanguageModel, OneCycleSchedule, Optimizer, Train

pytestmark = pytest.mark.usefixtures("two_devices")

VOCABULARY = 30
TOLERANCE = 1e-5


def classifier(**keys: Any) -> ClassifierTask:
    values = {"type": "lstm", "sequence_length": 12, "embedding_dim": 8, "units": 8, **keys}
    return ClassifierTask(ClassifierModel(**values), VOCABULARY)


def language(**keys: Any) -> LanguageTask:
    values = {"task": "language-model", "type": "lstm", "window": 5, "embedding_dim": 8, "units": 8, **keys}
    return LanguageTask(LanguageModel(**values), VOCABULARY)


def documents(rows: int = 84) -> ShardReader:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, rows).astype(np.int8)
    tokens = rng.integers(3, VOCABULARY, (rows, 10)).astype(np.uint16)
    tokens[:, 4] = np.where(labels == 1, 5, 6)
    return ShardReader([ShardArrays(tokens.reshape(-1), np.arange(rows + 1) * 10, labels)])


def stream(tokens: int = 600) -> ShardReader:
    rng = np.random.default_rng(1)
    values = (np.cumsum(rng.integers(1, 3, tokens)) % (VOCABULARY - 1) + 1).astype(np.uint16)
    return ShardReader([ShardArrays(values, np.array([0, tokens]), np.array([-1], np.int8))])


@dataclass
class Recorder:
    """Hooks that keep every checkpoint and stop at a step on request."""

    stop_at: int | None = None
    validate: Callable[[Any], tuple[float, float]] | None = None
    saved: list[Checkpoint] = field(default_factory=list)
    polls: int = 0

    def hooks(self) -> Hooks:
        return Hooks(silent, self._stop, self.saved.append, self.validate)

    def _stop(self) -> bool:
        self.polls += 1
        return self.stop_at is not None and self.polls >= self.stop_at


@dataclass
class Trained:
    weights: list[np.ndarray]
    history: list[dict[str, Any]]
    recorder: Recorder
    trainer: Trainer


@pytest.fixture(autouse=True)
def every_step_is_polled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distrnn.training.loop.PROGRESS_EVERY_S", 0.0)


def trained(
    task: Task,
    reader: ShardReader,
    *,
    replicas: int = 1,
    checkpoint: Checkpoint | None = None,
    recorder: Recorder | None = None,
    alter: Callable[[Trainer], None] | None = None,
    **train: Any,
) -> Trained:
    values = {"epochs": 2, "global_batch_size": 8, "optimizer": Optimizer(learning_rate=0.01), "steps_per_call": 1, **train}
    section = Train(**values)
    recorder = recorder or Recorder()
    placement = Placement("cpu", 2, 0, replicas)
    kernels = kernels_for(task.model, section, placement)
    trainer = Trainer(task, section, plan_batches(section.global_batch_size, replicas), make_strategy(placement), kernels=kernels)
    if alter:
        alter(trainer)
    batches = task.training_batches(reader, global_batch_size=section.global_batch_size, seed=section.seed)
    position = trainer.fit(batches, recorder.hooks(), checkpoint)
    return Trained(trainer.model.get_weights(), position.history, recorder, trainer)


def difference(one: Trained, other: Trained) -> float:
    return max(float(np.abs(a - b).max()) for a, b in zip(one.weights, other.weights, strict=True))


def interrupted(task: Task, reader: ShardReader, *, at: int, **train: Any) -> Checkpoint:
    recorder = Recorder(stop_at=at)
    with pytest.raises(Interrupted):
        trained(task, reader, recorder=recorder, **train)
    return recorder.saved[-1]


@pytest.fixture(params=["classifier", "masked classifier", "stateful language model", "language model of windows"])
def case(request: pytest.FixtureRequest) -> tuple[Task, ShardReader]:
    return {
        "classifier": (classifier(), documents()),
        "masked classifier": (classifier(mask_zero=True), documents()),
        "stateful language model": (language(), stream()),
        "language model of windows": (language(type="simple-rnn", stateful=False), stream()),
    }[request.param]


def test_two_replicas_equal_one_device(case: tuple[Task, ShardReader]) -> None:
    """84 documents in batches of 8: the last batch is short, and one replica of it is empty."""
    one, two = trained(*case), trained(*case, replicas=2)
    assert difference(one, two) < TOLERANCE
    assert [entry["loss"] for entry in one.history] == pytest.approx([entry["loss"] for entry in two.history], abs=TOLERANCE)


@pytest.mark.slow
def test_the_comparison_can_tell_another_seed(case: tuple[Task, ShardReader]) -> None:
    assert difference(trained(*case), trained(*case, seed=1)) > 1e-2


def test_carried_state_is_what_makes_a_stateful_model(monkeypatch: pytest.MonkeyPatch) -> None:
    carried = trained(language(), stream())

    def forgetful(trainer: Trainer) -> None:
        take = trainer.steps.take

        def forget_then_take(*arguments: Any) -> Any:
            variables.reset_recurrent_states(trainer.model)
            return take(*arguments)

        monkeypatch.setattr(trainer.steps, "take", forget_then_take)

    assert difference(carried, trained(language(), stream(), alter=forgetful)) > 1e-3


@pytest.mark.slow
def test_the_state_begins_anew_at_each_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = trained(language(), stream())
    monkeypatch.setattr("distrnn.training.variables.reset_recurrent_states", lambda model: None)
    assert difference(fresh, trained(language(), stream())) > 1e-4


RESUMABLE = {
    "classifier with dropout": lambda: (classifier(dropout=0.2, recurrent_dropout=0.2), documents()),
    "stateful language model with dropout": lambda: (language(dropout=0.2), stream()),
    "windows by hand with dropout": lambda: (language(type="dense", predict="last", output_dropout=0.2), stream()),
}


@pytest.mark.parametrize("name", RESUMABLE)
@pytest.mark.parametrize("at", [pytest.param(3, marks=pytest.mark.slow), 14])
def test_a_run_stopped_at_any_step_ends_with_the_same_weights(name: str, at: int, tmp_path: Path) -> None:
    task, reader = RESUMABLE[name]()
    undisturbed = trained(task, reader)
    checkpoints.write(tmp_path, interrupted(task, reader, at=at))
    resumed = trained(task, reader, checkpoint=checkpoints.read(tmp_path))
    assert difference(undisturbed, resumed) == 0.0
    keys = ("epoch", "loss", "accuracy", "learning_rate", "position_losses")
    timeless, expected = ([{key: entry.get(key) for key in keys} for entry in run.history] for run in (resumed, undisturbed))
    assert timeless == expected


def test_the_comparison_can_tell_a_lost_recurrent_state() -> None:
    task, reader = language(), stream()
    checkpoint = interrupted(task, reader, at=3)
    lost = {name: np.zeros_like(array) for name, array in checkpoint.own.items()}
    resumed = trained(task, reader, checkpoint=replace(checkpoint, own=lost))
    assert difference(trained(task, reader), resumed) > 1e-4


@pytest.mark.slow
def test_without_dropout_a_run_goes_on_with_another_number_of_replicas(case: tuple[Task, ShardReader]) -> None:
    task, reader = case
    resumed = trained(task, reader, replicas=2, checkpoint=interrupted(task, reader, at=3))
    assert difference(trained(task, reader), resumed) < TOLERANCE


def test_with_dropout_another_number_of_replicas_is_refused_with_the_reason() -> None:
    task = classifier(dropout=0.2)
    checkpoint = interrupted(task, documents(), at=3)
    with pytest.raises(WorkflowError) as caught:
        trained(task, documents(), replicas=2, checkpoint=checkpoint)
    assert str(caught.value) == (
        "key 'scaling.replicas_per_worker': expected as many replicas in all as this run began with (1). Received: 2. Dropout draws other "
        "masks then, so training would not end with the weights it would have had. Start a new run to change it."
    )


@pytest.mark.slow
def test_validation_does_not_disturb_training() -> None:
    evaluator = LanguageEvaluator(language(), compile_with_xla=True)
    watched = trained(language(), stream(), recorder=Recorder(validate=lambda model: evaluator.validate(model, stream(100))))
    assert difference(trained(language(), stream()), watched) == 0.0


def test_the_best_epoch_is_kept() -> None:
    """Validation says that the second of three epochs was best: its weights come out, and patience ends training."""
    figures = iter([(0.9, 0.5), (0.5, 0.8), (0.7, 0.7), (0.6, 0.7)])
    stopping = EarlyStopping(metric="loss", patience=2)
    best = trained(classifier(), documents(), recorder=Recorder(validate=lambda _: next(figures)), epochs=10, early_stopping=stopping)
    assert len(best.history) == 4
    assert difference(best, trained(classifier(), documents(), epochs=2)) == 0.0


def test_a_short_last_batch_counts_only_its_documents() -> None:
    checkpoint = trained(classifier(), documents(84)).recorder.saved[0]
    hits = checkpoint.position.history[0]["accuracy"] * 84
    assert hits == pytest.approx(round(hits), abs=1e-9)


def test_a_loss_that_is_no_number_ends_training_and_says_why() -> None:
    with pytest.raises(DivergedError) as caught:
        trained(language(), stream(), optimizer=Optimizer(name="sgd", learning_rate=1e38))
    message = str(caught.value)
    assert message.startswith("training diverged: the loss is ")
    assert "The likely cure: a smaller train.optimizer.learning_rate (now 1e+38); or train.clip_norm, for instance 1.0. Start" in message


@pytest.mark.parametrize("keys", [{"type": "lstm"}, {"type": "gru", "stateful": False}])
def test_the_losses_of_the_positions_are_parts_of_the_loss(keys: dict[str, Any]) -> None:
    """119 windows in batches of 8: the last batch is short."""
    one, two = (trained(language(**keys), stream(), replicas=replicas) for replicas in (1, 2))
    for entry, spread in zip(one.history, two.history, strict=True):
        assert np.mean(entry["position_losses"]) == pytest.approx(entry["loss"], abs=TOLERANCE)
        assert entry["position_losses"] == pytest.approx(spread["position_losses"], abs=TOLERANCE)
        assert len(entry["position_losses"]) == 5


def test_the_loss_of_a_position_is_that_of_its_token() -> None:
    """Each window is one token five times: what follows the first four can be known, what follows the fifth cannot."""
    tokens = np.repeat(np.random.default_rng(0).integers(1, VOCABULARY, 400), 5).astype(np.uint16)
    reader = ShardReader([ShardArrays(tokens, np.array([0, len(tokens)]), np.array([-1], np.int16))])
    task = language(type="simple-rnn", stateful=False, units=32, embedding_normalization="none")
    losses = trained(task, reader, epochs=6).history[-1]["position_losses"]
    assert max(losses[:4]) < 0.6
    assert losses[4] > 2.0


def test_a_model_with_one_prediction_a_window_has_no_positions() -> None:
    assert "position_losses" not in trained(language(predict="last"), stream()).history[0]


def test_a_state_of_relu_that_is_carried_is_named_as_the_cause() -> None:
    with pytest.raises(DivergedError) as caught:
        trained(language(type="simple-rnn", activation="relu"), stream(), optimizer=Optimizer(name="sgd", learning_rate=1e38))
    cure = "The likely cure: model.activation tanh or model.stateful false, because nothing bounds a state of relu that is carried on; or "
    assert cure in str(caught.value)


def test_evaluation_of_a_stream_does_not_depend_on_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    task, reader = language(), stream(100)
    model = trained(task, stream()).trainer.model
    losses = []
    for window in (7, 256):
        monkeypatch.setattr("distrnn.training.evaluate.EVALUATION_WINDOW", window)
        losses.append(LanguageEvaluator(task, compile_with_xla=True).validate(model, reader)[0])
    assert losses[0] == pytest.approx(losses[1], abs=TOLERANCE)


def test_parameter_counts_equal_keras() -> None:
    for task in (classifier(), language()):
        counts = parameter_counts(task.model, VOCABULARY)
        assert counts == {layer.name: layer.count_params() for layer in task.published_model().layers if layer.weights}


def test_validation_accuracy_equals_counting() -> None:
    result = trained(classifier(), documents(), epochs=8)
    evaluator = ClassifierEvaluator(classifier(), compile_with_xla=True)
    _, accuracy = evaluator.validate(result.trainer.model, documents())
    probabilities, labels = evaluator.probabilities(documents())
    assert accuracy == np.mean((probabilities > 0.5) == (labels == 1))
    assert accuracy > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("name", RESUMABLE)
def test_steps_taken_together_are_those_taken_one_by_one(name: str) -> None:
    task, reader = RESUMABLE[name]()
    together, singly = (trained(task, reader, steps_per_call=steps) for steps in (4, 1))
    assert difference(together, singly) == 0.0
    assert [entry["loss"] for entry in together.history] == [entry["loss"] for entry in singly.history]


def test_gradients_are_clipped_by_the_norm_over_all_weights() -> None:
    """With plain gradient descent the step itself has the norm: learning rate times clip_norm."""
    settings = {"epochs": 1, "optimizer": Optimizer(name="sgd", learning_rate=0.5), "global_batch_size": 84, "clip_norm": 1e-3}
    start = trained(classifier(), documents(), **{**settings, "optimizer": Optimizer(name="sgd", learning_rate=1e-12)})
    end = trained(classifier(), documents(), **settings)
    moved = np.sqrt(sum(float(np.square(b - a).sum()) for a, b in zip(start.weights, end.weights, strict=True)))
    assert moved == pytest.approx(0.5 * 1e-3, rel=1e-3)


def test_replicas_drop_out_different_things() -> None:
    """Both replicas read the same rows; were their masks the same, their losses would be too."""
    task = classifier(dropout=0.5)
    losses = []

    def watch(trainer: Trainer) -> None:
        import tensorflow as tf

        gradient = trainer.steps.gradient

        def told(tokens: Any, labels: Any, weights: Any) -> Any:
            *gradients, figures = gradient(tf.ones_like(tokens), tf.ones_like(labels), tf.ones_like(weights))
            tf.py_function(lambda loss: losses.append(float(loss)), [figures[0]], [])
            return [*gradients, figures]

        trainer.steps.gradient = told

    trained(task, documents(), replicas=2, epochs=1, alter=watch)
    first_step = losses[:2]
    assert abs(first_step[0] - first_step[1]) > 1e-6


@pytest.mark.parametrize("precision", [pytest.param("mixed-bfloat16", marks=pytest.mark.slow), "mixed-float16"])
def test_mixed_precision_learns_and_keeps_float32_weights(precision: str) -> None:
    mixed, plain = trained(classifier(), documents(), epochs=8, precision=precision), trained(classifier(), documents(), epochs=8)
    assert {weight.dtype for weight in mixed.weights} == {np.dtype(np.float32)}
    assert difference(mixed, plain) > 0.0
    assert mixed.history[-1]["accuracy"] > 0.9


def test_training_ends_when_its_time_is_up() -> None:
    short = trained(classifier(), documents(), epochs=1000, max_time_s=1.0)
    assert len(short.history) < 1000
    assert short.recorder.saved[-1].position.finished


@pytest.mark.slow
def test_the_best_epoch_is_kept_without_stopping_early() -> None:
    figures = iter([(0.9, 0.5), (0.5, 0.8), (0.7, 0.7), (0.6, 0.7)])
    best = trained(classifier(), documents(), recorder=Recorder(validate=lambda _: next(figures)), epochs=4, keep_best="loss")
    assert len(best.history) == 4
    assert difference(best, trained(classifier(), documents(), epochs=2)) == 0.0


def test_the_learning_rate_of_each_step_is_that_of_the_schedule() -> None:
    rates: list[float] = []

    def watch(trainer: Trainer) -> None:
        take = trainer.steps.take

        def told(group: Any, now: Any, *rest: Any) -> Any:
            rates.extend(now.tolist())
            return take(group, now, *rest)

        trainer.steps.take = told  # type: ignore[method-assign]

    result = trained(classifier(), documents(), learning_rate_schedule=OneCycleSchedule(type="one-cycle"), alter=watch, steps_per_call=4)
    assert rates == pytest.approx([learning_rate(result.trainer.train, epoch, step, 11) for epoch in range(2) for step in range(11)])


def documents_of_many_lengths() -> ShardReader:
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 40, 84)
    labels = rng.integers(0, 2, 84).astype(np.int8)
    tokens = rng.integers(3, VOCABULARY, lengths.sum()).astype(np.uint16)
    return ShardReader([ShardArrays(tokens, np.append(0, np.cumsum(lengths)), labels)])


@pytest.mark.slow
def test_batches_of_several_lengths_train_alike_on_two_replicas() -> None:
    model = ClassifierModel(type="lstm", mask_zero=True, sequence_length=32, embedding_dim=8, units=8)
    task, reader = ClassifierTask(model, VOCABULARY, length_buckets=2), documents_of_many_lengths()
    lengths = {batch.tokens.shape[1] for batch in task.training_batches(reader, global_batch_size=8, seed=0).epoch(0)}
    assert lengths == {16, 32}
    assert difference(trained(task, reader), trained(task, reader, replicas=2)) < TOLERANCE


def test_batches_with_a_teachers_probabilities_train_alike_on_two_replicas() -> None:
    """Five labelled rows of a step and three of the teacher's: the second replica has rows of both."""
    soft = np.random.default_rng(3).random(20).astype(np.float32)
    ingredients = [Ingredient(documents(), 5), Ingredient(documents(20), 3, labels=soft)]
    batches = MixedBatches(ingredients, sequence_length=12, padding="pre", truncating="pre", seed=0)
    one, two = (trained_on(batches, replicas) for replicas in (1, 2))
    assert max(float(np.abs(a - b).max()) for a, b in zip(one, two, strict=True)) < TOLERANCE


def trained_on(batches: MixedBatches, replicas: int) -> list[np.ndarray]:
    task, section, placement = classifier(), Train(epochs=2, global_batch_size=8), Placement("cpu", 2, 0, replicas)
    kernels = kernels_for(task.model, section, placement)
    trainer = Trainer(task, section, plan_batches(8, replicas), make_strategy(placement), kernels=kernels)
    trainer.fit(batches, Recorder().hooks())
    return list(trainer.model.get_weights())


@pytest.mark.parametrize("cell", ["lstm", "gru", "simple-rnn"])
def test_validation_in_rows_side_by_side_is_almost_that_of_one_row(monkeypatch: pytest.MonkeyPatch, cell: str) -> None:
    """To 1e-4 nats; and without the tokens that warm a row up it is not."""
    task, reader = language(type=cell), stream(4 * SHORTEST)
    model = trained(task, stream(), epochs=3).trainer.model
    evaluator = LanguageEvaluator(task, compile_with_xla=True)
    in_rows, hits = evaluator.validate(model, reader)
    cold = WarmRows(4 * SHORTEST - 1, 512, 16, 0)
    monkeypatch.setattr(WarmRows, "of", lambda _: None)
    exact, exact_hits = evaluator.validate(model, reader)
    assert (in_rows, hits) == (pytest.approx(exact, abs=1e-4), pytest.approx(exact_hits, abs=1e-3))
    monkeypatch.setattr(WarmRows, "of", lambda _: cold)
    assert evaluator.validate(model, reader)[0] != pytest.approx(exact, abs=1e-4)
