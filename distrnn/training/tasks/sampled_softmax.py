"""The cross-entropy among the true token and some drawn ones, which in the long run teaches what that among all tokens would.

Each score is lessened by the logarithm of how often its id is expected among the drawn ones; a drawn id that is the true one counts
nothing.

Source: Jean, Cho, Memisevic and Bengio (2015), On using very large target vocabulary for neural machine translation, section 3.
"""

import math
from typing import Any

import tensorflow as tf

NOTHING = -1e9


def sampled_loss_and_hits(labels: Any, features: Any, kernel: Any, bias: Any, drawn: Any) -> tuple[Any, Any]:
    """The loss in nats, and whether the true token is ahead of all drawn ones.

    Shapes: N tokens in any number of dimensions, U features, V ids, S drawn ones.

    Args:
        labels: int32 [N].
        features: [N, U].
        kernel: [U, V].
        bias: [V].
        drawn: int32 [S], see `models.sampled_output`.
    Returns:
        float32 [N] twice.
    """
    shape, samples, size = tf.shape(labels), drawn.shape[0], kernel.shape[1]
    labels, features = tf.reshape(labels, [-1]), tf.reshape(features, [-1, kernel.shape[0]])
    rows = tf.gather(tf.transpose(kernel), tf.concat([labels, drawn], 0))  # [N + S, U]
    own, others = tf.split(rows, [tf.shape(labels)[0], samples])
    expected = _log_expected(tf.concat([labels, drawn], 0), samples, size)
    shift = tf.gather(bias, tf.concat([labels, drawn], 0)) - tf.cast(expected, bias.dtype)
    true = tf.reduce_sum(features * own, axis=1) + shift[: tf.shape(labels)[0]]  # [N]
    scores = tf.matmul(features, others, transpose_b=True) + shift[tf.shape(labels)[0] :]  # [N, S]
    true, scores = tf.cast(true, tf.float32), tf.cast(scores, tf.float32)
    scores = tf.where(tf.equal(labels[:, None], drawn[None]), NOTHING, scores)
    losses = tf.reduce_logsumexp(tf.concat([true[:, None], scores], 1), axis=1) - true
    hits = tf.cast(true > tf.reduce_max(scores, axis=1), tf.float32)
    return tf.reshape(losses, shape), tf.reshape(hits, shape)


def _log_expected(ids: Any, samples: int, size: int) -> Any:
    """The logarithm of how often each id is expected among the drawn ones."""
    place = tf.cast(ids, tf.float32)
    return tf.math.log(tf.math.log1p(1.0 / (place + 1.0)) * (samples / math.log(size + 1.0)))
