"""The rules that turn text into tokens and ids: the definition, so every line of it has its own test."""

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
