"""The peer: the best quick recipe of the lessons as a plain Keras script, a dense network over multi-hot words and pairs of words.

Usage: python peer_keras_imdb_bigrams.py FOLDER_OF_PARQUET EPOCHS

Load, tokenise with TextVectorization, `fit` keeping the best epoch, `evaluate`; nothing is published. 20,000 words and pairs, 16 units,
dropout 0.5, RMSprop, batches of 32: the recipe of Chollet (2021), Deep Learning with Python, chapter 11.
"""

import json
import os
import sys
import time
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
STARTED = time.perf_counter()

import keras  # noqa: E402 - the import is part of what a script costs
import tensorflow as tf  # noqa: E402

from benchmark.peer_keras_imdb_lstm import load  # noqa: E402

VOCABULARY = 20_000


def main(folder: Path, epochs: int) -> None:
    keras.utils.set_random_seed(0)
    vectorize = keras.layers.TextVectorization(ngrams=2, max_tokens=VOCABULARY, output_mode="multi_hot")
    texts, labels = load(folder, "train")
    vectorize.adapt(texts)

    def batches(split: str) -> tf.data.Dataset:
        pairs = tf.data.Dataset.from_tensor_slices(load(folder, split)).batch(32)
        return pairs.map(lambda text, label: (vectorize(text), label), num_parallel_calls=tf.data.AUTOTUNE)

    rows = tf.data.Dataset.from_tensor_slices((texts, labels)).shuffle(len(texts), seed=0, reshuffle_each_iteration=False)
    words = rows.batch(32).map(lambda text, label: (vectorize(text), label), num_parallel_calls=tf.data.AUTOTUNE)
    training, validation = words.skip(157).cache(), words.take(157).cache()  # 157 · 32 are a fifth of the reviews
    layers = [keras.Input((VOCABULARY,)), keras.layers.Dense(16, activation="relu"), keras.layers.Dropout(0.5)]
    model = keras.Sequential([*layers, keras.layers.Dense(1, activation="sigmoid")])
    model.compile(optimizer="rmsprop", loss="binary_crossentropy", metrics=["accuracy"])
    best = keras.callbacks.EarlyStopping(patience=epochs, restore_best_weights=True, start_from_epoch=0)
    model.fit(training, epochs=epochs, validation_data=validation, verbose=0, callbacks=[best])
    loss, accuracy = model.evaluate(batches("test"), verbose=0)
    print(json.dumps({"loss": loss, "accuracy": accuracy, "seconds": {"all": time.perf_counter() - STARTED}}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
