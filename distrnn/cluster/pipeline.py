"""A run, from the workflow file to the promoted version: prepare, train, evaluate, register, promote.

Each stage is somebody else's; here they are put in order, timed, recorded, and made safe to interrupt: a run that was stopped or
killed anywhere goes on with `--resume`.
"""

import contextlib
import signal
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distrnn.client import load_folder
from distrnn.cluster import gate, initial_weights, lineage, metrics, preprocess, pseudo_labelling, record
from distrnn.cluster.initial_weights import weights_from
from distrnn.cluster.interrupts import Interrupts
from distrnn.cluster.planning import check_trainable, names_file, place_workflow, require_shared, storage_of
from distrnn.cluster.preprocess import PreparedDataset
from distrnn.cluster.record import Options
from distrnn.cluster.result import RunResult, Stopwatch
from distrnn.cluster.session import ray_session
from distrnn.cluster.train_job import TrainJob, train_on_ray
from distrnn.data.inputs import Inputs
from distrnn.data.pretrained import digest_of, pretrained_of
from distrnn.data.sources import open_source
from distrnn.embeddings import ModelVectors
from distrnn.errors import InterruptedRunError, UsageError
from distrnn.evaluation import card, report, samples
from distrnn.progress import Event, Progress, silent
from distrnn.registry import ModelVersion, Registry
from distrnn.registry.fences import check_fence
from distrnn.registry.manifest import CARD
from distrnn.runs import RunStore, finite
from distrnn.storage import default_storage, open_store
from distrnn.training.plan import Placement
from distrnn.workflow import LoadedWorkflow, load_workflow, overrides_as_mapping, storage_root
from distrnn.workflow.document import absolute
from distrnn.workflow.sections import LanguageModel

if TYPE_CHECKING:
    from distrnn.storage import Lock

Overrides = Sequence[str] | Mapping[str, Any]


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
    lock: str | None = None,
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
        lock: URL of the lock that whoever writes to the registry holds, for a server that cannot decide races.
        progress: told how far the run is.
    Raises:
        DistrnnError: see `distrnn.errors`; InterruptedRunError after SIGINT or SIGTERM, with the command that goes on.
    """
    if resume is not None and run_id is not None:
        raise UsageError("--run-id names a new run and --resume goes on with one; give one of them.")
    registry = Registry(registry).url if registry else None
    options = Options(overrides_as_mapping(overrides), registry, address, shared_filesystem, absolute(lock, Path.cwd()) if lock else None)
    with contextlib.ExitStack() as stack:
        document = None
        if resume is not None:
            runs = RunStore(open_store(storage_root(workflow_path, options.overrides) or default_storage()))
            run_id = runs.resolve(resume)
            stack.enter_context(record.held(runs, run_id))
            document = runs.load(run_id)
            options = options.or_else(Options(**document["options"]))
        loaded = load_workflow(workflow_path, options.overrides)
        stack.enter_context(names_file(loaded))
        runs = RunStore(storage_of(loaded))
        target = Registry(options.registry, lock=_lock(options.lock, options.address)) if loaded.workflow.register_ else None
        if target is not None and loaded.workflow.register_ is not None:
            target.check_publish(loaded.workflow.register_.name)
        if document is not None:
            document = record.go_on(runs, document, loaded)
        else:
            document = record.start(runs, loaded, options, run_id)
            stack.enter_context(record.held(runs, document["run_id"]))
        result = _Run(loaded, runs, target, document, progress, options, resumed=resume is not None).recorded()
    metrics.write_result(result)
    return result


def prepare_workflow(
    workflow_path: str | Path,
    overrides: Overrides = (),
    *,
    address: str | None = None,
    shared_filesystem: bool = False,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Prepare the dataset only.

    Returns:
        `dataset` and `seconds`, as `distrnn prepare --json` prints them.
    """
    loaded = load_workflow(workflow_path, overrides)
    store, watch = storage_of(loaded), Stopwatch()
    with names_file(loaded), Interrupts().handled(), contextlib.ExitStack() as stack:
        with watch.stage("start"):
            prepared = preprocess.lookup(loaded, store)
            if prepared is None:
                nodes = stack.enter_context(ray_session(address))
                require_shared(loaded.workflow, nodes, address, {"storage.root": store.url}, shared_filesystem)
        with watch.stage("prepare"):
            prepared = prepared or preprocess.prepare(loaded, store=store, progress=progress)
    return {"dataset": prepared.to_json(), "seconds": watch.seconds}


