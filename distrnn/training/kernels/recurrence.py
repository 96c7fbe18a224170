"""All steps of a recurrent cell, forwards and backwards, in the form that XLA compiles best on a CPU.

The inputs of all steps are projected by one product before the loop, and the gradients of the weights are one product each after it; what
must be done step by step is one small product and one pass over the gates.

A skipped step leaves a row's state as it is. Its output is the one before; until a row's first step that counts it is zero, even where a
state was carried in: so Keras has it.

Shapes: b rows, T steps, F features, U units, G gates. Sequences are [T, b, …] inside, [b, T, …] outside. Weights: kernel [F, GU],
recurrent kernel [U, GU], bias [GU], or [2, GU] for a GRU: of the inputs and of the state.
"""

from typing import Any, NamedTuple

import tensorflow as tf

from distrnn.training.kernels.cells import Cell, GRUCell, LSTMCell, SimpleRNNCell, Tensors
from distrnn.training.kernels.products import product, product_gradient, weights_gradient

CELLS: dict[str, Cell] = {"simple-rnn": SimpleRNNCell(), "gru": GRUCell(), "lstm": LSTMCell()}


class Form(NamedTuple):
    """What is fixed when a pass is compiled.

    Attributes:
        cell: key of `CELLS`.
        activation: `tanh` or `relu`.
        sequences: the output of every step is wanted, not of the last alone.
    """

    cell: str
    activation: str
    sequences: bool


class Call(NamedTuple):
    """What a call is given.

    Attributes:
        inputs: [b, T, F].
        weights: kernel, recurrent kernel, bias.
        states: [b, U] each, hidden state first.
        input_masks: dropout, [b, F] each: none, one, or one a gate.
        recurrent_masks: dropout, [b, U] each: none, one, or one a gate.
        keep: [b, T], 0 where a row skips a step, 1 elsewhere; none, or one.
    """

    inputs: Any
    weights: Tensors
    states: Tensors
    input_masks: Tensors = ()
    recurrent_masks: Tensors = ()
    keep: Tensors = ()


class Saved(NamedTuple):
    """What the backward pass needs of the forward pass: [T, b, …]; `gates` is empty where the states say all."""

    states: Tensors
    gates: Tensors


def forward(form: Form, call: Call) -> tuple[Any, Tensors, Saved]:
    """Run a layer.

    Returns:
        outputs [b, T, U], or [b, U] of the last step; final states [b, U] each; what `backward` needs.
    """
    cell, (kernel, recurrent_kernel, bias) = CELLS[form.cell], call.weights
    inputs_bias, recurrent_bias = (bias[0], bias[1]) if form.cell == "gru" else (bias, None)
    projected = product(_swapped(call.inputs), kernel, call.input_masks) + inputs_bias
    steps, rows = projected.shape[0], projected.shape[1]
    keep = _keep(call)

    def body(step: Any, states: Tensors, kept: Tensors, gates: Tensors) -> tuple[Any, Tensors, Tensors, Tensors]:
        recurrent = product(states[0], recurrent_kernel, call.recurrent_masks)
        if recurrent_bias is not None:
            recurrent += recurrent_bias
        new, activated = cell.advance(form.activation, projected[step], recurrent, states)
        if keep is not None:
            new = tuple(tf.where(keep[step] > 0.0, one, old) for one, old in zip(new, states, strict=True))
        kept = tuple(array.write(step, one) for array, one in zip(kept, new, strict=True))
        return step + 1, new, kept, tuple(array.write(step, activated) for array in gates)

    width = {"simple-rnn": 0, "gru": 4, "lstm": 4}[form.cell] * recurrent_kernel.shape[0]
    start = (
        0,
        call.states,
        tuple(_array(steps, state.shape) for state in call.states),
        (_array(steps, (rows, width)),) if width else (),
    )
    _, final, kept, gates = tf.while_loop(lambda step, *_: step < steps, body, start, maximum_iterations=steps)
    saved = Saved(tuple(array.stack() for array in kept), tuple(array.stack() for array in gates))
    outputs = _swapped(saved.states[0]) if form.sequences else final[0]
    if keep is not None:
        outputs *= _begun(form, call)
    return outputs, final, saved


