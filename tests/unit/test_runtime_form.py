"""A published folder from anywhere is refused with a reason unless every byte of it makes sense."""

import copy
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from distrnn.errors import IntegrityError, NotFoundError
from distrnn.runtime import Network
from distrnn.runtime.form import MODEL_LIMIT_BYTES
from fixtures_runtime import tiny_bag, tiny_convolution, tiny_layers, tiny_mlp, tiny_reader, write_form

AGAIN = "Pull the model again, or publish it again."
ORDER = (
    "an embedding, then recurrent layers with or without a pooling or a flatten, convolutions with one of them, a flatten or a bag, with "
    "other layers among them"
)
NAMES = "embedding/embeddings, lstm_0/bias, lstm_0/kernel, lstm_0/recurrent_kernel, output/bias, output/kernel"


def refusal(folder: Path) -> str:
    with pytest.raises(IntegrityError) as caught:
        Network.load(folder)
    return str(caught.value)


def set_key(layer: int, key: str, value: Any) -> Callable[[list[dict[str, Any]]], object]:
    return lambda layers: layers[layer].__setitem__(key, value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            set_key(1, "type", "attention"),
            "model.json layer 'lstm_0': expected a type out of embedding, batch_normalization, layer_normalization, simple_rnn, gru, lstm, "
            "bidirectional, conv1d, parallel, global_max_pooling1d, global_average_pooling1d, attention_pooling, flatten, bag, dense. "
            "Received: 'attention'.",
        ),
        (
            set_key(1, "type", "gru"),
            "model.json layer 'lstm_0': expected the keys type, name, units, return_sequences, stateful, activation, recurrent_activation, "
            "reset_after. Received: type, name, units, return_sequences, stateful.",
        ),
        (
            set_key(1, "go_backwards", True),
            "model.json layer 'lstm_0': expected the keys type, name, units, return_sequences, stateful, activation, recurrent_activation. "
            "Received: type, name, units, return_sequences, stateful, go_backwards.",
        ),
        (
            lambda layers: layers[0].pop("mask_zero"),
            "model.json layer 'embedding': expected the keys type, name, mask_zero. Received: type, name.",
        ),
        (set_key(1, "units", True), "model.json layer 'lstm_0': expected 'units' of type int. Received: True."),
        (set_key(1, "units", 0), "model.json layer 'lstm_0': expected 'units' from 1 to 1048576. Received: 0."),
        (
            set_key(2, "activation", "gelu"),
            "model.json layer 'output': expected an activation out of linear, sigmoid, softmax, tanh, relu. Received: 'gelu'.",
        ),
        (
            set_key(1, "activation", "sigmoid"),
            "model.json layer 'lstm_0': expected an activation out of tanh, relu. Received: 'sigmoid'.",
        ),
        (
            set_key(1, "recurrent_activation", "tanh"),
            "model.json layer 'lstm_0': expected a recurrent_activation out of sigmoid, hard_sigmoid. Received: 'tanh'.",
        ),
        (set_key(2, "name", "lstm_0"), "model.json: expected layers with different names. Received: 'lstm_0' twice."),
        (set_key(2, "name", None), "model.json: expected layer 2 with a 'type' and a 'name'. Received: {RECEIVED}."),
        (
            lambda layers: layers.pop(0),
            f"model.json: expected {ORDER}. Received: lstm, dense.",
        ),
        (
            lambda layers: layers.pop(1),
            f"model.json: expected {ORDER}. Received: embedding, dense.",
        ),
        (
            lambda layers: layers.insert(1, {**layers[1], "name": "first", "return_sequences": False}),
            "model.json layer 'first': expected return_sequences true before another recurrent layer. Received: false.",
        ),
        (lambda layers: layers.clear(), "model.json: expected 'layers', a list of 1 to 256 layers. Received: []."),
    ],
)
def test_layers_that_make_no_sense(tmp_path: Path, change: Callable[[Any], object], message: str) -> None:
    layers, weights = tiny_layers()
    change(layers)
    received = "{'type': 'dense', 'name': None, 'units': 1, 'activation': 'sigmoid'}"
    assert refusal(write_form(tmp_path, layers, weights)) == f"{message.replace('{RECEIVED}', received)} {AGAIN}"


