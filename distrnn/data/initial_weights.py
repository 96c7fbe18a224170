"""Weights that a model begins with because another has learned them (`model.weights_from`), as one file of the storage root.

The file's name is its digest, so the same weights are kept once and a worker can tell whether it has what the run began with.

Shapes: V ids of the dataset, O ids of the other model, F features.
"""

import hashlib
import io
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from distrnn.errors import IntegrityError, NotFoundError, WorkflowError
from distrnn.storage import Store
from distrnn.text import Vocabulary

KEY = "model.weights_from"  # of the workflow
FOLDER = "initial-weights"
# Weights that belong to ids, and the axis along which: what reads tokens in any model, and what foretells them in a language model
BY_TOKEN = {"embedding/embeddings": 0, "words/embeddings": 0}
BY_NEXT_TOKEN = {"output/kernel": 1, "output/bias": 0}
KNOWN = "known"  # beside the weights: of which ids the other model has a row

Arrays = dict[str, npt.NDArray[np.generic]]


def refusal(expected: str, received: str) -> WorkflowError:
    """The error for weights that this model cannot begin with."""
    return WorkflowError(f"key '{KEY}': expected {expected}. Received: {received}", key=KEY)


def rows_by_token(other: Vocabulary, vocabulary: Vocabulary) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Where another model keeps what it knows of each id.

    Args:
        other: the other model's vocabulary.
        vocabulary: the dataset's.
    Returns:
        int64 [V], the row of the other model, 0 where it has none; and bool [V], whether it has one. The ids that stand for no token
        (padding, start, unknown) have the same meaning everywhere.
    """
    rows, known = np.zeros(vocabulary.size, np.int64), np.zeros(vocabulary.size, np.bool_)
    reserved = min(vocabulary.spec.first_id, other.spec.first_id)
    rows[:reserved], known[:reserved] = np.arange(reserved), True
    numbers = {token: other.spec.first_id + position for position, token in enumerate(other.tokens)}
    for position, token in enumerate(vocabulary.tokens, vocabulary.spec.first_id):
        if token in numbers:
            rows[position], known[position] = numbers[token], True
    return rows, known


def write(store: Store, weights: Mapping[str, npt.NDArray[np.generic]], known: npt.NDArray[np.bool_]) -> str:
    """Keep weights; returns their name.

    Raises:
        StorageError: they cannot be written.
    """
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **{KNOWN: known, **dict(sorted(weights.items()))})
    body = buffer.getvalue()
    name = hashlib.sha256(body).hexdigest()
    store.put(f"{FOLDER}/{name}.npz", body)
    return name


def read(store: Store, name: str) -> Arrays:
    """Weights by their name, and `known`.

    Raises:
        NotFoundError: they are not there.
        IntegrityError: they are altered.
    """
    stored = store.find(f"{FOLDER}/{name}.npz")
    if stored is None:
        raise NotFoundError(f"no initial weights {name[:16]} in {store.url}. Start a new run, which makes them.")
    if hashlib.sha256(stored[0]).hexdigest() != name:
        where = f"{store.url}/{FOLDER}/{name}.npz"
        raise IntegrityError(f"{where}: expected sha256 {name[:12]}. Received: other bytes. Delete the file; a new run makes it anew.")
    with np.load(io.BytesIO(stored[0]), allow_pickle=False) as file:
        return dict(file.items())
