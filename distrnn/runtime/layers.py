"""Layers that act on each step alone.

Shapes: … any leading axes, F input features, G output features, V ids.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from distrnn.runtime.form import FloatArray

Activation = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True)
class Embedding:
    """A row of features for each id.

    Attributes:
        embeddings: float32 [V, F].
        mask_zero: recurrent layers skip the id 0.
    """

    embeddings: FloatArray
    mask_zero: bool


class BatchNormalization:
    """Batch normalisation with the averages of training, which makes it one product and one sum for each feature.

    Args:
        gamma: float32 [F], the scale.
        beta: float32 [F], the offset.
        moving_mean: float32 [F].
        moving_variance: float32 [F], not negative.
        epsilon: added to the variance.
    """

    def __init__(
        self, gamma: FloatArray, beta: FloatArray, moving_mean: FloatArray, moving_variance: FloatArray, *, epsilon: float
    ) -> None:
        self.scale: FloatArray = gamma / np.sqrt(moving_variance + np.float32(epsilon))
        self.shift: FloatArray = beta - moving_mean * self.scale

    def __call__(self, inputs: FloatArray) -> FloatArray:
        """Float32 […, F] -> float32 […, F]."""
        return inputs * self.scale + self.shift


class LayerNormalization:
    """Each step's features with mean 0 and variance 1, scaled and shifted.

    Args:
        gamma: float32 [F], the scale.
        beta: float32 [F], the offset.
        epsilon: added to the variance.
    """

    def __init__(self, gamma: FloatArray, beta: FloatArray, *, epsilon: float) -> None:
        self._gamma, self._beta, self._epsilon = gamma, beta, np.float32(epsilon)

    def __call__(self, inputs: FloatArray) -> FloatArray:
        """Float32 […, F] -> float32 […, F]."""
        centred = inputs - inputs.mean(axis=-1, keepdims=True)
        deviation = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + self._epsilon)
        normal: FloatArray = centred / deviation * self._gamma + self._beta
        return normal


@dataclass(frozen=True)
class Dense:
    """A weighted sum of the features, and a function of it.

    Attributes:
        kernel: float32 [F, G].
        bias: float32 [G].
        activation: a name in `ACTIVATIONS`.
    """

    kernel: FloatArray
    bias: FloatArray
    activation: str

    def __call__(self, inputs: FloatArray) -> FloatArray:
        """Float32 […, F] -> float32 […, G]."""
        return ACTIVATIONS[self.activation](self.logits(inputs))

    def logits(self, inputs: FloatArray) -> FloatArray:
        """What the activation is applied to: float32 […, F] -> float32 […, G]."""
        outputs: FloatArray = inputs @ self.kernel
        outputs += self.bias
        return outputs


def linear(values: FloatArray) -> FloatArray:
    """The values themselves."""
    return values


def sigmoid(values: FloatArray) -> FloatArray:
    """1 / (1 + exp(-values)), by the hyperbolic tangent, which cannot overflow."""
    half = np.float32(0.5)
    shares: FloatArray = np.tanh(values * half) * half + half
    return shares


def softmax(values: FloatArray) -> FloatArray:
    """Shares that sum to 1 along the last axis."""
    shares: FloatArray = np.exp(values - values.max(axis=-1, keepdims=True))
    shares /= shares.sum(axis=-1, keepdims=True)
    return shares


def tanh(values: FloatArray) -> FloatArray:
    """The hyperbolic tangent."""
    result: FloatArray = np.tanh(values)
    return result


def relu(values: FloatArray) -> FloatArray:
    """The values above 0, and 0 for the others."""
    return np.maximum(values, np.float32(0.0))


def _tanh_into(values: FloatArray, out: FloatArray) -> None:
    np.tanh(values, out=out)


def _relu_into(values: FloatArray, out: FloatArray) -> None:
    np.maximum(values, np.float32(0.0), out=out)


ACTIVATIONS: dict[str, Activation] = {"linear": linear, "sigmoid": sigmoid, "softmax": softmax, "tanh": tanh, "relu": relu}
# What cells and filters may apply, written into a second array, which may be the first.
INTO: dict[str, Callable[[FloatArray, FloatArray], None]] = {"tanh": _tanh_into, "relu": _relu_into}
