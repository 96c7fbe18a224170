"""The record of a run: opened when it starts or goes on, closed when it ends for whatever reason."""

import contextlib
import os
import shlex
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from distrnn.data.pretrained import another_file
from distrnn.errors import ConflictError, DataError, DistrnnError, InterruptedRunError, UsageError, WorkflowError
from distrnn.runs import RunStore, new_run_id
from distrnn.workflow import NOT_OF_A_RUN, LoadedWorkflow

RESUME = "DISTRNN_RESUME"
OPERATIONAL_KEYS = ("checkpoint_every_s", "checkpoints_kept", "max_failures", "max_time_s", "steps_per_call", "tensorboard")


@dataclass(frozen=True)
class Options:
    """What a run was given beside its workflow; going on needs the same.

    Attributes:
        overrides: dotted keys and their values; paths are absolute.
        registry: URL, where one was named.
        address: of the cluster.
        shared_filesystem: local paths are reachable from every node.
        lock: URL of the lock that whoever writes to the registry holds.
    """

    overrides: dict[str, Any]
    registry: str | None = None
    address: str | None = None
    shared_filesystem: bool = False
    lock: str | None = None

    def or_else(self, earlier: "Options") -> "Options":
        """These options, with what is not given here as it was in the run that goes on."""
        return Options(
            {**earlier.overrides, **self.overrides},
            self.registry or earlier.registry,
            self.address or earlier.address,
            self.shared_filesystem or earlier.shared_filesystem,
            self.lock or earlier.lock,
        )

    def recorded(self) -> dict[str, Any]:
        """What is kept of them: nothing of sections that are not the run's."""
        overrides = {key: value for key, value in self.overrides.items() if key.partition(".")[0] not in NOT_OF_A_RUN}
        return asdict(replace(self, overrides=overrides))

    def command(self, workflow_file: str, run_id: str) -> str:
        """The command that goes on with a run; everything but where its record is stands in the record.

        A run that was submitted goes on from where it was submitted (DISTRNN_RESUME), not from the node of the cluster that it ran on.
        """
        if submitted := os.environ.get(RESUME):
            return submitted
        words = ["distrnn", "run", workflow_file, "--resume", run_id]
        if root := self.overrides.get("storage.root"):
            words += ["--set", f"storage.root={root}"]
        return shlex.join(words)


def start(runs: RunStore, loaded: LoadedWorkflow, options: Options, run_id: str | None) -> dict[str, Any]:
    """Record a new run.

    Raises:
        ConflictError: another run has this id.
    """
    now = datetime.now(UTC)
    run_id = run_id or new_run_id(loaded.workflow.name, now)
    document = {
        "run_id": run_id,
        "status": "running",
        "started_at": now.isoformat(timespec="seconds"),
        "workflow": loaded.workflow.name,
        "workflow_file": loaded.file,
        "options": options.recorded(),
        "resolved_workflow": loaded.to_json(),
        "fingerprint": None,
        "vectors": None,
        "weights": None,
        "pseudo_labels": None,
    }
    runs.create(run_id, document)
    return document


def go_on(runs: RunStore, document: dict[str, Any], loaded: LoadedWorkflow) -> dict[str, Any]:
    """Record that a run goes on.

    Raises:
        UsageError: it is finished.
        WorkflowError: the workflow is another one now; names the key.
    """
    run_id = document["run_id"]
    if document["status"] == "finished":
        raise UsageError(f"run {run_id} is finished; there is nothing to go on with. See: distrnn runs show {run_id}")
    if different := _first_difference(_decisive(document["resolved_workflow"]), _decisive(loaded.to_json())):
        key, then, now = different
        raise WorkflowError(
            f"{loaded.file}: key {key!r}: expected {then!r}, as in run {run_id}. Received: {now!r}. Start a new run to change it.",
            file=loaded.file,
            key=key,
        )
    document = {key: value for key, value in document.items() if key != "error"} | {"status": "running"}
    runs.save(run_id, document)
    return document