class _Run:
    """One execution; the stages share what is below."""

    def __init__(
        self,
        loaded: LoadedWorkflow,
        runs: RunStore,
        registry: Registry | None,
        document: dict[str, Any],
        progress: Progress,
        options: Options,
        *,
        resumed: bool,
    ) -> None:
        self.loaded, self.workflow, self.runs, self.store = loaded, loaded.workflow, runs, runs.store
        self.registry, self.document, self.progress, self.resumed = registry, document, progress, resumed
        self.run_id: str = document["run_id"]
        self.options, self.interrupts, self.watch = options, Interrupts(), Stopwatch()

    def recorded(self) -> RunResult:
        """All stages; the record says how they ended."""
        try:
            with self.interrupts.handled():
                result = self._execute()
        except BaseException as error:
            if not isinstance(error, InterruptedRunError):
                metrics.write_failure(self.workflow.name)
            raise record.stopped(self.runs, self.document, error) from None
        self.runs.save(self.run_id, {**self.document, **result.to_json(), "status": "finished"})
        return result

    def _execute(self) -> RunResult:
        check_trainable(self.workflow, open_source(self.workflow).labels)
        for reference in self._models_beside():
            self._registry_of_models().resolve(reference)
        with contextlib.ExitStack() as stack:
            temporary = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="distrnn-run-")))
            folder = temporary / "model"
            folder.mkdir()
            log_file = stack.enter_context(record.log_file(self.runs, self.run_id, temporary))
            with contextlib.ExitStack() as ray_stack:
                with self.watch.stage("start"):
                    nodes = ray_stack.enter_context(ray_session(self.options.address, str(log_file)))
                alone = require_shared(self.workflow, nodes, self.options.address, self._places(), self.options.shared_filesystem)
                placement = place_workflow(self.workflow, nodes)
                with self.watch.stage("prepare"):
                    prepared = preprocess.prepare(self.loaded, store=self.store, progress=self.progress)
                self.document = record.with_dataset(self.runs, self.document, prepared.fingerprint)
                beside = self._read_beside(prepared)
                outcome = self._train(placement, prepared, folder, str(log_file) if alone else None)
            return self._finish(outcome, placement, prepared, folder, beside)

    def _places(self) -> dict[str, str]:
        registry = {"--registry": self.registry.url} if self.registry else {}
        return {"storage.root": self.store.url, **registry}

    def _read_beside(self, prepared: PreparedDataset) -> dict[str, Any]:
        """Record what training reads beside the dataset, and say where it comes from."""
        if (vectors := pretrained_of(self.workflow)) and (digest := digest_of(self.workflow)):
            self.document = record.with_vectors(self.runs, self.document, vectors.path, digest)
        beside = {"vectors": self.document.get("vectors")}
        if reference := weights_from(self.workflow):
            before = (self.document.get("weights") or {}).get("model")
            begun = initial_weights.fetch(before or reference, prepared.dataset, self._registry_of_models())
            self.document = record.with_weights(self.runs, self.document, begun.name, begun.model)
            beside["weights_from"] = begun.origin
        if self.workflow.train.pseudo_labels is not None:
            with self.watch.stage("label"):
                teacher = (self.document.get("pseudo_labels") or {}).get("teacher")
                registry = self._registry_of_models()
                labelled = pseudo_labelling.label(self.workflow, prepared.dataset, registry, self.progress, teacher=teacher)
            self.document = record.with_pseudo_labels(self.runs, self.document, labelled.name, labelled.teacher)
            beside["pseudo_labels"] = labelled.origin
        return beside

    def _models_beside(self) -> list[str]:
        """References of the published models that a run learns from."""
        section = self.workflow.train.pseudo_labels
        return [reference for reference in (weights_from(self.workflow), section and section.teacher) if reference]

    def _registry_of_models(self) -> Registry:
        return self.registry or Registry(self.options.registry)

    def _train(self, placement: Placement, prepared: PreparedDataset, folder: Path, log_file: str | None) -> dict[str, Any]:
        labelled, weights = (self.document.get(key) or {} for key in ("pseudo_labels", "weights"))
        inputs = Inputs(self.document.get("vectors"), labelled.get("name"), weights.get("name"))
        folder_of_run = f"runs/{self.run_id}"
        job = TrainJob(self.loaded.to_json(), self.store.url, prepared.fingerprint, placement, folder_of_run, log_file, inputs)
        started = time.perf_counter()
        outcome = None
        try:
            with self.interrupts.deferred():
                outcome = train_on_ray(
                    job,
                    max_failures=self.workflow.train.max_failures,
                    progress=self.progress,
                    stop_requested=lambda: self.interrupts.received is not None,
                    folder=folder,
                )
        except Exception:
            # A signal to the whole process group ends Ray as well; what it fails with then is not the news
            if self.interrupts.received is None:
                raise
        if outcome is None or self.interrupts.received is not None:
            raise InterruptedRunError("interrupted while training", signal=self.interrupts.received or signal.SIGINT)
        # A run that goes on after its training has these from the process that trained
        elapsed = time.perf_counter() - started
        evaluated = min(outcome["seconds"]["evaluate"], elapsed)
        self.watch.seconds |= {"train": round(elapsed - evaluated, 3), "evaluate": round(evaluated, 3)}
        return outcome

    def _finish(
        self, outcome: dict[str, Any], placement: Placement, prepared: PreparedDataset, folder: Path, beside: Mapping[str, Any]
    ) -> RunResult:
        last = outcome["history"][-1]
        figures = {"metrics": outcome["metrics"], "train_metrics": {"loss": last["loss"], "accuracy": last["accuracy"]}}
        origin = lineage.of_run(self.loaded, prepared, self.run_id, placement, beside)
        labels = list(prepared.dataset.manifest.labels)
        size = {"parameters": outcome["details"]["parameters"]}
        chosen = outcome["details"].get("threshold")
        threshold = {"threshold": chosen["threshold"]} if chosen else {}
        curves = {"history": finite(outcome["history"])}
        metadata = {"task": self.workflow.model.task, "labels": labels, **threshold, **size, **figures, **curves, "lineage": origin}
        version = self._register(folder, metadata, outcome["details"]["splits"])
        result = RunResult(
            run_id=self.run_id,
            workflow=self.workflow.name,
            task=self.workflow.model.task,
            dataset=prepared.to_json(),
            **figures,
            history=outcome["history"],
            version=self._told(version) if version else None,
            promotion=self._promote(version, origin["evaluation_set"]),
            report=self.runs.location(self.run_id, "report.html"),
            seconds=self.watch.seconds,
        )
        details = {**outcome["details"], "device": placement.device, "replicas": placement.replicas, "workflow": self.loaded.to_json()}
        details |= {"pseudo_labels": beside.get("pseudo_labels")}
        with self.watch.stage("report"):
            if isinstance(self.workflow.model, LanguageModel):
                details |= samples.describe(load_folder(folder), self.workflow, prepared.dataset, details.get("samples", []))
            if prepared.dataset.manifest.tokenizer.level == "word" and prepared.dataset.vocabulary.tokens:
                details["vectors"] = ModelVectors(load_folder(folder))
            self.runs.save_report(self.run_id, report.render(result.to_json(), {**details, "lineage": origin}))
        return result

    def _register(self, folder: Path, metadata: dict[str, Any], splits: Mapping[str, Any]) -> ModelVersion | None:
        if self.registry is None or self.workflow.register_ is None:
            return None
        name = self.workflow.register_.name
        with self.watch.stage("register"):
            self.progress(Event("register", 0, 1, "versions"))
            version = self.registry.published_by(name, self.run_id) if self.resumed else None
            if version is None:
                fence = partial(check_fence, self.registry.store)
                fence()  # before the upload too, which would come to nothing
                (folder / CARD).write_text(card.render(name, metadata, splits), encoding="utf-8")
                version = self.registry.publish(name, folder, metadata=metadata, before_commit=fence)
            message = {"message": f"unchanged: same as v{version.number}"} if self._told(version)["unchanged"] else {}
            self.progress(Event("register", 1, 1, "versions", message))
        return version

    def _told(self, version: ModelVersion) -> dict[str, Any]:
        """The version of the result; `unchanged` where another run had published the same content before."""
        unchanged = version.metadata["lineage"]["run_id"] != self.run_id
        return {"name": version.name, "number": version.number, "digest": version.digest, "unchanged": unchanged}

    def _promote(self, version: ModelVersion | None, evaluation_set: str | None) -> dict[str, Any] | None:
        rules = self.workflow.register_.promote if self.workflow.register_ else None
        if self.registry is None or version is None or rules is None or evaluation_set is None:
            return None
        if self.resumed and (decided := gate.decided(self.registry, version, rules, self.run_id)):
            return decided
        fence = partial(check_fence, self.registry.store)
        fence()  # before the holder is measured too
        with self.watch.stage("promote"):
            self.progress(Event("promote", 0, 1, "aliases"))
            decision = gate.promote(self.registry, version, rules, evaluation_set, self.store, self.run_id, before_commit=fence)
            self.progress(Event("promote", 1, 1, "aliases"))
        return decision


def _lock(url: str | None, address: str | None) -> "Lock | None":
    if url is None:
        return None
    if url.startswith("ray://"):
        from distrnn.cluster.lock import open_lock as open_actor

        return open_actor(url, address)
    from distrnn.storage.locks import open_lock

    return open_lock(url)
