"""What several language models lose on the same text."""

import numpy as np
import pytest

from distrnn.client import load_folder
from distrnn.errors import DataError
from distrnn.evaluation.compare_streams import compare_streams
from distrnn.evaluation.held_out import measure
from distrnn.evaluation.streams import BLOCK_TOKENS, paired_bootstrap, token_losses

LONG = ["a cab fed a bad egg, a decade fade "] * 200
BLOCKS = 40


def noise(seed):
    return np.random.default_rng(seed).normal(2.0, 0.5, BLOCKS * BLOCK_TOKENS)


def test_losses_of_the_tokens_are_the_loss_of_the_text(tiny_language_model):
    model = load_folder(tiny_language_model())
    losses = token_losses(model, LONG)
    figures = measure(model, LONG, np.zeros(len(LONG), int))[None]
    assert (len(losses), losses.mean()) == (figures["tokens"], pytest.approx(figures["loss_nats"]))


def test_a_text_of_one_token_is_refused(tiny_language_model):
    with pytest.raises(DataError, match=r"^the evaluation set must have at least two tokens\. Received: 1$"):
        token_losses(load_folder(tiny_language_model()), ["a"])


def test_a_real_difference_is_found_with_its_interval():
    found = paired_bootstrap(noise(0), noise(0) - 0.1 + 0.05 * noise(1))
    assert found["low"] < found["difference"] < found["high"] < 0.1
    assert found["difference"] == pytest.approx(0.0, abs=0.01)
    sure = paired_bootstrap(noise(0), noise(0) + 0.1)
    assert (sure["low"], sure["high"]) == pytest.approx((0.1, 0.1))
    assert sure["p"] < 0.001


def test_chance_is_called_chance_about_as_often_as_promised():
    found = [paired_bootstrap(noise(seed), noise(seed + 1_000))["p"] < 0.05 for seed in range(100)]
    assert sum(found) <= 12


def test_equal_losses_differ_by_nothing():
    assert paired_bootstrap(noise(0), noise(0)) == {"difference": 0.0, "low": 0.0, "high": 0.0, "p": 1.0}


def test_the_bootstrap_repeats_itself():
    assert paired_bootstrap(noise(0), noise(1)) == paired_bootstrap(noise(0), noise(1))


def test_models_of_one_vocabulary_are_tested(tiny_language_model):
    models = [load_folder(tiny_language_model(f"m{seed}", seed=seed)) for seed in (1, 2, 3)]
    found = compare_streams("abc", models, LONG)
    (losses,) = [row["values"] for row in found["metrics"] if row["metric"] == "loss_nats"]
    assert found["test"] == "a paired bootstrap over blocks of 256 tokens"
    for pair in found["pairs"]:
        one, other = (losses["abc".index(name)] for name in pair["models"])
        assert pair["better"] == pair["models"][0 if one < other else 1]
        assert pair["margin"] == pytest.approx(abs(one - other) / np.log(2))
        assert 0 <= pair["low"] <= pair["high"] or not pair["real"]


def test_other_vocabularies_are_not_tested(tiny_language_model):
    models = [load_folder(tiny_language_model("one")), load_folder(tiny_language_model("other", tokens="abcdefg ,x"))]
    found = compare_streams("ab", models, LONG)
    assert (found["test"], found["pairs"]) == (None, None)
    assert found["untested"] == "their vocabularies differ, so a token is not the same task for each of them"
    assert len(found["metrics"]) == 4


def test_a_short_text_is_not_tested(tiny_language_model):
    models = [load_folder(tiny_language_model(f"m{seed}", seed=seed)) for seed in (1, 2)]
    assert compare_streams("ab", models, ["a cab fed"])["untested"] == "a test needs 5,120 tokens or more, and the set has 8"
