"""What each word contributes, against predictions of texts that say the same without the library's help."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.client import load_folder
from distrnn.errors import UsageError
from distrnn.explanation import explain
from distrnn.runtime import Preprocessing
from distrnn.text import TokenizerSpec, Vocabulary, character_places, tokenize, word_spans
from fixtures_runtime import tiny_layers, write_form

UNKNOWN = "zebra"


@pytest.fixture
def classifier(tmp_path):
    """A loaded classifier of so many ids, with the rules that a test changes."""

    def load(spec, tokens=("the", "good", "bad", "film", "not"), length=6, labels=("negative", "positive"), **keys):
        vocabulary = Vocabulary(tokens, spec)
        outputs = {"outputs": 1} if len(labels) == 2 else {"outputs": len(labels), "activation": "softmax"}
        write_form(tmp_path / "numpy", *tiny_layers(ids=vocabulary.size, **outputs))
        Preprocessing("classifier", vocabulary, labels, length, **keys).write(tmp_path)
        return load_folder(tmp_path)

    return load


WORD = TokenizerSpec("word", "fold", "strip")


def contributions(explanation):
    return {word.text: word.contribution for word in explanation.words}


def of_answer(model, texts, label):
    """The probability of a label for each of several texts."""
    return model.class_probabilities(model.preprocessing.encode(texts))[:, model.labels.index(label)]


def test_a_contribution_is_what_the_answer_loses_without_knowing_the_word(classifier):
    model = classifier(WORD)
    found = explain(model, "The film<br />was: NOT good!")
    texts = ["the film was not good", "x film was not good", "the x was not good", "the film was x good", "the film was not x"]
    whole, *without = of_answer(model, texts, found.label)
    assert found.probability == pytest.approx(whole, abs=1e-6)
    assert [word.text for word in found.words] == ["The", "film", "was", "NOT", "good"]
    expected = [whole - without[0], whole - without[1], 0.0, whole - without[2], whole - without[3]]
    assert [word.contribution for word in found.words] == pytest.approx(expected, abs=1e-6)


def test_words_stand_where_the_text_has_them(classifier):
    text = "  The film<br />was: NOT good!"
    assert [text[word.start : word.end] for word in explain(classifier(WORD), text).words] == ["The", "film", "was", "NOT", "good"]


def test_unknown_words_contribute_nothing_and_say_why(classifier):
    found = explain(classifier(WORD), "zebra film")
    assert (found.words[0].state, found.words[0].contribution) == ("unknown", 0.0)


@pytest.mark.parametrize(
    ("truncating", "states"),
    [("pre", ["unread"] * 2 + ["read"] * 6), ("post", ["read"] * 5 + ["unread"] * 3)],  # the start id takes a place
)
@pytest.mark.parametrize("padding", ["pre", "post"])
def test_words_that_are_cut_off_are_not_read(classifier, truncating, padding, states):
    found = explain(classifier(WORD, truncating=truncating, padding=padding), "not the good bad film not the good")
    assert [word.state for word in found.words] == states
    assert [word.contribution is None for word in found.words] == [state == "unread" for state in states]


@pytest.mark.parametrize("padding", ["pre", "post"])
def test_erasing_moves_no_other_word_whichever_side_is_filled(classifier, padding):
    model = classifier(WORD, padding=padding)
    found = explain(model, "good film")
    whole, without = of_answer(model, ["good film", f"good {UNKNOWN}"], found.label)
    assert contributions(found)["film"] == pytest.approx(whole - without, abs=1e-6)


def test_a_word_is_erased_from_all_its_grams(classifier):
    tokens = ("not", "good", "film", "not good", "good film")
    model = classifier(TokenizerSpec("word", "fold", "strip", ngrams=2), tokens, length=9)
    found = explain(model, "not good film")
    whole, without = of_answer(model, ["not good film", f"not {UNKNOWN} film"], found.label)
    assert contributions(found)["good"] == pytest.approx(whole - without, abs=1e-6)


def test_in_a_bag_all_occurrences_of_a_word_go_at_once(classifier):
    model = classifier(TokenizerSpec("word", "fold", "strip", layout="bag"))
    found = explain(model, "Good bad good film")
    whole, without = of_answer(model, ["good bad good film", "bad film"], found.label)
    expected = pytest.approx(whole - without, abs=1e-6)
    assert (found.words[0].contribution, found.words[2].contribution) == (expected, expected)


def test_a_hashed_word_becomes_padding(classifier):
    model = classifier(TokenizerSpec("word", "fold", buckets=50), ())
    found = explain(model, "good film")
    row = model.preprocessing.encode(["good film"])
    row[0, -2] = 0
    whole = of_answer(model, ["good film"], found.label)[0]
    without = model.class_probabilities(row)[0, model.labels.index(found.label)]
    assert contributions(found)["good"] == pytest.approx(whole - without, abs=1e-6)


def test_a_hashed_word_in_a_bag_is_left_out(classifier):
    model = classifier(TokenizerSpec("word", "fold", buckets=50, layout="bag"), ())
    found = explain(model, "good film")
    whole, without = of_answer(model, ["good film", "film"], found.label)
    assert contributions(found)["good"] == pytest.approx(whole - without, abs=1e-6)


def test_in_a_model_of_characters_a_word_is_its_characters(classifier):
    model = classifier(TokenizerSpec("char", "fold"), tuple("abdglmo fi"), length=12)
    found = explain(model, "Good film")
    whole, without = of_answer(model, ["good film", "\x00\x00\x00\x00 film"], found.label)
    assert [word.text for word in found.words] == ["Good", "film"]
    assert contributions(found)["Good"] == pytest.approx(whole - without, abs=1e-6)


def test_of_more_labels_the_likeliest_is_explained(classifier):
    model = classifier(WORD, labels=("bad", "fair", "good"))
    found = explain(model, "the good film")
    assert found.label == max(found.probabilities, key=found.probabilities.get)
    assert found.probability == found.probabilities[found.label]


def test_the_threshold_of_the_model_decides_which_answer_is_explained(classifier):
    probability = float(classifier(WORD).predict(["good film"])[0])
    assert explain(classifier(WORD, threshold=probability + 0.01), "good film").label == "negative"
    assert explain(classifier(WORD, threshold=probability - 0.01), "good film").label == "positive"


@pytest.mark.parametrize("text", ["", " . ", "<br />"])
def test_a_text_without_words_has_an_answer_and_no_contributions(classifier, text):
    model = classifier(WORD)
    found = explain(model, text)
    assert (found.words, found.probabilities["positive"]) == ((), pytest.approx(float(model.predict([text])[0])))


def test_a_language_model_has_no_answer_to_explain(tiny_language_model):
    with pytest.raises(UsageError) as caught:
        explain(load_folder(tiny_language_model()), "a")
    assert str(caught.value) == "explaining needs a classifier, whose answer words contribute to. This is a language model; use generate."


def test_word_vectors_have_no_answer_to_explain(tiny_vectors):
    with pytest.raises(UsageError) as caught:
        explain(load_folder(tiny_vectors()), "a")
    expected = "explaining needs a classifier, whose answer words contribute to. This is a set of word vectors; use neighbors."
    assert str(caught.value) == expected


def test_memory_is_bounded_by_computing_in_parts(classifier, monkeypatch):
    model = classifier(WORD)
    whole = explain(model, "not the good bad film")
    monkeypatch.setattr("distrnn.explanation.MAX_CELLS", 12)
    parts = explain(model, "not the good bad film")
    assert [word.contribution for word in parts.words] == pytest.approx([word.contribution for word in whole.words], abs=1e-6)


SPECS = st.builds(
    TokenizerSpec,
    level=st.sampled_from(["word", "char"]),
    case=st.sampled_from(["fold", "keep"]),
    html=st.just("strip"),
    ngrams=st.integers(1, 3),
    layout=st.sampled_from(["sequence", "bag"]),
    buckets=st.none() | st.integers(1, 9),
)


@given(
    spec=SPECS,
    text=st.text(alphabet="aAbİΣ .<br/>é", max_size=30),
    padding=st.sampled_from(["pre", "post"]),
    truncating=st.sampled_from(["pre", "post"]),
)
def test_any_text_is_explained_by_any_rules(tmp_path_factory, spec, text, padding, truncating):
    spec = replace(spec, html="keep") if spec.level == "char" else spec
    tokens = () if spec.buckets else tuple(dict.fromkeys(tokenize("a b ab a", spec)))
    vocabulary = Vocabulary(tokens, spec)
    folder = tmp_path_factory.mktemp("model")
    write_form(folder / "numpy", *tiny_layers(ids=vocabulary.size))
    Preprocessing("classifier", vocabulary, ("no", "yes"), 5, padding, truncating).write(folder)
    found = explain(load_folder(folder), text)
    assert all(-1 <= word.contribution <= 1 for word in found.words if word.state == "read")
    assert all(word.contribution == 0 for word in found.words if word.state == "unknown")
    assert all(word.contribution is None for word in found.words if word.state == "unread")


@given(st.text(), st.sampled_from(["fold", "keep"]), st.sampled_from(["strip", "keep"]))
def test_word_spans_are_the_words_of_the_tokenizer(text, case, html):
    words = [text[start:end] for start, end in word_spans(text, html)]
    assert [word.lower() if case == "fold" else word for word in words] == tokenize(text, TokenizerSpec("word", case, html))


@given(st.text(alphabet="aİΣς é\n"), st.sampled_from(["fold", "keep"]))
def test_every_character_token_has_its_place(text, case):
    places = character_places(text, case)
    tokens = tokenize(text, TokenizerSpec("char", case))
    assert len(places) == len(tokens)
    assert all(token in text[place].lower() + text[place] + "ς" for place, token in zip(places, tokens, strict=True))


def test_two_hundred_words_are_computed_together(tmp_path, monkeypatch):
    vocabulary = Vocabulary([f"w{index}" for index in range(200)], WORD)
    write_form(tmp_path / "numpy", *tiny_layers(ids=vocabulary.size))
    Preprocessing("classifier", vocabulary, ("no", "yes"), 256).write(tmp_path)
    model, rows = load_folder(tmp_path), []
    judge = model.class_probabilities
    monkeypatch.setattr(model, "class_probabilities", lambda tokens: rows.append(len(tokens)) or judge(tokens))
    explain(model, " ".join(vocabulary.tokens))
    assert rows == [1, 200]
