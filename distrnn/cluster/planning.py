"""What a run would do: its dataset, its steps, its parameters and its place, with nothing started."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from distrnn.cluster.session import local_resources, ray_session
from distrnn.data.lookup import Lookup, lookup
from distrnn.data.pretrained import check_vectors, coverage_to_json, digest_of, pretrained_of, read_vectors
from distrnn.data.streams import window_count
from distrnn.errors import WorkflowError
from distrnn.storage import Store, default_storage, open_store
from distrnn.training import plan as decide
from distrnn.training.architecture import architecture
from distrnn.training.kernel_plan import kernels_for
from distrnn.training.model_facts import cudnn_obstacles, is_recurrent, parameter_counts
from distrnn.training.plan import Placement
from distrnn.training.schedules import learning_rate
from distrnn.workflow import ClassifierModel, EmbeddingModel, LoadedWorkflow, Workflow, load_workflow
from distrnn.workflow.document import local_paths
from distrnn.workflow.model_sections import Model

NOMINAL_STEPS = 1000  # of an epoch, where only the dataset could tell: the rate at an epoch's start hardly depends on it


def storage_of(loaded: LoadedWorkflow) -> Store:
    """The storage root of a workflow."""
    return open_store(loaded.workflow.storage.root or default_storage())


def place_workflow(workflow: Workflow, nodes: list[Mapping[str, float]]) -> Placement:
    """Where the worker of a workflow goes, among nodes of given resources."""
    scaling = workflow.scaling
    return decide.place(
        device=scaling.device,
        workers=scaling.workers,
        replicas=scaling.replicas_per_worker,
        cpus=scaling.cpus_per_worker,
        gpus=scaling.gpus_per_worker,
        node_resources=nodes,
    )


@contextlib.contextmanager
def names_file(loaded: LoadedWorkflow) -> Iterator[None]:
    """Errors about keys that leave it name the workflow file, whoever found them."""
    try:
        yield
    except WorkflowError as error:
        if "file" in error.fields:
            raise
        raise WorkflowError(f"{loaded.file}: {error.message}", **error.fields, file=loaded.file) from None


def require_shared(
    workflow: Workflow, nodes: list[Mapping[str, float]], address: str | None, places: Mapping[str, str], shared_filesystem: bool
) -> bool:
    """Refuse paths that not every node of a cluster reaches.

    Args:
        workflow: its paths are checked.
        nodes: of the cluster.
        address: of the cluster; a `ray://` address means that this machine is none of its nodes.
        places: other places by what names them: storage root, registry.
        shared_filesystem: the user says that every node has the same folders.
    Returns:
        whether everything runs on this machine.
    Raises:
        WorkflowError: a place is local; names its key.
    """
    alone = len(nodes) == 1 and not (address or "").startswith("ray://")
    local = local_paths(workflow.model_dump(by_alias=True)) | {key: path for key, path in places.items() if not path.startswith("s3://")}
    if not alone and local and not shared_filesystem:
        key, path = next(iter(local.items()))
        raise WorkflowError(
            f"key {key!r}: expected a place that every node of the cluster reaches. Received: {path}. "
            "Use an s3:// URL; if all nodes share this folder, say so with --shared-filesystem.",
            key=key,
        )
    return alone


def check_trainable(workflow: Workflow, labels: Sequence[str]) -> None:
    """Find out before the hours of training that the model cannot learn from this data, or that a gate asks for a label it does not have.

    Raises:
        WorkflowError: names the key.
        NotFoundError: there is no such file of vectors.
        DataError: it is no file of vectors.
    """
    classifier = isinstance(workflow.model, ClassifierModel)
    if workflow.data.tokenizer.layout == "bag" and workflow.model.type != "bag":
        _refuse("data.tokenizer.layout", f"sequence for model.type {workflow.model.type}, which reads tokens in their order", "bag")
    if classifier and not labels:
        _refuse("data.labels", "labels, which a classifier is trained on", "documents without labels. distrnn prepare takes them")
    if len(labels) > 2 and workflow.register_ is not None and workflow.register_.threshold is not None:
        _refuse("register.threshold", "nothing for more than two labels, of which the likeliest is the answer", f"{len(labels)} labels")
    check_vectors(workflow)
    promote = workflow.register_.promote if workflow.register_ else None
    for index, rule in enumerate(promote.gate if promote else ()):
        if promote and rule.label is not None and rule.label not in labels:
            key = "register.promote.label" if promote.rules is None else f"register.promote.rules.{index}.label"
            _refuse(key, f"one of {', '.join(labels)}", rule.label)


def _refuse(key: str, expected: str, received: str) -> NoReturn:
    raise WorkflowError(f"key {key!r}: expected {expected}. Received: {received}", key=key)


def plan(workflow_path: str | Path, overrides: Sequence[str] | Mapping[str, Any] = (), *, address: str | None = None) -> dict[str, Any]:
    """Say what `run` would do; only an address makes it speak to Ray.

    Returns:
        `workflow` (resolved), `storage`, `dataset`, `batches`, `parameters`, `architecture` (the layers in order, each with `layer`,
        `does`, `output`, `parameters` and `beside`), `placement`, `kernels` (how a step is computed, and why),
        `vectors` where `model.pretrained` names some, `cudnn` (None where nothing is recurrent): plain values. Steps, parameters and what
        vectors cover are None, or upper bounds, where they depend on a dataset that is not prepared.
    Raises:
        WorkflowError: a key is wrong, or the cluster cannot place the worker.
        NotFoundError: the source does not exist.
    """
    loaded = load_workflow(workflow_path, overrides)
    workflow, store = loaded.workflow, storage_of(loaded)
    with names_file(loaded):
        with ray_session(address) if address else contextlib.nullcontext(local_resources()) as nodes:
            placement = place_workflow(workflow, nodes)
        found = lookup(loaded, store)
        check_trainable(workflow, found.source.labels)
    return {
        "workflow": loaded.to_json(),
        "storage": store.url,
        "dataset": _dataset(found),
        "batches": _batches(workflow, placement, found),
        **_model(workflow, found),
        "placement": placement.to_json(),
        "kernels": kernels_for(workflow.model, workflow.train, placement).reason,
        **_vectors(workflow, found),
        "cudnn": _cudnn(workflow.model),
    }


def _dataset(found: Lookup) -> dict[str, Any]:
    shards = {name: len(split.shards) for name, split in found.dataset.manifest.splits.items()} if found.dataset else None
    return {
        "fingerprint": found.fingerprint,
        "cache": "hit" if found.hit else "miss",
        "reason": found.reason,
        "chunks": len(found.source.chunks()),
        "shards": shards,
    }


def _batches(workflow: Workflow, placement: Placement, found: Lookup) -> dict[str, Any]:
    batches = decide.plan_batches(workflow.train.rows_of_step, placement.all_replicas)
    steps = None
    if found.dataset is not None:
        split = found.dataset.manifest.splits["train"]
        if isinstance(workflow.model, ClassifierModel):
            rows = min(split.rows, workflow.data.train_limit or split.rows)
            steps = decide.classifier_steps(rows, workflow.train.global_batch_size)
        elif isinstance(workflow.model, EmbeddingModel):
            steps = None  # known when it is drawn which words are left out
        elif workflow.model.carries_state:
            steps = decide.stream_steps(split.tokens, batches.global_batch_size, workflow.model.window)
        else:
            steps = decide.classifier_steps(window_count(split.tokens, workflow.model.window), batches.global_batch_size)
    return {
        "global_batch_size": workflow.train.global_batch_size,
        **({"rows_of_step": batches.global_batch_size} if batches.global_batch_size != workflow.train.global_batch_size else {}),
        "per_replica_batch_size": batches.per_replica_batch_size,
        "steps_per_epoch": steps,
        "epochs": workflow.train.epochs,
        "learning_rates": [learning_rate(workflow.train, epoch, 0, steps or NOMINAL_STEPS) for epoch in range(workflow.train.epochs)],
    }


def _model(workflow: Workflow, found: Lookup) -> dict[str, Any]:
    """Its parameters, those that are published apart where training has others, and its layers from the tokens to the output."""
    size = found.dataset.manifest.vocabulary_size if found.dataset else found.spec.vocabulary_size
    if size is None:
        return {"parameters": {"vocabulary_size": None, "exact": False, "total": None}, "architecture": None}
    stages = [stage.to_json() for stage in architecture(workflow.model, size, len(found.source.labels))]
    total = sum(stage["parameters"] or 0 for stage in stages)
    published = sum(parameter_counts(workflow.model, size, len(found.source.labels)).values())
    counted = {"vocabulary_size": size, "exact": found.hit, "total": total, **({"published": published} if published != total else {})}
    return {"parameters": counted, "architecture": stages}


def _cudnn(model: Model) -> dict[str, Any] | None:
    """Whether a GPU could use cuDNN's fused kernels; None where there is nothing that they are for."""
    if not is_recurrent(model):
        return None
    obstacles = cudnn_obstacles(model)
    return {"usable": not obstacles, "prevented_by": obstacles}


def _vectors(workflow: Workflow, found: Lookup) -> dict[str, Any]:
    """The file of vectors, and how much of the vocabulary it covers, which only a dataset that is prepared can tell."""
    section = pretrained_of(workflow)
    if section is None:
        return {}
    read = read_vectors(workflow, found.dataset) if found.dataset else None
    known = coverage_to_json(read.coverage) if read else {"tokens": None, "found": None, "share": None, "running_share": None}
    return {"vectors": {"path": section.path, "sha256": digest_of(workflow), "trainable": section.trainable, **known}}
