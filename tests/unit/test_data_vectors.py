"""Word vectors: the three forms read back what was written, the first spelling counts, and a damaged file is named."""

import gzip
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.data import vector_files
from distrnn.data.vectors import Coverage, normal, read_embedding, zeros
from distrnn.errors import DataError, NotFoundError
from distrnn.text import TokenizerSpec, Vocabulary

FORMS = ("glove", "word2vec-text", "word2vec-binary")
FOLD = TokenizerSpec("word", "fold")
KEEP = TokenizerSpec("word", "keep")
AGAIN = "Get the whole file again."


def text_body(words, matrix, header):
    lines = [f"{len(words)} {matrix.shape[1]}"] if header else []
    lines += [" ".join([word, *(str(number) for number in row)]) for word, row in zip(words, matrix, strict=True)]
    return ("\n".join(lines) + "\n").encode()


def binary_body(words, matrix, line_end=b"\n"):
    records = [
        word.encode() + b" " + struct.pack(f"<{len(row)}f", *row) + line_end for word, row in zip(words, matrix.tolist(), strict=True)
    ]
    return f"{len(words)} {matrix.shape[1]}\n".encode() + b"".join(records)


def body_of(form, words, matrix):
    return binary_body(words, matrix) if form == "word2vec-binary" else text_body(words, matrix, form == "word2vec-text")


def vectors_of(rows, dimension):
    return np.random.default_rng(rows).standard_normal((rows, dimension)).astype(np.float32)


@pytest.fixture
def write(tmp_path):
    def write(body, name="vectors"):
        path = tmp_path / name
        path.write_bytes(body)
        return path

    return write


def message(path, *tokens, form=None):
    with pytest.raises(DataError) as caught:
        read_embedding(path, Vocabulary(tokens or ["film"], FOLD), form=form)
    return str(caught.value)


