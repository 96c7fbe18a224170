"""A softmax among drawn tokens: the loss by its definition, how tokens are drawn, and that it teaches what the whole softmax teaches."""

import numpy as np
import pytest

from distrnn.data.reader import ShardArrays, ShardReader
from distrnn.models.sampled_output import SampledOutput
from distrnn.progress import silent
from distrnn.training.evaluate import LanguageEvaluator
from distrnn.training.kernel_plan import kernels_for
from distrnn.training.loop import Hooks, Trainer
from distrnn.training.plan import Placement, plan_batches
from distrnn.training.strategy import make_strategy
from distrnn.training.tasks import LanguageTask
from distrnn.training.tasks.sampled_softmax import sampled_loss_and_hits
from distrnn.workflow.sections import LanguageModel, Train

pytestmark = pytest.mark.usefixtures("two_devices")

V = 400


def test_the_loss_is_that_of_the_definition():
    generator = np.random.default_rng(0)
    features, kernel, bias = (generator.normal(size=shape).astype(np.float32) for shape in ((2, 3, 4), (4, 9), (9,)))
    labels, drawn = generator.integers(0, 9, (2, 3)).astype(np.int32), np.array([0, 2, 2, 7, 1], np.int32)
    losses, hits = sampled_loss_and_hits(labels, features, kernel, bias, drawn)
    expected = len(drawn) * np.log((np.arange(9) + 2) / (np.arange(9) + 1)) / np.log(10)
    for place in np.ndindex(2, 3):
        scores = features[place] @ kernel + bias - np.log(expected)
        true, others = scores[labels[place]], [scores[token] for token in drawn if token != labels[place]]
        assert losses.numpy()[place] == pytest.approx(np.log(np.exp([true, *others]).sum()) - true, rel=1e-5)
        assert hits.numpy()[place] == (true > max(others))


def test_frequent_tokens_are_drawn_as_often_as_the_loss_expects():
    layer = SampledOutput(50, samples=100_000)
    drawn = np.asarray(layer(np.zeros((1, 1, 2), np.float32))[3])
    shares = np.bincount(drawn, minlength=50) / len(drawn)
    assert shares == pytest.approx(np.log((np.arange(50) + 2) / (np.arange(50) + 1)) / np.log(51), abs=0.005)


def test_each_step_draws_anew():
    layer = SampledOutput(50, samples=20)
    first, second = (np.asarray(layer(np.zeros((1, 1, 2), np.float32))[3]) for _ in range(2))
    assert (first != second).any()


def text(count=12_000):
    """Every token has one of three that follow it, so a model can learn more than frequencies."""
    generator = np.random.default_rng(3)
    tokens = [3]
    for choice in generator.integers(0, 3, count - 1).tolist():
        tokens.append(3 + (tokens[-1] * 7 + choice * 11) % (V - 3))
    return ShardReader([ShardArrays(np.array(tokens, np.uint16), np.array([0, count]), np.array([-1], np.int16))])


def trained(sampled, replicas=1, epochs=4):
    section = LanguageModel.model_validate(
        {
            "task": "language-model",
            "type": "gru",
            "window": 10,
            "embedding_dim": 16,
            "embedding_normalization": "none",
            "units": 24,
            "sampled_softmax": sampled,
        }
    )
    task = LanguageTask(section, V)
    train = Train.model_validate({"epochs": epochs, "global_batch_size": 16, "optimizer": {"learning_rate": 0.01}})
    placement = Placement("cpu", 2, 0, replicas)
    kernels = kernels_for(section, train, placement)
    trainer = Trainer(task, train, plan_batches(16, replicas), make_strategy(placement), kernels=kernels)
    batches = task.training_batches(text(), global_batch_size=16, seed=0)
    trainer.fit(batches, Hooks(silent, lambda: False, lambda _: None))
    return LanguageEvaluator(task, compile_with_xla=False).validate(trainer.model, text())[0]


@pytest.mark.parametrize("replicas", [1, 2])
def test_it_teaches_what_the_whole_softmax_teaches(replicas):
    """The least possible is ln 3 = 1.10 nats; knowing the frequencies alone would be ln 397 = 5.98."""
    whole, sampled = trained(None), trained(60, replicas)
    assert whole < 2.5
    assert sampled < whole + 0.4
