"""A run, from the workflow file to the promoted version: prepare, train, evaluate, register, promote.

Each stage is somebody else's; here they are put in order, timed, recorded, and made safe to interrupt: a run that was stopped or
killed anywhere goes on with `--resume`.
"""

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from distrnn.client import load_folder
from distrnn.cluster import gate, lineage, preprocess
from distrnn.cluster.interrupts import Interrupts
from distrnn.cluster.session import ray_session
from distrnn.cluster.train_job import TrainingInterruptedError, TrainJob, train_on_ray
from distrnn.errors import DistrnnError, InterruptedRunError, NotFoundError, UsageError, WorkflowError
from distrnn.evaluation import report
from distrnn.progress import Event, Progress, silent
from distrnn.registry import Registry
from distrnn.runs import RunStore, new_run_id
from distrnn.storage import Store, default_storage, open_store
from distrnn.training.plan import Placement, place
from distrnn.workflow import LoadedWorkflow, load_workflow
from distrnn.workflow.sections import LanguageModel

SAMPLE_LENGTH = 600
SAMPLE_TEMPERATURE = 0.7

Overrides = Sequence[str] | Mapping[str, Any]


@dataclass(frozen=True)
class RunResult:
    """What a finished run gives; the fields are those of `distrnn run --json`.

    Attributes:
        run_id: names the run.
        workflow: the workflow's name.
        dataset: `fingerprint`, `path`, `cache` (hit or miss), `distinct_tokens`.
        metrics: of the published model on the test split; None where nothing is held out.
        train_metrics: `loss` (nats) and `accuracy` of the last epoch.
        history: one entry an epoch.
        version: `name`, `number`, `digest`; None where nothing was registered.
        promotion: the gate's decision, if there is a gate.
        report: where the report is.
        seconds: of each stage.
    """

    run_id: str
    workflow: str
    dataset: dict[str, Any]
    metrics: dict[str, Any] | None
    train_metrics: dict[str, Any]
    history: list[dict[str, Any]]
    version: dict[str, Any] | None
    promotion: dict[str, Any] | None
    report: str
    seconds: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """The document of `run --json`."""
        return asdict(self)


