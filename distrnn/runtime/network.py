"""A published network: predictions for whole sequences, or one step at a time with the state carried.

Everything before the first layer that looks at more than one token acts on each token alone, so what a token contributes to that layer (to
the gates of a recurrent one, to the windows of a convolution) is a function of its id. It is computed once for each distinct token and
looked up afterwards: from a table of all ids where a call has at least that many tokens (or a language model takes step after step), else
from the distinct tokens of the call.

Padding costs little (see `blocks`): at both ends it is left away where a mask says that it changes nothing; where cells read it like any
token, at the beginning, because the state after k padding tokens is the same for all rows, so it is computed once and kept.
"""

from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np

from distrnn.errors import DataError
from distrnn.runtime.assemble import Layer, load_layers
from distrnn.runtime.blocks import IntArray, Trim, blocks
from distrnn.runtime.document_layers import Flatten
from distrnn.runtime.form import MODEL_FILE, FloatArray, damaged, read_window
from distrnn.runtime.layers import ACTIVATIONS, BatchNormalization, Dense, Embedding, LayerNormalization
from distrnn.runtime.pooling import Pooling
from distrnn.runtime.reader import LayerState, Reader
from distrnn.runtime.recurrent import Recurrent
from distrnn.text import PADDING_ID

MAX_ROWS = 256
BLOCK_FLOATS = 1 << 24
TABLE_LIMIT_BYTES = 128 << 20

State = tuple[LayerState, ...]


