"""The page of a comparison: what it tells, and that no foreign text breaks out of it."""

import re
import warnings

import pytest

from comparisons import classifiers, languages, unknown
from distrnn.evaluation import compare_figures, figures
from distrnn.evaluation.compare_page import file_name, render
from fixtures_report import HOSTILE

EIGHT = tuple(f"a-model-of-a-rather-long-name-{letter}-20261126-193645-9e59" for letter in "abcdefgh")
EVERYWHERE = ["Learning curves", "Time and size"], ["When they were made", "Workflows", "What was compared"]


@pytest.fixture(scope="module")
def page():
    return render(classifiers())


def words(page):
    return " ".join(re.sub(r"<[^>]*>", " ", page[page.index("<body>") :]).split())


def headings(page):
    return re.findall(r"<h2>(.*?)</h2>", page)


def test_classifiers_have_their_sections(page):
    first, last = EVERYWHERE
    assert headings(page) == [
        *("On the same text", "Margins, pair by pair", *first, "Errors by length", "Where they disagree most"),
        *last,
    ]


def test_language_models_have_their_sections():
    assert headings(render(languages())) == ["On the same text", "Margins, pair by pair", *EVERYWHERE[0], *EVERYWHERE[1]]
    page = render(languages("their vocabularies differ"))
    assert headings(page)[:2] == ["On the same text", "Margins"]
    assert "Whether a margin is real was not tested: their vocabularies differ." in words(page)


def test_models_that_could_not_be_asked_have_the_rest():
    assert headings(render(unknown())) == ["On the same text", *EVERYWHERE[0], *EVERYWHERE[1]]


def test_the_answer_stands_at_the_top(page):
    told = classifiers()["evaluation"]
    assert f"{told['question']} {told['answer']}" in words(page).replace("&#39;", "'")[:400]


def test_every_length_has_its_figures(page):
    for group in classifiers()["evaluation"]["lengths"]:
        shares = " ".join(f"{share['share']:.4f} {share['low']:.3f}–{share['high']:.3f}" for share in group["models"])
        assert f"{compare_figures.length_words(group)} {group['examples']} {shares}" in words(page)


def test_a_model_keeps_its_colour_though_another_was_not_asked(page):
    (drawn,) = re.findall(r'aria-label="Accuracy with 95 % intervals[^"]*"><svg.*?</svg>', page, re.DOTALL)
    used = set(re.findall(r"var\((--[a-z]+)\)", drawn))
    assert {"--second", "--third"} <= used
    assert "--first" not in used


@pytest.mark.parametrize(
    "document", [classifiers(), languages(), unknown(), classifiers(EIGHT)], ids=["three", "language", "unknown", "eight"]
)
def test_no_foreign_text_breaks_out(document):
    page = render(document)
    assert not re.search(r"<(script|img|link|iframe|object)\b", page)
    assert [url for url in re.findall(r'(?:src|href)="([^"]*)"', page) if not url.startswith("#")] == []
    assert not re.search(r"url\((?!#)|@import", page)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(set(ids)) == len(ids)


def test_foreign_text_is_shown_as_it_is(page):
    assert HOSTILE.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&#34;") in page


def test_figures_take_their_colours_from_the_page():
    drawn = "".join(re.findall(r"<svg.*?</svg>", render(classifiers(EIGHT)), re.DOTALL))
    assert set(re.findall(r"(?:stroke|fill): ([^;\"]+)", drawn)) <= {"none", *(f"var({name})" for name in figures.VARIABLES.values())}


def test_every_model_can_have_a_colour_a_marker_and_a_sign():
    assert len(set(compare_figures.COLORS)) == len(set(compare_figures.MARKERS)) == len(set(compare_figures.GLYPHS)) == 8


@pytest.mark.parametrize("losses", [[0.5], [None, None], [0.5, float("nan"), 0.2], [1e30, 1e-30], [0.1] * 200, []])
def test_any_curve_is_drawn_without_a_warning(losses):
    history = [{"epoch": epoch, "loss": loss, "validation_loss": loss} for epoch, loss in enumerate(losses)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = compare_figures.curves(["a", "b"], [history, []])
    assert [picture.title for picture in drawn] in ([], ["Training loss", "Validation loss"])


def test_long_names_leave_room_for_the_figure():
    assert compare_figures.shortened(EIGHT[0]) == "a-model-of-a-r…193645-9e59"[:14] + "…" + EIGHT[0][-14:]
    assert compare_figures.shortened("imdb-lstm@v3") == "imdb-lstm@v3"


def test_a_comparison_has_one_name_and_another_has_another():
    one, other = classifiers(), classifiers(("imdb-lstm@v3", "imdb-gru@v1", "imdb-rnn@v2"))
    assert file_name(one) == file_name(classifiers())
    assert re.fullmatch(r"imdb-lstm-v3-imdb-gru-v1-imdb-cnn-v2-[0-9a-f]{12}\.html", file_name(one))
    assert file_name(other) != file_name(one)
    assert file_name({**one, "evaluation": {"evaluation_set": None}}) != file_name(one)
    assert len(file_name(classifiers(EIGHT))) < 120
