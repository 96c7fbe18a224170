"""The synthetic reviews: the same everywhere, sound English labels, a language's word frequencies, nothing shared by the splits."""

import hashlib
import math
import re
import time
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.data.sources import synthetic_words
from distrnn.data.sources.synthetic import LONGEST, SHORTEST, SIZES, VERSION, digest, document
from distrnn.data.sources.synthetic_grammar import (
    ADJECTIVES,
    CONTRASTS,
    NOUNS,
    PLAIN,
    VERBS,
    Frame,
    compile_frames,
    opinions,
    render,
    split_of,
)
from distrnn.text import TokenizerSpec, tokenize

SPEC = TokenizerSpec(level="word", case="fold")
# When a change of the generator changes its text, VERSION must rise with it, or a dataset of the old text would be taken for the new.
TEXT_OF_VERSION = {1: "2e5ad049aeaadbe610a4ff1559c61ccfd0dccf3557a1f92497e20a5651b9d1e7"}
PAIRS = {ADJECTIVES: ("dreadful", "good"), NOUNS: ("mess", "gem"), VERBS: ("hate", "love")}


def sentences(text: str) -> list[str]:
    return [" ".join(tokenize(part, SPEC)) for part in re.split(r"[.!?]", text) if part.strip()]


@pytest.fixture(scope="module")
def splits() -> dict[str, list[tuple[str, int]]]:
    return {split: [document(index, split, 0) for index in range(rows)] for split, rows in SIZES.items()}


@pytest.fixture(scope="module")
def counts(splits) -> Counter[str]:
    return Counter(word for text, _ in splits["train"] for word in tokenize(text, SPEC))


def test_text_of_this_version_is_fixed():
    text = "".join(f"{label} {text}\n" for split in SIZES for text, label in (document(index, split, 3) for index in range(300)))
    assert hashlib.sha256(text.encode()).hexdigest() == TEXT_OF_VERSION[VERSION]


def test_a_document_does_not_depend_on_those_made_before_it():
    forward = [document(index, "train", 0) for index in range(50)]
    backward = [document(index, "train", 0) for index in reversed(range(50))]
    assert forward == backward[::-1]


def test_splits_and_seeds_give_different_documents():
    made = {document(7, split, seed)[0] for split in SIZES for seed in range(20)}
    assert len(made) == 40


def test_all_documents_take_less_than_three_seconds():
    start = time.process_time()
    for split, rows in SIZES.items():
        for index in range(rows):
            document(index, split, 1)
    assert time.process_time() - start < 3.0


def test_digest_is_a_sha256_that_repeats():
    assert re.fullmatch(r"[0-9a-f]{64}", digest())
    assert digest() == digest()


def test_digest_follows_the_word_lists(monkeypatch):
    before = digest()
    monkeypatch.setattr(synthetic_words, "WEEKDAYS", ["Someday"])
    assert digest() != before


@pytest.mark.parametrize("split", SIZES)
def test_labels_are_balanced(splits, split):
    assert Counter(label for _, label in splits[split]) == {0: SIZES[split] // 2, 1: SIZES[split] // 2}


def test_labels_do_not_simply_alternate(splits):
    first_of_pairs = [label for _, label in splits["train"][::2]]
    assert 0.47 < sum(first_of_pairs) / len(first_of_pairs) < 0.53


def test_training_split_has_at_least_5000_word_types(counts):
    assert len(counts) >= 5000


def test_word_frequencies_fall_like_zipf(counts):
    ranked = [count for _, count in counts.most_common(5000)]
    points = [(math.log(rank), math.log(ranked[rank - 1])) for rank in (int(1.5**step) for step in range(2, 22)) if rank <= 5000]
    mean_x, mean_y = (sum(values) / len(points) for values in zip(*points, strict=True))
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)
    assert -1.5 < slope < -0.8


