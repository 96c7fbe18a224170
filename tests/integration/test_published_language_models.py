"""A language model from its workflow to the published folder: held-out figures are those of NumPy, and it writes as it learned."""

from typing import Any

import keras
import numpy as np
import pytest

from distrnn.client import load_folder
from distrnn.evaluation.streams import token_losses
from distrnn.progress import silent
from distrnn.runtime import Preprocessing
from distrnn.runtime.network import WindowedNetwork
from distrnn.storage import open_store
from distrnn.training.job import train_and_export
from distrnn.training.loop import Hooks
from distrnn.training.plan import Placement
from distrnn.workflow import validate
from fixtures_data import corpus_workflow, prepare_here

pytestmark = [
    pytest.mark.usefixtures("two_devices"),
    # Keras' own, while it saves a model.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
]
MODELS: dict[str, dict[str, Any]] = {
    "by hand, relu and identity": {
        "type": "dense",
        "predict": "last",
        "activation": "relu",
        "initializers": {"recurrent": {"type": "identity"}},
        "embedding_normalization": "none",
    },
    "one-hot windows": {"type": "gru", "stateful": False, "embedding_dim": None},
    "writer": {"type": "lstm", "layers": 2, "hidden_units": 6, "dropout": 0.1, "output_dropout": 0.1},
}


@pytest.mark.parametrize("name", MODELS)
def test_what_is_published_is_what_was_measured_and_it_writes(name, tmp_path):
    (tmp_path / "corpus.txt").write_text("Of all that is written I love only what is written with blood. " * 40, encoding="utf-8")
    loaded = corpus_workflow(tmp_path / "corpus.txt", source="text", test_fraction=0.25, tokenizer={"level": "char", "case": "fold"})
    dataset = prepare_here(loaded, open_store(str(tmp_path / "storage")))
    section = {"epochs": 2, "global_batch_size": 4, "optimizer": {"name": "adam", "learning_rate": 0.01}}
    model = {"task": "language-model", "window": 6, "embedding_dim": 4, "units": 8, **MODELS[name]}
    workflow = validate({**loaded.to_json(), "model": model, "train": section}, "w.yaml")
    folder = tmp_path / "published"
    folder.mkdir()
    hooks = Hooks(silent, lambda: False, lambda _checkpoint: None)
    outcome = train_and_export(workflow, dataset, Placement("cpu", 1, 0, 1), hooks, None, folder)
    Preprocessing("language-model", dataset.vocabulary).write(folder)

    found = load_folder(folder)
    assert isinstance(found.network, WindowedNetwork) == (not workflow.model.carries_state)
    _, texts, _ = dataset.evaluation_texts()
    losses = token_losses(found, texts)
    assert losses.sum() == pytest.approx(outcome.held_out.total_loss, rel=1e-5)
    assert len(losses) == outcome.held_out.tokens
    written = found.generate("Of all", 300, seed=0)
    assert len(written) == 300
    assert written == written.lower()

    if isinstance(found.network, WindowedNetwork):
        ids = np.array(dataset.vocabulary.encode_stream(["of all that is"]), np.int32)
        assert len(ids) > workflow.model.window
        reloaded = keras.models.load_model(folder / "keras" / "model.keras", safe_mode=True)
        np.testing.assert_allclose(found.network.predict(ids[None])[0, -1], reloaded(ids[None])[0, -1], atol=1e-5)
