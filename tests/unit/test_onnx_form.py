"""Every kind of layer of the NumPy form has its ONNX operators, under masks too."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from distrnn.client import load_folder
from distrnn.conversion import checks, convert
from distrnn.conversion.onnx_form import onnx_model
from distrnn.errors import IntegrityError
from distrnn.runtime import Network
from fixtures_runtime import tiny_bag, tiny_convolution, tiny_layers, tiny_mlp, tiny_reader, write_form

CELLS = ("lstm", "gru", "simple_rnn")
POOLINGS = ("global_max_pooling1d", "global_average_pooling1d", "attention_pooling", "flatten")
PLAIN = {"mask_zero": False, "activation": "tanh", "recurrent_activation": "sigmoid", "units": (4,)}
MASKED = {"mask_zero": True, "activation": "relu", "recurrent_activation": "hard_sigmoid", "units": (4, 3), "normalized": True}
NETWORKS: list[Any] = [
    *(
        tiny_reader(cell=cell, both=both, pooling=pooling, **kind)
        for cell in CELLS
        for both in (False, True)
        for pooling in (None, *POOLINGS)
        for kind in (PLAIN, MASKED)
    ),
    *(tiny_reader(cell="gru", reset_after=False, both=both, **kind) for both in (False, True) for kind in (PLAIN, MASKED)),
    *(
        tiny_convolution(more=more, pooling=pooling, mask_zero=mask_zero, activation=activation)
        for pooling in POOLINGS
        for more, mask_zero, activation in (((), False, "relu"), ((2, 5), True, "tanh"))
    ),
    *(tiny_bag(activation=activation) for activation in ("relu", "linear")),
    *(tiny_mlp(mask_zero=mask_zero) for mask_zero in (False, True)),
]


@pytest.mark.parametrize(("layers", "weights"), NETWORKS, ids=lambda value: value[1]["type"] if isinstance(value, list) else "")
def test_onnx_gives_what_numpy_gives(tmp_path: Path, layers: list[dict[str, Any]], weights: dict[str, np.ndarray]) -> None:
    write_form(tmp_path, layers, weights)
    session = onnxruntime.InferenceSession(onnx_model(tmp_path, carries_state=False).SerializeToString())
    tokens = np.random.default_rng(0).integers(0, 8, (5, 6))
    tokens[0], tokens[1, :3], tokens[2, 3:] = 0, 0, 0
    found = session.run(None, {"tokens": tokens})[0]
    np.testing.assert_allclose(found, Network.load(tmp_path).predict(tokens), atol=1e-5)


@pytest.mark.parametrize("mask_zero", [False, True])
@pytest.mark.parametrize("units", [(4,), (4, 3)])
@pytest.mark.parametrize("cell", CELLS)
def test_a_model_of_windows_reads_its_last_tokens_alone(tmp_path: Path, cell: str, units: tuple[int, ...], mask_zero: bool) -> None:
    sizes: Any = {"units": units, "outputs": 8, "sequences": True, "activation": "softmax", "mask_zero": mask_zero}
    write_form(tmp_path, *tiny_layers(cell=cell, cell_activation="tanh", **sizes), window=4)
    session = onnxruntime.InferenceSession(onnx_model(tmp_path, carries_state=True).SerializeToString())
    network = Network.load(tmp_path)
    for steps in (1, 3, 4, 5, 24):
        tokens = np.random.default_rng(steps).integers(0, 8, (3, steps))
        (found,) = session.run(None, {"tokens": tokens})
        np.testing.assert_allclose(found, network.predict(tokens), atol=1e-6)


def test_the_window_stands_in_the_metadata_and_no_state_among_the_inputs(tmp_path: Path) -> None:
    write_form(tmp_path, *tiny_layers(outputs=8, sequences=True, activation="softmax"), window=4)
    session = onnxruntime.InferenceSession(onnx_model(tmp_path, carries_state=True).SerializeToString())
    assert session.get_modelmeta().custom_metadata_map == {"window": "4"}
    assert [(one.name, one.shape) for one in session.get_inputs()] == [("tokens", ["rows", "steps"])]
    assert [(one.name, one.shape) for one in session.get_outputs()] == [("probabilities", ["rows", "steps", 8])]


@pytest.mark.parametrize("steps", [checks.STEPS, 2], ids=["window within the steps", "window beyond the steps"])
def test_a_graph_that_reads_beyond_the_window_is_not_kept(
    tmp_path: Path, tiny_language_model: Any, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    monkeypatch.setattr(checks, "STEPS", steps)
    pulled, folder = tiny_language_model(window=4), tmp_path / "onnx"
    folder.mkdir()
    without = onnx_model(tiny_language_model("carried") / "numpy", carries_state=False)
    monkeypatch.setattr(convert, "onnx_model", lambda *_, **__: without)
    message = r"^model\.onnx: expected probabilities within 0\.0001 of the model's own\. Received: 0\.\d+ apart\.$"
    with pytest.raises(IntegrityError, match=message):
        convert.write_onnx(load_folder(pulled), pulled, folder)
    assert list(folder.iterdir()) == []
