"""Two small workflow documents that are right, for tests that make them wrong."""

import copy

import pytest

CLASSIFIER = {
    "name": "reviews",
    "data": {"source": "imdb"},
    "model": {"type": "lstm", "sequence_length": 80},
    "train": {"epochs": 3},
    "register": {"name": "reviews", "promote": {"alias": "production", "metric": "accuracy", "min": 0.8}},
}
LANGUAGE_MODEL = {
    "name": "corpus",
    "data": {"source": "nietzsche", "tokenizer": {"level": "char"}},
    "model": {"task": "language-model", "type": "lstm", "window": 8},
    "train": {"epochs": 3},
    "register": {"name": "corpus", "promote": {"alias": "production", "metric": "perplexity", "max": 9.0}},
}


def changed(document, key, value):
    """A copy of `document` with the value at a dotted key replaced, or removed where `value` is Ellipsis."""
    document = copy.deepcopy(document)
    section = document
    *above, last = key.split(".")
    for part in above:
        section = section.setdefault(part, {})
    if value is ...:
        del section[last]
    else:
        section[last] = value
    return document


@pytest.fixture
def classifier():
    return copy.deepcopy(CLASSIFIER)


@pytest.fixture
def language_model():
    return copy.deepcopy(LANGUAGE_MODEL)
