"""Vectors of words from the words around them.

What is published is what they are used for: a vector for each word of a text, and their sum.

Source: Mikolov, Chen, Corrado and Dean (2013), Efficient estimation of word representations in vector space; with the negative sampling of
Mikolov, Sutskever, Chen, Corrado and Dean (2013), Distributed representations of words and phrases and their compositionality.
"""

from typing import Any

import keras

from distrnn.models.pooling import only_tokens
from distrnn.workflow.model_sections import EmbeddingModel


def build_embedding_training(model: EmbeddingModel, *, vocabulary_size: int) -> keras.Model:
    """Scores of words for what stands around them.

    Each word has two vectors: one of its own, which is what is learned for, and one for when it is predicted, which begins with zeros.

    Shapes: B rows, W = `model.window`, K = `model.negatives`, V = `vocabulary_size`, D numbers of a vector.

    Returns:
        int32 [B, 1 + 2W + K], a word, those around it (0 where there is none) and random ones -> logits: of a skip-gram [B, 2W + K], for
        each word around it and each random one; of a cbow [B, 1 + K], for the word itself and each random one.
    """
    around = 1 + 2 * model.window
    tokens = keras.Input((around + model.negatives,), dtype="int32", name="tokens")
    vectors = keras.layers.Embedding(vocabulary_size, model.embedding_dim, name="embedding")
    predicted = keras.layers.Embedding(vocabulary_size, model.embedding_dim, embeddings_initializer="zeros", name="predicted")
    if model.type == "skip-gram":
        reading, candidates = vectors(tokens[:, 0]), predicted(tokens[:, 1:])
    else:
        reading = _mean(vectors(tokens[:, 1:around]), keras.ops.not_equal(tokens[:, 1:around], 0))
        candidates = predicted(keras.ops.concatenate([tokens[:, :1], tokens[:, around:]], axis=1))
    return keras.Model(tokens, keras.ops.einsum("bd,bcd->bc", reading, candidates), name="embedding")


def build_embedding(model: EmbeddingModel, *, vocabulary_size: int) -> keras.Model:
    """The sum of the vectors of a text's words: int32 [N, L], 0 for padding -> float32 [N, D]."""
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    vectors = keras.layers.Embedding(vocabulary_size, model.embedding_dim, name="embedding")(tokens)
    bias = keras.layers.Embedding(1, model.embedding_dim, embeddings_initializer="zeros", trainable=False, name="embedding_bias")
    summed = keras.ops.sum(only_tokens(vectors, keras.ops.not_equal(tokens, 0), 0.0), axis=1)  # [N, D]
    return keras.Model(tokens, summed + bias(keras.ops.zeros_like(tokens[:, 0])), name="embedding")


def _mean(vectors: Any, is_word: Any) -> Any:
    """[B, 2W, D], bool [B, 2W] -> [B, D]; zeros where there is no word."""
    share = keras.ops.cast(is_word, vectors.dtype)
    share = share / keras.ops.maximum(keras.ops.sum(share, axis=1, keepdims=True), 1.0)
    return keras.ops.einsum("bw,bwd->bd", share, vectors)