def backward(form: Form, call: Call, saved: Saved, outputs_gradient: Any, states_gradient: Tensors) -> tuple[Any, Tensors, Tensors]:
    """The gradients of a layer.

    Args:
        form: as it was run.
        call: what it was given.
        saved: what `forward` kept.
        outputs_gradient: shaped like the outputs.
        states_gradient: [b, U] each, of the final states.
    Returns:
        gradients of the inputs [b, T, F], of the weights, and of the initial states.
    """
    cell, (kernel, recurrent_kernel, _) = CELLS[form.cell], call.weights
    old = tuple(tf.concat([first[None], all_[:-1]], axis=0) for first, all_ in zip(call.states, saved.states, strict=True))
    coefficients = cell.coefficients(form.activation, saved.gates[0] if saved.gates else None, saved.states, old)
    keep = _keep(call)
    if keep is not None:
        outputs_gradient *= _begun(form, call)
    steps, rows, units = saved.states[0].shape
    transposed = tf.transpose(recurrent_kernel)
    from_above = _swapped(outputs_gradient) if form.sequences else None
    if not form.sequences:
        states_gradient = (states_gradient[0] + outputs_gradient, *states_gradient[1:])

    def body(count: Any, gradients: Tensors, found: Any, kept: Tensors) -> tuple[Any, Tensors, Any, Tensors]:
        step = steps - 1 - count
        if from_above is not None:
            gradients = (gradients[0] + from_above[step], *gradients[1:])
        own = gradients if keep is None else tuple(one * keep[step] for one in gradients)
        recurrent, wanted, earlier = cell.retreat(tuple(array[step] for array in coefficients), own)
        through = product_gradient(recurrent, transposed, call.recurrent_masks)
        passed = (through if earlier[0] is None else through + earlier[0], *earlier[1:])
        if keep is not None:
            passed = tuple(one + late * (1.0 - keep[step]) for one, late in zip(passed, gradients, strict=True))
        return count + 1, passed, found.write(step, recurrent), tuple(array.write(step, wanted) for array in kept)

    kept_start = (_array(steps, (rows, units)),) if form.cell == "gru" else ()
    start = (0, states_gradient, _array(steps, (rows, cell.gates * units)), kept_start)
    _, first, found, kept = tf.while_loop(lambda count, *_: count < steps, body, start, maximum_iterations=steps)
    recurrent = found.stack()
    projected = cell.inputs_gradient(coefficients, recurrent, kept[0].stack() if kept else None)
    bias_gradient = tf.reduce_sum(projected, axis=(0, 1))
    if form.cell == "gru":
        bias_gradient = tf.stack([bias_gradient, tf.reduce_sum(recurrent, axis=(0, 1))])
    weights = (
        weights_gradient(_swapped(call.inputs), projected, call.input_masks),
        weights_gradient(old[0], recurrent, call.recurrent_masks),
        bias_gradient,
    )
    return _swapped(product_gradient(projected, tf.transpose(kernel), call.input_masks)), weights, first


def _array(steps: int, shape: Any) -> Any:
    return tf.TensorArray(tf.float32, size=steps, element_shape=shape)


def _swapped(array: Any) -> Any:
    """[b, T, …] <-> [T, b, …]."""
    return tf.transpose(array, [1, 0, 2])


def _keep(call: Call) -> Any:
    """[T, b, 1], or None where no step is skipped."""
    return tf.transpose(call.keep[0])[:, :, None] if call.keep else None


def _begun(form: Form, call: Call) -> Any:
    """1 where a row has had a step that counts: [b, T, 1], or [b, 1] at the end."""
    begun = tf.minimum(tf.cumsum(call.keep[0], axis=1), 1.0)
    return begun[:, :, None] if form.sequences else begun[:, -1:]