def with_dataset(runs: RunStore, document: dict[str, Any], fingerprint: str) -> dict[str, Any]:
    """Record which dataset a run trains on.

    Raises:
        DataError: the run began with another one.
    """
    before = document["fingerprint"]
    if before is not None and before != fingerprint:
        raise DataError(
            f"expected the data that run {document['run_id']} began with (dataset {before[:12]}). Received: dataset {fingerprint[:12]}. "
            "Bring the data back, or start a new run."
        )
    return _with(runs, document, "fingerprint", fingerprint)


def with_vectors(runs: RunStore, document: dict[str, Any], path: str, digest: str) -> dict[str, Any]:
    """Record which file of vectors a run's embedding begins with.

    Raises:
        DataError: the run began with another one.
    """
    before = document.get("vectors")
    if before is not None and before != digest:
        raise another_file(path, before, digest)
    return _with(runs, document, "vectors", digest)


def with_weights(runs: RunStore, document: dict[str, Any], name: str, model: str) -> dict[str, Any]:
    """Record which weights a run begins with, and which version of a model has them: the same one whenever the run goes on."""
    return _with(runs, document, "weights", {"name": name, "model": model})


def with_pseudo_labels(runs: RunStore, document: dict[str, Any], name: str, teacher: str) -> dict[str, Any]:
    """Record which documents a run's teacher has labelled, and which version the teacher is.

    Raises:
        DataError: the run began with other documents.
    """
    before = document.get("pseudo_labels")
    if before is not None and before["name"] != name:
        raise DataError(
            f"expected the pseudo-labelled documents that run {document['run_id']} began with ({before['name'][:12]}). "
            f"Received: others ({name[:12]}). Bring the file of train.pseudo_labels.path back if it changed, or start a new run: "
            "other documents are left out, too, where the alias has pinned another evaluation set since."
        )
    return _with(runs, document, "pseudo_labels", {"name": name, "teacher": teacher})


def _with(runs: RunStore, document: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    document = {**document, key: value}
    runs.save(document["run_id"], document)
    return document


def _decisive(workflow: dict[str, Any]) -> dict[str, Any]:
    """What the weights of a run depend on; the rest may change when it goes on. Whether other replicas are exact, training itself knows."""
    train = {key: value for key, value in workflow["train"].items() if key not in OPERATIONAL_KEYS}
    return {**workflow, "train": train, "scaling": None}


def _first_difference(then: Any, now: Any, key: str = "") -> tuple[str, Any, Any] | None:
    if isinstance(then, dict) and isinstance(now, dict):
        for part in [*then, *(part for part in now if part not in then)]:
            if found := _first_difference(then.get(part), now.get(part), f"{key}.{part}" if key else part):
                return found
        return None
    return None if then == now else (key, then, now)


def stopped(runs: RunStore, document: dict[str, Any], error: BaseException) -> BaseException:
    """Record how a run ended without a result; returns the error to raise, with the command that goes on."""
    run_id = document["run_id"]
    interrupted = isinstance(error, InterruptedRunError | KeyboardInterrupt)
    with contextlib.suppress(DistrnnError, OSError):
        runs.save(run_id, {**document, "status": "interrupted" if interrupted else "failed", "error": str(error)})
    if not isinstance(error, InterruptedRunError):
        return error
    command = Options(**document["options"]).command(document["workflow_file"], run_id)
    return InterruptedRunError(
        f"run {run_id} was {error.message}; what is done is kept. Go on with: {command}", signal=error.fields["signal"]
    )


@contextlib.contextmanager
def held(runs: RunStore, run_id: str) -> Iterator[None]:
    """Keep a run to one process of this machine, where its record is in a folder.

    Raises:
        ConflictError: another process is at it.
    """
    path = runs.store.local_path(f"runs/{run_id}/lock")
    if path is None:
        yield
        return
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ConflictError(f"run {run_id} is in progress in another process. See: distrnn runs show {run_id}") from None
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def log_file(runs: RunStore, run_id: str, temporary: Path) -> Iterator[Path]:
    """A file for what libraries print: the run's log itself in a folder, or one that is uploaded as that at the end."""
    path = runs.store.local_path(f"runs/{run_id}/log.txt")
    if path is not None:
        yield path
        return
    path = temporary / "log.txt"
    path.touch()
    try:
        yield path
    finally:
        with contextlib.suppress(DistrnnError, OSError):
            runs.save_log(run_id, path)
