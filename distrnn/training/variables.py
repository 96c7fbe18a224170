"""Every variable that training moves, as arrays and back, the values of each replica apart.

Recurrent state is in no weights file and differs between replicas, so each variable is kept with one value a replica where its values
differ, and with one where they are equal by construction.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from distrnn.errors import IntegrityError
from distrnn.training.checkpoints import Arrays


def recurrent_states(model: keras.Model) -> list[keras.Variable]:
    """The carried state of every stateful layer; one row a document or stream of the replica."""
    return [state for layer in model.layers if getattr(layer, "stateful", False) for state in (layer.states or [])]


def reset_recurrent_states(model: keras.Model) -> None:
    """Start every stream anew, on every replica."""
    for layer in model.layers:
        if getattr(layer, "stateful", False):
            layer.reset_state()


class TrainingVariables:
    """The variables of a model and its optimizer under a strategy.

    Args:
        model: built.
        optimizer: built: restoring weights first would drop the optimizer's state with only a warning.
        strategy: that both were made under.
    """

    def __init__(self, model: keras.Model, optimizer: keras.optimizers.Optimizer, strategy: tf.distribute.Strategy) -> None:
        shared = [*model.trainable_variables, *optimizer.variables]
        own = [*model.non_trainable_variables, *recurrent_states(model)]
        self._variables: dict[str, Any] = {f"shared_{index:04d}": variable for index, variable in enumerate(shared)}
        self._variables |= {f"replica_{index:04d}": variable for index, variable in enumerate(own)}
        self._strategy = strategy

    def _values(self, name: str) -> tuple[Any, ...]:
        values: tuple[Any, ...] = self._strategy.experimental_local_results(self._variables[name].value)
        return values[:1] if name.startswith("shared") else values

    def capture(self) -> Arrays:
        """Copies of all values: [1 or replicas, ...] each."""
        return {name: np.stack([value.numpy() for value in self._values(name)]) for name in self._variables}

    def restore(self, arrays: Arrays) -> None:
        """Set all values.

        Raises:
            IntegrityError: `arrays` belong to another model, optimizer or number of replicas.
        """
        if arrays.keys() != self._variables.keys():
            raise IntegrityError("the checkpoint holds other variables than this model and optimizer have. Start a new run.")
        for name, stored in arrays.items():
            values = self._strategy.experimental_local_results(self._variables[name].value)
            expected = (1 if name.startswith("shared") else len(values), *values[0].shape)
            if stored.shape != expected:
                raise IntegrityError(
                    f"the checkpoint's variable {self._variables[name].path!r} has shape {stored.shape}, this run needs {expected}: "
                    "resume with the same model and the same number of replicas."
                )
            for index, value in enumerate(values):
                value.assign(stored[min(index, len(stored) - 1)])


def copy_weights(source: keras.Model, target: keras.Model) -> None:
    """Copy the weights (no state, no random generators) of one model into another of the same layers."""
    target.set_weights([np.asarray(weight) for weight in source.get_weights()])


def weights_as_arrays(model: keras.Model) -> Arrays:
    """The weights by position."""
    return {f"weight_{index:04d}": weight for index, weight in enumerate(model.get_weights())}


def set_weights_from_arrays(model: keras.Model, arrays: Arrays) -> None:
    """The opposite of `weights_as_arrays`."""
    model.set_weights([arrays[name] for name in sorted(arrays)])
