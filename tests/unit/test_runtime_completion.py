"""What may come next: the probabilities of a draw, and a guess after every token."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distrnn.client import load_folder
from distrnn.errors import UsageError

Write = Callable[..., Path]


def test_candidates_have_the_probabilities_of_a_draw(tiny_language_model: Write) -> None:
    model = load_folder(tiny_language_model())
    found = model.complete("a bad c", top=10)
    probabilities = model.network.predict(np.array([model.preprocessing.vocabulary.encode("a bad c")]))[0, -1, 1:]
    expected = probabilities / probabilities.sum()
    assert sum(one.probability for one in found) == pytest.approx(1.0)
    assert [one.probability for one in found] == pytest.approx(sorted(expected, reverse=True), rel=1e-5)
    assert [one.token for one in found] == [model.preprocessing.vocabulary.token(1 + at) for at in np.argsort(-expected)]


def test_the_first_candidate_is_what_greedy_writing_writes(tiny_language_model: Write) -> None:
    model = load_folder(tiny_language_model())
    assert model.complete("a bad c", top=1)[0].token == model.generate("a bad c", 1, temperature=0)


def test_no_more_candidates_than_asked_for_or_than_there_are(tiny_language_model: Write) -> None:
    model = load_folder(tiny_language_model(level="word", tokens=("the", "good", "film")))
    assert [len(model.complete("the good", top=top)) for top in (1, 2, 50)] == [1, 2, 3]
    assert {one.token for one in model.complete("the good", top=50)} == {"the", "good", "film"}


def test_a_guess_after_every_character(tiny_language_model: Write) -> None:
    model = load_folder(tiny_language_model())
    read = model.guesses("cab")
    assert [token for token, _ in read] == ["c", "a", "b"]
    assert [guess for _, guess in read] == [model.complete(text, top=1)[0] for text in ("c", "ca", "cab")]


def test_what_is_read_before_the_text_is_nobodys_token(tiny_language_model: Write) -> None:
    characters = load_folder(tiny_language_model())
    assert [token for token, _ in characters.guesses("")] == [None]
    assert [token for token, _ in characters.guesses("\n")] == ["\n"]
    words = load_folder(tiny_language_model("words", level="word", tokens=("the", "good", "film")))
    assert [token for token, _ in words.guesses("The film!")] == [None, "the", "film"]
    assert words.guesses("")[0] == (None, words.complete("", top=1)[0])


def test_nothing_written_yet_is_no_obstacle(tiny_language_model: Write) -> None:
    assert len(load_folder(tiny_language_model()).complete("", top=3)) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"text": "a", "top": 0}, "top must be a whole number of tokens, 1 or more. Received: 0"),
        ({"text": None}, "text must be a text. Received: NoneType"),
    ],
)
def test_completion_that_makes_no_sense(tiny_language_model: Write, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_folder(tiny_language_model()).complete(**arguments)
    assert str(caught.value) == message
