"""Drawing tokens: shares as the temperature says, the same for the same seed, never a reserved id."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.runtime import Network
from distrnn.runtime.generation import draw, generate_ids, prompt_ids
from distrnn.text import TokenizerSpec, Vocabulary

LOGITS = np.log(np.array([0.1, 0.2, 0.7], np.float32))
CHARACTERS = TokenizerSpec("char", "keep")


def counts(temperature: float, draws: int = 20_000) -> np.ndarray:
    generator = np.random.default_rng(0)
    return np.bincount([draw(LOGITS, temperature, generator) for _ in range(draws)], minlength=3) / draws


@pytest.mark.parametrize(("temperature", "shares"), [(1.0, [0.1, 0.2, 0.7]), (0.5, [1 / 54, 4 / 54, 49 / 54])])
def test_shares_follow_the_temperature(temperature: float, shares: list[float]) -> None:
    np.testing.assert_allclose(counts(temperature), shares, atol=0.01)


@pytest.mark.parametrize("temperature", [0.0, 1e-300])
def test_no_temperature_takes_the_most_probable(temperature: float) -> None:
    assert counts(temperature, 100).tolist() == [0.0, 0.0, 1.0]


def test_a_great_temperature_makes_all_alike() -> None:
    np.testing.assert_allclose(counts(1e300), [1 / 3] * 3, atol=0.02)


def test_of_two_equal_tokens_the_first_is_taken() -> None:
    assert draw(np.array([1.0, 2.0, 2.0], np.float32), 0.0, np.random.default_rng(0)) == 1


@given(
    logits=st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=1, max_size=9),
    temperature=st.floats(0.0, 1e300),
    seed=st.integers(0, 99),
)
def test_a_draw_is_always_a_position(logits: list[float], temperature: float, seed: int) -> None:
    position = draw(np.array(logits, np.float32), temperature, np.random.default_rng(seed))
    assert 0 <= position < len(logits)


def test_reserved_ids_are_never_written(tiny_language_model: Callable[..., Path]) -> None:
    network = Network.load(tiny_language_model() / "numpy")
    written = set(generate_ids(network, [1], 2000, first_id=1, size=network.features, temperature=50.0, generator=np.random.default_rng(0)))
    assert written == set(range(1, network.features))


def test_writing_goes_on_from_everything_before(tiny_language_model: Callable[..., Path]) -> None:
    network = Network.load(tiny_language_model() / "numpy")
    settings = {"first_id": 1, "size": network.features, "temperature": 0.0, "generator": np.random.default_rng(0)}
    prompt = [3, 1, 4, 1, 5]
    for token in generate_ids(network, prompt, 12, **settings):
        distribution = network.predict(np.array([prompt]))[0, -1]
        assert token == 1 + distribution[1:].argmax()
        prompt = [*prompt, token]


@pytest.mark.parametrize(
    ("tokens", "prompt", "ids"),
    [
        ("eab", "abc", [2, 3, 0]),
        ("ea \n", "", [4]),
        ("ea ", "", [3]),
        ("eab", "", [1]),
    ],
)
def test_an_empty_prompt_of_characters_is_a_neutral_start(tokens: str, prompt: str, ids: list[int]) -> None:
    assert prompt_ids(Vocabulary(tokens, CHARACTERS), prompt) == ids


def test_an_empty_prompt_of_words_is_the_start_id() -> None:
    assert prompt_ids(Vocabulary(["a"], TokenizerSpec("word", "fold", "strip")), "") == [1]
