"""Initial weights that Keras does not have."""

from collections.abc import Sequence
from typing import Any

import keras


@keras.saving.register_keras_serializable(package="distrnn")
class IdentityGates(keras.initializers.Initializer):
    """The identity for each gate of a recurrent cell: at first every unit remembers what it was.

    Shapes: U units, G gates (1 of a simple RNN, 3 of a GRU, 4 of an LSTM).

    Source: Le, Jaitly and Hinton (2015), A simple way to initialize recurrent networks of rectified linear units.
    """

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        """[U, G·U], G identities side by side."""
        units, columns = shape
        return keras.ops.tile(keras.ops.eye(units, dtype=dtype or keras.config.floatx()), (1, columns // units))
