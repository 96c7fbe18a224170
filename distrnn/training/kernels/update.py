"""The optimizer's step, compiled by XLA into one pass over each variable.

Keras' own formulas, applied to dense gradients: a variable, its gradient and its moments are read once and written once, instead of once for
each operation of the formula. A gradient of looked-up rows is summed into a dense one first, because Adam and RMSprop move every row of an
embedding at every step, those of absent tokens too; leaving them out would be another method.
"""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf


def compiled_update(optimizer: keras.optimizers.Optimizer, variables: Sequence[keras.Variable]) -> Any:
    """A function that takes the gradients, one for each variable, and moves the variables.

    Args:
        optimizer: built for the variables.
        variables: what it trains.
    """

    def update(gradients: Sequence[Any]) -> None:
        optimizer.apply([tf.convert_to_tensor(gradient) for gradient in gradients], list(variables))

    return tf.function(update, jit_compile=True, autograph=False)
