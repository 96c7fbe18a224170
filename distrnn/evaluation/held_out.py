"""Figures of published models on an evaluation set: raw text, tokenised by each model's own preprocessing."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from distrnn.client import Classifier, Embedding, LanguageModel, load_model
from distrnn.data.evaluation_set import read_evaluation_set
from distrnn.errors import NotFoundError, UsageError
from distrnn.evaluation.metrics import characters_of, classifier_metrics, language_metrics
from distrnn.evaluation.slices import memberships
from distrnn.evaluation.streams import token_losses
from distrnn.registry import ModelVersion, Registry
from distrnn.registry.rules import Slice
from distrnn.storage import Store

Model = Classifier | LanguageModel | Embedding


def measure_version(
    registry: Registry, store: Store, version: ModelVersion, evaluation_set: str, slices: Sequence[Slice] = ()
) -> dict[Slice | None, dict[str, Any]]:
    """Judge a published version on an evaluation set; its documents are predicted once, whatever the slices.

    Args:
        registry: has the version.
        store: the storage root, which keeps evaluation sets.
        version: what to judge.
        evaluation_set: its sha256.
        slices: parts of it to judge on as well.
    Returns:
        the figures that a run reports, by slice; None is the whole set. A slice without documents has `examples` 0 and no figure.
    Raises:
        NotFoundError: the evaluation set is not in this storage root.
        UsageError: slices of a language model, or vectors of words.
    """
    texts, labels = read_texts(store, evaluation_set)
    return measure(load_model(str(version), registry), texts, labels, slices)


def read_texts(store: Store, evaluation_set: str) -> tuple[list[str], npt.NDArray[np.int16]]:
    """N raw texts and labels int16 [N] of an evaluation set.

    Raises:
        NotFoundError: it is not there.
        IntegrityError: it is altered.
    """
    try:
        _, texts, labels = read_evaluation_set(store, evaluation_set)
    except NotFoundError:
        raise NotFoundError(
            f"the evaluation set {evaluation_set[:12]} is not in {store.url}. Name the storage root that it was made in "
            "(--storage, or storage.root of the workflow)."
        ) from None
    return texts, labels


def measure(
    model: Model, texts: Sequence[str], labels: npt.NDArray[np.integer], slices: Sequence[Slice] = ()
) -> dict[Slice | None, dict[str, Any]]:
    """Judge a model.

    Args:
        model: loaded.
        texts: N documents; the documents or pieces of one stream, in order, for a language model.
        labels: int [N]; ignored for a language model.
        slices: parts of the documents to judge on as well.
    Returns:
        the figures that a run reports, by slice; None is the whole set.
    Raises:
        DataError: there is nothing to measure on.
        UsageError: slices of a language model, or vectors of words.
    """
    if isinstance(model, LanguageModel):
        if slices:
            raise UsageError(
                f"{model.version or 'the model'} is a language model, whose text is one stream. Expected rules without min_tokens, "
                f"max_tokens and label. Received: {slices[0]}"
            )
        return {None: _measure_stream(model, texts)}
    if isinstance(model, Embedding):
        raise UsageError(f"{model.version or 'the model'} is a set of word vectors, of which nothing is measured. Name a classifier.")
    probabilities, truth = model.predict(texts), np.asarray(labels)
    threshold = model.threshold
    figures: dict[Slice | None, dict[str, Any]] = {None: classifier_metrics(probabilities, truth, threshold)}
    for part, inside in memberships(slices, texts, truth, model.labels).items():
        figures[part] = classifier_metrics(probabilities[inside], truth[inside], threshold) if inside.any() else {"examples": 0}
    return figures


def _measure_stream(model: LanguageModel, texts: Sequence[str]) -> dict[str, Any]:
    losses = token_losses(model, texts)
    return language_metrics(float(losses.sum()), len(losses), characters_of(texts, model.preprocessing.vocabulary.spec.level))
