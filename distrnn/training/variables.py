"""Every variable that training moves, as arrays and back.

Most have one value everywhere. Two kinds do not: the state of random generators, which each replica draws its own dropout masks from, and
recurrent state, of which each replica holds its rows of the global batch. Recurrent state is kept as all rows in order, so that another
number of replicas takes it up exactly; random state can only go on with the same number.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from distrnn.errors import IntegrityError, WorkflowError
from distrnn.training.checkpoints import Arrays

SEED_STEP = 0x9E3779B1  # 2**32 divided by the golden ratio: the seeds of any number of replicas are far apart


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

    Shapes: R replicas of all workers, r of this one, B rows of the global batch, b of a replica, U units.

    Args:
        model: built.
        optimizer: built: restoring weights first would drop the optimizer's state with only a warning.
        strategy: that both were made under.
        first_replica: number of this worker's first replica among all.
        draws_random: whether training uses the random generators that the layers have.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        strategy: tf.distribute.Strategy,
        *,
        first_replica: int,
        draws_random: bool,
    ) -> None:
        others = [variable for variable in model.non_trainable_variables if not is_random(variable)]
        random = [variable for variable in model.non_trainable_variables if is_random(variable)] if draws_random else []
        shared = [*model.trainable_variables, *optimizer.variables, *others]
        self._strategy, self._first = strategy, first_replica
        self._shared: dict[str, Any] = {f"shared_{index:04d}": variable for index, variable in enumerate(shared)}
        self._random: dict[str, Any] = {f"random_{index:04d}": variable for index, variable in enumerate(random)}
        self._recurrent: dict[str, Any] = {f"recurrent_{index:04d}": state for index, state in enumerate(recurrent_states(model))}
        self._tell_replicas_apart()

    def _values(self, variable: Any) -> tuple[Any, ...]:
        values: tuple[Any, ...] = self._strategy.experimental_local_results(variable.value)
        return values

    def _tell_replicas_apart(self) -> None:
        """Give the random generators of each replica a seed of their own; replica 0 keeps that of a single device."""
        for variable in self._random.values():
            for index, value in enumerate(self._values(variable), self._first):
                seed, *rest = value.numpy()
                value.assign(np.array([(int(seed) + index * SEED_STEP) % 2**32, *rest], value.dtype.as_numpy_dtype))

    def shared(self) -> Arrays:
        """Copies of what is the same everywhere."""
        return {name: self._values(variable)[0].numpy() for name, variable in self._shared.items()}

    def own(self) -> Arrays:
        """Copies of what belongs to this worker's replicas: random state [r, ...], recurrent state [r·b, U]."""
        random = {name: np.stack([value.numpy() for value in self._values(variable)]) for name, variable in self._random.items()}
        recurrent = {
            name: np.concatenate([value.numpy() for value in self._values(variable)]) for name, variable in self._recurrent.items()
        }
        return random | recurrent

    def restore(self, shared: Arrays, own: Arrays) -> None:
        """Set all values.

        Args:
            shared: as `shared` gave them.
            own: as `own` gave them, those of all workers in order: random state [R, ...], recurrent state [B, U].
        Raises:
            IntegrityError: they belong to another model or optimizer.
            WorkflowError: they cannot go on with this number of replicas.
        """
        if shared.keys() != self._shared.keys() or own.keys() != self._random.keys() | self._recurrent.keys():
            raise IntegrityError("the checkpoint holds other variables than this model and optimizer have. Start a new run.")
        for name, variable in self._shared.items():
            values = self._values(variable)
            _check_shape(variable, shared[name].shape, tuple(values[0].shape))
            for value in values:
                value.assign(shared[name])
        replicas = self._strategy.num_replicas_in_sync
        for name, variable in self._random.items():
            if len(own[name]) != replicas:
                raise WorkflowError(
                    f"key 'scaling.replicas_per_worker': expected as many replicas in all as this run began with ({len(own[name])}). "
                    f"Received: {replicas}. Dropout draws other masks then, so training would not end with the weights it would have had. "
                    "Start a new run to change it.",
                    key="scaling.replicas_per_worker",
                )
            for index, value in enumerate(self._values(variable), self._first):
                value.assign(own[name][index])
        for name, variable in self._recurrent.items():
            values = self._values(variable)
            rows = int(values[0].shape[0])
            _check_shape(variable, own[name].shape, (replicas * rows, *values[0].shape[1:]))
            for index, value in enumerate(values, self._first):
                value.assign(own[name][index * rows : (index + 1) * rows])


def is_random(variable: keras.Variable) -> bool:
    """Whether it is the state of a random generator."""
    return str(variable.path).endswith("seed_generator_state")


def _check_shape(variable: keras.Variable, stored: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if stored != expected:
        raise IntegrityError(
            f"the checkpoint's variable {variable.path!r} has shape {stored}, this run needs {expected}: resume with the same model."
        )


def copy_weights(source: keras.Model, target: keras.Model) -> None:
    """Copy the weights (no state, no random generators) of one model into another of the same layers."""
    target.set_weights([np.asarray(weight) for weight in source.get_weights()])


def weights_as_arrays(model: keras.Model) -> Arrays:
    """The weights by position."""
    return {f"weight_{index:04d}": weight for index, weight in enumerate(model.get_weights())}


def set_weights_from_arrays(model: keras.Model, arrays: Arrays) -> None:
    """The opposite of `weights_as_arrays`."""
    model.set_weights([arrays[name] for name in sorted(arrays)])
