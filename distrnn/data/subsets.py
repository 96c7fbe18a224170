"""The documents of a split that a run trains on or validates with: all of them, or so many that the seed chooses.

The dataset keeps all of them, so one dataset serves runs on any number of labelled documents, and its vocabulary is that of the whole
training split.
"""

from typing import TYPE_CHECKING

import numpy as np

from distrnn.data.dataset import Dataset
from distrnn.data.manifest import SPLITS
from distrnn.data.reader import ShardReader

if TYPE_CHECKING:
    from distrnn.workflow import Workflow

OF_SUBSETS = 1  # tells this choice from that of `data.limit`, which has the same seed


def limit_of(workflow: "Workflow", split: str) -> int | None:
    """Documents of a split that are used at most; None: all."""
    return {"train": workflow.data.train_limit, "validation": workflow.data.validation_limit}.get(split)


def open_split(dataset: Dataset, workflow: "Workflow", split: str) -> ShardReader:
    """The documents of a split that a run uses, in the order of the dataset.

    Raises:
        NotFoundError: the dataset has no such split.
        IntegrityError: a shard is missing, cut short or altered.
    """
    reader, limit = dataset.reader(split), limit_of(workflow, split)
    return reader if limit is None else chosen(reader, limit, workflow.train.seed)


def chosen(reader: ShardReader, limit: int, seed: int) -> ShardReader:
    """`limit` rows of a split, which follow from the seed alone; all of them where there are no more."""
    if reader.rows <= limit:
        return reader
    generator = np.random.default_rng([seed, SPLITS.index(reader.name), OF_SUBSETS])
    return reader.only(np.sort(generator.permutation(reader.rows)[:limit]))
