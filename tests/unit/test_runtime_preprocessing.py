"""`preprocessing.json` is written and read back the same, and nothing else is read."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.errors import IntegrityError, NotFoundError
from distrnn.runtime import Preprocessing
from distrnn.text import TokenizerSpec, Vocabulary

AGAIN = "Pull the model again, or publish it again."
WORDS = Vocabulary(["good", "bad"], TokenizerSpec("word", "fold", "strip", 20))
RULES = Preprocessing("classifier", WORDS, ("negative", "positive"), 4)
ALL_KEYS = "format, task, tokenizer, vocabulary, labels, sequence_length, padding, truncating, sample_prompt"


@given(
    tokens=st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), unique=True, min_size=1, max_size=9),
    level=st.sampled_from(["word", "char"]),
    prompt=st.none() | st.text(st.characters(exclude_categories=["Cs"])),
    length=st.none() | st.integers(1, 500),
    side=st.sampled_from(["pre", "post"]),
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, tokens: list[str], level: Any, prompt: str | None, length: int | None, side: Any
) -> None:
    folder = tmp_path_factory.mktemp("rules")
    rules = Preprocessing("language-model", Vocabulary(tokens, TokenizerSpec(level, "keep")), (), length, side, "post", prompt)
    rules.write(folder)

    assert Preprocessing.read(folder).to_json() == rules.to_json()


def test_the_document_is_the_published_format() -> None:
    assert RULES.to_json() == {
        "format": 1,
        "task": "classifier",
        "tokenizer": {
            "level": "word",
            "case": "fold",
            "html": "strip",
            "vocabulary_size": 20,
            "ngrams": 1,
            "layout": "sequence",
            "buckets": None,
            "boundaries": False,
        },
        "vocabulary": ["good", "bad"],
        "labels": ["negative", "positive"],
        "sequence_length": 4,
        "padding": "pre",
        "truncating": "pre",
        "sample_prompt": None,
    }


@pytest.mark.parametrize(
    ("padding", "truncating", "expected"),
    [
        ("pre", "pre", [[0, 0, 1, 3], [4, 2, 3, 3]]),
        ("post", "pre", [[1, 3, 0, 0], [4, 2, 3, 3]]),
        ("pre", "post", [[0, 0, 1, 3], [1, 3, 4, 2]]),
        ("post", "post", [[1, 3, 0, 0], [1, 3, 4, 2]]),
    ],
)
def test_texts_are_filled_and_cut(padding: Any, truncating: Any, expected: list[list[int]]) -> None:
    rules = Preprocessing("classifier", WORDS, ("no", "yes"), 4, padding, truncating)
    encoded = rules.encode(["Good!", "good bad film good<br />good"])
    assert encoded.dtype == np.int32
    assert encoded.tolist() == expected


def test_without_a_length_the_longest_text_decides() -> None:
    assert Preprocessing("language-model", WORDS).encode(["", "bad bad"]).tolist() == [[0, 0, 1], [1, 4, 4]]


def test_no_texts_give_no_rows() -> None:
    assert RULES.encode([]).shape == (0, 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("labels"), f"the keys {ALL_KEYS}. Received: {ALL_KEYS.replace('labels, ', '')}."),
        (lambda d: d.update(stemming=True), f"the keys {ALL_KEYS}. Received: {ALL_KEYS}, stemming."),
        (lambda d: d.update(task="painter"), "'task' out of classifier, language-model, embedding. Received: 'painter'."),
        (lambda d: d.update(padding="left"), "'padding' out of pre, post. Received: 'left'."),
        (lambda d: d.update(sequence_length="80"), "'sequence_length' of type int or null. Received: str."),
        (lambda d: d.update(sequence_length=0), "'sequence_length' from 1 to 1048576, or null. Received: 0."),
        (lambda d: d.update(vocabulary=["a", "a"]), "'vocabulary', texts that are all different. Received: others."),
        (lambda d: d.update(vocabulary=[1]), "'vocabulary', texts that are all different. Received: others."),
        (lambda d: d.update(vocabulary=[]), "'vocabulary', one token at least. Received: none."),
        (lambda d: d.update(labels=["x"]), "a classifier with a 'sequence_length' and two 'labels' at least. Received: 4 and 1."),
        (
            lambda d: d["tokenizer"].update(level="letter"),
            "'tokenizer.level' out of word, char. Received: 'letter'.",
        ),
        (
            lambda d: d["tokenizer"].pop("case"),
            "the keys tokenizer.level, tokenizer.case, tokenizer.html, tokenizer.layout, tokenizer.vocabulary_size, tokenizer.ngrams, "
            "tokenizer.buckets, tokenizer.boundaries. Received: tokenizer.layout, tokenizer.ngrams, tokenizer.buckets, "
            "tokenizer.boundaries, tokenizer.level, tokenizer.html, tokenizer.vocabulary_size.",
        ),
        (lambda d: d["tokenizer"].update(layout="heap"), "'tokenizer.layout' out of sequence, bag. Received: 'heap'."),
        (lambda d: d["tokenizer"].update(ngrams=0), "'tokenizer.ngrams' from 1 to 64. Received: 0."),
        (lambda d: d["tokenizer"].update(buckets=0), "'tokenizer.buckets' from 1 to 1073741824, or null. Received: 0."),
        (lambda d: d["tokenizer"].update(buckets=9), "no 'vocabulary' beside 'tokenizer.buckets'. Received: 2 tokens."),
        (lambda d: d["tokenizer"].update(boundaries=1), "'tokenizer.boundaries' of type bool. Received: int."),
        (lambda d: d.update(threshold=1), "'threshold' of type float. Received: int."),
        (lambda d: d.update(threshold=1.5), "'threshold' from 0 to 1. Received: 1.5."),
        (lambda d: d.update(threshold=0.4, labels=["a", "b", "c"]), "no 'threshold' but for a classifier of two labels. Received: 0.4."),
        (lambda d: d.update(threshold=0.4, task="language-model"), "no 'threshold' but for a classifier of two labels. Received: 0.4."),
    ],
)
def test_rules_that_make_no_sense(tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str) -> None:
    document = RULES.to_json()
    change(document)
    (tmp_path / "preprocessing.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(IntegrityError) as caught:
        Preprocessing.read(tmp_path)
    assert str(caught.value) == f"preprocessing.json: expected {message} {AGAIN}"


def test_rules_published_before_there_were_grams_and_buckets_mean_what_they_meant(tmp_path: Path) -> None:
    document = RULES.to_json()
    for key in ("ngrams", "layout", "buckets", "boundaries"):
        del document["tokenizer"][key]
    (tmp_path / "preprocessing.json").write_text(json.dumps(document), encoding="utf-8")
    assert Preprocessing.read(tmp_path).to_json() == RULES.to_json()


def test_a_threshold_is_read_back_and_written_only_where_there_is_one(tmp_path: Path) -> None:
    replace(RULES, threshold=0.4).write(tmp_path)
    assert Preprocessing.read(tmp_path).threshold == 0.4
    RULES.write(tmp_path)
    assert Preprocessing.read(tmp_path).threshold is None
    assert "threshold" not in json.loads((tmp_path / "preprocessing.json").read_text(encoding="utf-8"))


def test_hashed_rules_are_read_back_and_encode_the_same(tmp_path: Path) -> None:
    rules = Preprocessing("classifier", Vocabulary([], TokenizerSpec("word", "fold", buckets=50, ngrams=2)), ("no", "yes"), 9)
    rules.write(tmp_path)
    texts = ["Good film", "never seen before"]
    assert Preprocessing.read(tmp_path).encode(texts).tolist() == rules.encode(texts).tolist()


def test_a_folder_without_rules(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        Preprocessing.read(tmp_path)
    expected = f"no model here: expected the file {tmp_path / 'preprocessing.json'}."
    assert str(caught.value) == f"{expected} Name a folder that `distrnn pull REF --dest FOLDER` has filled."
