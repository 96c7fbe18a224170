"""One seed writes one text, whether the NumPy runtime gives the probabilities or Keras does."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from distrnn.runtime import Network
from distrnn.runtime.generation import Sampling, generate_ids
from distrnn.training.export import export
from distrnn.training.tasks import LanguageTask
from distrnn.workflow import LanguageModel

pytestmark = [
    pytest.mark.usefixtures("two_devices"),
    # Keras' own, while it saves a model.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
]

VOCABULARY, WINDOW, LENGTH = 40, 8, 150


class StatefulKeras:
    """A stateful Keras model, asked for one token after the other."""

    def __init__(self, model: keras.Model) -> None:
        self._model, self._forward = model, tf.function(lambda tokens: model(tokens, training=False))

    def initial_state(self, _batch: int) -> None:
        for layer in self._model.layers:
            if isinstance(layer, keras.layers.RNN):
                layer.reset_states()

    def logits(self, tokens: np.ndarray, _state: None) -> tuple[np.ndarray, None]:
        return np.log(self._forward(tokens[None].astype(np.int32)).numpy()[0]), None


class WindowedKeras:
    """A Keras model without state, asked anew with the last tokens for each one."""

    def __init__(self, model: keras.Model) -> None:
        self._forward = tf.function(lambda tokens: model(tokens, training=False), reduce_retracing=True)

    def initial_state(self, _batch: int) -> np.ndarray:
        return np.empty(0, np.int32)

    def logits(self, tokens: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        last = np.append(seen, tokens)[-WINDOW:].astype(np.int32)
        return np.log(self._forward(last[None]).numpy()[0, -1:]), last


@pytest.mark.parametrize(
    "keys",
    [
        {"type": "simple-rnn"},
        {"type": "gru"},
        {"type": "lstm"},
        {"type": "lstm", "layers": 2, "hidden_units": 16},
        {"type": "gru", "stateful": False},
        {"type": "lstm", "layers": 2, "stateful": False, "embedding_dim": None},
    ],
    ids=["simple-rnn", "gru", "lstm", "two layers", "windowed", "windowed two layers"],
)
def test_one_seed_writes_one_text(tmp_path: Path, keys: dict[str, Any]) -> None:
    keras.utils.set_random_seed(3)
    document = {"task": "language-model", "window": WINDOW, "embedding_dim": 12, "units": 24, **keys}
    task = LanguageTask(LanguageModel.model_validate(document), VOCABULARY)
    model = task.published_model()
    export(model, tmp_path, window=task.published_window)
    theirs = StatefulKeras(model) if task.published_window is None else WindowedKeras(model)
    texts = []
    for sampling in (Sampling(), Sampling(0.6, top_k=12, top_p=0.9)):
        for network in (Network.load(tmp_path / "numpy"), theirs):
            generator = np.random.default_rng(11)
            drawn = {"first_id": 1, "size": VOCABULARY, "sampling": sampling, "generator": generator}
            texts.append(list(generate_ids(network, [3, 1, 4], LENGTH, **drawn)))  # type: ignore[arg-type]
    assert texts[0] == texts[1]
    assert texts[2] == texts[3]
    assert texts[0] != texts[2]
