"""Submitting a run to a cluster: what is packed, what is said on the way, and why doing it twice does it once.

The workflow travels as it is resolved here, so that nothing on the cluster depends on this machine's files or options. The code travels
too, unless the cluster's image has it. Credentials do not: the cluster's nodes have their own, in their environment or by their role.
"""

import hashlib
import os
import shlex
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from distrnn.cluster import jobs as keys
from distrnn.cluster.commits import COMMIT, commit_of
from distrnn.cluster.jobs import STOP_WAIT_S, Job, Jobs
from distrnn.cluster.packing import copy_of_package
from distrnn.errors import AccessError, ConflictError, NotFoundError, StorageError, UsageError, WorkflowError
from distrnn.registry.fences import FENCE
from distrnn.runs import LAST, RunStore, check_run_id, new_run_id
from distrnn.storage import default_registry, default_storage, open_store
from distrnn.workflow import LoadedWorkflow, load_workflow
from distrnn.workflow.document import PATH_KEYS

RESUME = "DISTRNN_RESUME"
STORAGE = "DISTRNN_STORAGE"


@dataclass(frozen=True)
class Request:
    """What is to be submitted.

    Attributes:
        loaded: the workflow.
        settings: the `--set` texts that it was loaded with.
        registry: URL of the registry; None: the default of this machine.
        lock: URL of the lock that whoever writes to the registry holds.
        shared_filesystem: local paths are the same folders on every node.
        installed: the cluster's nodes have distrnn, so the code is not sent.
        entrypoint_cpus: reserved for the process that drives the run; 0: it runs on the head and reserves nothing.
    """

    loaded: LoadedWorkflow
    settings: Sequence[str] = ()
    registry: str | None = None
    lock: str | None = None
    shared_filesystem: bool = False
    installed: bool = False
    entrypoint_cpus: float = 0.0

    @property
    def storage_url(self) -> str:
        """Where datasets and runs go."""
        return open_store(self.loaded.workflow.storage.root or default_storage()).url

    @property
    def registry_url(self) -> str:
        """Where the model goes."""
        return open_store(self.registry or default_registry()).url

    def document(self) -> dict[str, Any]:
        """The workflow that is sent; without what only this side needs."""
        return self.loaded.to_json()

    def arguments(self) -> list[str]:
        """What the run is given beside its workflow."""
        words = ["--registry", self.registry_url] if self.loaded.workflow.register_ else []
        words += ["--lock", self.lock] if self.lock else []
        return words + (["--shared-filesystem"] if self.shared_filesystem else [])

    def digest(self) -> str:
        """Names what is submitted, so that a run id cannot stand for two things."""
        said = [yaml.safe_dump(self.document(), sort_keys=True), self.storage_url, *self.arguments()]
        return hashlib.sha256("\0".join(said).encode()).hexdigest()

    def resume_command(self, address: str, run_id: str) -> str:
        """What to type here to go on with the run."""
        words = ["distrnn", "submit", self.loaded.file, "--address", address]
        words += [word for text in self.settings for word in ("--set", text)]
        words += ["--registry", self.registry] if self.registry else []
        words += ["--lock", self.lock] if self.lock else []
        words += [word for word, said in (("--shared-filesystem", self.shared_filesystem), ("--installed", self.installed)) if said]
        return shlex.join([*words, "--resume", run_id])


def load_request(workflow: str, settings: Sequence[str], **options: Any) -> Request:
    """A request for a workflow file that every node of a cluster can carry out.

    Raises:
        WorkflowError: a key is wrong, or names a place of this machine alone.
        UsageError: the registry or the lock is a place of this machine alone.
    """
    request = Request(load_workflow(workflow, settings), settings, **options)
    if not request.shared_filesystem:
        refuse_local(request)
    return request


def refuse_local(request: Request) -> None:
    """Refuse paths that only this machine has.

    Raises:
        WorkflowError: names the key.
        UsageError: names the option.
    """
    document, file = request.document(), request.loaded.file
    paths = {".".join(path): _value(document, path) for path in PATH_KEYS} | {"storage.root": request.storage_url}
    for key, path in paths.items():
        if isinstance(path, str) and not path.startswith("s3://"):
            setting = " or set DISTRNN_STORAGE to one" if key == "storage.root" else ""
            raise WorkflowError(
                f"{file}: key {key!r}: expected a place that every node of the cluster reaches. Received: {path}. Use an s3:// URL"
                f"{setting}; if all nodes share this folder, say so with --shared-filesystem.",
                file=file,
                key=key,
            )
    registry = request.registry_url if request.loaded.workflow.register_ else "s3://"
    for option, path in (("--registry", registry), ("--lock", request.lock)):
        if path and not path.startswith(("s3://", "ray://")):
            raise UsageError(
                f"{option}: expected a place that every node of the cluster reaches. Received: {path}. Use an s3:// URL for a registry and "
                "ray://NAME for a lock; if all nodes share this folder, say so with --shared-filesystem."
            )


