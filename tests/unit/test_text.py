"""The rules that turn text into tokens and ids: the definition, so every line of it has its own test."""

import zlib

import pytest

from distrnn.text import SEPARATORS, TokenizerSpec, Vocabulary, tokenize

WORD = TokenizerSpec("word", "fold", "strip")
KEEP = TokenizerSpec("word", "fold", "keep")
CHAR = TokenizerSpec("char", "keep")


def test_words_are_lowered_and_split_at_separators() -> None:
    assert tokenize("It's GREAT, isn't it?", WORD) == ["it's", "great", "isn't", "it"]


def test_case_keep_leaves_words_as_they_are() -> None:
    assert tokenize("Data science ROCKS", TokenizerSpec("word", "keep", "strip")) == ["Data", "science", "ROCKS"]


def test_strip_removes_the_line_break_and_keep_leaves_its_letters() -> None:
    assert (tokenize("a<br />b", WORD), tokenize("a<br />b", KEEP)) == (["a", "b"], ["a", "br", "b"])


@pytest.mark.parametrize("separator", SEPARATORS)
def test_every_separator_separates(separator: str) -> None:
    assert tokenize(f"a{separator}b", WORD) == ["a", "b"]


@pytest.mark.parametrize("space", ["\u00a0", "\u2028", "\x1c", "\x85", "\u3000"])
def test_what_only_unicode_calls_a_space_does_not_separate(space: str) -> None:
    assert tokenize(f"a{space}b", WORD) == [f"a{space}b"]


def test_a_text_of_separators_has_no_words() -> None:
    assert tokenize(" ... \n", WORD) == []


def test_lowering_is_pythons_with_its_final_sigma() -> None:
    assert tokenize("ΟΔΟΣ İ", WORD) == ["οδος", "i̇"]


def test_characters_are_code_points() -> None:
    assert tokenize("Aé😀 ", CHAR) == ["A", "é", "😀", " "]


def test_folded_characters_are_lowered() -> None:
    assert tokenize("AbC", TokenizerSpec("char", "fold")) == ["a", "b", "c"]


def test_a_document_of_words_begins_with_the_start_id_and_unknown_words_are_two() -> None:
    assert Vocabulary(["the", "film"], WORD).encode("The film SUCKS") == [1, 3, 4, 2]


def test_a_stream_of_characters_has_no_start_id_and_unknown_ones_are_zero() -> None:
    assert Vocabulary(["a", "b"], CHAR).encode("abx") == [1, 2, 0]


def test_the_size_counts_the_reserved_ids() -> None:
    assert (Vocabulary(["a", "b"], WORD).size, Vocabulary(["a", "b"], CHAR).size) == (5, 3)


def test_ids_have_names() -> None:
    words, characters = Vocabulary(["a"], WORD), Vocabulary(["a"], CHAR)
    assert [words.token(number) for number in range(4)] == ["<padding>", "<start>", "<unknown>", "a"]
    assert [characters.token(number) for number in range(2)] == ["\ufffd", "a"]


GRAMS = TokenizerSpec("word", "keep", ngrams=3)
SOCKS = "Data science rocks my socks off!"
FIFTEEN = (
    "Data|Data science|science|science rocks|Data science rocks|rocks|rocks my|science rocks my|my|my socks|rocks my socks|socks|off|"
    "socks off|my socks off"
)


def test_grams_of_three_or_fewer_are_the_published_fifteen():
    found = tokenize(SOCKS, GRAMS)
    assert (len(found), set(found)) == (15, set(FIFTEEN.split("|")))


def test_a_sequence_of_grams_has_for_each_position_those_that_start_there():
    assert tokenize("a b c", GRAMS) == ["a", "a b", "a b c", "b", "b c", "c"]


def test_grams_of_characters_are_joined_by_nothing():
    assert tokenize("abc", TokenizerSpec("char", "keep", ngrams=2)) == ["a", "ab", "b", "bc", "c"]


def test_a_bag_is_the_distinct_ids_ascending_without_a_start():
    assert Vocabulary(["b", "a"], TokenizerSpec("word", "fold", layout="bag")).encode("a b a z") == [2, 3, 4]


def test_hashed_words_need_no_vocabulary_and_none_is_unknown():
    spec = TokenizerSpec("word", "fold", buckets=100)
    vocabulary = Vocabulary([], spec)
    ids = vocabulary.encode("Any word at all")
    assert (ids[0], vocabulary.size, all(3 <= token < 103 for token in ids[1:])) == (1, 103, True)
    assert ids[1:] == [3 + zlib.crc32(word.encode()) % 100 for word in ("any", "word", "at", "all")]


def test_a_bucket_is_shown_by_its_number():
    assert Vocabulary([], TokenizerSpec("word", "fold", buckets=100)).token(10) == "#7"


def test_documents_of_a_corpus_with_boundaries_begin_with_the_start_id():
    vocabulary = Vocabulary(["a", "b"], TokenizerSpec("char", "keep", boundaries=True))
    assert (vocabulary.encode_stream(["ab", "", "bz"]), vocabulary.size) == ([1, 2, 3, 1, 1, 3, 0], 4)


def test_a_corpus_without_boundaries_is_one_stream():
    assert Vocabulary(["a", "b"], TokenizerSpec("char", "keep")).encode_stream(["ab", "", "b"]) == [1, 2, 2]
