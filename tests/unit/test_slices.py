"""Which documents are in a slice: the same ones for every model."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from distrnn.evaluation.slices import memberships, word_counts
from distrnn.registry.rules import Slice
from distrnn.text import TokenizerSpec, tokenize

TEXTS = ["", "one", "one<br />two", "it's one-two, three!", "a b c d e"]
LABELS = np.array([0, 1, 0, 1, 1], np.int8)
NAMES = ("negative", "positive")


def inside(*parts):
    return {part: found.tolist() for part, found in memberships(parts, TEXTS, LABELS, NAMES).items()}


def test_words_are_counted_by_the_plain_rule():
    assert word_counts(TEXTS).tolist() == [0, 1, 2, 4, 5]


@given(st.lists(st.text(), max_size=5))
def test_words_are_those_of_the_word_tokenizer_whatever_its_case(texts):
    assert word_counts(texts).tolist() == [len(tokenize(text, TokenizerSpec("word", "fold", "strip"))) for text in texts]


def test_both_ends_of_a_slice_are_in_it():
    part = Slice(min_tokens=2, max_tokens=4)
    assert inside(part)[part] == [False, False, True, True, False]


def test_longer_than_four_and_up_to_four_are_all_documents_once():
    longer, rest = Slice(min_tokens=5), Slice(max_tokens=4)
    found = inside(longer, rest)
    assert np.logical_xor(found[longer], found[rest]).all()


def test_a_label_is_the_true_one():
    part = Slice(label="positive")
    assert inside(part)[part] == [False, True, False, True, True]


def test_length_and_label_must_both_hold():
    part = Slice(min_tokens=2, label="positive")
    assert inside(part)[part] == [False, False, False, True, True]


def test_a_label_that_the_model_does_not_know_has_no_documents():
    part = Slice(label="neutral")
    assert not any(inside(part)[part])
