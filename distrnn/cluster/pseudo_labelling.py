"""A teacher labels documents before a run trains on them: once, in the driver, in NumPy, and kept in the storage root.

A document is taken if the teacher is sure enough of it and if it is no copy, exact or near, of one that decides anything later: of a test
document, of one of the set that the workflow's gate measures on, or of a validation document; nor of one that was taken already. The
teacher is pinned to the version that its reference led to when the run began.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from distrnn.client import Classifier, load_model
from distrnn.data import pseudo_labels
from distrnn.data.dataset import Dataset
from distrnn.data.pseudo_labels import Probabilities, PseudoLabelled
from distrnn.data.removal import Signatures, joined, signatures
from distrnn.data.sources import Source, open_source, read_chunk
from distrnn.data.splits import VALIDATION
from distrnn.data.staging import sign_chunk
from distrnn.errors import DataError, WorkflowError
from distrnn.evaluation.held_out import read_texts
from distrnn.progress import Event, Progress
from distrnn.registry import Registry
from distrnn.workflow import Workflow
from distrnn.workflow.sections import Data, PseudoLabels

KEY = "train.pseudo_labels"
DOCUMENTS_TOGETHER = 256


@dataclass(frozen=True)
class Labelled:
    """What a run trains on.

    Attributes:
        name: of the documents, in the storage of the dataset.
        teacher: reference to the very version that labelled them.
        origin: what the published version says of them.
    """

    name: str
    teacher: str
    origin: dict[str, Any]


def label(workflow: Workflow, dataset: Dataset, registry: Registry, progress: Progress, *, teacher: str | None = None) -> Labelled:
    """Label the documents that a workflow names, or find them labelled.

    Args:
        workflow: has `train.pseudo_labels`.
        dataset: prepared.
        registry: has the teacher.
        progress: told how many documents are judged.
        teacher: reference that the run began with; None: the workflow's.
    Raises:
        WorkflowError: the teacher is no classifier of these labels, or none of the documents can be used.
        NotFoundError: there is no such teacher, or no such file, or the set that the gate measures on is not in this storage root.
        DataError: the file is not what the workflow says.
    """
    section = workflow.train.pseudo_labels
    if section is None:
        raise ValueError("train.pseudo_labels must be there. Received: None")
    model = load_model(teacher or section.teacher, registry)
    if not isinstance(model, Classifier) or model.version is None:
        raise _refusal("teacher", "a classifier", f"{section.teacher}, {model.what}")
    if model.labels != tuple(dataset.manifest.labels):
        expected = f"a classifier of {', '.join(dataset.manifest.labels)}, in this order"
        raise _refusal("teacher", expected, f"{section.teacher}, which tells {', '.join(model.labels)} apart")
    source = open_source(unlabelled(workflow, section))
    pinned = _pinned(workflow, dataset, registry)
    name = pseudo_labels.name_of(_parts(workflow, section, dataset, source, model, pinned))
    found = pseudo_labels.find(dataset.store, name)
    if found is None:
        found = _judged(section, dataset, source, model, _held_out(workflow, dataset, pinned), progress)
        pseudo_labels.write(dataset.store, name, found)
    origin = {**found.origin, "soft": section.soft}
    if origin["used"] < section.rows:
        expected = f"at most the {origin['used']} documents that are left of {origin['documents']}"
        raise _refusal("rows", f"{expected}: lower {KEY}.threshold or give more documents", str(section.rows))
    return Labelled(name, f"{model.version.name}@{model.version.digest}", origin)


def unlabelled(workflow: Workflow, section: PseudoLabels) -> Workflow:
    """A workflow whose source is the documents without labels."""
    keys = {"source": section.source, "path": section.path, "text_column": section.text_column, "limit": section.limit}
    data = Data.model_validate({**keys, "labels": "none", "validation_fraction": 0.0})
    return workflow.model_copy(update={"data": data})


def _pinned(workflow: Workflow, dataset: Dataset, registry: Registry) -> str | None:
    """The evaluation set that the workflow's gate will measure on, where it is another one than the dataset's own."""
    register = workflow.register_
    if register is None or register.promote is None or register.promote.evaluation_set == "own":
        return None
    own, pinned = dataset.manifest.evaluation_set, registry.alias(register.name, register.promote.alias).evaluation_set
    return None if own is not None and own.sha256 == pinned else pinned


def _held_out(workflow: Workflow, dataset: Dataset, pinned: str | None) -> dict[str, Signatures]:
    """What no document may be a copy of, by what it is."""
    found = {}
    if dataset.manifest.evaluation_set is not None:
        found["test"] = _signatures(dataset.evaluation_texts()[1], dataset)
    if pinned is not None:
        found["pinned"] = _signatures(read_texts(dataset.store, pinned)[0], dataset)
    if "validation" in dataset.manifest.splits:
        found["validation"] = _of_validation(workflow, dataset)
    return found


def _of_validation(workflow: Workflow, dataset: Dataset) -> Signatures:
    """Signatures of the validation documents, whose raw text only the source has."""
    chunks = [chunk for chunk in open_source(workflow).chunks() if chunk.split != "test"]
    signed = [sign_chunk(chunk, dataset.manifest.tokenizer, near=True) for chunk in chunks]
    return joined([marks.only(splits == VALIDATION) for marks, splits in signed])


def _parts(
    workflow: Workflow, section: PseudoLabels, dataset: Dataset, source: Source, model: Classifier, pinned: str | None
) -> dict[str, Any]:
    """All that decides which documents are taken and what the teacher says of them."""
    version = model.version
    return {
        "teacher": version.digest if version else None,
        "documents": [source.digest(), source.to_json(), section.limit, workflow.train.seed if section.limit else None],
        "dataset": dataset.manifest.fingerprint,
        "threshold": section.threshold,
        "held_out": ["test", pinned, "validation"],
    }


def _judged(
    section: PseudoLabels, dataset: Dataset, source: Source, model: Classifier, held_out: dict[str, Signatures], progress: Progress
) -> PseudoLabelled:
    rows, answers, marks = [], [], []
    documents = 0
    for texts in _texts(source):
        found = model.predict(texts)
        accepted = pseudo_labels.confident(found, section.threshold)
        chosen = [text for text, is_accepted in zip(texts, accepted.tolist(), strict=True) if is_accepted]
        rows += pseudo_labels.encoded(chosen, dataset.vocabulary)
        answers.append(found[accepted])
        marks.append(_signatures(chosen, dataset))
        documents += len(texts)
        progress(Event("label", documents, None, "documents"))
    if not documents:
        raise DataError(f"{source.name}: expected documents for {KEY}. Received: none. Name another file.")
    copied_from = pseudo_labels.copies(marks, list(held_out.values()))
    is_copy = copied_from != pseudo_labels.NO_COPY
    probabilities: Probabilities = np.concatenate(answers)[~is_copy]
    kept = [row for row, copied in zip(rows, is_copy.tolist(), strict=True) if not copied]
    left_out = {what: int((copied_from == place).sum()) for place, what in enumerate([*held_out, "repeated"])}
    version = model.version
    origin = {
        "teacher": {"name": version.name, "number": version.number, "digest": version.digest} if version else None,
        "source": source.digest(),
        "documents": documents,
        "threshold": section.threshold,
        "accepted": len(rows),
        "accepted_share": len(rows) / documents,
        "copies_left_out": int(is_copy.sum()),
        "copies_of": left_out,
        "used": len(kept),
    }
    made = pseudo_labels.joined(kept, probabilities, origin)
    return pseudo_labels.joined(kept, probabilities, {**origin, "labels": pseudo_labels.counts(made, model.labels)})


def _signatures(texts: list[str], dataset: Dataset) -> Signatures:
    return signatures(pa.array(texts, pa.large_string()), dataset.manifest.tokenizer, near=True)


def _texts(source: Source) -> Iterator[list[str]]:
    """The documents, so many together."""
    for chunk in source.chunks():
        texts = read_chunk(chunk).table["text"].to_pylist()
        for start in range(0, len(texts), DOCUMENTS_TOGETHER):
            yield texts[start : start + DOCUMENTS_TOGETHER]


def _refusal(key: str, expected: str, received: str) -> WorkflowError:
    return WorkflowError(f"key '{KEY}.{key}': expected {expected}. Received: {received}", key=f"{KEY}.{key}")
