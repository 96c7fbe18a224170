"""The peer: the LSTM lesson as a plain Keras script. Load, tokenise with TextVectorization, `fit`, `evaluate`; nothing is kept.

Usage: python peer_keras_imdb_lstm.py FOLDER_OF_PARQUET EPOCHS
"""

import json
import os
import sys
import time
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
STARTED = time.perf_counter()

import keras  # noqa: E402 - the import is part of what a script costs
import numpy as np  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

VOCABULARY, LENGTH = 20_000, 80


def load(folder: Path, split: str) -> tuple[list[str], np.ndarray]:
    table = pq.read_table(folder / f"{split}.parquet", columns=["text", "label"])
    return table["text"].to_pylist(), table["label"].to_numpy().astype("float32")


def main(folder: Path, epochs: int) -> None:
    keras.utils.set_random_seed(0)
    train_texts, train_labels = load(folder, "train")
    test_texts, test_labels = load(folder, "test")
    vectorize = keras.layers.TextVectorization(max_tokens=VOCABULARY, output_mode="int", ragged=True)
    vectorize.adapt(train_texts)

    def ids(texts: list[str]) -> np.ndarray:
        rows = [row for start in range(0, len(texts), 1000) for row in vectorize(texts[start : start + 1000]).numpy()]
        return keras.utils.pad_sequences(rows, maxlen=LENGTH)

    x_train, x_test = ids(train_texts), ids(test_texts)
    order = np.random.default_rng(0).permutation(len(x_train))  # validation_split takes the tail, and the file is sorted by label
    x_train, train_labels = x_train[order], train_labels[order]
    model = keras.Sequential(
        [
            keras.layers.Embedding(VOCABULARY, 128),
            keras.layers.LSTM(128, dropout=0.2, recurrent_dropout=0.2),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    prepared = time.perf_counter()
    model.fit(x_train, train_labels, batch_size=32, epochs=epochs, validation_split=0.2, verbose=0)
    trained = time.perf_counter()
    loss, accuracy = model.evaluate(x_test, test_labels, batch_size=32, verbose=0)
    done = time.perf_counter()
    seconds = {"prepare": prepared - STARTED, "train": trained - prepared, "evaluate": done - trained}
    print(json.dumps({"loss": loss, "accuracy": accuracy, "seconds": seconds}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
