"""The evaluation set: the held-out split as raw text, named by its digest.

Gate and comparison read this text and let each model tokenize it in its own way, so two models with two vocabularies stay comparable.
"""

import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from distrnn.data.columns import SCHEMA
from distrnn.data.downloads import file_digest
from distrnn.data.manifest import EvaluationSet, evaluation_key
from distrnn.data.staging import read_staged
from distrnn.errors import IntegrityError
from distrnn.storage import Store
from distrnn.storage.local_errors import os_errors


def write_evaluation_set(chunks: Sequence[int], store: Store, area: str) -> EvaluationSet:
    """Join the staged texts of chunks into one Arrow IPC file and store it by its digest.

    One chunk is in memory at a time; the same documents give the same file, so two datasets may share it.

    Args:
        chunks: indices of the chunks with test documents, in order.
        store: the storage root.
        area: key prefix of the staging area.

    Raises:
        StorageError: it cannot be written.
    """
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "evaluation.arrow"
        with os_errors(path):
            rows = _join(chunks, store, area, path)
        digest = file_digest(path)
        key = evaluation_key(digest)
        if store.size(key) != path.stat().st_size:
            store.put_file(key, path)
    return EvaluationSet(key, digest, rows)


def _join(chunks: Sequence[int], store: Store, area: str, path: Path) -> int:
    rows = 0
    with path.open("wb") as file, pa.ipc.new_file(file, SCHEMA) as writer:
        for index in chunks:
            staged = read_staged(store, area, index, "texts")
            for number in range(staged.num_record_batches):
                batch = staged.get_batch(number)
                writer.write_batch(batch)
                rows += len(batch)
    return rows


def read_evaluation_set(store: Store, sha256: str) -> tuple[list[str], list[str], npt.NDArray[np.int16]]:
    """Ids, raw texts and labels of an evaluation set, in its order; labels are -1 for a corpus.

    Args:
        store: the storage root.
        sha256: of the set.

    Raises:
        NotFoundError: it is not there.
        IntegrityError: it is altered.
    """
    key = evaluation_key(sha256)
    body = store.read(key)
    if (received := hashlib.sha256(body).hexdigest()) != sha256:
        raise IntegrityError(
            f"{store.url}/{key}: expected sha256 {sha256}. Received: {received}. Delete the dataset and this file, and prepare it again."
        )
    table = pa.ipc.open_file(pa.py_buffer(body)).read_all()
    labels = table["label"].combine_chunks().fill_null(-1).to_numpy(zero_copy_only=False)
    return table["id"].to_pylist(), table["text"].to_pylist(), np.asarray(labels, np.int16)