def submit(cluster: Jobs, request: Request, *, run_id: str | None = None, resume: str | None = None) -> tuple[Job, bool]:
    """Submit a run, unless it is submitted already.

    Args:
        cluster: where to.
        request: what.
        run_id: of a new run; default: the workflow's name, the time and four random digits.
        resume: id of a run to go on with, or `last`.
    Returns:
        the job, and whether it is a new one. A run whose last job is still at work is not submitted again.
    Raises:
        ConflictError: the run id stands for something else.
        NotFoundError: there is no run to go on with.
        UsageError: the run to go on with is finished.
    """
    if resume is not None:
        run_id, before = _known(cluster, request, resume)
        attempt = (before[0].attempt if before else 0) + 1
        if before and not before[0].ended:
            return _same(before[0], request), False
        goes_on = _is_recorded(request, run_id, bool(before))
    else:
        run_id = check_run_id(run_id or new_run_id(request.loaded.workflow.name, datetime.now(UTC)))
        attempt, goes_on = 1, False
        if before := cluster.of_run(run_id):
            return _same(before[0], request), False
    submission = submission_id(run_id, attempt)
    with _packed(request) as runtime_env:
        made = cluster.submit(
            submission,
            entrypoint=entrypoint(request, run_id, goes_on),
            runtime_env=_with_environment(runtime_env, request, cluster.address, run_id),
            entrypoint_num_cpus=request.entrypoint_cpus,
            metadata={
                keys.RUN: run_id,
                keys.WORKFLOW: request.loaded.workflow.name,
                keys.ATTEMPT: str(attempt),
                keys.DIGEST: request.digest(),
                keys.RESUME: request.resume_command(cluster.address, run_id),
            },
        )
    return _same(cluster.find(submission), request), made


def _same(job: Job, request: Request) -> Job:
    """The job, if it is of what is to be submitted.

    Raises:
        ConflictError: it is of something else.
    """
    if job.digest == request.digest():
        return job
    raise ConflictError(
        f"run {job.run_id} was submitted with another workflow or other options. Choose another --run-id, or submit what was submitted "
        "then."
    )


def submission_id(run_id: str, attempt: int) -> str:
    """Ray's id of a submission: the same for whoever submits the same attempt of the same run."""
    return f"{run_id}.{attempt}"


def entrypoint(request: Request, run_id: str, goes_on: bool) -> str:
    """The command that the cluster runs; `exec`, so that the signal which ends the job meets the run and no shell."""
    words = ["python", "-m", "distrnn", "run", f"{request.loaded.workflow.name}.yaml", "--address", "auto", *request.arguments()]
    return f"exec {shlex.join([*words, '--resume' if goes_on else '--run-id', run_id])}"


def _known(cluster: Jobs, request: Request, resume: str) -> tuple[str, list[Job]]:
    """The id of the run that is meant, and its jobs on this cluster."""
    if resume == LAST:
        resume = _runs(request).resolve(LAST)
    return check_run_id(resume), cluster.of_run(resume)


def _is_recorded(request: Request, run_id: str, submitted: bool) -> bool:
    """Whether there is anything to go on with: a job that was stopped before its run began has left nothing.

    This machine need not be allowed to read the storage; the cluster must.
    """
    try:
        status = _runs(request).load(run_id).get("status")
    except (AccessError, StorageError):
        return True
    except NotFoundError:
        if submitted:
            return False
        raise
    if status == "finished":
        raise UsageError(f"run {run_id} is finished; there is nothing to go on with. See: distrnn runs show {run_id}")
    return True


def _runs(request: Request) -> RunStore:
    return RunStore(open_store(request.storage_url))


@contextmanager
def _packed(request: Request) -> Iterator[dict[str, Any]]:
    """Folders that Ray sends: the workflow, and the package unless the cluster has it."""
    with tempfile.TemporaryDirectory(prefix="distrnn-submit-") as temporary:
        workflow = Path(temporary, "workflow")
        workflow.mkdir()
        text = yaml.safe_dump(request.document(), sort_keys=False, allow_unicode=True)
        (workflow / f"{request.loaded.workflow.name}.yaml").write_text(text, encoding="utf-8")
        environment: dict[str, Any] = {"working_dir": str(workflow)}
        if not request.installed:
            environment["py_modules"] = [copy_of_package(Path(temporary))]
        yield environment


def _with_environment(runtime_env: Mapping[str, Any], request: Request, address: str, run_id: str) -> dict[str, Any]:
    """What the job's processes find in their environment beside what their node gives them; nothing of it is secret."""
    variables = {
        "RAY_JOB_STOP_WAIT_TIME_S": str(STOP_WAIT_S),
        RESUME: request.resume_command(address, run_id),
        **({} if request.loaded.workflow.storage.root else {STORAGE: request.storage_url}),
    }
    if fence := os.environ.get(FENCE):
        variables[FENCE] = fence
    commit = commit_of(Path(request.loaded.file).resolve().parent)
    return {**runtime_env, "env_vars": variables | ({COMMIT: commit} if commit else {})}


def _value(document: Any, path: Sequence[str]) -> Any:
    for key in path:
        document = document.get(key) if isinstance(document, Mapping) else None
    return document