@pytest.mark.parametrize(
    ("make", "change", "message"),
    [
        (
            tiny_convolution,
            lambda layers: layers.pop(2),
            f"model.json: expected {ORDER}. Received: embedding, conv1d, dense.",
        ),
        (
            tiny_convolution,
            lambda layers: layers.pop(1),
            f"model.json: expected {ORDER}. Received: embedding, global_max_pooling1d, dense.",
        ),
        (
            tiny_convolution,
            lambda layers: layers.insert(1, {**tiny_layers()[0][1], "return_sequences": True}),
            f"model.json: expected {ORDER}. Received: embedding, lstm, conv1d, global_max_pooling1d, dense.",
        ),
        (
            tiny_convolution,
            set_key(1, "strides", 2),
            "model.json layer 'conv': expected the keys type, name, units, kernel_size, activation. "
            "Received: type, name, units, kernel_size, activation, strides.",
        ),
        (
            tiny_convolution,
            set_key(1, "kernel_size", 0),
            "model.json layer 'conv': expected 'kernel_size' from 1 to 1048576. Received: 0.",
        ),
        (
            tiny_convolution,
            set_key(1, "activation", "linear"),
            "model.json layer 'conv': expected an activation out of tanh, relu. Received: 'linear'.",
        ),
        (
            tiny_mlp,
            lambda layers: layers.insert(2, {**layers[1], "name": "again"}),
            f"model.json: expected {ORDER}. Received: embedding, flatten, flatten, dense, dense.",
        ),
        (tiny_mlp, set_key(1, "steps", 1 << 21), "model.json layer 'flatten': expected 'steps' from 1 to 1048576. Received: 2097152."),
        (tiny_mlp, set_key(1, "steps", 5), "weights.npz hidden/kernel: expected the shape [15, 4]. Received: [18, 4]."),
    ],
)
def test_layers_without_recurrence_that_make_no_sense(
    tmp_path: Path, make: Callable[[], Any], change: Callable[[Any], object], message: str
) -> None:
    layers, weights = make()
    change(layers)
    assert refusal(write_form(tmp_path, layers, weights)) == f"{message} {AGAIN}"


def several_widths() -> Any:
    return tiny_convolution(more=(2,))


def both_directions() -> Any:
    return tiny_reader(pooling="attention_pooling")


def set_inner(key: str, value: Any) -> Callable[[list[dict[str, Any]]], object]:
    return lambda layers: layers[1]["cell"].__setitem__(key, value)


