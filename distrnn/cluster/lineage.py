"""Where a model came from: enough to train it again."""

from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from distrnn.cluster.commits import commit_of
from distrnn.cluster.preprocess import PreparedDataset
from distrnn.training.plan import Placement
from distrnn.workflow import LoadedWorkflow

PACKAGES = ("distrnn", "tensorflow", "keras", "ray", "pyarrow", "numpy")


def of_run(
    loaded: LoadedWorkflow, prepared: PreparedDataset, run_id: str, placement: Placement, beside: Mapping[str, Any]
) -> dict[str, Any]:
    """The lineage of the model that a run made: data, workflow, code, run, machine, versions of packages.

    Args:
        loaded: the workflow.
        prepared: what it was trained on.
        run_id: of the run.
        placement: of its workers.
        beside: what it learned from beside the dataset: `vectors` (sha256 of the file), `weights_from` (whose weights it began with),
            `pseudo_labels` (where they come from); None is left out.
    """
    evaluation_set = prepared.dataset.manifest.evaluation_set
    return {
        "dataset": prepared.fingerprint,
        "source": prepared.dataset.manifest.fingerprint_parts["source"],
        "evaluation_set": evaluation_set.sha256 if evaluation_set else None,
        **{key: value for key, value in beside.items() if value is not None},
        "workflow": loaded.to_json(),
        "commit": commit_of(Path(loaded.file).resolve().parent),
        "run_id": run_id,
        "placement": placement.to_json(),
        "versions": {package: _version(package) for package in PACKAGES},
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # a wheel of another name, for instance tensorflow-cpu
        return None
