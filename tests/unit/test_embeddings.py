"""Nearest words and analogies: by hand, on a model, on the three forms of files, and on the real GloVe vectors."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn import embeddings
from distrnn.client import load_folder
from distrnn.embeddings import FileVectors, ModelVectors, Neighbor, Term, analogy, neighbors
from distrnn.errors import NotFoundError, UsageError
from distrnn.runtime import Preprocessing
from distrnn.text import TokenizerSpec, Vocabulary
from fixtures_runtime import tiny_bag, write_form

# king - man + woman is queen exactly; the emperor points where the king does, four times as far
PLANE = {"king": (3, 1), "man": (3, 0), "woman": (0, 3), "queen": (0, 4), "emperor": (12, 4), "zero": (0, 0)}
QUEEN = [Term(1, "king"), Term(-1, "man"), Term(1, "woman")]


def text(words):
    return "".join(f"{word} {' '.join(map(str, vector))}\n" for word, vector in words.items())


def binary(words):
    rows = [f"{word} ".encode() + struct.pack("<2f", *vector) + b"\n" for word, vector in words.items()]
    return f"{len(words)} 2\n".encode() + b"".join(rows)


@pytest.fixture
def plane(tmp_path):
    (tmp_path / "plane.txt").write_text(text(PLANE))
    return FileVectors(tmp_path / "plane.txt")


@pytest.fixture(scope="module")
def glove(shared_data):
    return FileVectors(shared_data / "glove" / "glove.6B.100d.head2604.txt")


def words_of(found):
    return [neighbor.word for neighbor in found]


def test_a_neighbour_by_cosine_points_the_same_way(plane):
    assert neighbors(plane, "king", "cosine", 1) == [Neighbor("emperor", pytest.approx(1.0))]


def test_a_neighbour_by_distance_is_near(plane):
    assert neighbors(plane, "king", "l2", 2) == [Neighbor("man", pytest.approx(1.0)), Neighbor("zero", pytest.approx(10**0.5))]


def test_an_analogy_by_distance_adds_the_vectors_as_they_are(plane):
    assert analogy(plane, QUEEN, "l2", 1) == [Neighbor("queen", pytest.approx(0.0))]


def test_an_analogy_by_cosine_adds_directions(plane):
    unit = np.array([3, 1]) / 10**0.5 - [1, 0] + [0, 1]
    assert analogy(plane, QUEEN, "cosine", 1) == [Neighbor("queen", pytest.approx(unit[1] / np.linalg.norm(unit)))]


def test_the_words_of_the_question_are_left_out(plane):
    assert set(words_of(analogy(plane, QUEEN, "cosine", 99))) == set(PLANE) - {"king", "man", "woman"}


def test_a_vector_of_zeros_is_like_nothing(plane):
    assert neighbors(plane, "king", "cosine", 99)[-1] == Neighbor("zero", 0.0)


@pytest.mark.parametrize("terms", [[Term(1, "king"), Term(-1, "king")], [Term(1, "zero")]])
def test_what_has_no_direction_is_refused(plane, terms):
    with pytest.raises(UsageError) as caught:
        analogy(plane, terms, "cosine")
    assert str(caught.value) == "the vector of this is zero, which has no direction to compare. Use other words, or the metric l2."
    assert words_of(analogy(plane, terms, "l2", 1)) == ["zero" if terms[0].word == "king" else "man"]


def test_an_unknown_word_is_named_with_near_spellings(plane):
    with pytest.raises(NotFoundError) as caught:
        neighbors(plane, "womann")
    assert str(caught.value) == f"no word 'womann' in {plane.name}. Near spellings: woman, man."


def test_an_unknown_word_without_near_spellings_says_so(plane):
    with pytest.raises(NotFoundError) as caught:
        analogy(plane, [Term(1, "king"), Term(1, "Zzz")])
    assert str(caught.value) == f"no word 'Zzz' in {plane.name}. There is no near spelling either."


def test_a_number_of_words_below_one_is_refused(plane):
    with pytest.raises(UsageError, match=r"^the number of words must be 1 or more\. Received: 0$"):
        neighbors(plane, "king", count=0)


@pytest.mark.parametrize("body", [text(PLANE).encode(), f"{len(PLANE)} 2\n{text(PLANE)}".encode(), binary(PLANE)])
@pytest.mark.parametrize("block", [1, 2, 4096])
def test_every_form_of_file_answers_alike_block_by_block(tmp_path, monkeypatch, body, block):
    monkeypatch.setattr(embeddings, "BLOCK_WORDS", block)
    (tmp_path / "file.bin").write_bytes(body)
    found = neighbors(FileVectors(tmp_path / "file.bin"), "king", "l2", 4)
    assert words_of(found) == ["man", "zero", "woman", "queen"]


def test_of_equal_words_the_first_counts_and_one_is_shown(tmp_path):
    (tmp_path / "twice.txt").write_text("a 0 0\nb 1 0\nb 5 5\nc 2 0\n")
    assert neighbors(FileVectors(tmp_path / "twice.txt"), "b", "l2", 9) == [Neighbor("a", 1.0), Neighbor("c", 1.0)]


def test_words_that_are_no_utf8_are_left_out(tmp_path):
    (tmp_path / "odd.txt").write_bytes(b"a 0 0\n\xff\xfe 1 0\nc 2 0\n")
    assert words_of(neighbors(FileVectors(tmp_path / "odd.txt"), "a", "l2")) == ["c"]


def test_a_models_words_are_spelled_as_its_tokenizer_does(tiny_classifier):
    model = load_folder(tiny_classifier())
    found = neighbors(ModelVectors(model), "GOOD", "cosine", 2)
    ids = model.preprocessing.vocabulary.ids(["good", found[0].word])
    first, second = model.network.embeddings[ids]
    assert found[0].value == pytest.approx(float(first @ second / np.linalg.norm(first) / np.linalg.norm(second)), abs=1e-6)
    assert "good" not in words_of(found)


def test_hashed_tokens_have_no_words(tiny_classifier):
    folder = tiny_classifier()
    spec = TokenizerSpec("word", "fold", buckets=5)
    Preprocessing("classifier", Vocabulary([], spec), ("no", "yes"), 6).write(folder)
    with pytest.raises(UsageError) as caught:
        ModelVectors(load_folder(folder))
    assert str(caught.value) == "the model hashes its tokens, so that it has no list of words. Name a model with a vocabulary."


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_one_number_a_word_is_no_vector(tmp_path, metric):
    vocabulary = Vocabulary(("good", "bad", "film"), TokenizerSpec("word", "fold", layout="bag"))
    write_form(tmp_path / "numpy", *tiny_bag(ids=vocabulary.size, units=1))
    Preprocessing("classifier", vocabulary, ("no", "yes"), 6).write(tmp_path)
    with pytest.raises(UsageError) as caught:
        neighbors(ModelVectors(load_folder(tmp_path)), "good", metric)
    assert str(caught.value) == (
        "the model has one number for each word, how much the word weighs, and no vector that says what it is like. Name a model with an "
        "embedding or hidden units, or a file of vectors. What words weigh in a text is shown by: distrnn predict REF TEXT --explain"
    )


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_glove_knows_that_the_queen_is_to_the_king_as_female_is_to_male(glove, metric):
    found = analogy(glove, [Term(1, "king"), Term(-1, "male"), Term(1, "female")], metric)
    assert found[0].word == "queen"


@pytest.mark.parametrize(("metric", "sign"), [("cosine", -1), ("l2", 1)])
def test_glove_has_strong_nearer_to_powerful_than_paris(glove, metric, sign):
    found = neighbors(glove, "powerful", metric, 3000)
    assert found[0].word == "strong"
    value = {neighbor.word: sign * neighbor.value for neighbor in found}
    assert value["strong"] < value["paris"]
    assert len(found) == 2603


@given(
    st.lists(st.lists(st.integers(-3, 3), min_size=2, max_size=2), min_size=2, max_size=12),
    st.sampled_from(["cosine", "l2"]),
    st.integers(1, 12),
    st.integers(1, 5),
)
def test_blocks_change_no_answer(tmp_path_factory, rows, metric, count, block):
    path = tmp_path_factory.getbasetemp() / "rows.txt"
    path.write_text(text({f"w{index}": row for index, row in enumerate(rows)}))
    vectors = FileVectors(path)
    target = np.array([1.0, 0.5], np.float32)
    whole = embeddings.nearest(vectors, target, metric, count)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embeddings, "BLOCK_WORDS", block)
        parts = embeddings.nearest(vectors, target, metric, count)
    assert [neighbor.value for neighbor in parts] == pytest.approx([neighbor.value for neighbor in whole], abs=1e-6)
    values = [neighbor.value for neighbor in whole]
    assert values == sorted(values, reverse=metric == "cosine")
