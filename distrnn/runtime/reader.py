"""What all layers have in common that look at more than one step of a row.

Whatever an input contributes is looked up, not computed: `run` reads rows that `project` has made, one for each distinct input.
"""

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt

from distrnn.runtime.form import FloatArray

LayerState = tuple[FloatArray, ...]


class Reader(ABC):
    """A layer that reads rows of several steps.

    Shapes: F input features, U output features, T steps, B rows, K distinct inputs.

    Attributes:
        units: U.
        columns: floats that an input contributes.
        floats_per_step: memory of `run` for each row and step.
        returns_sequences: whether it gives an output for every step.
    """

    units: int
    columns: int
    floats_per_step: int
    returns_sequences: bool

    def initial_state(self, batch: int) -> LayerState:
        """What is carried into the first step: nothing, unless a layer says otherwise."""
        return ()

    @abstractmethod
    def project(self, inputs: FloatArray) -> FloatArray:
        """What inputs contribute: float32 [K, F] -> float32, in a form that `run` reads; `columns` floats for each input."""

    @abstractmethod
    def run(
        self, rows: FloatArray, index: npt.NDArray[np.integer], state: LayerState, keep: npt.NDArray[np.bool_] | None
    ) -> tuple[FloatArray, LayerState]:
        """All steps for every row.

        Args:
            rows: K projected inputs.
            index: int [T, B], which of `rows` each step reads.
            state: of B rows; it is not changed.
            keep: bool [T, B], false where there is padding; None masks nothing.
        Returns:
            outputs float32 [T, B, U] where the layer gives sequences, else [B, U]; the new state.
        """
