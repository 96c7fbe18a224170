"""Word order decides the synthetic reviews: networks that see only which words occur stay below 0.80, an LSTM passes 0.95."""

from collections import Counter

import numpy as np
import pytest

from distrnn.data.sources.synthetic import SIZES, document
from distrnn.text import TokenizerSpec, Vocabulary, tokenize

LENGTH = 64
# Multi-hot rows hold the frequent words only; the names beyond them would cost memory and make the order-blind networks worse.
FREQUENT_WORDS = 2_000
SPEC = TokenizerSpec(level="word", case="fold", vocabulary_size=20_000)


@pytest.fixture(scope="module")
def reviews():
    """(tokens int32[N, LENGTH], labels float32[N]) of the two splits, and the size of the vocabulary."""
    made = {split: [document(index, split, 0) for index in range(rows)] for split, rows in SIZES.items()}
    counts = Counter(word for text, _ in made["train"] for word in tokenize(text, SPEC))
    vocabulary = Vocabulary(sorted(counts, key=lambda word: (-counts[word], word)), SPEC)
    arrays = {split: (padded(vocabulary, documents), labels(documents)) for split, documents in made.items()}
    return arrays["train"], arrays["test"], vocabulary.size


def padded(vocabulary, documents):
    tokens = np.zeros((len(documents), LENGTH), np.int32)
    for row, (text, _) in zip(tokens, documents, strict=True):
        ids = vocabulary.encode(text)[-LENGTH:]
        row[LENGTH - len(ids) :] = ids
    return tokens


def labels(documents):
    return np.array([label for _, label in documents], np.float32)


def multi_hot(tokens):
    rows = np.zeros((len(tokens), FREQUENT_WORDS), np.float32)
    rows[np.arange(len(tokens))[:, None], np.where(tokens < FREQUENT_WORDS, tokens, 0)] = 1.0
    rows[:, 0] = 0.0
    return rows


@pytest.mark.parametrize("hidden", [0, 64], ids=["logistic-regression", "two-layers"])
@pytest.mark.usefixtures("two_devices")
def test_networks_that_do_not_see_the_order_stay_below_080(reviews, hidden):
    import keras

    (tokens, labels), (test_tokens, test_labels), _ = reviews
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(hidden, activation="relu")] if hidden else []
    network = keras.Sequential([*layers, keras.layers.Dense(1, activation="sigmoid")])
    best = max(accuracies(network, (multi_hot(tokens), labels), (multi_hot(test_tokens), test_labels), epochs=6, batch=128, rate=0.003))
    assert 0.60 < best <= 0.80


@pytest.mark.slow
@pytest.mark.usefixtures("two_devices")
def test_an_lstm_passes_095(reviews):
    import keras

    train, test, vocabulary_size = reviews
    keras.utils.set_random_seed(0)
    layers = keras.layers
    network = keras.Sequential([layers.Embedding(vocabulary_size, 32), layers.LSTM(48), layers.Dense(1, activation="sigmoid")])
    assert accuracies(network, train, test, epochs=5, batch=64, rate=0.003)[-1] > 0.95


def accuracies(network, train, test, *, epochs, batch, rate):
    """The test accuracy after each epoch."""
    import keras

    network.compile(keras.optimizers.Adam(rate), "binary_crossentropy", metrics=["accuracy"], jit_compile=True)
    return network.fit(*train, batch_size=batch, epochs=epochs, validation_data=test, verbose=0).history["val_accuracy"]
