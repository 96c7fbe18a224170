"""Initial weights that Keras does not have."""

from collections.abc import Sequence
from typing import Any

import keras


@keras.saving.register_keras_serializable(package="distrnn")
class IdentityGates(keras.initializers.Initializer):
    """A multiple of the identity for each gate of a recurrent cell: at first every unit remembers what it was.

    Shapes: U units, G gates (1 of a simple RNN, 3 of a GRU, 4 of an LSTM).

    Args:
        gain: what the identity is multiplied by.

    Source: Le, Jaitly and Hinton (2015), A simple way to initialize recurrent networks of rectified linear units.
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        """[U, G·U], G identities side by side."""
        units, columns = shape
        return keras.ops.tile(self.gain * keras.ops.eye(units, dtype=dtype or keras.config.floatx()), (1, columns // units))

    def get_config(self) -> dict[str, Any]:
        """What makes another of the same."""
        return {"gain": self.gain}
