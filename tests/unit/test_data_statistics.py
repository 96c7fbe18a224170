"""Figures of a prepared dataset, against counting them in plain Python."""

import itertools
import statistics as plain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.data import statistics
from distrnn.data.statistics import BINS, frequent_tokens, histogram, lengths, row_ids, samples, unknown_share
from distrnn.storage import open_store
from fixtures_data import corpus_workflow, document_workflow, prepare_here, reviews


@pytest.fixture
def store(tmp_path):
    return open_store(str(tmp_path / "storage"))


@pytest.fixture
def dataset(review_folder, store):
    return prepare_here(document_workflow(review_folder, tokenizer={"vocabulary_size": 12}), store)


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=60))
def test_bins_follow_each_other_and_hold_every_value_once(values):
    bins = histogram(np.array(values))
    assert [found.documents for found in bins] == [sum(found.first <= value <= found.last for value in values) for found in bins]
    assert sum(found.documents for found in bins) == len(values)
    assert all(one.last + 1 == other.first for one, other in itertools.pairwise(bins))
    assert (bins[0].first, bins[-1].last, len(bins) <= BINS) == (min(values), max(values), True)


def test_lengths_are_those_of_the_rows(dataset):
    found = lengths(dataset, "test")
    counted = [1 + len(text.replace("<br />", "").split()) for text in reviews(100, 1000)["text"].to_pylist()]
    assert {key: found[key] for key in ("min", "median", "mean", "max")} == {
        "min": min(counted),
        "median": int(plain.median(counted)),
        "mean": round(plain.mean(counted), 2),
        "max": max(counted),
    }
    assert found["p95"] == sorted(counted)[94]
    assert sum(one["documents"] for one in found["histogram"]) == 100


def test_unknown_tokens_are_a_share_of_the_words_and_not_of_the_start_ids(dataset):
    split = dataset.manifest.splits["test"]
    words = [word for text in reviews(100, 1000)["text"].to_pylist() for word in text.replace("<br />", "").split()]
    known = set(dataset.vocabulary.tokens)
    assert unknown_share(dataset, split) == sum(word not in known for word in words) / len(words)
    assert unknown_share(dataset, split) > 0.2


def test_frequent_tokens_are_those_of_the_vocabulary(dataset):
    assert frequent_tokens(dataset, 5) == dataset.vocabulary_counts[:5]


def test_hashed_tokens_have_no_unknown_ones_and_are_counted_by_their_buckets(review_folder, store, monkeypatch):
    monkeypatch.setattr(statistics, "COUNTED_AT_ONCE", 100)
    hashed = prepare_here(document_workflow(review_folder, tokenizer={"buckets": 5}), store)
    reader = hashed.reader("train")
    counts = np.bincount(reader.span(0, reader.tokens))
    ranked = sorted(((-int(count), token) for token, count in enumerate(counts) if token >= 3 and count))
    assert frequent_tokens(hashed) == [(f"#{token - 3}", -count) for count, token in ranked]
    assert unknown_share(hashed, hashed.manifest.splits["train"]) is None


def test_samples_come_from_all_over_the_split(dataset):
    found = samples(dataset, "test", 2)
    texts = reviews(100, 1000)["text"].to_pylist()
    ids = dataset.vocabulary.encode(texts[50])
    assert found[1] == {
        "id": row_ids(dataset, "test")[50],
        "label": "negative",
        "length": len(ids),
        "ids": ids[:16],
        "text": " ".join(dataset.vocabulary.token(number) for number in ids[:16]),
    }
    assert found[0]["ids"] == dataset.vocabulary.encode(texts[0])[:16]


def test_a_split_with_fewer_documents_gives_each_once(dataset):
    assert len({sample["id"] for sample in samples(dataset, "test", 1000)}) == 100


def test_row_ids_are_those_of_the_evaluation_set(dataset):
    assert row_ids(dataset, "test") == dataset.evaluation_texts()[0]


def test_characters_are_put_together_without_spaces(tmp_path, store):
    (tmp_path / "corpus.txt").write_text("Supposing that truth is a woman\n" * 40, encoding="utf-8")
    corpus = prepare_here(corpus_workflow(tmp_path / "corpus.txt"), store)
    assert [(sample["text"], sample["label"]) for sample in samples(corpus, "train")] == [("Supposing that t", None)]
