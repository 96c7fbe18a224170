"""Weights that a run begins with: which row belongs to which token, and how they are kept."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.data import initial_weights
from distrnn.errors import IntegrityError, NotFoundError
from distrnn.storage import open_store
from distrnn.text import TokenizerSpec, Vocabulary

SPEC = TokenizerSpec(level="word", case="fold", html="strip", vocabulary_size=100)


@pytest.fixture
def store(tmp_path):
    return open_store(str(tmp_path))


def test_rows_follow_the_tokens_and_reserved_ids_stay():
    rows, known = initial_weights.rows_by_token(Vocabulary(["a", "film", "good"], SPEC), Vocabulary(["good", "new", "a"], SPEC))
    assert known.tolist() == [True, True, True, True, False, True]
    assert rows.tolist() == [0, 1, 2, 5, 0, 3]


@given(st.lists(st.text("abc", min_size=1, max_size=3), unique=True, min_size=1), st.randoms())
def test_any_order_of_the_same_tokens_finds_all_of_them(tokens, random):
    shuffled = random.sample(tokens, len(tokens))
    other, own = Vocabulary(tokens, SPEC), Vocabulary(shuffled, SPEC)
    rows, known = initial_weights.rows_by_token(other, own)
    assert known.all()
    assert [other.token(int(row)) for row in rows[3:]] == shuffled


def test_equal_weights_have_one_name_and_come_back(store):
    weights, known = {"lstm/kernel": np.ones((2, 3), np.float32)}, np.array([True, False])
    name = initial_weights.write(store, weights, known)
    assert initial_weights.write(store, weights, known) == name
    found = initial_weights.read(store, name)
    assert sorted(found) == ["known", "lstm/kernel"]
    assert found["lstm/kernel"].tolist() == weights["lstm/kernel"].tolist()
    assert found["known"].tolist() == [True, False]


def test_weights_that_are_not_there_are_missed(store):
    with pytest.raises(NotFoundError) as caught:
        initial_weights.read(store, "a" * 64)
    assert str(caught.value) == f"no initial weights {'a' * 16} in {store.url}. Start a new run, which makes them."


def test_altered_weights_are_refused(store, tmp_path):
    name = initial_weights.write(store, {"w": np.zeros(2, np.float32)}, np.array([True]))
    file = tmp_path / "initial-weights" / f"{name}.npz"
    file.chmod(0o600)
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(IntegrityError) as caught:
        initial_weights.read(store, name)
    assert str(caught.value) == (
        f"{store.url}/initial-weights/{name}.npz: expected sha256 {name[:12]}. Received: other bytes. "
        "Delete the file; a new run makes it anew."
    )
