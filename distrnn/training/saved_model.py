"""A published classifier as a SavedModel that takes raw strings: what turns text into ids is part of the graph.

The signature is the one that TensorFlow Serving takes when none is named, `serving_default`: `text`, strings in UTF-8 of shape [N], gives
`probabilities`, float32 [N, C] in the order of the labels, and `label`, strings [N].

Shapes: N texts, L tokens that the model sees, C labels.

Source: https://www.tensorflow.org/tfx/serving/serving_basic; the rules are those of `distrnn.text`.
"""

import random
import re
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from distrnn.client import LoadedModel
from distrnn.errors import IntegrityError, UsageError
from distrnn.runtime import Preprocessing
from distrnn.runtime.decision import THRESHOLD
from distrnn.text import LINE_BREAK, SEPARATORS, START_ID

SIGNATURE, TOLERANCE = "serving_default", 1e-4


def write_saved_model(model: LoadedModel, keras_file: Path, folder: Path) -> float:
    """Write the SavedModel, and ask it what the model itself says.

    Args:
        model: loaded from its NumPy form.
        keras_file: its Keras form.
        folder: filled; it may not exist.
    Returns:
        how far its probabilities are from the model's own at most, on a few made texts.
    Raises:
        UsageError: there is no such form of it.
        IntegrityError: they are further away than `TOLERANCE`.
    """
    rules = model.preprocessing
    check_convertible(rules)
    module = _Served(keras.saving.load_model(keras_file, compile=False), rules)
    tf.saved_model.save(module, str(folder), {SIGNATURE: module.serve})
    texts = _texts(rules)
    found = tf.saved_model.load(str(folder)).signatures[SIGNATURE](text=tf.constant(texts))["probabilities"].numpy()
    own = model.predict(texts)
    apart = float(np.abs((found[:, 1] if own.ndim == 1 else found) - own).max())
    if not apart <= TOLERANCE:
        raise IntegrityError(f"saved_model.pb: expected probabilities within {TOLERANCE} of the model's own. Received: {apart:.3g} apart.")
    return apart


def _texts(rules: Preprocessing) -> list[str]:
    """Texts short and long, with what a tokenizer may stumble over."""
    tokens = rules.vocabulary.tokens
    joint = "" if rules.vocabulary.spec.level == "char" else " "
    dice = random.Random(0)  # noqa: S311 - not a secret
    drawn = [joint.join(dice.choices(tokens, k=length)) for length in (1, 5, 40, 2 * (rules.sequence_length or 0))]
    return ["", " . ", *drawn, drawn[1].upper(), f"{drawn[2]}<br /><br />{drawn[1]}, ({drawn[0]})\t\n\u00e9\u4e2d \U0001f600 qwxz"]


def check_convertible(rules: Preprocessing) -> None:
    """Refuse what TensorFlow has no operators for, and what a server without state cannot serve."""
    spec = rules.vocabulary.spec
    if rules.task != "classifier":
        raise UsageError(
            f"--to saved-model takes a classifier. Received: {rules.task}. Use --to onnx, whose inputs hold the state, or npz."
        )
    if spec.buckets is not None or spec.ngrams > 1:
        received = "hashed tokens" if spec.buckets is not None else f"grams of {spec.ngrams} tokens"
        raise UsageError(
            f"--to saved-model takes a model that reads single words or characters. Received: {received}. Use --to onnx or npz."
        )


class _Served(tf.Module):
    def __init__(self, model: keras.Model, rules: Preprocessing) -> None:
        super().__init__()
        self.model = model
        self._rules = rules
        vocabulary = rules.vocabulary
        ids = tf.range(vocabulary.spec.first_id, vocabulary.size, dtype=tf.int32)
        entries = tf.lookup.KeyValueTensorInitializer(tf.constant(vocabulary.tokens), ids)
        self.table = tf.lookup.StaticHashTable(entries, vocabulary.spec.unknown_id)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def serve(self, text: Any) -> dict[str, Any]:
        found = self.model(_rows(_ids(text, self._rules, self.table), self._rules), training=False)
        labels = tf.constant(self._rules.labels)
        if len(self._rules.labels) > 2:
            return {"probabilities": found, "label": tf.gather(labels, tf.argmax(found, axis=1))}
        threshold = THRESHOLD if self._rules.threshold is None else self._rules.threshold
        is_last = tf.cast(found[:, 0] > threshold, tf.int32)
        return {"probabilities": tf.concat([1 - found, found], axis=1), "label": tf.gather(labels, is_last)}


def _ids(text: Any, rules: Preprocessing, table: Any) -> Any:
    """Strings [N] -> ids, ragged int32 [N, tokens]."""
    spec = rules.vocabulary.spec
    if spec.level == "char":
        if spec.case == "fold":
            text = tf.strings.lower(text, encoding="utf-8")
        return _looked_up(tf.strings.unicode_split(text, "UTF-8"), table)
    if spec.html == "strip":
        text = tf.strings.regex_replace(text, re.escape(LINE_BREAK), " ")
    words = tf.strings.split(tf.strings.regex_replace(text, f"[{re.escape(SEPARATORS)}]", " "), " ")
    words = tf.ragged.boolean_mask(words, tf.ragged.map_flat_values(lambda word: tf.not_equal(word, ""), words))
    if spec.case == "fold":
        words = tf.ragged.map_flat_values(lambda word: tf.strings.lower(word, encoding="utf-8"), words)
    ids = _looked_up(words, table)
    if spec.layout == "bag":
        ids = tf.map_fn(lambda row: tf.unique(tf.sort(row)).y, ids, fn_output_signature=tf.RaggedTensorSpec([None], tf.int32))
        return ids
    return tf.concat([tf.fill([ids.nrows(), 1], START_ID), ids], axis=1) if spec.starts_documents else ids


def _looked_up(tokens: Any, table: Any) -> Any:
    return tf.ragged.map_flat_values(table.lookup, tokens)


def _rows(ids: Any, rules: Preprocessing) -> Any:
    """Ids, filled and cut to what the model sees: ragged int32 [N, tokens] -> int32 [N, L]."""
    length = rules.sequence_length or 0
    ids = ids[:, -length:] if rules.truncating == "pre" else ids[:, :length]
    if rules.padding == "post":
        return ids.to_tensor(shape=[None, length])
    return tf.reverse(tf.reverse(ids, [1]).to_tensor(shape=[None, length]), [1])