@dataclass
class Stopwatch:
    """Seconds of each stage, in the order they ran."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what happens inside."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - started, 3)


def run(workflow_path: str | Path, overrides: Overrides = (), *, registry: str | None = None) -> RunResult:
    """Run a workflow with local Ray.

    Args:
        workflow_path: the YAML file.
        overrides: `key=value` texts, or a mapping from dotted key to value.
        registry: URL of the registry; default DISTRNN_REGISTRY.
    Raises:
        DistrnnError: see `distrnn.errors`.
    """
    return run_workflow(workflow_path, overrides, registry=registry)


def run_workflow(
    workflow_path: str | Path,
    overrides: Overrides = (),
    *,
    address: str | None = None,
    run_id: str | None = None,
    resume: str | None = None,
    registry: str | None = None,
    shared_filesystem: bool = False,
    progress: Progress = silent,
) -> RunResult:
    """Run a workflow, or go on with a run.

    Args:
        workflow_path: the YAML file.
        overrides: `key=value` texts, or a mapping from dotted key to value.
        address: of a Ray cluster; None starts Ray here for as long as the run takes.
        run_id: of the new run; default: the workflow's name, the time and four random digits.
        resume: id of a run to go on with, or `last`.
        registry: URL of the registry; default DISTRNN_REGISTRY.
        shared_filesystem: local paths are reachable from every node of the cluster.
        progress: told how far the run is.
    Raises:
        DistrnnError: see `distrnn.errors`; InterruptedRunError after SIGINT or SIGTERM, with the command that goes on.
    """
    loaded = load_workflow(workflow_path, overrides)
    store = storage_of(loaded)
    runs = RunStore(store)
    target = Registry(registry) if loaded.workflow.register_ else None
    if target is not None:
        _check_reachable(target, loaded)
    run_id, document = _open_run(runs, loaded, run_id, resume)
    with Interrupts() as interrupts:
        try:
            result = _Run(loaded, store, runs, target, run_id, document, progress, interrupts).execute(address, shared_filesystem)
        except BaseException as error:
            raise _closed(runs, run_id, document, loaded, error) from None
    runs.save(run_id, {**document, **result.to_json(), "status": "finished"})
    return result


def prepare_workflow(
    workflow_path: str | Path, overrides: Overrides = (), *, address: str | None = None, progress: Progress = silent
) -> dict[str, Any]:
    """Prepare the dataset only.

    Returns:
        `dataset` and `seconds`, as `distrnn prepare --json` prints them.
    """
    loaded = load_workflow(workflow_path, overrides)
    store, watch = storage_of(loaded), Stopwatch()
    with Interrupts(), watch.stage("prepare"):
        prepared = preprocess.lookup(loaded, store)
        if prepared is None:
            with ray_session(address):
                prepared = preprocess.prepare(loaded, store=store, progress=progress)
    return {"dataset": describe_dataset(prepared), "seconds": watch.seconds}


def storage_of(loaded: LoadedWorkflow) -> Store:
    """The storage root of a workflow."""
    return open_store(loaded.workflow.storage.root or default_storage())


def describe_dataset(prepared: preprocess.PreparedDataset) -> dict[str, Any]:
    """The `dataset` entry of a result."""
    return {
        "fingerprint": prepared.fingerprint,
        "path": prepared.path,
        "cache": prepared.cache,
        "distinct_tokens": prepared.distinct_tokens,
    }


def _check_reachable(registry: Registry, loaded: LoadedWorkflow) -> None:
    """Find wrong credentials and missing buckets before hours of training, not after."""
    assert loaded.workflow.register_ is not None  # noqa: S101 - the caller looked
    registry.aliases(loaded.workflow.register_.name)


def _open_run(runs: RunStore, loaded: LoadedWorkflow, run_id: str | None, resume: str | None) -> tuple[str, dict[str, Any]]:
    if resume is None:
        run_id = run_id or new_run_id(loaded.workflow.name, datetime.now(UTC))
        document = {
            "run_id": run_id,
            "status": "running",
            "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "workflow": loaded.workflow.name,
            "workflow_file": loaded.file,
            "resolved_workflow": loaded.to_json(),
        }
        runs.create(run_id, document)
        return run_id, document
    if run_id is not None:
        raise UsageError("--run-id names a new run and --resume goes on with one; give one of them.")
    run_id = runs.resolve(resume)
    document = runs.load(run_id)
    if document["status"] == "finished":
        raise UsageError(f"run {run_id} is finished; there is nothing to go on with. See: distrnn runs show {run_id}")
    if different := _first_difference(document["resolved_workflow"], loaded.to_json()):
        key, then, now = different
        raise WorkflowError(f"key {key!r}: expected {then!r}, as in run {run_id}. Received: {now!r}. Start a new run to change it.", key=key)
    document = {**document, "status": "running"}
    runs.save(run_id, document)
    return run_id, document


def _first_difference(then: Any, now: Any, key: str = "") -> tuple[str, Any, Any] | None:
    if isinstance(then, dict) and isinstance(now, dict):
        for part in [*then, *(part for part in now if part not in then)]:
            if found := _first_difference(then.get(part), now.get(part), f"{key}.{part}" if key else part):
                return found
        return None
    return None if then == now else (key, then, now)


def _closed(runs: RunStore, run_id: str, document: dict[str, Any], loaded: LoadedWorkflow, error: BaseException) -> BaseException:
    interrupted = isinstance(error, InterruptedRunError | KeyboardInterrupt)
    with contextlib.suppress(DistrnnError, OSError):
        runs.save(run_id, {**document, "status": "interrupted" if interrupted else "failed", "error": str(error)})
    if isinstance(error, InterruptedRunError):
        return InterruptedRunError(
            f"run {run_id} was {error.message}; what is done is kept. Go on with: distrnn run {loaded.file} --resume {run_id}",
            signal=error.fields["signal"],
        )
    return error


class _Run:
    """One execution; the stages share what is below."""

    def __init__(
        self,
        loaded: LoadedWorkflow,
        store: Store,
        runs: RunStore,
        registry: Registry | None,
        run_id: str,
        document: dict[str, Any],
        progress: Progress,
        interrupts: Interrupts,
    ) -> None:
        self.loaded, self.store, self.runs, self.registry = loaded, store, runs, registry
        self.run_id, self.document, self.progress, self.interrupts = run_id, document, progress, interrupts
        self.watch = Stopwatch()

    def execute(self, address: str | None, shared_filesystem: bool) -> RunResult:
        """All stages."""
        log_file = self.store.local_path(f"runs/{self.run_id}/log.txt")
        with tempfile.TemporaryDirectory(prefix="distrnn-run-") as temporary:
            folder = Path(temporary, "model")
            folder.mkdir()
            with contextlib.ExitStack() as stack:
                with self.watch.stage("start"):
                    nodes = stack.enter_context(ray_session(address, str(log_file) if log_file else None))
                placement = self._place(nodes, shared_filesystem)
                with self.watch.stage("prepare"):
                    prepared = preprocess.prepare(self.loaded, store=self.store, progress=self.progress)
                outcome = self._train(placement, prepared, folder, str(log_file) if log_file and len(nodes) == 1 else None)
            return self._finish(outcome, placement, prepared, folder)

    def _place(self, nodes: list[Mapping[str, float]], shared_filesystem: bool) -> Placement:
        if len(nodes) > 1 and self.store.is_local and not shared_filesystem:
            raise WorkflowError(
                f"key 'storage.root': expected an s3:// URL, which every node of the cluster reaches. Received: {self.store.url}. "
                "If all nodes share this folder, say so with --shared-filesystem.",
                key="storage.root",
            )
        scaling = self.loaded.workflow.scaling
        return place(
            device=scaling.device,
            replicas=scaling.replicas_per_worker,
            cpus=scaling.cpus_per_worker,
            gpus=scaling.gpus_per_worker,
            node_resources=nodes,
        )

    def _train(self, placement: Placement, prepared: preprocess.PreparedDataset, folder: Path, log_file: str | None) -> dict[str, Any]:
        job = TrainJob(self.loaded.to_json(), self.store.url, prepared.fingerprint, placement, f"runs/{self.run_id}", log_file)
        started = time.perf_counter()
        try:
            with self.interrupts.deferred():
                outcome = train_on_ray(
                    job,
                    max_failures=self.loaded.workflow.train.max_failures,
                    progress=self.progress,
                    stop_requested=lambda: self.interrupts.received is not None,
                    folder=folder,
                )
        except TrainingInterruptedError:
            outcome = {}
        if self.interrupts.received is not None:
            raise InterruptedRunError("interrupted while training, after a checkpoint", signal=self.interrupts.received)
        evaluated = outcome["seconds"]["evaluate"]
        self.watch.seconds |= {"train": round(time.perf_counter() - started - evaluated, 3), "evaluate": round(evaluated, 3)}
        return outcome

    def _finish(self, outcome: dict[str, Any], placement: Placement, prepared: preprocess.PreparedDataset, folder: Path) -> RunResult:
        last = outcome["history"][-1]
        origin = lineage.of_run(self.loaded, prepared, self.run_id, placement)
        figures = {"metrics": outcome["metrics"], "train_metrics": {"loss": last["loss"], "accuracy": last["accuracy"]}}
        version = promotion = None
        if self.registry is not None and self.loaded.workflow.register_ is not None:
            rule = self.loaded.workflow.register_.promote
            with self.watch.stage("register"):
                self.progress(Event("register", 0, 1, "versions"))
                version = self.registry.publish(
                    self.loaded.workflow.register_.name,
                    folder,
                    metadata={"task": self.loaded.workflow.model.task, "labels": list(prepared.dataset.manifest.labels), **figures, "lineage": origin},
                )
                self.progress(Event("register", 1, 1, "versions"))
            if rule is not None:
                with self.watch.stage("promote"):
                    promotion = gate.promote(self.registry, version, rule, origin["evaluation_set"], outcome["metrics"], self.store, self.run_id)
        result = RunResult(
            run_id=self.run_id,
            workflow=self.loaded.workflow.name,
            dataset=describe_dataset(prepared),
            **figures,
            history=outcome["history"],
            version={"name": version.name, "number": version.number, "digest": version.digest} if version else None,
            promotion=promotion,
            report=self.runs.location(self.run_id, "report.html"),
            seconds=self.watch.seconds,
        )
        details = {**outcome["details"], "device": placement.device, "replicas": placement.replicas, "workflow": self.loaded.to_json(), "lineage": origin}
        with self.watch.stage("report"):
            if isinstance(self.loaded.workflow.model, LanguageModel):
                details["sample"] = _sample(folder, self.loaded.workflow.train.seed)
            self.runs.save_report(self.run_id, report.render(result.to_json(), details))
        return result


def _sample(folder: Path, seed: int) -> dict[str, str]:
    model = load_folder(folder)
    prompt = model.sample_prompt
    return {"prompt": prompt, "text": model.generate(prompt, SAMPLE_LENGTH, temperature=SAMPLE_TEMPERATURE, seed=seed)}
