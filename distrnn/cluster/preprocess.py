"""A workflow's dataset: found prepared, or prepared by actors. Ray is not imported, let alone needed, where it is found."""

import time
from dataclasses import dataclass
from typing import Any, Literal

from distrnn.data import lookup as data_lookup
from distrnn.data.dataset import Dataset
from distrnn.progress import Progress, silent
from distrnn.storage import Store
from distrnn.workflow import LoadedWorkflow


@dataclass(frozen=True)
class PreparedDataset:
    """What `prepare` found or made.

    Attributes:
        dataset: opened.
        cache: `hit` if it was there already.
        reason: why it was, or what changed since the most similar one.
        seconds: wall time, Ray's start not included.
    """

    dataset: Dataset
    cache: Literal["hit", "miss"]
    reason: str
    seconds: float

    @property
    def fingerprint(self) -> str:
        """The dataset's name."""
        return self.dataset.manifest.fingerprint

    @property
    def path(self) -> str:
        """Where it is: a folder, or an s3:// URL."""
        return self.dataset.path

    @property
    def distinct_tokens(self) -> int:
        """Different tokens of the training text before the vocabulary was cut."""
        return self.dataset.manifest.distinct_tokens

    def to_json(self) -> dict[str, Any]:
        """The `dataset` object of `prepare --json` and `run --json`."""
        return {"fingerprint": self.fingerprint, "path": self.path, "cache": self.cache, "distinct_tokens": self.distinct_tokens}


def lookup(loaded: LoadedWorkflow, store: Store) -> PreparedDataset | None:
    """The dataset of a workflow if it is prepared; `data.lookup.lookup` also says why it is not.

    Raises:
        NotFoundError: the source does not exist.
        DataError: it is not what the workflow says.
    """
    started = time.monotonic()
    found = data_lookup.lookup(loaded, store)
    return PreparedDataset(found.dataset, "hit", found.reason, time.monotonic() - started) if found.dataset else None


def prepare(loaded: LoadedWorkflow, *, store: Store, progress: Progress = silent) -> PreparedDataset:
    """Prepare the dataset of a workflow, or find it prepared. Ray must be up unless it is found.

    Args:
        loaded: the workflow.
        store: the storage root.
        progress: hears about each chunk and shard.

    Raises:
        NotFoundError: the source does not exist.
        DataError: the source is empty, broken, or has one class only.
        StorageError: the store failed or is full.
    """
    started = time.monotonic()
    found = data_lookup.lookup(loaded, store)
    if found.dataset is not None:
        return PreparedDataset(found.dataset, "hit", found.reason, time.monotonic() - started)
    from distrnn.cluster.preprocess_driver import commit_dataset

    dataset = commit_dataset(loaded.workflow.scaling.actors, found, store, progress)
    return PreparedDataset(dataset, "miss", found.reason, time.monotonic() - started)