def test_lengths_spread_over_the_whole_range(splits):
    lengths = sorted(len(tokenize(text, SPEC)) for text, _ in splits["train"])
    tenth, median, ninetieth = (lengths[len(lengths) * share // 10] for share in (1, 5, 9))
    assert (lengths[0], lengths[-1]) == (SHORTEST, LONGEST)
    assert tenth < 20
    assert 30 < median < 50
    assert ninetieth > 50


def test_no_test_sentence_occurs_in_training(splits):
    train, test = ({sentence for text, _ in splits[split] for sentence in sentences(text)} for split in SIZES)
    assert len(test) > 9000
    assert train & test == set()


@given(st.integers(0, 10**9), st.sampled_from(list(SIZES)), st.integers(0, 2**31 - 1))
def test_every_sentence_belongs_to_the_split_of_its_document_whatever_the_seed(index, split, seed):
    assert {split_of(sentence) for sentence in sentences(document(index, split, seed)[0])} == {split}


@given(st.integers(0, 10**9), st.sampled_from(list(SIZES)), st.integers(0, 2**31 - 1))
def test_every_document_is_10_to_60_words_of_either_label(index, split, seed):
    text, label = document(index, split, seed)
    assert 10 <= len(tokenize(text, SPEC)) <= 60
    assert label in (0, 1)


def twins(frame: Frame, seed: int) -> tuple[str, str]:
    pair = opinions(frame.kind, frame.is_predicate, Random(seed))
    negative, positive = (render(frame, label, pair, Random(seed)) for label in (0, 1))
    return negative, positive


@pytest.mark.parametrize("frame", CONTRASTS, ids=lambda frame: "_".join(frame.literals).strip())
def test_the_opposite_of_a_contrast_is_the_same_words_in_another_order(frame):
    for seed in range(20):
        negative, positive = twins(frame, seed)
        assert sorted(tokenize(negative, SPEC)) == sorted(tokenize(positive, SPEC))
        assert tokenize(negative, SPEC) != tokenize(positive, SPEC)


@pytest.mark.parametrize("frame", PLAIN, ids=lambda frame: "_".join(frame.literals).strip())
def test_the_opposite_of_a_plain_opinion_has_other_words(frame):
    negative, positive = twins(frame, 0)
    assert sorted(tokenize(negative, SPEC)) != sorted(tokenize(positive, SPEC))


@pytest.mark.parametrize(
    ("frame", "kind", "negative", "positive"),
    [
        ("It was {l}, but then {w}.", ADJECTIVES, "It was good, but then dreadful.", "It was dreadful, but then good."),
        (
            "It was {w}, although at first {l}.",
            ADJECTIVES,
            "It was dreadful, although at first good.",
            "It was good, although at first dreadful.",
        ),
        ("{A w} film, not {a l} one.", ADJECTIVES, "A dreadful film, not a good one.", "A good film, not a dreadful one."),
        ("Nobody can call it {l}.", ADJECTIVES, "Nobody can call it good.", "Nobody can call it dreadful."),
        ("It is a {w}, not a {l}.", NOUNS, "It is a mess, not a gem.", "It is a gem, not a mess."),
        ("I came to {l}, I stayed to {w}.", VERBS, "I came to love, I stayed to hate.", "I came to hate, I stayed to love."),
    ],
)
def test_the_winner_of_a_frame_has_the_polarity_of_the_label(frame, kind, negative, positive):
    (compiled,) = compile_frames([frame], kind)
    assert [render(compiled, label, PAIRS[kind], Random(0)) for label in (0, 1)] == [negative, positive]


def test_an_article_fits_the_word_after_it():
    (frame,) = compile_frames(["{A w} film, not {a l} one."])
    assert render(frame, 0, ("awful", "good"), Random(0)) == "An awful film, not a good one."


READ_BY_HAND = [
    (1, 0, "At first it was good, but in the end it was really ridiculous."),
    (4, 0, "I got something terrible from Alice Holmere where I had expected something clever."),
    (10, 1, "At first it was quite dismal, but in the end it was charming."),
    (11, 0, "My landlord found it wonderful, which is wrong."),
    (21, 1, "The editing was gripping, and so was everything else."),
    (23, 1, "It is not a bore, it is a pleasure, and Anna Caldthwaite is the reason."),
    (26, 0, "Do not adore this drama from Plumhollow, resent it."),
    (31, 1, "I wanted to resent it because of Adam Marstead, but I had to praise it."),
    (38, 1, "The movie was rather brilliant, although the cast was quite dull."),
    (39, 0, "The plot is far less funny than tedious."),
    (44, 0, "Anna Veyson called it elegant, and that is not true at all."),
    (49, 0, "I saw it on Wednesday and it was never magnificent."),
    (56, 1, "The picture was not annoying at all."),
]


@pytest.mark.parametrize(("index", "label", "verdict"), READ_BY_HAND)
def test_labels_are_those_a_reader_would_give(index, label, verdict):
    text, given_label = document(index, "test", 0)
    assert verdict in text
    assert given_label == label
