"""Who trains and who tests: by hash for documents, by place for a corpus."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from distrnn.data.splits import TEST, TRAIN, VALIDATION, SplitRules, assign, choose, cut_corpus, cut_rows

TEXTS = [f"document {number}".encode() for number in range(4000)]


def test_shares_are_those_asked_for():
    splits = assign(TEXTS, "train", SplitRules(0.25, 0.2))
    shares = [float((splits == split).mean()) for split in (TRAIN, VALIDATION, TEST)]
    assert np.allclose(shares, [0.6, 0.15, 0.25], atol=0.02)


def test_copies_of_a_text_stay_together():
    splits = assign(TEXTS[:50] + TEXTS[:50][::-1], "train", SplitRules(0.3, 0.3))
    assert splits[:50].tolist() == splits[50:][::-1].tolist()


def test_documents_of_the_test_split_stay_there():
    assert set(assign(TEXTS[:100], "test", SplitRules(None, 0.5)).tolist()) == {TEST}


def test_a_larger_validation_share_moves_no_document_back():
    small, large = (assign(TEXTS, "train", SplitRules(None, share)) for share in (0.1, 0.3))
    assert (large[small == VALIDATION] == VALIDATION).all()


def test_the_limit_is_a_choice_by_the_seed():
    first, again, other = (choose(100, "train", SplitRules(None, 0.2, 10, seed)).tolist() for seed in (1, 1, 2))
    assert first == again != other
    assert first == sorted(set(first))
    assert len(first) == 10


def test_a_limit_above_the_rows_keeps_all():
    assert choose(10, "train", SplitRules(None, 0.2, 10, 0)) is None


@given(st.text(alphabet="ab\n", min_size=1, max_size=400), st.floats(0, 0.5), st.floats(0, 0.5))
def test_a_corpus_is_cut_into_contiguous_parts_in_order(text, test_fraction, validation_fraction):
    parts = list(cut_corpus(len(text), text.find, SplitRules(test_fraction, validation_fraction)))
    assert "".join(text[part.start : part.stop] for part in parts) == text
    assert [part.split for part in parts] == sorted((part.split for part in parts), key=["train", "validation", "test"].index)


def test_the_very_tail_is_for_testing():
    parts = list(cut_corpus(1000, ("x" * 1000).find, SplitRules(0.1, 0.2)))
    assert parts == [("train", 0, 720), ("validation", 720, 900), ("test", 900, 1000)]


def test_a_border_moves_to_a_line_end_nearby():
    text = "x" * 903 + "\n" + "x" * 96
    assert list(cut_corpus(len(text), text.find, SplitRules(0.1, 0.0))) == [("train", 0, 904), ("test", 904, 1000)]


def test_documents_of_a_corpus_are_cut_between_two_of_them():
    assert list(cut_rows(10, SplitRules(0.2, 0.25))) == [("train", 0, 6), ("validation", 6, 8), ("test", 8, 10)]
    assert list(cut_rows(3, SplitRules(0.0, 0.0))) == [("train", 0, 3)]
