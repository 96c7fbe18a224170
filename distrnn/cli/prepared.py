"""The prepared dataset that a workflow file on the command line means."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from distrnn.errors import NotFoundError

if TYPE_CHECKING:
    from distrnn.data.dataset import Dataset
    from distrnn.workflow import Workflow

WORKFLOW_ENDINGS = (".yaml", ".yml")


def is_workflow(subject: str) -> bool:
    """Whether an argument names a workflow file; nothing else that is accepted beside one ends like it."""
    return subject.endswith(WORKFLOW_ENDINGS)


def dataset_of(file: str, settings: Sequence[str], storage: str | None = None) -> "tuple[Workflow, Dataset]":
    """A workflow and its dataset.

    Args:
        file: the workflow file.
        settings: `--set` overrides.
        storage: URL of the storage root, where the workflow names none; default DISTRNN_STORAGE.
    Raises:
        NotFoundError: there is no such file, or the dataset is not prepared.
        WorkflowError: the file is wrong.
    """
    from distrnn.data.lookup import lookup
    from distrnn.storage import default_storage, open_store
    from distrnn.workflow import load_workflow

    loaded = load_workflow(file, settings)
    found = lookup(loaded, open_store(loaded.workflow.storage.root or storage or default_storage()))
    if found.dataset is None:
        raise NotFoundError(f"the dataset of {file} is not prepared ({found.reason}). Prepare it with: distrnn prepare {file}")
    return loaded.workflow, found.dataset
