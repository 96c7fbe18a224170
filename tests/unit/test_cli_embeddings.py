"""`distrnn neighbors` and `analogy`, with signs and words as they are typed."""

import json

import pytest

from distrnn.cli.embeddings import is_vector_file, sum_of
from distrnn.embeddings import Term
from distrnn.errors import UsageError

FILE = "king 3 1\nman 3 0\nwoman 0 3\nqueen 0 4\n- 9 9\n+ 8 9\n-5 7 9\n"


@pytest.fixture
def vectors(tmp_path):
    (tmp_path / "plane.txt").write_text(FILE)
    return "plane.txt"


def test_neighbours_of_a_published_models_word(cli, published):
    document = json.loads(cli("neighbors", "reviews", "good", "--count", 2, "--json").stdout)
    assert (document["word"], document["metric"], len(document["neighbors"])) == ("good", "cosine", 2)
    assert list(document["neighbors"][0]) == ["word", "similarity"]


def test_neighbours_as_text(cli, vectors):
    assert cli("neighbors", vectors, "king", "--metric", "l2", "-n", 1).stdout == "WORD  DISTANCE\nman     1.0000\n"


@pytest.mark.parametrize(
    "words",
    [
        ["king", "-", "man", "+", "woman"],
        ["+", "king", "-", "man", "+", "woman"],
        ["-", "man", "+", "king", "+", "woman"],
        ["king - man + woman"],
        ["--", "king", "-", "man", "+", "woman"],
    ],
)
def test_an_analogy_as_it_is_typed(cli, vectors, words):
    done = cli("analogy", vectors, "--metric", "l2", "--count", 1, "--json", *words)
    assert [neighbor["word"] for neighbor in json.loads(done.stdout)["neighbors"]] == ["queen"]


def test_options_may_follow_the_words(cli, vectors):
    done = cli("analogy", vectors, "king", "-", "man", "+", "woman", "--metric", "l2", "-n", "1")
    assert done.stdout == "WORD   DISTANCE\nqueen    0.0000\n"


def test_a_word_that_looks_like_an_option_stands_after_two_dashes(cli, vectors):
    document = json.loads(cli("analogy", vectors, "--json", "--", "king", "-", "-5").stdout)
    assert document["terms"] == [{"sign": "+", "word": "king"}, {"sign": "-", "word": "-5"}]


def test_words_that_are_signs_are_told_from_signs_by_their_places():
    assert sum_of(["-", "-", "+"]) == [Term(1, "-"), Term(-1, "+")]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["king", "man"], "words must have + or - between them, for instance: king - male + female. Received: 'man' in its place"),
        (
            ["king", "-", "man", "woman"],
            "words must have + or - between them, for instance: king - male + female. Received: 'woman' in its place",
        ),
        (["king", "-"], "a word must follow each sign, for instance: king - male + female. Received: nothing after the last '-'"),
        (["king"], "analogy needs two words or more, for instance: king - male + female. For one word use: distrnn neighbors"),
        (["-", "king"], "analogy needs two words or more, for instance: king - male + female. For one word use: distrnn neighbors"),
        ([""], "analogy needs two words or more, for instance: king - male + female. For one word use: distrnn neighbors"),
    ],
)
def test_a_sum_that_makes_no_sense(words, message):
    with pytest.raises(UsageError) as caught:
        sum_of(words)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("reviews", False),
        ("reviews@production", False),
        ("models:/reviews/3", False),
        ("glove.6b.txt", True),
        ("vectors/mine", True),
        ("Mine", False),
    ],
)
def test_a_file_is_told_from_a_model(subject, expected):
    assert is_vector_file(subject) is expected


def test_a_file_whose_name_no_model_can_have_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Mine").write_text(FILE)
    assert is_vector_file("Mine")


def test_an_unknown_word_is_not_found(cli, published, vectors):
    done = cli("neighbors", "reviews", "goood")
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (3, "error: no word 'goood' in reviews@v2. Near spellings: good.")


def test_a_file_that_is_not_there(cli):
    done = cli("neighbors", "none.txt", "king")
    message = "error: no file none.txt. Name a file of word vectors: GloVe text, word2vec text or word2vec binary."
    assert (done.exit_code, done.stderr) == (3, message + "\n")


def test_a_folder_in_place_of_a_file_is_told(cli, tmp_path):
    (tmp_path / "vectors").mkdir()
    done = cli("neighbors", "./vectors", "king")
    forms = "GloVe text, word2vec text or word2vec binary"
    message = f"error: vectors: expected a file of word vectors: {forms}. Received: a folder. Name a file in it."
    assert (done.exit_code, done.stderr) == (1, message + "\n")
