"""One seed writes one text, whether the NumPy runtime gives the probabilities or Keras does."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from distrnn.models import build_language_model
from distrnn.runtime import Network
from distrnn.runtime.generation import Sampling, generate_ids
from distrnn.training.export import export
from distrnn.workflow import LanguageModel

pytestmark = [
    pytest.mark.usefixtures("two_devices"),
    # Keras' own, while it saves a model.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
]

VOCABULARY, LENGTH = 40, 150


class KerasNetwork:
    """A stateful Keras model, asked for one token after the other."""

    def __init__(self, model: keras.Model) -> None:
        self._model, self._forward = model, tf.function(lambda tokens: model(tokens, training=False))

    def initial_state(self, _batch: int) -> None:
        for layer in self._model.layers:
            if isinstance(layer, keras.layers.RNN):
                layer.reset_states()

    def logits(self, tokens: np.ndarray, _state: None) -> tuple[np.ndarray, None]:
        return np.log(self._forward(tokens[None].astype(np.int32)).numpy()[0]), None


@pytest.mark.parametrize("cell", ["simple-rnn", "gru", "lstm"])
def test_one_seed_writes_one_text(tmp_path: Path, cell: str) -> None:
    keras.utils.set_random_seed(3)
    section = LanguageModel.model_validate({"task": "language-model", "type": cell, "window": 8, "embedding_dim": 12, "units": 24})
    model = build_language_model(section, vocabulary_size=VOCABULARY, batch=1, window=None, head="probabilities")
    export(model, tmp_path)
    texts = []
    for sampling in (Sampling(), Sampling(0.6, top_k=12, top_p=0.9)):
        for network in (Network.load(tmp_path / "numpy"), KerasNetwork(model)):
            generator = np.random.default_rng(11)
            keys = {"first_id": 1, "size": VOCABULARY, "sampling": sampling, "generator": generator}
            texts.append(list(generate_ids(network, [3, 1, 4], LENGTH, **keys)))  # type: ignore[arg-type]
    assert texts[0] == texts[1]
    assert texts[2] == texts[3]
    assert texts[0] != texts[2]
