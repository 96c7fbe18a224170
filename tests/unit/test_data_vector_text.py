"""Vectors written as word2vec's text format come back as they were."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from distrnn.data.vector_files import open_vectors
from distrnn.data.vector_text import write_vectors
from distrnn.errors import UsageError

FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(arrays.arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(2, 5)), elements=FINITE))
def test_what_is_written_is_read(tmp_path_factory, matrix):
    path = tmp_path_factory.mktemp("vectors") / "v.txt"
    words = [f"wörd{row}" for row in range(len(matrix))]
    write_vectors(path, words, matrix)
    vectors = open_vectors(path)
    entries = list(vectors.entries())
    assert (vectors.format, vectors.dimension, vectors.promised) == ("word2vec-text", matrix.shape[1], len(words))
    assert [entry.word.decode() for entry in entries] == words
    assert np.stack([vectors.numbers(entry) for entry in entries]).tolist() == matrix.tolist()


def test_the_file_is_text_that_a_person_can_read(tmp_path):
    write_vectors(tmp_path / "v.txt", ["a", "film"], np.array([[0.5, 1], [-2, 0.25]], np.float32))
    assert (tmp_path / "v.txt").read_text() == "2 2\na 0.5 1\nfilm -2 0.25\n"


def test_words_with_spaces_are_refused_and_nothing_is_left(tmp_path):
    with pytest.raises(UsageError) as caught:
        write_vectors(tmp_path / "v.txt", ["a", "of a"], np.zeros((2, 2), np.float32))
    assert str(caught.value) == "word2vec's text format needs words without spaces and line ends. Received: 'of a'"
    assert list(tmp_path.iterdir()) == []
