"""The datasets of a sweep: combinations that differ in the network alone share one, and each is prepared once before the trials."""

import json

from distrnn.cluster import preprocess
from distrnn.cluster.initial_weights import weights_from
from distrnn.cluster.planning import check_trainable
from distrnn.cluster.sweep_plan import SweepPlan
from distrnn.data.sources import open_source
from distrnn.errors import WorkflowError
from distrnn.progress import Progress
from distrnn.storage import Store
from distrnn.workflow import LoadedWorkflow, Workflow


def check_all_trainable(plan: SweepPlan) -> None:
    """Every combination must be able to learn from its data.

    Raises:
        WorkflowError: one is not; names the key.
    """
    labels: dict[str, list[str]] = {}
    for trial in plan.trials:
        workflow = trial.loaded.workflow
        key = what_decides(workflow)
        if key not in labels:
            labels[key] = list(open_source(workflow).labels)
        check_trainable(workflow, labels[key])
        section = workflow.train.pseudo_labels
        _refuse_model("train.pseudo_labels", f"teacher {section.teacher}" if section else None)
        _refuse_model("model.weights_from", weights_from(workflow))


def _refuse_model(key: str, received: str | None) -> None:
    if received is None:
        return
    raise WorkflowError(
        f"key '{key}': expected nothing in a sweep, whose trials read no registry. "
        f"Received: {received}. Sweep the other keys without it, then run with it.",
        key=key,
    )


def prepare_all(plan: SweepPlan, store: Store, progress: Progress) -> list[str]:
    """The fingerprint of every trial's dataset, found or prepared now; Ray must be up."""
    prepared: dict[str, str] = {}
    keys = [what_decides(trial.loaded.workflow) for trial in plan.trials]
    for key, trial in zip(keys, plan.trials, strict=True):
        if key not in prepared:
            prepared[key] = preprocess.prepare(trial.loaded, store=store, progress=progress).fingerprint
    return [prepared[key] for key in keys]


def what_decides(workflow: Workflow) -> str:
    """What two workflows have in common whose dataset is the same; the seed chooses the documents of `data.limit`."""
    resolved = LoadedWorkflow(workflow, "").to_json()
    return json.dumps([resolved["data"], workflow.model.task, workflow.train.seed if workflow.data.limit else None], sort_keys=True)
