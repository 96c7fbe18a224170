"""Submitting a run to a cluster: what is packed, what is said on the way, and why doing it twice does it once.

The workflow travels as it is resolved here, so that nothing on the cluster depends on this machine's files or options; small data may go
before it (`data_upload`). The code travels too, unless the cluster's image has it. Credentials do not: the cluster's nodes have their own,
in their environment or by their role.
"""

import hashlib
import os
import shlex
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from distrnn import __version__
from distrnn.cluster import data_upload
from distrnn.cluster import jobs as keys
from distrnn.cluster.commits import COMMIT, commit_of
from distrnn.cluster.data_upload import MAX_BYTES, Upload, local_data
from distrnn.cluster.jobs import STOP_WAIT_S, Job, Jobs
from distrnn.cluster.packing import copy_of_package
from distrnn.cluster.same_version import VERSION
from distrnn.errors import AccessError, ConflictError, NotFoundError, StorageError, UsageError, WorkflowError
from distrnn.registry.fences import FENCE
from distrnn.runs import LAST, RunStore, check_run_id, new_run_id
from distrnn.storage import default_registry, default_storage, open_store
from distrnn.workflow import NOT_OF_A_RUN, LoadedWorkflow, load_workflow
from distrnn.workflow.document import parse_overrides

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
        upload: local data that goes to the storage root first; None: local data is refused, or shared.
        installed: the cluster's nodes have this version of distrnn, so the code is not sent.
        entrypoint_cpus: reserved for the process that drives the run; 0: it runs on the head and reserves nothing.
    """

    loaded: LoadedWorkflow
    settings: Sequence[str] = ()
    registry: str | None = None
    lock: str | None = None
    shared_filesystem: bool = False
    upload: Upload | None = None
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
        document = self.loaded.to_json()
        return self.upload.applied(document) if self.upload else document

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
        """What to type here to go on with the run; whoever sees the cluster's dashboard reads it."""
        words = ["distrnn", "submit", self.loaded.file, "--address", address]
        words += [word for text in self.settings if _goes_along(text) for word in ("--set", text)]
        words += ["--registry", self.registry] if self.registry else []
        words += ["--lock", self.lock] if self.lock else []
        flags = {"--shared-filesystem": self.shared_filesystem, "--upload-data": self.upload is not None, "--installed": self.installed}
        words += [word for word, said in flags.items() if said]
        words += ["--entrypoint-cpus", f"{self.entrypoint_cpus:g}"] if self.entrypoint_cpus else []
        return shlex.join([*words, "--resume", run_id])


def _goes_along(setting: str) -> bool:
    """Whether a `--set` text is of a section that is sent; what the others say (the URL of a webhook) stays on this machine."""
    ((keys, _),) = parse_overrides([setting])
    return keys[0] not in NOT_OF_A_RUN


def load_request(workflow: str, settings: Sequence[str], *, upload_data: bool | None = None, **options: Any) -> Request:
    """A request for a workflow file that every node of a cluster can carry out.

    Args:
        workflow: the file.
        settings: `--set` texts.
        upload_data: local data goes to the storage root with the run; None: whoever asks has no way to say so.
        options: the other attributes of the request.
    Raises:
        WorkflowError: a key is wrong, or names a place of this machine alone.
        UsageError: the registry or the lock is a place of this machine alone, or there is more local data than is sent.
        NotFoundError: there is no such local data.
    """
    if upload_data and options.get("shared_filesystem"):
        raise UsageError("--upload-data sends local data to the cluster and --shared-filesystem says that it is there; give one of them.")
    request = Request(load_workflow(workflow, settings), settings, **options)
    if request.shared_filesystem:
        return request
    refuse_local(request, upload_data=upload_data)
    return replace(request, upload=data_upload.prepare(request.loaded, request.storage_url)) if upload_data else request


def refuse_local(request: Request, *, upload_data: bool | None) -> None:
    """Refuse paths that only this machine has and that are not sent.

    Raises:
        WorkflowError: names the key.
        UsageError: names the option.
    """
    file = request.loaded.file
    places = {} if upload_data else local_data(request.document())
    places |= {} if request.storage_url.startswith("s3://") else {"storage.root": request.storage_url}
    for key, place in places.items():
        upload = "" if upload_data is None else f", or --upload-data for up to {MAX_BYTES // 10**6} MB"
        other_way = " or set DISTRNN_STORAGE to one" if key == "storage.root" else upload
        raise WorkflowError(
            f"{file}: key {key!r}: expected a place that every node of the cluster reaches. Received: {place}. Use an s3:// URL"
            f"{other_way}; if all nodes share this folder, say so with --shared-filesystem.",
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


def submit(
    cluster: Jobs,
    request: Request,
    *,
    run_id: str | None = None,
    resume: str | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[Job, bool]:
    """Submit a run, unless it is submitted already.

    Args:
        cluster: where to.
        request: what.
        run_id: of a new run; default: the workflow's name, the time and four random digits.
        resume: id of a run to go on with, or `last`.
        say: told what data is sent before the run.
    Returns:
        the job, and whether it is a new one. A run whose last job is still at work is not submitted again.
    Raises:
        ConflictError: the run id stands for something else.
        NotFoundError: there is no run to go on with.
        UsageError: the run to go on with is finished.
        DataError: local data changed while it was sent.
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
    if request.upload:
        data_upload.send(request.upload, open_store(request.storage_url), say)
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
    if request.installed:
        variables[VERSION] = __version__
    if fence := os.environ.get(FENCE):
        variables[FENCE] = fence
    commit = commit_of(Path(request.loaded.file).resolve().parent)
    return {**runtime_env, "env_vars": variables | ({COMMIT: commit} if commit else {})}
