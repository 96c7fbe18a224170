"""How well a text is foreseen: the sum of its tokens' losses, wherever it is cut, and the passages that stand out."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from distrnn.client import LanguageModel, load_folder
from distrnn.errors import DataError, UsageError
from distrnn.evaluation.held_out import measure
from distrnn.runtime import Network, scoring
from distrnn.runtime.assemble import load_layers
from distrnn.runtime.scoring import Surprise, score_lines

Write = Callable[..., Path]
TEXT = "a bad cab\nfed a hag\nhe had a bad fad\n" * 8
SHARED = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def model(tiny_language_model: Write) -> LanguageModel:
    loaded = load_folder(tiny_language_model())
    assert isinstance(loaded, LanguageModel)
    return loaded


def one_by_one(model: LanguageModel, text: str, window: int | None = None) -> list[float]:
    """The loss of every character but the first, each from the whole text before it (or from its window), read anew."""
    ids = np.array(model.preprocessing.vocabulary.encode(text))
    losses = []
    for place in range(1, len(ids)):
        start = 0 if window is None else (place - 1) // window * window
        losses.append(-math.log(model.network.predict(ids[None, start:place])[0, -1, ids[place]]))
    return losses


def test_the_loss_is_that_of_every_character_after_all_before_it(model: LanguageModel) -> None:
    losses = one_by_one(model, TEXT)
    score = model.score(TEXT)
    assert score.tokens == len(losses)
    assert score.loss_nats == pytest.approx(np.mean(losses), rel=1e-5)
    assert score.perplexity == pytest.approx(math.exp(np.mean(losses)), rel=1e-5)
    assert score.bits_per_token == pytest.approx(np.mean(losses) / math.log(2), rel=1e-5)


@pytest.mark.parametrize("window", [1, 5, 16])
def test_a_window_forgets_what_was_before_it(model: LanguageModel, window: int) -> None:
    assert model.score(TEXT, window=window).total_nats == pytest.approx(sum(one_by_one(model, TEXT, window)), rel=1e-5)


@SHARED
@given(cuts=st.lists(st.integers(0, len(TEXT)), max_size=12).map(sorted), window=st.none() | st.integers(1, 40))
def test_where_a_stream_is_cut_changes_nothing(model: LanguageModel, cuts: list[int], window: int | None) -> None:
    ids = np.array(model.preprocessing.vocabulary.encode(TEXT))
    whole, in_parts = Surprise(model.network, window).read(ids), Surprise(model.network, window)
    parts = np.concatenate([in_parts.read(part) for part in np.split(ids, cuts)])
    assert np.isnan(whole[0])
    np.testing.assert_allclose(parts, whole, rtol=1e-5)


@pytest.mark.parametrize("most", [1, 3, 64])
def test_the_chunk_size_changes_nothing(model: LanguageModel, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = model.score(TEXT).total_nats
    monkeypatch.setattr(scoring, "MAX_STEPS", most)
    assert model.score(TEXT).total_nats == pytest.approx(expected, rel=1e-6)


@SHARED
@given(text=st.text("ab c\nÆ\r\u2028", min_size=2, max_size=600))
def test_passages_are_the_whole_text(model: LanguageModel, text: str) -> None:
    score = model.score(text, top=1000)
    in_order = sorted(score.passages, key=lambda one: one.line)
    assert sum(one.tokens for one in in_order) == score.tokens == len(text) - 1
    assert sum(one.total_nats for one in in_order) == pytest.approx(score.total_nats)
    assert sorted("".join(one.text for one in in_order)) == sorted(text)


def test_the_line_that_surprises_most_comes_first(model: LanguageModel) -> None:
    lines = ["a bad cab had a bad fad\n", "abcdefgh abcdefgh abcdefgh\n", "hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh\n"]
    losses = np.array([0.0, *one_by_one(model, "".join(lines))])
    ends = np.cumsum([len(line) for line in lines])
    sums = [losses[end - len(line) : end].sum() for end, line in zip(ends, lines, strict=True)]
    means = [total / (len(line) - (number == 0)) for number, (total, line) in enumerate(zip(sums, lines, strict=True))]
    passages = model.score("".join(lines)).passages
    assert [one.loss_nats for one in passages] == pytest.approx(sorted(means, reverse=True), rel=1e-5)
    assert [one.text for one in passages] == [lines[at] for at in np.argsort(means)[::-1]]


def test_short_lines_are_taken_together_and_long_ones_cut(model: LanguageModel) -> None:
    found = {one.line: one for one in model.score("a\nb\n" + "bad " * 5 + "\n" + "c", top=9).passages}
    assert {line: one.text for line, one in found.items()} == {1: "a\nb\nbad bad bad bad bad \n", 4: "c"}
    cut = model.score("abcd" * 100).passages
    assert sorted(one.text for one in cut) == sorted(["abcd" * 60, "abcd" * 40])


def test_a_model_of_windows_sees_the_last_tokens_alone(tiny_language_model: Write) -> None:
    folder = tiny_language_model()
    file = folder / "numpy" / "model.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "window": 4}))
    model = load_folder(folder)
    ids = np.array(model.preprocessing.vocabulary.encode(TEXT))
    plain = Network(load_layers(folder / "numpy"))
    last = [plain.predict(ids[None, max(0, place - 4) : place])[0, -1, ids[place]] for place in range(1, len(ids))]
    assert model.score(TEXT).total_nats == pytest.approx(-np.log(last).sum(), rel=1e-5)


def test_only_so_many_passages_are_kept(model: LanguageModel) -> None:
    everything = model.score(TEXT, top=100).passages
    assert model.score(TEXT, top=2).passages == everything[:2]
    assert model.score(TEXT, top=0).passages == []


def test_characters_without_an_id_are_counted(model: LanguageModel) -> None:
    assert model.score("aØbØ").unknown == 2


def test_words_begin_with_a_start_so_that_the_first_is_foreseen_too(tiny_language_model: Write) -> None:
    model = load_folder(tiny_language_model(level="word", tokens=("the", "good", "film")))
    ids = np.array([1, 3, 4, 5, 2])
    outputs = model.network.predict(ids[None])[0]
    losses = -np.log(outputs[np.arange(4), ids[1:]])
    score = model.score("The good film, unknownword.")
    assert (score.tokens, score.unknown) == (4, 1)
    assert score.total_nats == pytest.approx(float(losses.sum()), rel=1e-5)


@SHARED
@given(text=st.lists(st.sampled_from(["the", "good", "FILM", "other", " ", ",", "\n", "<br />"])).map("".join))
def test_the_characters_of_words_are_those_of_the_text(tiny_language_model: Write, text: str) -> None:
    model = load_folder(tiny_language_model(level="word", tokens=("the", "good", "film")))
    score = score_lines(model.network, model.preprocessing.vocabulary, text.splitlines(keepends=True))
    assert score.characters == len(text)
    assert score.tokens == len(model.preprocessing.vocabulary.encode(text)) - 1


def test_bits_per_character_are_those_of_a_run(tiny_language_model: Write) -> None:
    """The same figures that `run` reports of the held-out text; the first of characters is no token, because nothing is before it."""
    words = load_folder(tiny_language_model("words", level="word", tokens=("the", "good", "film")))
    for model, text in ((load_folder(tiny_language_model()), TEXT), (words, "The good film, the film!\n" * 40 + "\n")):
        score, expected = model.score(text), measure(model, [text], np.array([-1]))[None]
        found = {key: getattr(score, key) for key in ("loss_nats", "bits_per_character", "perplexity", "tokens")}
        assert found == pytest.approx(expected, rel=1e-5)


def test_long_lines_of_words_are_cut_between_words(tiny_language_model: Write) -> None:
    model = load_folder(tiny_language_model(level="word", tokens=("the", "good", "film")))
    line = "The good, <br />good film. " * 25
    texts = [one.text for one in sorted(model.score(line, top=9).passages, key=lambda one: -one.tokens)]
    assert sorted("".join(texts)) == sorted(line)
    assert [len(model.preprocessing.vocabulary.encode(text)) - 1 for text in texts] == [40, 40, 20]


@pytest.mark.parametrize("text", ["", "a"])
def test_nothing_to_foresee(model: LanguageModel, text: str) -> None:
    with pytest.raises(DataError) as caught:
        model.score(text)
    assert str(caught.value) == "a text to score must have two tokens at least, for the second to follow the first. Received: fewer."


def test_a_text_that_begins_with_a_start_needs_one_token(tiny_language_model: Write) -> None:
    model = load_folder(tiny_language_model(level="word", tokens=("the", "good", "film")))
    with pytest.raises(DataError) as caught:
        model.score("\n, \n")
    assert str(caught.value) == "a text to score must have one token at least. Received: none."
    assert model.score("film").tokens == 1


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"window": 0}, "window must be a whole number of tokens, 1 or more, or None to carry the state. Received: 0"),
        ({"window": True}, "window must be a whole number of tokens, 1 or more, or None to carry the state. Received: True"),
        ({"top": -1}, "top must be a whole number of passages, 0 or more. Received: -1"),
    ],
)
def test_scoring_that_makes_no_sense(model: LanguageModel, keys: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        model.score("abc", **keys)
    assert str(caught.value) == message


def test_an_impossible_token_costs_much_and_not_infinitely_much(model: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    def forward(tokens: np.ndarray, state: Any) -> Any:
        return np.eye(11, dtype=np.float32)[np.zeros(tokens.shape, int)], state

    monkeypatch.setattr(model.network, "forward", forward)
    score = score_lines(model.network, model.preprocessing.vocabulary, ["ab"])
    assert score.total_nats == pytest.approx(-math.log(np.finfo(np.float32).tiny))
