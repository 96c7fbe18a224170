"""Words in the plane: what the projection keeps, which differences there are, and names that do not cover each other."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from distrnn.embeddings import FileVectors
from distrnn.evaluation.embedding_figures import embedding_figures
from distrnn.evaluation.labels import place_names, text_width_pt
from distrnn.evaluation.projection import Relation, plane, relations
from fixtures_report import Words

SIZE_PT = 7.0


def test_points_of_a_plane_keep_their_distances():
    flat = np.random.default_rng(1).normal(size=(9, 2)) * [5, 1]
    turned = flat @ np.linalg.qr(np.random.default_rng(2).normal(size=(6, 6)))[0][:2] + 3.0
    found = plane(turned)
    np.testing.assert_allclose(
        np.linalg.norm(found.points[:, None] - found.points[None], axis=2), np.linalg.norm(flat[:, None] - flat[None], axis=2), atol=1e-9
    )
    assert found.share == pytest.approx(1.0)


def test_the_first_direction_is_the_one_of_most_difference():
    points = plane(np.random.default_rng(3).normal(size=(200, 4)) * [1, 9, 1, 3]).points
    assert np.var(points[:, 0]) > np.var(points[:, 1]) > 4


def test_differences_keep_their_zero():
    found = plane(np.array([[2.0, 0, 0], [4.0, 0, 0]]), centred=False)
    np.testing.assert_allclose(found.points, [[2, 0], [4, 0]], atol=1e-12)


def test_the_sign_of_an_axis_does_not_depend_on_the_order():
    vectors = np.random.default_rng(4).normal(size=(7, 3))
    np.testing.assert_allclose(plane(vectors).points[::-1], plane(vectors[::-1]).points, atol=1e-9)


@pytest.mark.parametrize("vectors", [np.ones((3, 4)), np.ones((1, 4)), np.arange(5.0).reshape(5, 1)])
def test_vectors_without_two_directions_have_points_too(vectors):
    assert plane(vectors).points.shape == (len(vectors), 2)


def test_likeness_is_the_mean_cosine_of_different_pairs():
    pairs = (("a", "b"),) * 3
    assert Relation("same", pairs, np.array([[1.0, 0], [2, 0], [3, 0]])).likeness == pytest.approx(1.0)
    assert Relation("other", pairs[:2], np.array([[1.0, 0], [0, 3]])).likeness == pytest.approx(0.0)


def test_pairs_without_vectors_and_relations_of_few_pairs_are_left_out():
    found = relations(Words())
    assert [(relation.name, relation.pairs) for relation in found] == [
        ("gender", (("he", "she"), ("man", "woman"), ("boy", "girl"))),
        ("plural", (("movie", "movies"), ("film", "films"), ("book", "books"))),
    ]


def test_glove_has_one_direction_for_each_relation(shared_data):
    found = relations(FileVectors(shared_data / "glove" / "glove.6B.100d.head2604.txt"))
    assert [relation.name for relation in found] == ["gender", "plural", "country and capital"]
    assert all(relation.likeness > 0.25 for relation in found)


def test_glove_is_drawn(shared_data):
    found = embedding_figures(FileVectors(shared_data / "glove" / "glove.6B.100d.head2604.txt"))
    assert "The vectors of the 300 most frequent words" in found["pictures"][0].description
    assert "france–paris" in found["pictures"][1].svg


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.text("ailMW", min_size=1, max_size=9)), min_size=1, max_size=25), st.booleans()
)
def test_no_name_stands_on_another(placed, clear):
    figure = Figure(figsize=(3, 3), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlim(-0.1, 1.1)
    axes.set_ylim(-0.1, 1.1)
    axes.set_axis_off()
    points, names = np.array([(x, y) for x, y, _ in placed]), [name for *_, name in placed]
    chosen = place_names(axes, points, names, SIZE_PT, 20, clear_of_points=clear)
    corners = axes.transData.transform([spot for _, spot in chosen] or np.zeros((0, 2))) * 72 / figure.dpi
    boxes = [(x, y, x + text_width_pt(names[index], SIZE_PT), y + SIZE_PT) for (index, _), (x, y) in zip(chosen, corners, strict=True)]
    overlaps = [
        (one, other)
        for at, one in enumerate(boxes)
        for other in boxes[:at]
        if one[0] < other[2] - 1e-6 and other[0] < one[2] - 1e-6 and one[1] < other[3] - 1e-6 and other[1] < one[3] - 1e-6
    ]
    assert overlaps == []
    assert len(chosen) <= 20


def test_a_figure_names_its_words_and_says_which(monkeypatch):
    found = embedding_figures(Words())
    shown = [re.findall(r">([^<]+)</text>", picture.svg) for picture in found["pictures"]]
    assert {"france", "she"} <= set(shown[0])
    assert {"he–she", "film–films", "gender", "plural"} <= set(shown[1])
    assert "Pairs: he–she, man–woman, boy–girl, movie–movies, film–films, book–books." in found["pictures"][1].description
    assert [(relation["name"], relation["pairs"]) for relation in found["relations"]] == [("gender", 3), ("plural", 3)]


def test_a_vocabulary_of_one_word_is_drawn():
    words = Words()
    words.words = ("film",)
    assert len(embedding_figures(words)["pictures"]) == 1