characters = st.characters(codec="utf-8", exclude_characters=" \n\r")
words_strategy = st.lists(st.text(characters, min_size=1), min_size=1, max_size=8, unique=True)
numbers_strategy = st.floats(width=32, allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize("form", FORMS)
@given(words=words_strategy, dimension=st.integers(1, 5), data=st.data())
def test_what_was_written_is_read_back_equal(form, tmp_path_factory, words, dimension, data):
    count = len(words) * dimension
    numbers = data.draw(st.lists(numbers_strategy, min_size=count, max_size=count))
    matrix = np.array(numbers, np.float32).reshape(len(words), dimension)
    path = tmp_path_factory.getbasetemp() / "written"
    path.write_bytes(body_of(form, words, matrix))
    found = read_embedding(path, Vocabulary(words, KEEP), form=form)
    np.testing.assert_array_equal(found.matrix[3:], matrix)
    assert found.matrix.dtype == np.float32
    assert found.known.tolist() == [False] * 3 + [True] * len(words)


@pytest.mark.parametrize("form", FORMS)
def test_the_form_is_found_from_the_bytes(form, write):
    assert vector_files.open_vectors(write(body_of(form, ["a", "b"], vectors_of(2, 50)))).format == form


def test_binary_without_line_ends_is_read_too(write):
    matrix = vectors_of(2, 50)
    found = read_embedding(write(binary_body(["a", "b"], matrix, b"")), Vocabulary(["b", "a"], KEEP))
    np.testing.assert_array_equal(found.matrix[3:], matrix[::-1])


@pytest.mark.parametrize("form", FORMS[:2])
def test_gzip_text_is_read_as_it_stands(form, write):
    matrix = vectors_of(2, 50)
    path = write(gzip.compress(body_of(form, ["a", "b"], matrix)))
    np.testing.assert_array_equal(read_embedding(path, Vocabulary(["a", "b"], KEEP)).matrix[3:], matrix)


def test_a_line_is_read_whole_where_a_block_ends_within_it(write, monkeypatch):
    monkeypatch.setattr(vector_files, "BLOCK_BYTES", 1000)
    words, matrix = [f"w{number}" for number in range(50)], vectors_of(50, 20)
    path = write(text_body(words, matrix, header=False))
    np.testing.assert_array_equal(read_embedding(path, Vocabulary(words, KEEP)).matrix[3:], matrix)


def test_words_of_glove_may_hold_spaces(write):
    path = write(b"the 1 2\n. . 3 4\nat name@domain.com 5 6\n")
    found = read_embedding(path, Vocabulary([". .", "at name@domain.com", "at"], KEEP))
    assert found.matrix[3:5].tolist() == [[3, 4], [5, 6]]
    assert found.coverage.missing == ("at",)


def test_spaces_and_carriage_returns_at_the_end_of_a_line_are_not_fields(write):
    assert read_embedding(write(b"1 2\r\nfilm 1 2 \r\n"), Vocabulary(["film"], FOLD)).matrix[3].tolist() == [1, 2]


def test_of_equal_words_the_first_counts(write):
    found = read_embedding(write(b"film 1 2\nfilm 3 4\n"), Vocabulary(["film"], FOLD))
    assert found.matrix[3].tolist() == [1, 2]


def test_case_counts_unless_it_is_folded(write):
    path = write(b"Film 1 2\nFILM 3 4\nplot 5 6\n")
    assert read_embedding(path, Vocabulary(["film", "plot"], FOLD)).known.tolist() == [False, False, False, False, True]
    folded = read_embedding(path, Vocabulary(["film", "plot"], FOLD), fold=True)
    assert folded.matrix[3:].tolist() == [[1, 2], [5, 6]]


def test_folding_gives_every_spelling_of_the_vocabulary_its_vector(write):
    found = read_embedding(write(b"film 1 2\n"), Vocabulary(["Film", "film"], KEEP), fold=True)
    assert found.matrix[3:].tolist() == [[1, 2], [1, 2]]


def test_rows_without_a_vector_are_drawn_from_the_seed_and_the_padding_row_is_zeros(write):
    path = write(b"film 1 2\n")
    found = read_embedding(path, Vocabulary(["film", "plot"], FOLD), initialise=normal(seed=7))
    drawn = normal(seed=7)(5, 2)
    assert found.matrix[0].tolist() == [0, 0]
    np.testing.assert_array_equal(found.matrix[[1, 2, 4]], drawn[[1, 2, 4]])
    assert (normal(seed=8)(5, 2) != drawn).all()
    assert 0.045 < normal()(100, 100).std() < 0.055


def test_rows_without_a_vector_can_be_zeros(write):
    found = read_embedding(write(b"film 1 2\n"), Vocabulary(["plot", "film"], FOLD), initialise=zeros)
    assert found.matrix.tolist() == [[0, 0]] * 4 + [[1, 2]]


def test_a_vocabulary_of_characters_has_one_reserved_row(write):
    found = read_embedding(write(b"a 1 2\n"), Vocabulary(["b", "a"], TokenizerSpec("char", "keep")), initialise=zeros)
    assert found.matrix.tolist() == [[0, 0], [0, 0], [1, 2]]


def test_coverage_says_what_was_found_and_what_is_missing(write):
    path = write(b"film 1 2\nother 3 4\nplot 5 6\n")
    found = read_embedding(path, Vocabulary(["film", "br", "plot", "w1"], FOLD), counts=[50, 30, 15, 5])
    assert found.coverage == Coverage(4, 2, 0.65, ("br", "w1"), 3, 0)
    assert found.coverage.share == 0.5


def test_without_counts_the_share_of_running_words_is_unknown(write):
    assert read_embedding(write(b"film 1 2\n"), Vocabulary(["film"], FOLD)).coverage.running_share is None


def test_the_most_frequent_missing_words_are_twenty_at_most(write):
    missing = [f"w{number}" for number in range(30)]
    assert read_embedding(write(b"film 1 2\n"), Vocabulary(missing, FOLD)).coverage.missing == tuple(missing[:20])


@pytest.mark.parametrize("body", [b"fi\xfflm 1 2\nfilm 3 4\n", b"2 2\nfi\xfflm 1 2\nfilm 3 4\n"])
def test_words_that_are_no_utf8_are_skipped_and_counted(body, write):
    found = read_embedding(write(body), Vocabulary(["film", "fi\ufffdlm"], FOLD))
    assert found.matrix[3].tolist() == [3, 4]
    assert found.coverage == Coverage(2, 1, None, ("fi\ufffdlm",), 2, 1)


def test_numbers_of_other_words_are_not_parsed(write):
    found = read_embedding(write(b"film 1 2\nother x y\n"), Vocabulary(["film"], FOLD))
    assert found.matrix[3].tolist() == [1, 2]


def test_memory_holds_a_block_and_not_the_file(write, monkeypatch):
    monkeypatch.setattr(vector_files, "BLOCK_BYTES", 1 << 16)
    words, matrix = [f"w{number}" for number in range(4000)], vectors_of(4000, 50)
    for form in FORMS:
        path = write(body_of(form, words, matrix), form)
        tracemalloc.start()
        read_embedding(path, Vocabulary(words[:10], KEEP))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < path.stat().st_size / 2, form


def test_the_real_glove_head_is_read(shared_data):
    path = shared_data / "glove" / "glove.6B.100d.head2604.txt"
    words = [line.split(" ")[0] for line in path.read_text(encoding="utf-8").splitlines()]
    found = read_embedding(path, Vocabulary([*words, "no-such-word"], FOLD))
    assert found.matrix.shape == (3 + 2604 + 1, 100)
    assert found.coverage == Coverage(2605, 2604, None, ("no-such-word",), 2604, 0)
    assert words[0] == "the"
    np.testing.assert_array_equal(found.matrix[3, :4], np.array([-0.038194, -0.24487, 0.72812, -0.39961], np.float32))


def test_a_missing_file_is_not_found(tmp_path):
    with pytest.raises(NotFoundError) as caught:
        read_embedding(tmp_path / "none", Vocabulary(["film"], FOLD))
    assert str(caught.value) == (f"no file {tmp_path}/none. Name a file of word vectors: GloVe text, word2vec text or word2vec binary.")


@pytest.mark.parametrize("body", [b"", b"\n \n", gzip.compress(b"", mtime=0)])
def test_an_empty_file_is_refused(body, write):
    path = write(body)
    assert message(path) == f"{path}: expected GloVe text, word2vec text or word2vec binary. Received: an empty file."


def test_a_file_of_something_else_is_refused(write):
    path = write(b"Once upon a time\n")
    assert message(path) == (
        f"{path}: expected GloVe text, word2vec text or word2vec binary. Received a first line: 'Once upon a time'. Name another file."
    )


@pytest.mark.parametrize(
    ("body", "line", "fields"),
    [
        (b"film 1 2\nplot 1\n", 2, 2),
        (b"film 1 2\nplot 1 2 3\n", 2, 4),
        (b"2 2\nfilm 1 2\nplot 1 2 x 3\n", 3, 5),
    ],
)
def test_a_line_with_another_number_of_fields_is_named(body, line, fields, write):
    path = write(body)
    assert message(path) == (
        f"{path}, line {line}: expected a word and 2 numbers. Received: {fields} fields. Correct the line, or get the file again."
    )


@pytest.mark.parametrize(("number", "shown"), [("x", "'x'"), ("", "''"), ("nan", "nan"), ("-inf", "-inf"), ("1e39", "inf")])
@pytest.mark.parametrize("header", ["", "2 2\n"])
def test_a_value_that_is_no_finite_number_is_named(number, shown, header, write):
    path = write(f"{header}film 1 2\nplot {number} 3\n".encode())
    line = 3 if header else 2
    assert message(path, "film", "plot") == (
        f"{path}, line {line} ('plot'): expected 2 finite numbers. Received: {shown}. Correct the line, or get the file again."
    )


def test_a_binary_value_that_is_not_finite_is_named(write):
    path = write(binary_body(["plot", "film"], np.array([[1, 2], [3, np.nan]], np.float32)))
    assert message(path) == (
        f"{path}, vector 2 ('film'): expected 2 finite numbers. Received: nan. Correct the line, or get the file again."
    )


def test_truncated_binary_is_refused(write):
    path = write(binary_body(["long-word" * 5, "film"], vectors_of(2, 50))[:-30])
    assert message(path) == (f"{path}, vector 2 of 2: expected a word, a space and 200 bytes. Received: the end of the file. {AGAIN}")


@given(cut=st.integers(1, 420))
def test_binary_that_is_cut_anywhere_is_never_read_as_whole(cut, tmp_path_factory):
    whole = binary_body(["film", "plot"], vectors_of(2, 50), b"")
    path = tmp_path_factory.getbasetemp() / "cut"
    path.write_bytes(whole[: max(len(whole) - cut, 0)])
    with pytest.raises(DataError):
        read_embedding(path, Vocabulary(["film"], FOLD), form="word2vec-binary")


def test_binary_with_more_than_its_header_announces_is_refused(write):
    path = write(binary_body(["film"], vectors_of(1, 50)) + b"plot 123")
    assert message(path) == (
        f"{path}: expected 1 vectors of 50 numbers, as the header says. Received: 9 bytes after the last of them. Get the file again."
    )


@pytest.mark.parametrize("promised", [3, 1])
def test_text_with_another_number_of_vectors_than_its_header_says_is_refused(promised, write):
    path = write(f"{promised} 2\nfilm 1 2\nplot 1 2\n".encode())
    assert message(path) == f"{path}: expected {promised} vectors, as the header says. Received: 2. {AGAIN}"


def test_a_header_that_the_file_cannot_hold_is_refused_before_a_matrix_is_made(write):
    path = write(b"3000000 300000000\nfilm 1 2\n")
    assert message(path, form="word2vec-text") == (
        f"{path}: expected 3000000 vectors of 300000000 numbers, as the header says. "
        f"Received: a file of 27 bytes, too short for them. {AGAIN}"
    )


def test_a_header_that_announces_nothing_is_refused(write):
    path = write(b"0 50\n")
    assert message(path) == f"{path}: expected word vectors. Received: a header that announces none. Name another file."


def test_a_named_form_without_its_header_is_refused(write):
    path = write(b"film 1 2\n")
    assert message(path, form="word2vec-text") == (
        f"{path}: expected word2vec-text with a first line of two numbers, count and dimension. Received: 'film 1 2'. "
        "Name another format (glove, word2vec-text, word2vec-binary), or none to have it found."
    )


def test_gzip_of_binary_is_refused(write):
    path = write(gzip.compress(binary_body(["film"], vectors_of(1, 50))))
    assert message(path) == (
        f"{path}: expected a plain binary file, which can be memory-mapped. Received: gzip. Unpack it first with: gunzip"
    )


def test_truncated_gzip_is_refused(write):
    path = write(gzip.compress(text_body(["film", "plot"], vectors_of(2, 50), header=False))[:-9])
    assert message(path) == (
        f"{path}: expected a whole gzip file. Received: Compressed file ended before the end-of-stream marker was reached. "
        "Get the file again."
    )


def test_a_line_without_an_end_is_refused(write, monkeypatch):
    monkeypatch.setattr(vector_files, "BLOCK_BYTES", 1000)
    path = write(b"film 1 2\n" + b"1" * 3000)
    assert message(path) == f"{path}: expected lines of text. Received: one of more than 1000 bytes. Name another file."


def test_a_vocabulary_without_words_is_refused(write):
    path = write(b"film 1 2\n")
    with pytest.raises(DataError) as caught:
        read_embedding(path, Vocabulary([], TokenizerSpec("word", "fold", buckets=16)))
    assert str(caught.value) == (
        "expected a vocabulary with tokens for the word vectors. Received: none (hashed tokens have no words). "
        "Use a tokenizer without buckets."
    )
