"""A graph of ONNX operators, put together one operator after the other.

Source: the operators and their versions: https://onnx.ai/onnx/operators/
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 18
IR_VERSION = 9  # the oldest that has this set of operators, so that older runtimes read it too
FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL

Shape = Sequence[int | str | None]


class Graph:
    """Operators in order, and the constants they use; a value is known by its name.

    Args:
        prefix: of all names made here, so that those of a graph within another one differ from that one's.
    """

    def __init__(self, prefix: str = "") -> None:
        self._prefix, self._count = prefix, 0
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add an operator with one output; gives its name. An input '' is one that is left out."""
        return self.add_several(operator, inputs, 1, **attributes)[0]

    def add_several(self, operator: str, inputs: Sequence[str], outputs: int, **attributes: Any) -> list[str]:
        """Add an operator with several outputs; gives their names."""
        names = [self._name(operator) for _ in range(outputs)]
        self._nodes.append(helper.make_node(operator, list(inputs), names, name=self._name(f"{operator}_node"), **attributes))
        return names

    def rename(self, value: str, name: str) -> None:
        """Give a value a name of the caller's choice."""
        self._nodes.append(helper.make_node("Identity", [value], [name], name=self._name("Identity_node")))

    def constant(self, array: npt.NDArray[Any] | np.generic) -> str:
        """Add a constant; gives its name."""
        name = self._name("constant")
        self._constants.append(numpy_helper.from_array(np.asarray(array, order="C"), name))
        return name

    def axes(self, *axes: int) -> str:
        """Axes, or sizes, as a constant."""
        return self.constant(np.array(axes, np.int64))

    def within(self, name: str, inputs: Sequence[tuple[str, int, Shape]], outputs: Sequence[tuple[str, int, Shape]]) -> onnx.GraphProto:
        """The finished graph.

        Args:
            name: of the graph.
            inputs: name, type and shape of each.
            outputs: the same.
        """
        values = ([helper.make_tensor_value_info(*value) for value in side] for side in (inputs, outputs))
        return helper.make_graph(self._nodes, name, *values, initializer=self._constants)

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{self._prefix}{kind}_{self._count}"


def model_of(graph: onnx.GraphProto, producer: str) -> onnx.ModelProto:
    """The graph as a model that can be written, checked."""
    operators = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, producer_name=producer, opset_imports=operators, ir_version=IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    return model
