"""The NumPy network computes what its layers mean, whatever road it takes: table or distinct tokens, shared padding, batches, steps."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from distrnn.errors import DataError
from distrnn.runtime import Network, network
from fixtures_runtime import reference, tiny_bag, tiny_convolution, tiny_layers, tiny_mlp, tiny_reader, write_form

TOLERANCE = 1e-5
CELLS = ("simple_rnn", "gru", "lstm")
POOLINGS = ("global_max_pooling1d", "global_average_pooling1d", "attention_pooling", "flatten")
RECURRENT = [
    {"cell": "lstm"},
    *({"cell": cell, "cell_activation": name} for cell in CELLS for name in ("tanh", "relu")),
    {"cell": "gru", "cell_activation": "tanh", "reset_after": False},
]


def random_tokens(rows: int, steps: int, ids: int, seed: int) -> np.ndarray:
    """Ids with runs of padding at both ends and inside: int32 [rows, steps]."""
    generator = np.random.default_rng(seed)
    tokens = generator.integers(0, ids, (rows, steps), dtype=np.int32)
    positions = np.arange(steps)
    tokens[positions < generator.integers(0, steps + 1, (rows, 1))] = 0
    return tokens


@given(
    cell=st.sampled_from(RECURRENT),
    units=st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple),
    features=st.integers(1, 4),
    outputs=st.integers(1, 3),
    activation=st.sampled_from(["sigmoid", "softmax", "linear"]),
    sequences=st.booleans(),
    mask_zero=st.booleans(),
    normalized=st.booleans(),
    rows=st.integers(1, 6),
    steps=st.integers(1, 7),
    seed=st.integers(0, 1000),
)
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_predict_equals_the_reference(tmp_path: Path, cell: dict[str, Any], rows: int, steps: int, seed: int, **keys) -> None:
    layers, weights = tiny_layers(seed=seed, **cell, **keys)
    tokens = random_tokens(rows, steps, 8, seed)
    predicted = Network.load(write_form(tmp_path, layers, weights)).predict(tokens)

    assert predicted.dtype == np.float32
    np.testing.assert_allclose(predicted, reference(layers, weights, tokens), rtol=0, atol=TOLERANCE)


@given(
    cell=st.sampled_from(CELLS),
    both=st.booleans(),
    units=st.lists(st.integers(1, 5), min_size=1, max_size=2).map(tuple),
    features=st.integers(1, 4),
    pooling=st.none() | st.sampled_from(POOLINGS),
    activation=st.sampled_from(["tanh", "relu"]),
    recurrent_activation=st.sampled_from(["sigmoid", "hard_sigmoid"]),
    reset_after=st.booleans(),
    normalized=st.booleans(),
    mask_zero=st.booleans(),
    rows=st.integers(1, 6),
    steps=st.integers(1, 7),
    seed=st.integers(0, 1000),
)
@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whole_documents_read_in_order_equal_the_reference(tmp_path: Path, rows: int, steps: int, seed: int, **keys) -> None:
    layers, weights = tiny_reader(seed=seed, steps=steps, **keys)
    tokens = random_tokens(rows, steps, 8, seed)
    predicted = Network.load(write_form(tmp_path, layers, weights)).predict(tokens)

    assert predicted.dtype == np.float32
    np.testing.assert_allclose(predicted, reference(layers, weights, tokens), rtol=0, atol=TOLERANCE)


@given(
    units=st.integers(1, 5),
    activation=st.sampled_from(["linear", "tanh", "relu", "sigmoid"]),
    rows=st.integers(1, 6),
    steps=st.integers(1, 7),
    seed=st.integers(0, 1000),
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_bag_equals_the_reference(tmp_path: Path, rows: int, steps: int, seed: int, **keys) -> None:
    layers, weights = tiny_bag(seed=seed, **keys)
    tokens = random_tokens(rows, steps, 8, seed)
    predicted = Network.load(write_form(tmp_path, layers, weights)).predict(tokens)

    assert predicted.dtype == np.float32
    np.testing.assert_allclose(predicted, reference(layers, weights, tokens), rtol=0, atol=TOLERANCE)


@given(
    size=st.integers(1, 9),
    more=st.lists(st.integers(1, 9), max_size=2).map(tuple),
    pooling=st.sampled_from(POOLINGS),
    features=st.integers(1, 4),
    units=st.integers(1, 5),
    activation=st.sampled_from(["tanh", "relu"]),
    mask_zero=st.booleans(),
    rows=st.integers(1, 6),
    steps=st.integers(1, 7),
    seed=st.integers(0, 1000),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_convolution_equals_the_reference(tmp_path: Path, rows: int, steps: int, seed: int, **keys) -> None:
    layers, weights = tiny_convolution(seed=seed, steps=steps, **keys)
    tokens = random_tokens(rows, steps, 8, seed)
    predicted = Network.load(write_form(tmp_path, layers, weights)).predict(tokens)

    assert predicted.dtype == np.float32
    np.testing.assert_allclose(predicted, reference(layers, weights, tokens), rtol=0, atol=TOLERANCE)


@given(
    features=st.integers(1, 4),
    units=st.integers(1, 5),
    activation=st.sampled_from(["linear", "tanh", "relu", "sigmoid"]),
    mask_zero=st.booleans(),
    rows=st.integers(1, 6),
    steps=st.integers(1, 7),
    seed=st.integers(0, 1000),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_tokens_side_by_side_equal_the_reference(tmp_path: Path, rows: int, steps: int, seed: int, **keys) -> None:
    layers, weights = tiny_mlp(seed=seed, steps=steps, **keys)
    tokens = random_tokens(rows, steps, 8, seed)
    predicted = Network.load(write_form(tmp_path, layers, weights)).predict(tokens)

    assert predicted.dtype == np.float32
    np.testing.assert_allclose(predicted, reference(layers, weights, tokens), rtol=0, atol=TOLERANCE)


@given(tokens=st.lists(st.integers(1, 7), min_size=1, max_size=6), before=st.integers(0, 4), after=st.integers(0, 4))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_padding_changes_nothing_for_a_masked_convolution(tmp_path: Path, tokens: list[int], before: int, after: int) -> None:
    model = Network.load(write_form(tmp_path, *tiny_convolution(mask_zero=True, activation="tanh", size=4)))
    padded = np.array([[0] * before + tokens + [0] * after])

    np.testing.assert_allclose(model.predict(padded), model.predict(np.array([tokens])), rtol=0, atol=TOLERANCE)


def several_widths(**keys):
    return tiny_convolution(more=(2, 5), pooling="global_average_pooling1d", **keys)


def both_directions(**keys):
    return tiny_reader(pooling="attention_pooling", **keys)


@pytest.mark.parametrize("make", [tiny_convolution, several_widths, tiny_mlp, tiny_reader, both_directions])
@pytest.mark.parametrize("mask_zero", [False, True])
def test_many_documents_read_at_once_keep_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make, mask_zero: bool) -> None:
    monkeypatch.setattr(network, "BLOCK_FLOATS", 1000)
    layers, weights = make(mask_zero=mask_zero)
    tokens = random_tokens(400, 6, 8, 1)

    predicted = Network.load(write_form(tmp_path, layers, weights)).predict(tokens)

    np.testing.assert_allclose(predicted, reference(layers, weights, tokens), rtol=0, atol=TOLERANCE)


def test_memory_for_a_convolution_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "BLOCK_FLOATS", 6 * 16 * 10)
    model = Network.load(write_form(tmp_path, *tiny_convolution(units=4, size=3)))
    rows = []
    forward = Network.forward
    monkeypatch.setattr(Network, "forward", lambda self, tokens, state: rows.append(len(tokens)) or forward(self, tokens, state))
    model.predict(random_tokens(25, 6, 8, 1))

    assert rows == [10, 10, 5]


def test_an_mlp_reads_rows_of_one_length(tmp_path: Path) -> None:
    model = Network.load(write_form(tmp_path, *tiny_mlp(steps=6)))
    with pytest.raises(DataError) as caught:
        model.predict(np.ones((2, 5), np.int32))
    assert str(caught.value) == "this network reads rows of 6 tokens. Received: 5"


@pytest.mark.parametrize("make", [tiny_convolution, tiny_mlp, tiny_bag, tiny_reader, both_directions])
def test_without_recurrence_there_is_no_state_to_go_on_from(tmp_path: Path, make) -> None:
    model = Network.load(write_form(tmp_path, *make()))
    with pytest.raises(DataError) as caught:
        model.step(np.array([3]), model.initial_state(1))
    assert str(caught.value) == (
        "this network does not read from left to right alone, so it cannot go on from a state. Give whole rows to predict."
    )


def test_more_rows_than_a_batch_keep_their_order(tmp_path: Path) -> None:
    layers, weights = tiny_layers()
    tokens = random_tokens(2 * network.MAX_ROWS + 3, 6, 8, 1)

    predicted = Network.load(write_form(tmp_path, layers, weights)).predict(tokens)

    np.testing.assert_allclose(predicted, reference(layers, weights, tokens), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("limit", [0, network.TABLE_LIMIT_BYTES])
def test_a_vocabulary_too_large_for_a_table_predicts_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    monkeypatch.setattr(network, "TABLE_LIMIT_BYTES", limit)
    layers, weights = tiny_layers(ids=30, sequences=True, outputs=3, activation="softmax")
    model, tokens = Network.load(write_form(tmp_path, layers, weights)), random_tokens(9, 6, 30, 2)
    expected = reference(layers, weights, tokens)

    np.testing.assert_allclose(model.predict(tokens), expected, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(model.step(tokens[:, 0], model.initial_state(9))[0], expected[:, 0], rtol=0, atol=TOLERANCE)


@given(
    cuts=st.sets(st.integers(1, 11)),
    cell=st.sampled_from(RECURRENT),
    mask_zero=st.booleans(),
    units=st.sampled_from([(4,), (4, 3)]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_sequence_cut_anywhere_goes_on_with_its_state(tmp_path: Path, cuts: set[int], cell, mask_zero: bool, units, seed: int) -> None:
    layers, weights = tiny_layers(sequences=True, outputs=5, activation="softmax", units=units, mask_zero=mask_zero, seed=seed, **cell)
    tokens = np.random.default_rng(seed).integers(1, 8, (3, 12), dtype=np.int32)
    model = Network.load(write_form(tmp_path, layers, weights))
    state, parts = model.initial_state(3), []
    for piece in np.split(tokens, sorted(cuts), axis=1):
        outputs, state = model.forward(piece, state)
        parts.append(outputs)

    np.testing.assert_allclose(np.concatenate(parts, axis=1), model.predict(tokens), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("mask_zero", [False, True])
@pytest.mark.parametrize("units", [(4,), (4, 3)])
@pytest.mark.parametrize("cell", RECURRENT)
def test_a_step_equals_a_window_of_one(tmp_path: Path, cell: dict[str, Any], units: tuple[int, ...], mask_zero: bool) -> None:
    layers, weights = tiny_layers(sequences=True, outputs=5, activation="softmax", units=units, mask_zero=mask_zero, **cell)
    model, tokens = Network.load(write_form(tmp_path, layers, weights)), random_tokens(6, 7, 8, 3)
    by_step = by_window = model.initial_state(6)
    for position in range(7):
        stepped, by_step = model.step(tokens[:, position], by_step)
        window, by_window = model.forward(tokens[:, position : position + 1], by_window)
        np.testing.assert_allclose(stepped, window[:, 0], rtol=0, atol=TOLERANCE)


def test_a_step_leaves_the_state_it_was_given_as_it_was(tmp_path: Path) -> None:
    model = Network.load(write_form(tmp_path, *tiny_layers(sequences=True, outputs=5, activation="softmax")))
    _, state = model.step(np.array([3]), model.initial_state(1))
    first, _ = model.step(np.array([4]), state)
    model.forward(np.array([[5, 6, 7]]), state)
    again, _ = model.step(np.array([4]), state)

    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("cell", RECURRENT)
def test_padding_that_rows_begin_with_is_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cell: dict[str, Any]) -> None:
    model = Network.load(write_form(tmp_path, *tiny_layers(**cell)))
    tokens = np.array([[0] * 9 + [5], [0] * 10, [0] * 9 + [6]])
    model.predict(tokens)
    steps = []
    forward = Network.forward
    monkeypatch.setattr(Network, "forward", lambda self, tokens, state: steps.append(tokens.shape) or forward(self, tokens, state))
    model.predict(tokens)

    assert steps == [(3, 1)]


@pytest.mark.parametrize("make", [tiny_bag, several_widths, both_directions, lambda **_: tiny_layers(mask_zero=True)])
def test_padding_that_is_masked_is_not_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make) -> None:
    keys = {} if make is tiny_bag else {"mask_zero": True}
    model = Network.load(write_form(tmp_path, *make(**keys)))
    tokens = np.array([[0, 0, 0, 5, 6, 0, 0], [0, 0, 5, 0, 3, 0, 0], [0, 0, 0, 0, 5, 0, 0]])
    spans = []
    forward = Network.forward
    monkeypatch.setattr(Network, "forward", lambda self, tokens, state: spans.append(tokens.tolist()) or forward(self, tokens, state))
    trimmed = model.predict(tokens)

    assert spans == [[[5, 0, 3], [5, 6, 0], [5, 0, 0]]]
    np.testing.assert_allclose(trimmed, forward(model, tokens, model.initial_state(3))[0], rtol=0, atol=TOLERANCE)


def test_long_and_short_documents_are_computed_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "MAX_ROWS", 2)
    model = Network.load(write_form(tmp_path, *both_directions(mask_zero=True)))
    tokens = np.array([[5, 0, 0, 0], [5, 6, 3, 1], [5, 6, 0, 0], [2, 1, 4, 3]])
    shapes = []
    forward = Network.forward
    monkeypatch.setattr(Network, "forward", lambda self, tokens, state: shapes.append(tokens.shape) or forward(self, tokens, state))
    model.predict(tokens)

    assert shapes == [(2, 4), (2, 2)]


def test_no_rows_give_no_rows(tmp_path: Path) -> None:
    model = Network.load(write_form(tmp_path, *tiny_layers()))
    assert model.predict(np.empty((0, 5), np.int32)).shape == (0, 1)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (np.array([[1, 8]]), "token ids must be from 0 to 7. Received: 1 to 8"),
        (np.array([[-1, 3]]), "token ids must be from 0 to 7. Received: -1 to 3"),
        (np.array([1, 2]), "tokens must be whole numbers of shape [rows, steps], one step at least. Received: int64 [2]"),
        (np.array([[1.0]]), "tokens must be whole numbers of shape [rows, steps], one step at least. Received: float64 [1, 1]"),
        (np.empty((2, 0), int), "tokens must be whole numbers of shape [rows, steps], one step at least. Received: int64 [2, 0]"),
    ],
)
def test_tokens_that_the_network_cannot_read(tmp_path: Path, tokens: np.ndarray, message: str) -> None:
    model = Network.load(write_form(tmp_path, *tiny_layers()))
    with pytest.raises(DataError) as caught:
        model.predict(tokens)
    assert str(caught.value) == message
