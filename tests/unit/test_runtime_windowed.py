"""A network that is read window by window gives at each token what its layers give for the last tokens alone."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distrnn.errors import IntegrityError
from distrnn.runtime import Network
from distrnn.runtime.network import WindowedNetwork

IDS, UNITS, WINDOW = 7, 4, 3
LAYERS = [
    {"type": "embedding", "name": "embedding", "mask_zero": False},
    {"type": "simple_rnn", "name": "simple_rnn", "units": UNITS, "return_sequences": True, "stateful": False, "activation": "relu"},
    {"type": "dense", "name": "output", "units": IDS, "activation": "softmax"},
]
SHAPES = {
    "embedding/embeddings": (IDS, 2),
    "simple_rnn/kernel": (2, UNITS),
    "simple_rnn/recurrent_kernel": (UNITS, UNITS),
    "simple_rnn/bias": (UNITS,),
    "output/kernel": (UNITS, IDS),
    "output/bias": (IDS,),
}


def published(folder, **document):
    generator = np.random.default_rng(0)
    weights = {key: generator.normal(size=shape).astype(np.float32) for key, shape in SHAPES.items()}
    weights["simple_rnn/recurrent_kernel"] = 2 * np.eye(UNITS, dtype=np.float32)
    np.savez(folder / "weights.npz", **weights)
    (folder / "model.json").write_text(json.dumps({"format": 1, "layers": LAYERS, **document}))
    return folder


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """The same layers, read window by window and with their state carried."""
    windowed, carried = (published(tmp_path_factory.mktemp("model"), **keys) for keys in ({"window": WINDOW}, {}))
    return Network.load(windowed), Network.load(carried)


def one_by_one(network, tokens):
    """What the layers give for the last tokens alone, for each token: [N, T, IDS]."""
    outputs = [network.predict(tokens[:, max(0, place - WINDOW + 1) : place + 1])[:, -1] for place in range(tokens.shape[1])]
    return np.stack(outputs, axis=1)


@given(st.integers(1, 9), st.integers(1, 3), st.data())
@settings(deadline=None)
def test_any_cut_of_a_text_gives_what_its_last_tokens_give(networks, length, rows, data):
    network, plain = networks
    tokens = np.random.default_rng(length).integers(0, IDS, (rows, length))
    cuts = sorted(data.draw(st.sets(st.integers(1, length - 1)))) if length > 1 else []
    state, found = network.initial_state(rows), []
    for piece in np.split(tokens, cuts, axis=1):
        outputs, state = network.forward(piece, state)
        found.append(outputs)
    np.testing.assert_allclose(np.concatenate(found, axis=1), one_by_one(plain, tokens), atol=1e-6)


def test_token_by_token_gives_the_same(networks):
    network, plain = networks
    tokens = np.random.default_rng(1).integers(0, IDS, (2, 8))
    state, found = network.initial_state(2), []
    for column in tokens.T:
        outputs, state = network.step(column, state)
        found.append(outputs)
    np.testing.assert_allclose(np.stack(found, axis=1), one_by_one(plain, tokens), atol=1e-6)


def test_a_long_text_does_not_explode_where_a_carried_state_would(networks):
    network, plain = networks
    tokens = np.arange(2000)[None] % IDS
    assert np.isfinite(network.predict(tokens)).all()
    with np.errstate(all="ignore"):
        assert not np.isfinite(plain.predict(tokens)).all()


def test_whole_rows_begin_anew(networks):
    network, plain = networks
    tokens = np.random.default_rng(2).integers(0, IDS, (300, 5))
    np.testing.assert_allclose(network.predict(tokens), one_by_one(plain, tokens), atol=1e-6)


@pytest.mark.parametrize("window", [0, "3", True, 1 << 21])
def test_a_window_that_is_none_is_refused(tmp_path, window):
    with pytest.raises(IntegrityError, match=r"model\.json: expected 'window' from 1 to 1048576\. Received: "):
        Network.load(published(tmp_path, window=window))


def test_a_window_is_for_layers_that_give_every_step(tmp_path):
    folder = published(tmp_path, window=WINDOW, layers=[LAYERS[0], {**LAYERS[1], "return_sequences": False}, LAYERS[2]])
    with pytest.raises(IntegrityError) as caught:
        Network.load(folder)
    assert str(caught.value) == (
        "model.json: expected no 'window' but for recurrent layers that give every step. Received: 3. "
        "Pull the model again, or publish it again."
    )


def test_without_a_window_the_state_is_carried(networks):
    assert isinstance(networks[0], WindowedNetwork)
    assert type(networks[1]) is Network