@pytest.mark.parametrize(
    ("make", "change", "message"),
    [
        (
            both_directions,
            set_key(1, "cell", [1]),
            "model.json layer 'lstm_0': expected 'cell' of type dict. Received: [1].",
        ),
        (
            both_directions,
            set_inner("type", "bidirectional"),
            "model.json layer 'lstm_0': expected 'cell' with a 'type' out of simple_rnn, gru, lstm. Received: {RECEIVED}.",
        ),
        (
            both_directions,
            set_inner("name", "lstm_0"),
            "model.json layer 'lstm_0': expected 'cell' without a 'name' of its own. Received: 'lstm_0'.",
        ),
        (
            both_directions,
            set_inner("go_backwards", True),
            "model.json layer 'lstm_0': expected the keys type, name, units, return_sequences, stateful, activation, recurrent_activation. "
            "Received: type, units, return_sequences, stateful, activation, recurrent_activation, go_backwards, name.",
        ),
        (
            both_directions,
            set_inner("return_sequences", False),
            "model.json layer 'lstm_0': expected return_sequences true before a pooling or a flatten. Received: false.",
        ),
        (
            both_directions,
            lambda layers: layers.insert(2, {**layers[3], "name": "between"}),
            f"model.json: expected {ORDER}. Received: embedding, bidirectional, dense, attention_pooling, dense.",
        ),
        (
            both_directions,
            lambda layers: layers.insert(1, {"type": "global_max_pooling1d", "name": "first"}),
            f"model.json: expected {ORDER}. Received: embedding, global_max_pooling1d, bidirectional, attention_pooling, dense.",
        ),
        (
            several_widths,
            set_key(1, "layers", []),
            "model.json layer 'filters': expected 'layers', a list of 2 to 256 layers. Received: 0.",
        ),
        (
            several_widths,
            lambda layers: layers[1]["layers"].__setitem__(0, 3),
            "model.json layer 'filters': expected layer 0 with a 'name' and a 'type' out of conv1d. Received: 3.",
        ),
        (
            several_widths,
            lambda layers: layers[1]["layers"][0].__setitem__("name", 3),
            "model.json layer 'filters': expected layer 0 with a 'name' and a 'type' out of conv1d. Received: {RECEIVED}.",
        ),
        (
            several_widths,
            lambda layers: layers[1]["layers"][1].__setitem__("type", "dense"),
            "model.json layer 'filters': expected layer 1 with a 'name' and a 'type' out of conv1d. Received: {RECEIVED}.",
        ),
        (
            several_widths,
            lambda layers: layers[1]["layers"][1].__setitem__("activation", "tanh"),
            "model.json layer 'filters': expected layers of one activation. Received: relu, tanh.",
        ),
        (
            several_widths,
            lambda layers: layers[1]["layers"][1].__setitem__("name", "output"),
            "model.json: expected layers with different names. Received: 'output' twice.",
        ),
        (
            tiny_bag,
            set_key(1, "units", 5),
            "model.json layer 'words_bias': expected 4 'units', as the embedding has features. Received: 5.",
        ),
        (
            both_directions,
            lambda layers: layers.insert(2, {"type": "flatten", "name": "flatten", "steps": 3}),
            f"model.json: expected {ORDER}. Received: embedding, bidirectional, flatten, attention_pooling, dense.",
        ),
        (
            tiny_bag,
            lambda layers: layers.insert(2, {"type": "flatten", "name": "flatten", "steps": 3}),
            f"model.json: expected {ORDER}. Received: embedding, bag, flatten, dense.",
        ),
        (
            tiny_bag,
            lambda layers: layers.insert(2, {"type": "attention_pooling", "name": "pooling"}),
            f"model.json: expected {ORDER}. Received: embedding, bag, attention_pooling, dense.",
        ),
    ],
)
def test_layers_of_layers_that_make_no_sense(
    tmp_path: Path, make: Callable[[], Any], change: Callable[[Any], object], message: str
) -> None:
    layers, weights = make()
    change(layers)
    found = refusal(write_form(tmp_path, layers, weights))
    before, received, after = f"{message} {AGAIN}".partition("{RECEIVED}")
    assert found == before if not received else (found.startswith(before) and found.endswith(after))


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every list and object within a document, with each of its positions or keys."""
    for key in range(len(value)) if isinstance(value, list) else list(value) if isinstance(value, dict) else ():
        yield value, key
        yield from places(value[key])


ODD = [None, True, 0, -1, 1.5, "x", "lstm", "conv1d", "bag", [], {}, {"type": "lstm"}, [1], [[1]], 1 << 40]


@given(
    make=st.sampled_from([tiny_layers, tiny_bag, tiny_mlp, several_widths, both_directions]),
    place=st.integers(0, 100),
    value=st.sampled_from(ODD) | st.just(...),
)
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_change_is_refused_or_does_no_harm(tmp_path: Path, make: Callable[[], Any], place: int, value: Any) -> None:
    layers, weights = make()
    found = list(places(layers))
    holder, key = found[place % len(found)]
    if value is ...:
        del holder[key]
    else:
        holder[key] = copy.deepcopy(value)
    try:
        network = Network.load(write_form(tmp_path, layers, weights))
    except IntegrityError:
        return
    assert np.isfinite(network.predict(np.array([[1, 2, 3, 0, 0, 0]]))).all()


@pytest.mark.parametrize(
    ("make", "key", "shape", "expected"),
    [
        (both_directions, "lstm_0/backward/kernel", (3, 12), "[3, 16]"),
        (both_directions, "pooling/kernel", (4, 1), "[8, 1]"),
        (several_widths, "conv_0/kernel", (3, 3, 4), "[2, 3, 4]"),
        (tiny_bag, "words_bias/bias", (5,), "[4]"),
        (lambda: tiny_reader(normalized=True), "normal/beta", (4,), "[3]"),
    ],
)
def test_arrays_of_layers_of_layers(tmp_path: Path, make: Callable[[], Any], key: str, shape: tuple[int, ...], expected: str) -> None:
    layers, weights = make()
    folder = write_form(tmp_path, layers, {**weights, key: np.zeros(shape, "f4")})
    assert refusal(folder) == f"weights.npz {key}: expected the shape {expected}. Received: {list(shape)}. {AGAIN}"


@pytest.mark.parametrize(
    ("cell", "key", "shape", "expected"),
    [
        ("simple_rnn", "kernel", (3, 16), "[3, 4]"),
        ("gru", "kernel", (3, 16), "[3, 12]"),
        ("gru", "bias", (12,), "[2, 12]"),
    ],
)
def test_arrays_of_another_cell(tmp_path: Path, cell: str, key: str, shape: tuple[int, ...], expected: str) -> None:
    layers, weights = tiny_layers(cell=cell, cell_activation="tanh")
    weights[f"{cell}_0/{key}"] = np.zeros(shape, "f4")
    message = f"weights.npz {cell}_0/{key}: expected the shape {expected}. Received: {list(shape)}. {AGAIN}"
    assert refusal(write_form(tmp_path, layers, weights)) == message


@pytest.mark.parametrize(("reset_after", "expected", "received"), [(True, "[2, 12]", "[12]"), (False, "[12]", "[2, 12]")])
def test_a_gru_of_one_form_has_no_bias_of_the_other(tmp_path: Path, reset_after: bool, expected: str, received: str) -> None:
    layers, weights = tiny_layers(cell="gru", cell_activation="tanh", reset_after=not reset_after)
    layers[1]["reset_after"] = reset_after
    message = f"weights.npz gru_0/bias: expected the shape {expected}. Received: {received}. {AGAIN}"
    assert refusal(write_form(tmp_path, layers, weights)) == message


def test_a_gru_published_before_there_was_a_choice_resets_behind_the_product(tmp_path: Path) -> None:
    layers, weights = tiny_layers(cell="gru", cell_activation="tanh")
    tokens = np.array([[1, 2, 3]])
    before = Network.load(write_form(tmp_path / "before", layers, weights)).predict(tokens)
    layers[1]["reset_after"] = True
    after = Network.load(write_form(tmp_path / "after", layers, weights)).predict(tokens)
    np.testing.assert_array_equal(before, after)


def test_a_kernel_of_another_window(tmp_path: Path) -> None:
    layers, weights = tiny_convolution()
    weights["conv/kernel"] = np.zeros((2, 3, 4), "f4")
    assert refusal(write_form(tmp_path, layers, weights)) == (
        f"weights.npz conv/kernel: expected the shape [3, 3, 4]. Received: [2, 3, 4]. {AGAIN}"
    )


def test_an_lstm_published_before_there_was_a_choice_is_one_of_tanh(tmp_path: Path) -> None:
    tokens = np.array([[1, 2, 3]])
    before = Network.load(write_form(tmp_path / "before", *tiny_layers())).predict(tokens)
    after = Network.load(write_form(tmp_path / "after", *tiny_layers(cell_activation="tanh"))).predict(tokens)
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("epsilon", [0.0, -1.0, float("nan"), 2.0])
def test_an_epsilon_that_makes_no_sense(tmp_path: Path, epsilon: float) -> None:
    layers, weights = tiny_layers(normalized=True)
    layers[1]["epsilon"] = epsilon
    expected = f"model.json layer 'normal': expected 'epsilon' above 0 and at most 1. Received: {epsilon}. {AGAIN}"
    assert refusal(write_form(tmp_path, layers, weights)) == expected


@pytest.mark.parametrize(
    ("key", "array", "message"),
    [
        ("embedding/embeddings", np.zeros(3, "f4"), "expected the shape [ids, features]. Received: [3]."),
        ("embedding/embeddings", np.zeros((0, 3), "f4"), "expected the shape [ids, features]. Received: [0, 3]."),
        ("lstm_0/kernel", np.zeros((3, 12), "f4"), "expected the shape [3, 16]. Received: [3, 12]."),
        ("lstm_0/recurrent_kernel", np.zeros((3, 16), "f4"), "expected the shape [4, 16]. Received: [3, 16]."),
        ("lstm_0/bias", np.zeros((2, 16), "f4"), "expected the shape [16]. Received: [2, 16]."),
        ("output/kernel", np.zeros((4, 2), "f4"), "expected the shape [4, 1]. Received: [4, 2]."),
        ("output/bias", np.zeros(1, "f8"), "expected float32. Received: float64."),
        ("output/bias", np.array([np.nan], "f4"), "expected finite numbers. Received: infinities, or what is no number."),
    ],
)
def test_arrays_that_do_not_fit(tmp_path: Path, key: str, array: np.ndarray, message: str) -> None:
    layers, weights = tiny_layers()
    assert refusal(write_form(tmp_path, layers, {**weights, key: array})) == f"weights.npz {key}: {message} {AGAIN}"


def test_a_variance_below_zero(tmp_path: Path) -> None:
    layers, weights = tiny_layers(normalized=True)
    weights["normal/moving_variance"] = np.array([1.0, -1.0, 1.0], "f4")
    expected = f"weights.npz normal/moving_variance: expected no negative numbers. Received: some. {AGAIN}"
    assert refusal(write_form(tmp_path, layers, weights)) == expected


def test_a_missing_array(tmp_path: Path) -> None:
    layers, weights = tiny_layers()
    del weights["output/bias"]
    expected = f"weights.npz: expected the arrays {NAMES}. Received: {NAMES.replace('output/bias, ', '')}. {AGAIN}"
    assert refusal(write_form(tmp_path, layers, weights)) == expected


def test_an_array_that_no_layer_has(tmp_path: Path) -> None:
    layers, weights = tiny_layers()
    weights["payload"] = np.zeros(1, "f4")
    expected = f"weights.npz: expected the arrays {NAMES}. Received: {NAMES}, payload. {AGAIN}"
    assert refusal(write_form(tmp_path, layers, weights)) == expected


def test_a_pickled_object_is_not_loaded(tmp_path: Path) -> None:
    layers, weights = tiny_layers()
    folder = write_form(tmp_path, layers, {**weights, "output/bias": np.array([{}], dtype=object)})
    assert refusal(folder) == f"weights.npz output/bias: expected float32. Received: object. {AGAIN}"


def test_a_compressed_array_is_not_unpacked(tmp_path: Path) -> None:
    layers, weights = tiny_layers()
    folder = write_form(tmp_path, layers, weights)
    np.savez_compressed(folder / "weights.npz", **weights)
    expected = f"weights.npz embedding/embeddings: expected an array that is not compressed. Received: a compressed one. {AGAIN}"
    assert refusal(folder) == expected


def test_a_header_that_promises_more_than_there_is_asks_for_no_memory(tmp_path: Path) -> None:
    layers, weights = tiny_layers()
    folder = write_form(tmp_path, layers, weights)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (1 << 40, 4)})
    with zipfile.ZipFile(folder / "weights.npz", "w") as archive:
        for key, array in weights.items():
            body = io.BytesIO()
            np.save(body, array)
            archive.writestr(f"{key}.npy", header.getvalue() if key == "embedding/embeddings" else body.getvalue())
    expected = f"weights.npz embedding/embeddings: expected {1 << 44} bytes for the shape [{1 << 40}, 4]. Received: 0 bytes. {AGAIN}"
    assert refusal(folder) == expected


def test_a_damaged_archive(tmp_path: Path) -> None:
    folder = write_form(tmp_path, *tiny_layers())
    path = folder / "weights.npz"
    path.write_bytes(path.read_bytes()[:100])
    assert refusal(folder) == f"weights.npz: expected a NumPy archive. Received: File is not a zip file. {AGAIN}"


def test_an_altered_byte_is_noticed_without_a_digest(tmp_path: Path) -> None:
    folder = write_form(tmp_path, *tiny_layers())
    path = folder / "weights.npz"
    body = bytearray(path.read_bytes())
    body[200] ^= 1
    path.write_bytes(body)
    expected = f"weights.npz: expected a NumPy archive. Received: Bad CRC-32 for file 'embedding/embeddings.npy'. {AGAIN}"
    assert refusal(folder) == expected


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("[1]", f"model.json: expected a JSON object. Received: list. {AGAIN}"),
        ("{}", f"model.json: expected format 1. Received: None. {AGAIN}"),
        ('{"format": true}', f"model.json: expected format 1. Received: True. {AGAIN}"),
        (
            '{"format": 2}',
            "model.json: expected format 1. Received: 2. A newer distrnn published this model; upgrade this one.",
        ),
        ("{", f"model.json: expected JSON. Received: Expecting property name enclosed in double quotes: line 1 column 2 (char 1). {AGAIN}"),
        (" " * (MODEL_LIMIT_BYTES + 1), f"model.json: expected at most 1048576 bytes. Received: more. {AGAIN}"),
    ],
)
def test_a_document_that_is_none(tmp_path: Path, body: str, message: str) -> None:
    folder = write_form(tmp_path, *tiny_layers())
    (folder / "model.json").write_text(body, encoding="utf-8")
    assert refusal(folder) == message


def test_a_document_nested_beyond_reason(tmp_path: Path) -> None:
    folder = write_form(tmp_path, *tiny_layers())
    (folder / "model.json").write_text("[" * 100_000, encoding="utf-8")
    assert refusal(folder).startswith("model.json: expected JSON. Received: maximum recursion depth exceeded")


@pytest.mark.parametrize("file", ["model.json", "weights.npz"])
def test_a_missing_file(tmp_path: Path, file: str) -> None:
    folder = write_form(tmp_path, *tiny_layers())
    (folder / file).unlink()
    with pytest.raises(NotFoundError) as caught:
        Network.load(folder)
    expected = f"no model here: expected the file {folder / file}. Name a folder that `distrnn pull REF --dest FOLDER` has filled."
    assert str(caught.value) == expected


def test_arrays_in_column_order_are_read_as_they_are_meant(tmp_path: Path) -> None:
    layers, weights = tiny_layers()
    tokens = np.array([[1, 2, 3]])
    expected = Network.load(write_form(tmp_path / "rows", layers, weights)).predict(tokens)
    columns = {key: np.asfortranarray(array) for key, array in weights.items()}

    assert json.loads((tmp_path / "rows" / "model.json").read_text())["format"] == 1
    np.testing.assert_array_equal(Network.load(write_form(tmp_path / "columns", layers, columns)).predict(tokens), expected)