class Network:
    """An embedding and the layers that follow it.

    Shapes: N rows of any number, B rows of one batch, T steps, V ids, F output features.

    Args:
        layers: as `load_layers` gives them.
    """

    def __init__(self, layers: list[Layer]) -> None:
        self._embedding = next(layer for layer in layers if isinstance(layer, Embedding))
        rest = [layer for layer in layers if not isinstance(layer, Embedding)]
        self._readers = [layer for layer in rest if isinstance(layer, Reader)]
        first = rest.index(self._readers[0])
        self._before = [layer for layer in rest[:first] if isinstance(layer, BatchNormalization | LayerNormalization | Dense)]
        self._after = rest[first:]
        pooled = any(isinstance(layer, Pooling) for layer in rest)
        self._goes_on = not pooled and all(isinstance(layer, Recurrent) for layer in self._readers)
        self._padded: list[State] = []
        self.vocabulary_size: int = self._embedding.embeddings.shape[0]
        self.returns_sequences = self._readers[-1].returns_sequences and not pooled
        self.features = next(
            layer.bias.size if isinstance(layer, Dense) else layer.units for layer in reversed(rest) if isinstance(layer, Reader | Dense)
        )
        self._trim: Trim = "nothing"
        if not self.returns_sequences and not isinstance(self._readers[-1], Flatten):
            self._trim = "both" if self._embedding.mask_zero else "start" if self._goes_on else "nothing"
        self._floats_per_step = (
            sum(layer.floats_per_step for layer in self._readers)
            + sum(layer.columns for layer in self._readers[1:])
            + self.returns_sequences * self.features
        )

    @property
    def embeddings(self) -> FloatArray:
        """The vectors of all ids: float32 [V, F]."""
        return self._embedding.embeddings

    @classmethod
    def load(cls, folder: str | Path) -> "Network":
        """Read the NumPy form of a published model.

        Args:
            folder: holds `model.json` and `weights.npz`.
        Raises:
            NotFoundError: a file is missing.
            IntegrityError: a file is not what it must be; the message names it.
        """
        layers, window = load_layers(Path(folder)), read_window(Path(folder))
        return cls(layers) if window is None else WindowedNetwork(layers, window)

    def initial_state(self, batch: int) -> State:
        """The state before the first step: zeros, float32 [B, units] once or twice for each recurrent layer."""
        return tuple(layer.initial_state(batch) for layer in self._readers)

    def predict(self, tokens: IntArray) -> FloatArray:
        """The outputs for whole rows, each from a state of zeros.

        Memory does not grow with N beyond input and output: at most `MAX_ROWS` rows are computed at a time.

        Args:
            tokens: int [N, T].
        Returns:
            float32 [N, F], or [N, T, F] where the network gives an output for every step.
        Raises:
            DataError: an id is not in the embedding, or T is 0 or not what the network reads.
        """
        tokens = self._checked(tokens, 2)
        rows, steps = tokens.shape
        if tokens.size >= self.vocabulary_size and self._table_bytes <= TABLE_LIMIT_BYTES:
            _ = self._table
        outputs = np.empty((rows, steps, self.features) if self.returns_sequences else (rows, self.features), np.float32)
        most_steps = BLOCK_FLOATS // max(1, self._floats_per_step)
        for block in blocks(tokens, self._trim, most_rows=MAX_ROWS, most_steps=most_steps):
            begin = self._after_padding(block.skipped)
            state = tuple(tuple(np.repeat(array, block.rows.size, 0) for array in layer) for layer in begin)
            outputs[block.rows] = self.forward(block.tokens, state)[0]
        return outputs

    def forward(self, tokens: IntArray, state: State) -> tuple[FloatArray, State]:
        """The outputs for one batch, from a given state.

        Args:
            tokens: int [B, T].
            state: of B rows; it is not changed.
        Returns:
            the outputs float32 [B, F] or [B, T, F], and the state after the last step.
        Raises:
            DataError: an id is not in the embedding, or T is 0 or not what the network reads.
        """
        by_step = np.ascontiguousarray(self._checked(tokens, 2).T)
        keep = by_step != PADDING_ID if self._embedding.mask_zero else None
        rows, index = self._look_up(by_step)
        new_state: list[LayerState] = []
        outputs = np.empty(0, np.float32)
        for layer in self._after:
            if isinstance(layer, Reader):
                if new_state:
                    rows, index = layer.project(outputs.reshape(by_step.size, -1)), np.arange(by_step.size).reshape(by_step.shape)
                outputs, own = layer.run(rows, index, state[len(new_state)], keep)
                new_state.append(own)
            elif isinstance(layer, Pooling):
                outputs = layer(outputs, keep)
            elif not isinstance(layer, Embedding):
                outputs = layer(outputs)
        return outputs.swapaxes(0, 1) if self.returns_sequences else outputs, tuple(new_state)

    def step(self, tokens: IntArray, state: State) -> tuple[FloatArray, State]:
        """One token for every row.

        Args:
            tokens: int [B].
            state: of B rows; it is not changed.
        Returns:
            the output float32 [B, F] (probabilities, for a language model) and the new state.
        Raises:
            DataError: an id is not in the embedding, or the network needs whole rows.
        """
        values, state = self.logits(tokens, state)
        last = self._after[-1]
        return ACTIVATIONS[last.activation if isinstance(last, Dense) else "linear"](values), state

    def logits(self, tokens: IntArray, state: State) -> tuple[FloatArray, State]:
        """As `step`, but without the last activation: what a temperature divides."""
        if not self._goes_on:
            raise DataError(
                "this network does not read from left to right alone, so it cannot go on from a state. Give whole rows to predict."
            )
        tokens = self._checked(tokens, 1)
        rows, index = self._look_up(tokens) if self._table_bytes > TABLE_LIMIT_BYTES else (self._table, tokens)
        keep = tokens != PADDING_ID if self._embedding.mask_zero else None
        new_state: list[LayerState] = []
        inputs, outputs = rows[index], np.empty(0, np.float32)
        for layer in self._after:
            if isinstance(layer, Recurrent):
                old = state[len(new_state)]
                new = layer.step(layer.project(outputs) if new_state else inputs, old)
                outputs = new[0]
                if keep is not None:
                    new = tuple(np.where(keep[:, None], after, before) for after, before in zip(new, old, strict=True))
                    outputs = new[0] * keep[:, None]
                new_state.append(new)
            elif isinstance(layer, BatchNormalization | LayerNormalization | Dense):
                outputs = layer.logits(outputs) if layer is self._after[-1] and isinstance(layer, Dense) else layer(outputs)
        return outputs, tuple(new_state)

    @property
    def _table_bytes(self) -> int:
        return 4 * self._readers[0].columns * self.vocabulary_size

    @cached_property
    def _table(self) -> FloatArray:
        """What every id contributes to the first layer that looks at several tokens: float32 [V, columns]."""
        return self._project(np.arange(self.vocabulary_size))

    def _project(self, ids: IntArray) -> FloatArray:
        features: FloatArray = self._embedding.embeddings[ids]
        for layer in self._before:
            features = layer(features)
        return self._readers[0].project(features)

    def _look_up(self, tokens: IntArray) -> tuple[FloatArray, IntArray]:
        """Projected rows float32 [K, columns], and which of them each token reads: int of the shape of `tokens`."""
        if "_table" in self.__dict__:
            return self._table, tokens
        distinct, index = np.unique(tokens, return_inverse=True)
        return self._project(distinct), index.reshape(tokens.shape)

    def _after_padding(self, steps: int) -> State:
        """The state of one row after so many padding tokens."""
        padded = list(self._padded) or [self.initial_state(1)]
        while len(padded) <= steps:
            padded.append(self.forward(np.zeros((1, 1), np.int32), padded[-1])[1])
        if len(padded) > len(self._padded):
            self._padded = padded
        return padded[steps]

    def _checked(self, tokens: IntArray, axes: int) -> IntArray:
        tokens = np.asarray(tokens)
        if tokens.ndim != axes or not np.issubdtype(tokens.dtype, np.integer) or (axes == 2 and tokens.shape[1] == 0):
            shape = "[rows, steps], one step at least" if axes == 2 else "[rows]"
            raise DataError(f"tokens must be whole numbers of shape {shape}. Received: {tokens.dtype} {list(tokens.shape)}")
        if tokens.size and not (0 <= int(tokens.min()) and int(tokens.max()) < self.vocabulary_size):
            raise DataError(f"token ids must be from 0 to {self.vocabulary_size - 1}. Received: {tokens.min()} to {tokens.max()}")
        return tokens


