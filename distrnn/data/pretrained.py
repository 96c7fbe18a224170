"""The vectors that a workflow's embedding begins with (`model.pretrained`): whether the file fits, which file it is, and what it covers."""

import hashlib
from typing import Any

from distrnn.data.dataset import Dataset
from distrnn.data.vector_files import open_vectors
from distrnn.data.vectors import Coverage, PretrainedVectors, read_embedding, zeros
from distrnn.errors import DataError, WorkflowError
from distrnn.storage.local_errors import os_errors
from distrnn.workflow import ClassifierModel, Workflow
from distrnn.workflow.weight_sections import Pretrained

BLOCK_BYTES = 1 << 20


def pretrained_of(workflow: Workflow) -> Pretrained | None:
    """The workflow's section; None where the embedding is drawn."""
    return workflow.model.pretrained if isinstance(workflow.model, ClassifierModel) else None


def check_vectors(workflow: Workflow) -> None:
    """Find out before anything is prepared that the file does not fit the embedding; of a local file only the beginning is read.

    Raises:
        WorkflowError: its vectors have another length than the embedding; names the key.
        NotFoundError: there is no such file.
        DataError: it is no file of vectors.
        AccessError: it may not be read.
    """
    section = pretrained_of(workflow)
    if section is None:
        return
    given = workflow.model.embedding_dim
    resolved = workflow.resolved().model.embedding_dim
    dimension = open_vectors(section.path, section.format).dimension
    if dimension != resolved:
        received = str(given) if given is not None else f"{resolved}, the default"
        raise WorkflowError(
            f"key 'model.embedding_dim': expected {dimension}, the length of the vectors in {section.path}. Received: {received}",
            key="model.embedding_dim",
        )


def digest_of(workflow: Workflow) -> str | None:
    """The sha256 of the file of vectors, in hexadecimal; None where there is none.

    Raises:
        NotFoundError: there is no such file.
        AccessError: it may not be read.
    """
    section = pretrained_of(workflow)
    if section is None:
        return None
    path = open_vectors(section.path, section.format).file.path  # says what is wrong with a file that is none
    digest = hashlib.sha256()
    with os_errors(path), path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def read_vectors(workflow: Workflow, dataset: Dataset, expected: str | None = None) -> PretrainedVectors | None:
    """The vectors of a dataset's vocabulary; None where the embedding is drawn. Rows that are not known are zeros.

    Args:
        workflow: names the file.
        dataset: prepared.
        expected: sha256 that the file must have; None: any.
    Raises:
        DataError: it is another file, or broken.
        NotFoundError: there is no such file.
        AccessError: it may not be read.
    """
    section = pretrained_of(workflow)
    if section is None:
        return None
    if expected is not None and (found := digest_of(workflow)) != expected:
        raise another_file(section.path, expected, str(found))
    counts = [count for _, count in dataset.vocabulary_counts]
    return read_embedding(section.path, dataset.vocabulary, form=section.format, initialise=zeros, counts=counts)


def another_file(path: str, expected: str, found: str) -> DataError:
    """The error of a file that is not the one that a run began with."""
    return DataError(
        f"{path}: expected the vectors that this run began with (sha256 {expected[:12]}). Received: sha256 {found[:12]}. "
        "Bring the file back, or start a new run."
    )


def coverage_to_json(coverage: Coverage) -> dict[str, Any]:
    """What `plan` and a report say of it: `tokens`, `found`, `share` and `running_share` (0 to 1, or None), `missing`, `file_words`."""
    return {
        "tokens": coverage.tokens,
        "found": coverage.found,
        "share": coverage.share,
        "running_share": coverage.running_share,
        "missing": list(coverage.missing),
        "file_words": coverage.file_words,
    }
