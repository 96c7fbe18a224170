"""Recurrent layers as ONNX operators: a scan over the steps, whose body is one step of a cell.

ONNX has operators for whole recurrent layers too, but those leave padding out only behind a row's last word, while ours may stand before
the first one, and a mask may take out any step; a scan does all of it in one way.

Shapes: B rows, T steps, G·U columns of the gates, U units.

Source: https://onnx.ai/onnx/operators/onnx__Scan.html; the cells as in `distrnn.runtime`.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from distrnn.conversion.graph import BOOL, FLOAT, Graph
from distrnn.runtime.form import FloatArray

Spec = Mapping[str, Any]
ACTIVATIONS = {"tanh": "Tanh", "relu": "Relu", "sigmoid": "Sigmoid"}
STATES = {"simple_rnn": 1, "gru": 1, "lstm": 2}


def recurrent(
    graph: Graph,
    spec: Spec,
    weights: Mapping[str, FloatArray],
    inputs: str,
    state: list[str],
    keep: str | None,
    *,
    backward: bool = False,
) -> tuple[str, list[str]]:
    """Add a recurrent layer.

    Args:
        graph: to add to.
        spec: of the cell.
        weights: its `kernel`, `recurrent_kernel` and `bias`.
        inputs: [B, T, F].
        state: before the first step, [B, U] each.
        keep: bool [B, T, 1], false where a row's step is skipped; None skips nothing.
        backward: read from the last step to the first; the outputs are in the order of the inputs all the same.
    Returns:
        outputs [B, T, U], and the states after the last step.
    """
    bias = weights["bias"][0] if spec.get("reset_after") else weights["bias"]
    projected = graph.add("Add", graph.add("MatMul", inputs, graph.constant(weights["kernel"])), graph.constant(bias))  # [B, T, G·U]
    items = [projected] if keep is None else [projected, keep]
    body = _body(spec, weights, masked=keep is not None)
    count, directions = len(items), [int(backward)]
    *after, outputs = graph.add_several(
        "Scan",
        [*state, *items],
        len(state) + 1,
        body=body,
        num_scan_inputs=count,
        scan_input_axes=[1] * count,
        scan_input_directions=directions * count,
        scan_output_axes=[1],
        scan_output_directions=directions,
    )
    return outputs, after


def _body(spec: Spec, weights: Mapping[str, FloatArray], *, masked: bool) -> Any:
    """One step: the states, what the inputs contribute, and whether it counts -> the states after, and the output."""
    units, name = spec["units"], spec["name"]
    step = Graph(f"{name}/")
    before = [f"{name}/state_{number}" for number in range(STATES[spec["type"]])]
    columns = weights["kernel"].shape[1]
    arguments = [(state, FLOAT, ("rows", units)) for state in before] + [(f"{name}/projected", FLOAT, ("rows", columns))]
    after = CELLS[spec["type"]](step, spec, weights, f"{name}/projected", before)
    if masked:
        arguments.append((f"{name}/keep", BOOL, ("rows", 1)))
        after = [step.add("Where", f"{name}/keep", new, old) for new, old in zip(after, before, strict=True)]
    results = [f"{name}/after_{number}" for number in range(len(after))]
    for value, result in zip(after, results, strict=True):
        step.rename(value, result)
    step.rename(after[0], f"{name}/output")
    return step.within(f"{name}_step", arguments, [(result, FLOAT, ("rows", units)) for result in (*results, f"{name}/output")])


def _product(step: Graph, weights: Mapping[str, FloatArray], state: str) -> str:
    return step.add("MatMul", state, step.constant(weights["recurrent_kernel"]))


def _open(step: Graph, spec: Spec, gate: str) -> str:
    """The function of a gate."""
    if spec["recurrent_activation"] == "hard_sigmoid":
        return step.add("HardSigmoid", gate, alpha=1.0 / 6.0, beta=0.5)
    return step.add("Sigmoid", gate)


def _parts(step: Graph, value: str, count: int) -> list[str]:
    """Columns in equal parts."""
    return step.add_several("Split", [value], count, axis=1, num_outputs=count)


def _simple_rnn(step: Graph, spec: Spec, weights: Mapping[str, FloatArray], projected: str, state: list[str]) -> list[str]:
    return [step.add(ACTIVATIONS[spec["activation"]], step.add("Add", projected, _product(step, weights, state[0])))]


def _gru(step: Graph, spec: Spec, weights: Mapping[str, FloatArray], projected: str, state: list[str]) -> list[str]:
    reset_after, own = spec["reset_after"], _product(step, weights, state[0])
    if reset_after:
        own = step.add("Add", own, step.constant(weights["bias"][1]))
    (x_z, x_r, x_g), (h_z, h_r, h_g) = _parts(step, projected, 3), _parts(step, own, 3)
    z, r = (_open(step, spec, step.add("Add", x, h)) for x, h in ((x_z, h_z), (x_r, h_r)))
    seen = step.add("Mul", r, h_g if reset_after else state[0])
    if not reset_after:
        seen = step.add("MatMul", seen, step.constant(weights["recurrent_kernel"][:, 2 * spec["units"] :]))
    g = step.add(ACTIVATIONS[spec["activation"]], step.add("Add", x_g, seen))
    # z·h + (1 - z)·g
    return [step.add("Add", g, step.add("Mul", z, step.add("Sub", state[0], g)))]


def _lstm(step: Graph, spec: Spec, weights: Mapping[str, FloatArray], projected: str, state: list[str]) -> list[str]:
    z_i, z_f, z_g, z_o = _parts(step, step.add("Add", projected, _product(step, weights, state[0])), 4)
    i, f, o = (_open(step, spec, gate) for gate in (z_i, z_f, z_o))
    activation = ACTIVATIONS[spec["activation"]]
    cell = step.add("Add", step.add("Mul", f, state[1]), step.add("Mul", i, step.add(activation, z_g)))
    return [step.add("Mul", o, step.add(activation, cell)), cell]


CELLS = {"simple_rnn": _simple_rnn, "gru": _gru, "lstm": _lstm}


def zeros(graph: Graph, tokens: str, units: int, count: int) -> list[str]:
    """A state of zeros for every row of `tokens`, [B, U] `count` times."""
    rows = graph.add("Slice", graph.add("Shape", tokens), graph.axes(0), graph.axes(1))
    shape = graph.add("Concat", rows, graph.axes(units), axis=0)
    one = graph.add("Expand", graph.constant(np.zeros((1, 1), np.float32)), shape)
    return [one] * count
