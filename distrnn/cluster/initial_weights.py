"""A run that begins with the weights of a published model: they are pulled once, in the driver, and kept in the storage root.

What belongs to tokens (an embedding, the words of a bag, the output of a language model) follows the tokens, so the other model may have
another vocabulary. The model is pinned to the version that its reference led to when the run began.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from distrnn.client import FORM
from distrnn.data import initial_weights
from distrnn.data.dataset import Dataset
from distrnn.data.initial_weights import BY_NEXT_TOKEN, BY_TOKEN, refusal
from distrnn.registry import Registry
from distrnn.runtime.assemble import load_weights
from distrnn.runtime.preprocessing import Preprocessing
from distrnn.text import Vocabulary
from distrnn.workflow import Workflow
from distrnn.workflow.sections import EmbeddingModel


@dataclass(frozen=True)
class Begun:
    """What a run begins with.

    Attributes:
        name: of the weights, in the storage of the dataset.
        model: reference to the very version that has them.
        origin: what the published version says of them.
    """

    name: str
    model: str
    origin: dict[str, Any]


def weights_from(workflow: Workflow) -> str | None:
    """The reference of the model whose weights a run begins with; None where they are drawn."""
    return None if isinstance(workflow.model, EmbeddingModel) else workflow.model.weights_from


def fetch(reference: str, dataset: Dataset, registry: Registry) -> Begun:
    """Pull a model's weights and keep them for the workers.

    Args:
        reference: of a published model.
        dataset: prepared; its tokens are what the rows are for.
        registry: has the model.
    Raises:
        WorkflowError: the model has no vocabulary, or none of its tokens is one of the dataset.
        NotFoundError: there is no such model.
    """
    version = registry.resolve(reference)
    folder = registry.pull(version, form=FORM)
    other, own = Preprocessing.read(folder).vocabulary, dataset.vocabulary
    rows, known = _rows(other, own, reference)
    axes = BY_TOKEN | (BY_NEXT_TOKEN if version.metadata.get("task") == "language-model" else {})
    weights = {key: array.take(rows, axes[key]) if key in axes else array for key, array in load_weights(folder / FORM).items()}
    name = initial_weights.write(dataset.store, weights, known)
    origin = {"name": version.name, "number": version.number, "digest": version.digest, "tokens_known": int(known.sum())}
    return Begun(name, f"{version.name}@{version.digest}", {**origin, "tokens": own.size})


def _rows(other: Vocabulary, own: Vocabulary, reference: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """The other model's row of each id, and whether it has one: int64 [V], bool [V]."""
    if own.spec.buckets is not None or other.spec.buckets is not None:
        if own.spec == other.spec:  # hashed alike: an id means the same to both
            return np.arange(own.size), np.ones(own.size, np.bool_)
        raise refusal("a model that makes ids of text as data.tokenizer says: hashed tokens have no names", reference)
    rows, known = initial_weights.rows_by_token(other, own)
    if not known[own.spec.first_id :].any():
        raise refusal("a model that knows one of the dataset's tokens at least", f"{reference}, which knows none")
    return rows, known
