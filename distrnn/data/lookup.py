"""What a workflow's dataset is called, and whether it is prepared already. Needs no Ray: a hit costs the digest of the source."""

from dataclasses import dataclass
from itertools import islice
from typing import Any

from distrnn.data.dataset import Dataset, find_dataset
from distrnn.data.fingerprint import differences, fingerprint, fingerprint_parts
from distrnn.data.sources import Source, open_source
from distrnn.errors import DistrnnError
from distrnn.storage import Store
from distrnn.text import TokenizerSpec
from distrnn.workflow import LoadedWorkflow

COMPARED_DATASETS = 64


@dataclass(frozen=True)
class Lookup:
    """The answer.

    Attributes:
        fingerprint: the dataset's name.
        parts: what it was made from.
        source: the opened source.
        spec: the tokenizer.
        dataset: the prepared dataset, or None.
        reason: why it is there, or what changed since the most similar one.
    """

    fingerprint: str
    parts: dict[str, Any]
    source: Source
    spec: TokenizerSpec
    dataset: Dataset | None
    reason: str

    @property
    def hit(self) -> bool:
        """Whether the dataset is prepared."""
        return self.dataset is not None


def lookup(loaded: LoadedWorkflow, store: Store) -> Lookup:
    """Find the dataset of a workflow.

    Args:
        loaded: the workflow.
        store: the storage root.

    Raises:
        NotFoundError: the source does not exist.
        DataError: it is not what the workflow says.
    """
    workflow = loaded.workflow
    source, spec = open_source(workflow), workflow.data.tokenizer.spec()
    parts = fingerprint_parts(source.name, source.digest(), spec, source.rules.to_json())
    parts["source"] |= source.to_json()
    name = fingerprint(parts)
    dataset = find_dataset(store, name)
    reason = "nothing changed since it was prepared" if dataset else _why_not(store, parts)
    return Lookup(name, parts, source, spec, dataset, reason)


def _why_not(store: Store, parts: dict[str, Any]) -> str:
    nearest: tuple[int, str, list[str]] | None = None
    for folder in islice(store.folders("datasets/"), COMPARED_DATASETS):
        try:
            other = find_dataset(store, folder)
        except DistrnnError:
            continue
        if other is None or other.manifest.fingerprint_parts["source"]["name"] != parts["source"]["name"]:
            continue
        changed = differences(other.manifest.fingerprint_parts, parts)
        if nearest is None or (len(changed), folder) < nearest[:2]:
            nearest = (len(changed), folder, changed)
    if nearest is None:
        return f"no dataset of {parts['source']['name']} has been prepared in {store.url}"
    return f"compared with dataset {nearest[1]}: {'; '.join(nearest[2])}"
