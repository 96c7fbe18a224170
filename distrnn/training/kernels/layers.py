"""Keras' recurrent layers with a faster training pass on CPUs.

Constructor, weights, state, masks and random generators are Keras' own, and so is every call but one that trains: only the loop over the
steps is replaced, so what Keras draws, checks and assigns around it stays the same. What the loop does not cover goes to Keras' loop:
another activation than tanh or relu, a type other than float32, `unroll`, no bias, a GRU that resets before the product, rows or steps that
are not known when the graph is made.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import keras
import tensorflow as tf

from distrnn.training.kernels.recurrence import Call, Form
from distrnn.training.kernels.rows import run

ACTIVATIONS = {keras.activations.tanh: "tanh", keras.activations.relu: "relu"}


class _Fused:
    """The replaced loop; `row_parts` says into how many parts the rows are cut, each on a core of its own."""

    row_parts: int = 1
    kind: str
    cell: Any

    def inner_loop(self, sequences: Any, initial_state: Any, mask: Any, training: bool = False) -> Any:
        """[B, T, F] -> the last output [B, U], all outputs [B, T, U] (or the last one), final states [B, U]."""
        rows, steps, _ = sequences.shape
        if not training or rows is None or steps is None or not self._covered(sequences):
            return super().inner_loop(sequences, initial_state, mask, training=training)  # type: ignore[misc]
        cell, layer = self.cell, _as_any(self)
        if layer.go_backwards:  # outputs are then in the order in which they are made, last step first
            sequences, mask = tf.reverse(sequences, [1]), None if mask is None else tf.reverse(mask, [1])
        states = tuple(initial_state) if isinstance(initial_state, list | tuple) else (initial_state,)
        call = Call(
            sequences,
            tuple(tf.convert_to_tensor(weight) for weight in (cell.kernel, cell.recurrent_kernel, cell.bias)),
            tuple(tf.convert_to_tensor(state) for state in states),
            _masks(cell.get_dropout_mask(sequences[:, 0, :]) if 0.0 < cell.dropout < 1.0 else None),
            _masks(cell.get_recurrent_dropout_mask(states[0]) if 0.0 < cell.recurrent_dropout < 1.0 else None),
            () if mask is None else (tf.cast(mask, tf.float32),),
        )
        form = Form(self.kind, ACTIVATIONS[cell.activation], layer.return_sequences)
        outputs, final = run(form, call, max(1, min(self.row_parts, rows)))
        if layer.zero_output_for_mask and mask is not None:
            outputs *= tf.cast(mask, tf.float32)[:, :, None] if layer.return_sequences else tf.cast(mask, tf.float32)[:, -1:]
        last = outputs[:, -1] if layer.return_sequences else outputs
        return last, outputs, list(final)

    def _covered(self, sequences: Any) -> bool:
        layer, cell = _as_any(self), self.cell
        return bool(
            cell.activation in ACTIVATIONS
            and getattr(cell, "recurrent_activation", keras.activations.sigmoid) is keras.activations.sigmoid
            and getattr(cell, "reset_after", True)
            and cell.use_bias
            and layer.compute_dtype == cell.compute_dtype == cell.variable_dtype == sequences.dtype.name == "float32"
            and not layer.unroll
        )


def _as_any(layer: Any) -> Any:
    return layer


def _masks(drawn: Any) -> tuple[Any, ...]:
    """Dropout masks as Keras draws them: none, one, or a list of one a gate."""
    return () if drawn is None else tuple(drawn) if isinstance(drawn, list | tuple) else (drawn,)


class FusedSimpleRNN(_Fused, keras.layers.SimpleRNN):
    """A keras.layers.SimpleRNN."""

    kind = "simple-rnn"


class FusedGRU(_Fused, keras.layers.GRU):
    """A keras.layers.GRU."""

    kind = "gru"


class FusedLSTM(_Fused, keras.layers.LSTM):
    """A keras.layers.LSTM."""

    kind = "lstm"


FUSED: dict[type, type] = {keras.layers.SimpleRNN: FusedSimpleRNN, keras.layers.GRU: FusedGRU, keras.layers.LSTM: FusedLSTM}


def accelerate(model: keras.Model, *, row_parts: int) -> None:
    """Give a model's recurrent layers the fused loop; weights, state and random generators stay the objects that they are.

    Args:
        model: built.
        row_parts: into how many parts a call's rows are cut; at most as many as there are cores.
    """
    for layer in _innermost(model.layers):
        if type(layer) in FUSED:
            # A new layer would draw new initial weights
            layer.__class__ = FUSED[type(layer)]
            layer.row_parts = row_parts


def _innermost(layers: Iterable[Any]) -> Iterator[Any]:
    """The layers, in the place of a bidirectional one those of both directions."""
    for layer in layers:
        if isinstance(layer, keras.layers.Bidirectional):
            yield from (layer.forward_layer, layer.backward_layer)
        else:
            yield layer
