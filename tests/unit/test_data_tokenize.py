"""The vectorised tokenizer equals the plain one on any text, and so do its edges that chance would seldom find."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.data import tokenize_arrow
from distrnn.data.tokenize_arrow import tokenize_column
from distrnn.text import TokenizerSpec, tokenize

SPECS = [
    TokenizerSpec("word", case, html)
    for case in ("fold", "keep")
    for html in ("strip", "keep")  # type: ignore[arg-type]
] + [TokenizerSpec("char", case) for case in ("fold", "keep")]  # type: ignore[arg-type]
GRAMS = [TokenizerSpec(level, "fold", "keep", ngrams=longest) for level in ("word", "char") for longest in (2, 3, 5)]  # type: ignore[arg-type]

TRICKY = ["İ", "ΑΣ", "Σ", "ς", "\u212a", "ẞ", "Ǆ", "é", "É", "\u2028", "\x1c", "\x85", "\u00a0", "\0", "😀"]
PIECES = [*TRICKY, "<br />", "<br", " />", "br", "don't", "A", " "]
pieces = st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=12).map("".join)
texts = st.lists(pieces, max_size=6)


def decoded(column: list[str], spec: TokenizerSpec) -> list[list[str]]:
    result = tokenize_column(pa.array(column, pa.large_string()), spec)
    tokens = [result.dictionary[int(i)].as_py() for i in result.ids]
    ends = result.lengths.cumsum()
    return [tokens[end - length : end] for end, length in zip(ends, result.lengths, strict=True)]


@pytest.mark.parametrize("spec", [*SPECS, *GRAMS], ids=str)
@given(column=texts)
def test_it_equals_the_plain_tokenizer_on_any_unicode(spec: TokenizerSpec, column: list[str]) -> None:
    assert decoded(column, spec) == [tokenize(text, spec) for text in column]


@pytest.mark.parametrize("spec", [TokenizerSpec("word", "fold", "strip"), TokenizerSpec("char", "fold")], ids=str)
@given(column=texts)
def test_block_borders_change_nothing(spec: TokenizerSpec, column: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokenize_arrow, "BLOCK_BYTES", 5)
        assert decoded(column, spec) == [tokenize(text, spec) for text in column]


def test_the_dictionary_holds_each_token_once() -> None:
    result = tokenize_column(pa.array(["É é \u212a k k"], pa.large_string()), TokenizerSpec("word", "fold", "strip"))
    assert sorted(result.dictionary.to_pylist()) == ["k", "é"]


def test_the_dictionary_of_grams_holds_each_gram_once() -> None:
    result = tokenize_column(pa.array(["a b a b", "b a"], pa.large_string()), TokenizerSpec("word", "fold", ngrams=2))
    assert sorted(result.dictionary.to_pylist()) == ["a", "a b", "b", "b a"]


def test_a_line_break_across_two_texts_is_not_stripped() -> None:
    assert decoded(["a<br", " />b"], TokenizerSpec("word", "fold", "strip")) == [["a", "br"], ["b"]]


def test_a_slice_of_a_column_is_read_from_its_own_start() -> None:
    column = pa.array(["one two", "three", "four"], pa.large_string()).slice(1, 1)
    result = tokenize_column(column, TokenizerSpec("word", "fold", "strip"))
    assert (result.dictionary.to_pylist(), result.lengths.tolist()) == (["three"], [1])


@pytest.mark.parametrize(("html", "rank", "distinct"), [("keep", 7, 88_582), ("strip", None, 88_582)])
def test_the_real_reviews_have_the_published_words(shared_data, html: str, rank: int | None, distinct: int) -> None:
    reviews = pq.read_table(shared_data / "imdb" / "train.parquet", columns=["text"])["text"].cast(pa.large_string()).combine_chunks()
    result = tokenize_column(reviews, TokenizerSpec("word", "fold", html))  # type: ignore[arg-type]
    counts = np.bincount(result.ids)
    words = result.dictionary.to_pylist()
    order = [words[number] for number in np.argsort(-counts, kind="stable")[:20]]
    assert (order.index("br") + 1 if "br" in order else None, len(words)) == (rank, distinct)
    if rank:
        assert counts[words.index("br")] == 101_871


def test_no_texts_give_no_tokens() -> None:
    result = tokenize_column(pa.array([], pa.large_string()), TokenizerSpec("char", "fold"))
    assert (len(result.dictionary), len(result.ids), len(result.lengths)) == (0, 0, 0)
