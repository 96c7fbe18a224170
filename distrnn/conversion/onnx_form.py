"""A published model as an ONNX graph, from its NumPy form.

    tokens          int64 [rows, steps], as preprocessing.json makes them
    probabilities   float32 [rows, 1] of two labels (the second one's), [rows, C] of more; of a language model [rows, steps, V]

A language model carries its state in the open: the graph takes `<layer>/state_0` (and `_1` of an lstm), float32 [rows, units], and gives
`<layer>/next_0`; zeros begin a text. One that learned from windows by themselves carries none: each output follows from the last `window`
tokens up to there alone, however many steps are given. The window stands in the metadata; to go on with a text is to give its last
`window` - 1 tokens again.

Shapes: B rows, T steps, F features, U units.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from distrnn.conversion.graph import FLOAT, INT64, Graph, Shape, model_of
from distrnn.conversion.recurrent import ACTIVATIONS, STATES, recurrent, zeros
from distrnn.conversion.windows import Windows, cut, joined
from distrnn.runtime.assemble import load_weights
from distrnn.runtime.form import FloatArray, read_window
from distrnn.runtime.pooling import LOWEST
from distrnn.runtime.specs import CELLS, members, read_specs

FILE = "model.onnx"
TOKENS, PROBABILITIES, WINDOW = "tokens", "probabilities", "window"
TINY = np.float32(np.finfo(np.float32).tiny)
Spec = dict[str, Any]


def onnx_model(folder: Path, *, carries_state: bool) -> onnx.ModelProto:
    """The ONNX form of a published model.

    Args:
        folder: its NumPy form.
        carries_state: the state is an input and an output; not of a model that is read window by window, which has none.
    Raises:
        NotFoundError: a file is missing.
        IntegrityError: a file is not what it must be.
    """
    window = read_window(folder)
    model = _Conversion(read_specs(folder), load_weights(folder), carries_state and window is None, window).model()
    if window is not None:
        onnx.helper.set_model_props(model, {WINDOW: str(window)})
    return model


class _Conversion:
    """Adds layers one after the other.

    Args:
        specs: of all layers.
        weights: by `layer/weight`.
        carries_state: of recurrent layers.
        window: the last so many tokens are what an output follows from; None for all before it.
    """

    def __init__(self, specs: list[Spec], weights: Mapping[str, FloatArray], carries_state: bool, window: int | None) -> None:
        self._specs, self._weights, self._carries_state = specs, weights, carries_state
        self._graph = Graph()
        self._inputs: list[tuple[str, int, Shape]] = [(TOKENS, INT64, ("rows", "steps"))]
        self._outputs: list[tuple[str, int, Shape]] = []
        self._keep: str | None = None  # bool [B, T, 1]
        self._activation = "tanh"
        self._is_sequence = True
        self._windows: Windows | None = None if window is None else cut(self._graph, TOKENS, window)
        self._tokens = TOKENS if self._windows is None else self._windows.tokens

    def model(self) -> onnx.ModelProto:
        """All layers."""
        values = self._tokens
        last_reader = next((spec["name"] for spec in reversed(self._specs) if spec["type"] in CELLS), None)
        for spec in self._specs:
            values = self._layer(spec, values)
            if self._windows is not None and spec["name"] == last_reader:
                values = joined(self._graph, values, self._windows, spec["units"])
        self._graph.rename(values, PROBABILITIES)
        last = next(spec["units"] for spec in reversed(self._specs) if "units" in spec)
        shape: Shape = ("rows", "steps", last) if self._is_sequence else ("rows", last)
        outputs = [(PROBABILITIES, FLOAT, shape), *self._outputs]
        return model_of(self._graph.within("distrnn", self._inputs, outputs), "distrnn")

    def _own(self, name: str) -> dict[str, FloatArray]:
        """The arrays of a layer by their own names."""
        return {key.removeprefix(f"{name}/"): array for key, array in self._weights.items() if key.rpartition("/")[0] == name}

    def _layer(self, spec: Spec, values: str) -> str:
        graph, own = self._graph, self._own(spec["name"])
        match spec["type"]:
            case "embedding":
                return self._embedded(spec, own["embeddings"], values)
            case "batch_normalization":
                scale = own["gamma"] / np.sqrt(own["moving_variance"] + np.float32(spec["epsilon"]))
                return self._affine(values, scale, own["beta"] - own["moving_mean"] * scale)
            case "layer_normalization":
                gamma, beta = graph.constant(own["gamma"]), graph.constant(own["beta"])
                return graph.add("LayerNormalization", values, gamma, beta, axis=-1, epsilon=spec["epsilon"])
            case "dense":
                product = graph.add("MatMul", values, graph.constant(own["kernel"]))
                return self._activated(spec["activation"], graph.add("Add", product, graph.constant(own["bias"])))
            case "flatten":
                self._is_sequence = False
                return graph.add("Flatten", self._only_kept(values), axis=1)
            case "bag":
                self._is_sequence = False
                summed = graph.add("ReduceSum", self._only_kept(values), graph.axes(1), keepdims=0)
                return self._activated(spec["activation"], graph.add("Add", summed, graph.constant(own["bias"])))
            case "conv1d" | "parallel":
                return self._convolved(members(spec), values)
            case "bidirectional":
                return self._both_directions(spec, values)
            case kind if kind in CELLS:
                return self._recurrent(spec, own, values)
        return self._pooled(spec["type"], own, values)

    def _embedded(self, spec: Spec, table: FloatArray, tokens: str) -> str:
        if spec["mask_zero"]:
            kept = self._graph.add("Not", self._graph.add("Equal", tokens, self._graph.constant(np.int64(0))))
            self._keep = self._graph.add("Unsqueeze", kept, self._graph.axes(2))
        return self._graph.add("Gather", self._graph.constant(table), tokens)

    def _affine(self, values: str, scale: FloatArray, shift: FloatArray) -> str:
        return self._graph.add("Add", self._graph.add("Mul", values, self._graph.constant(scale)), self._graph.constant(shift))

    def _activated(self, activation: str, values: str) -> str:
        if activation == "linear":
            return values
        return self._graph.add("Softmax", values, axis=-1) if activation == "softmax" else self._graph.add(ACTIVATIONS[activation], values)

    def _only_kept(self, values: str) -> str:
        """[B, T, F], zeros where a mask takes a step out."""
        return values if self._keep is None else self._graph.add("Mul", values, self._weight_of_steps())

    def _weight_of_steps(self) -> str:
        return self._graph.add("Cast", self._keep, to=FLOAT) if self._keep else ""

    def _convolved(self, specs: list[Spec], values: str) -> str:
        """Convolutions side by side: [B, T, F] -> [B, T, M·U]."""
        graph, outputs = self._graph, []
        turned = graph.add("Transpose", self._only_kept(values), perm=[0, 2, 1])  # [B, F, T]
        for spec in specs:
            own, before = self._own(spec["name"]), (spec["kernel_size"] - 1) // 2
            kernel = graph.constant(own["kernel"].transpose(2, 1, 0))  # [W, F, U] -> [U, F, W]
            pads = [before, spec["kernel_size"] - 1 - before]
            outputs.append(graph.add("Conv", turned, kernel, graph.constant(own["bias"]), pads=pads))
        self._activation = specs[0]["activation"]
        joined = outputs[0] if len(outputs) == 1 else graph.add("Concat", *outputs, axis=1)
        return self._activated(self._activation, graph.add("Transpose", joined, perm=[0, 2, 1]))

    def _recurrent(self, spec: Spec, own: Mapping[str, FloatArray], values: str) -> str:
        count, name = STATES[spec["type"]], spec["name"]
        state = [f"{name}/state_{number}" for number in range(count)]
        if self._carries_state:
            self._inputs += [(each, FLOAT, ("rows", spec["units"])) for each in state]
            begin = [f"{each}" for each in state]
        else:
            begin = zeros(self._graph, self._tokens, spec["units"], count)
        outputs, after = recurrent(self._graph, {**spec, "name": f"{name}/cell"}, own, values, begin, self._keep)
        if self._carries_state:
            for number, each in enumerate(after):
                self._graph.rename(each, f"{name}/next_{number}")
                self._outputs.append((f"{name}/next_{number}", FLOAT, ("rows", spec["units"])))
        self._activation, self._is_sequence = spec["activation"], spec["return_sequences"]
        return outputs if self._is_sequence else after[0]

    def _both_directions(self, spec: Spec, values: str) -> str:
        cell, name = spec["cell"], spec["name"]
        read = []
        for direction in ("forward", "backward"):
            begin = zeros(self._graph, self._tokens, cell["units"], STATES[cell["type"]])
            own, named = self._own(f"{name}/{direction}"), {**cell, "name": f"{name}/{direction}"}
            outputs, after = recurrent(self._graph, named, own, values, begin, self._keep, backward=direction == "backward")
            read.append(outputs if cell["return_sequences"] else after[0])
        self._activation, self._is_sequence = cell["activation"], cell["return_sequences"]
        joined = self._graph.add("Concat", *read, axis=-1)
        return self._only_kept(joined) if self._is_sequence else joined

    def _pooled(self, kind: str, own: Mapping[str, FloatArray], values: str) -> str:
        """[B, T, F] -> [B, F]."""
        graph, axis = self._graph, self._graph.axes(1)
        self._is_sequence = False
        if kind == "global_max_pooling1d":
            if self._keep is not None:
                values = graph.add("Where", self._keep, values, graph.constant(LOWEST[self._activation]))
            return graph.add("ReduceMax", values, axis, keepdims=0)
        if kind == "global_average_pooling1d" and self._keep is None:
            return graph.add("ReduceMean", values, axis, keepdims=0)
        weight = self._weight_of_steps()
        if kind == "attention_pooling":
            scores = graph.add("MatMul", values, graph.constant(own["kernel"]))  # [B, T, 1]
            if self._keep is not None:
                scores = graph.add("Where", self._keep, scores, graph.constant(np.finfo(np.float32).min))
            share = graph.add("Exp", graph.add("Sub", scores, graph.add("ReduceMax", scores, axis, keepdims=1)))
            weight, least = graph.add("Mul", share, weight) if weight else share, TINY
        else:
            least = np.float32(1.0)
        total = graph.add("Max", graph.add("ReduceSum", weight, axis, keepdims=1), graph.constant(least))
        shares = graph.add("Div", weight, total)
        return graph.add("ReduceSum", graph.add("Mul", values, shares), axis, keepdims=0)
