"""Every kind of layer of the NumPy form has its ONNX operators, under masks too."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from distrnn.conversion.onnx_form import onnx_model
from distrnn.runtime import Network
from fixtures_runtime import tiny_bag, tiny_convolution, tiny_mlp, tiny_reader, write_form

CELLS = ("lstm", "gru", "simple_rnn")
POOLINGS = ("global_max_pooling1d", "global_average_pooling1d", "attention_pooling")
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
