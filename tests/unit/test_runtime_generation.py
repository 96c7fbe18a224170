"""Drawing tokens: shares as the temperature says, the same for the same seed, never a reserved id."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.errors import UsageError
from distrnn.runtime import Network
from distrnn.runtime.generation import Sampling, draw, generate_ids, prompt_ids, until
from distrnn.text import TokenizerSpec, Vocabulary

LOGITS = np.log(np.array([0.1, 0.2, 0.7], np.float32))
CHARACTERS = TokenizerSpec("char", "keep")


def counts(temperature: float, draws: int = 20_000) -> np.ndarray:
    generator = np.random.default_rng(0)
    return np.bincount([draw(LOGITS, Sampling(temperature), generator) for _ in range(draws)], minlength=3) / draws


@pytest.mark.parametrize(("temperature", "shares"), [(1.0, [0.1, 0.2, 0.7]), (0.5, [1 / 54, 4 / 54, 49 / 54])])
def test_shares_follow_the_temperature(temperature: float, shares: list[float]) -> None:
    np.testing.assert_allclose(counts(temperature), shares, atol=0.01)


@pytest.mark.parametrize("temperature", [0.0, 1e-300])
def test_no_temperature_takes_the_most_probable(temperature: float) -> None:
    assert counts(temperature, 100).tolist() == [0.0, 0.0, 1.0]


def test_a_great_temperature_makes_all_alike() -> None:
    np.testing.assert_allclose(counts(1e300), [1 / 3] * 3, atol=0.02)


def test_of_two_equal_tokens_the_first_is_taken() -> None:
    assert draw(np.array([1.0, 2.0, 2.0], np.float32), Sampling(0.0), np.random.default_rng(0)) == 1


@given(
    logits=st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=1, max_size=9),
    temperature=st.floats(0.0, 1e300),
    seed=st.integers(0, 99),
)
def test_a_draw_is_always_a_position(logits: list[float], temperature: float, seed: int) -> None:
    position = draw(np.array(logits, np.float32), Sampling(temperature), np.random.default_rng(seed))
    assert 0 <= position < len(logits)


def test_reserved_ids_are_never_written(tiny_language_model: Callable[..., Path]) -> None:
    network = Network.load(tiny_language_model() / "numpy")
    written = set(
        generate_ids(network, [1], 2000, first_id=1, size=network.features, sampling=Sampling(50.0), generator=np.random.default_rng(0))
    )
    assert written == set(range(1, network.features))


def test_writing_goes_on_from_everything_before(tiny_language_model: Callable[..., Path]) -> None:
    network = Network.load(tiny_language_model() / "numpy")
    settings = {"first_id": 1, "size": network.features, "sampling": Sampling(0.0), "generator": np.random.default_rng(0)}
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


@pytest.mark.parametrize(
    ("keys", "shares"),
    [
        ({"top_k": 1}, [0.0, 0.0, 1.0]),
        ({"top_k": 2}, [0.0, 2 / 9, 7 / 9]),
        ({"top_k": 9}, [0.1, 0.2, 0.7]),
        ({"top_p": 0.6}, [0.0, 0.0, 1.0]),
        ({"top_p": 0.75}, [0.0, 2 / 9, 7 / 9]),
        ({"top_p": 1.0}, [0.1, 0.2, 0.7]),
        ({"top_k": 2, "top_p": 0.75}, [0.0, 0.0, 1.0]),
        ({"temperature": 0.5, "top_p": 0.8}, [0.0, 0.0, 1.0]),
    ],
)
def test_what_may_be_drawn_shares_the_probability(keys: dict[str, Any], shares: list[float]) -> None:
    found = Sampling(**keys).shares(LOGITS)
    np.testing.assert_allclose(found / found.sum(), shares, rtol=1e-6)


@given(
    logits=st.lists(st.sampled_from([-3.0, -1.0, 0.0, 0.5, 2.0]), min_size=1, max_size=12),
    top_k=st.integers(1, 14),
    top_p=st.floats(0.01, 1.0),
    temperature=st.floats(0.1, 4.0),
)
def test_the_nucleus_is_the_smallest_set_of_that_share(logits: list[float], top_k: int, top_p: float, temperature: float) -> None:
    values = np.array(logits, np.float32)
    among = Sampling(temperature, top_k=top_k).shares(values)
    assert np.count_nonzero(among) == min(top_k, len(logits))
    nucleus = Sampling(temperature, top_k=top_k, top_p=top_p).shares(values)
    kept, total = nucleus > 0.0, among.sum()
    assert nucleus.sum() >= top_p * total * (1 - 1e-9)
    assert nucleus.sum() - nucleus[kept].min() < top_p * total * (1 + 1e-9)
    assert nucleus[kept].min() >= max(among[~kept], default=0.0)
    np.testing.assert_array_equal(nucleus[kept], among[kept])


def test_of_equals_the_first_are_kept() -> None:
    assert Sampling(top_k=2).shares(np.zeros(4, np.float32)).tolist() == [1.0, 1.0, 0.0, 0.0]
    assert Sampling(top_p=0.5).shares(np.zeros(4, np.float32)).tolist() == [1.0, 1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"top_k": 0}, "top_k must be a whole number of tokens, 1 or more, or None for all of them. Received: 0"),
        ({"top_k": 1.5}, "top_k must be a whole number of tokens, 1 or more, or None for all of them. Received: 1.5"),
        ({"top_p": 0.0}, "top_p must be a share above 0 and at most 1, or None for all tokens. Received: 0.0"),
        ({"top_p": float("nan")}, "top_p must be a share above 0 and at most 1, or None for all tokens. Received: nan"),
        ({"temperature": "1"}, "temperature must be a number, 0 or more; 0 always takes the most probable token. Received: '1'"),
    ],
)
def test_sampling_that_makes_no_sense(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Sampling(**keys)
    assert str(caught.value) == message


@given(text=st.text("ab\n", max_size=40), stop=st.text("ab\n", min_size=1, max_size=4), cuts=st.lists(st.integers(0, 40), max_size=9))
def test_text_ends_where_the_stop_would_come(text: str, stop: str, cuts: list[int]) -> None:
    borders = [0, *sorted(cuts), len(text)]
    pieces = [text[start:end] for start, end in pairwise(borders)]
    assert "".join(until(pieces, stop)) == text.partition(stop)[0]


def test_pieces_wait_for_nothing_but_a_stop_that_may_have_begun() -> None:
    pieces = iter("ab12")
    written = until(pieces, "12")
    assert [next(written), next(written)] == ["a", "b"]
    assert "".join(pieces) == "12"