class WindowedNetwork(Network):
    """A network that learned from windows by themselves, read as it learned: each output follows from the last tokens alone.

    What is carried from call to call is not the state of the cells, which such a network was never taught to go on from, but the tokens.

    Shapes: W tokens of a window, B rows, T steps, n tokens seen before, W - 1 at most.

    Args:
        layers: as `load_layers` gives them; an output for every step.
        window: W.

    Raises:
        IntegrityError: the layers do not go on from token to token.
    """

    def __init__(self, layers: list[Layer], window: int) -> None:
        super().__init__(layers)
        if not (self._goes_on and self.returns_sequences):
            raise damaged(MODEL_FILE, "no 'window' but for recurrent layers that give every step", window)
        self._window = window

    def initial_state(self, batch: int) -> State:
        """Before the first token: no tokens, int [B, 0]."""
        return _as_state(np.empty((batch, 0), np.intp))

    def forward(self, tokens: IntArray, state: State) -> tuple[FloatArray, State]:
        """The outputs for one batch, from given tokens before it: float32 [B, T, F], and the last tokens."""
        seen = np.concatenate([_as_tokens(state), self._checked(tokens, 2)], axis=1)  # [B, n + T]
        batch, steps = tokens.shape
        short, _ = super().forward(seen[:, : self._window], super().initial_state(batch))  # the first W tokens have fewer before them
        windows = np.lib.stride_tricks.sliding_window_view(seen, self._window, axis=1)[:, 1:] if seen.shape[1] > self._window else None
        if windows is None:
            return short[:, -steps:], self._kept(seen)
        rows = windows.reshape(-1, self._window)  # [B, n + T - W, W] -> [rows, W]
        outputs = np.empty((len(rows), self.features), np.float32)
        for start in range(0, len(rows), MAX_ROWS):
            part = rows[start : start + MAX_ROWS]
            outputs[start : start + MAX_ROWS] = super().forward(part, super().initial_state(len(part)))[0][:, -1]
        return np.concatenate([short, outputs.reshape(batch, -1, self.features)], axis=1)[:, -steps:], self._kept(seen)

    def logits(self, tokens: IntArray, state: State) -> tuple[FloatArray, State]:
        """As `step`, but without the last activation."""
        seen = np.concatenate([_as_tokens(state), self._checked(tokens, 1)[:, None]], axis=1)
        values, cells = np.empty(0, np.float32), super().initial_state(len(tokens))
        for column in seen[:, -self._window :].T:
            values, cells = super().logits(column, cells)
        return values, self._kept(seen)

    def _kept(self, seen: IntArray) -> State:
        return _as_state(seen[:, max(0, seen.shape[1] - self._window + 1) :])


def _as_state(tokens: IntArray) -> State:
    """Tokens in the place of what cells carry."""
    return ((cast(FloatArray, tokens),),)


def _as_tokens(state: State) -> IntArray:
    return cast(IntArray, state[0][0])
