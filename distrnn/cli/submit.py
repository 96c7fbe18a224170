"""`distrnn submit`: a run on a cluster, started from here and independent of here from then on."""

import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from distrnn.cli.extras import require
from distrnn.cli.jobs import ApiAddress, job_fields, open_jobs
from distrnn.cli.options import Debug, Json, LockUrl, Quiet, RegistryUrl, Settings, WorkflowFile
from distrnn.cli.output import Block, Fields, Output, complain, write
from distrnn.errors import DistrnnError, InterruptedRunError

if TYPE_CHECKING:
    from distrnn.cluster.jobs import Job, Jobs
    from distrnn.cluster.submission import Request

Shared = Annotated[
    bool, typer.Option("--shared-filesystem", help="Local paths are the same folders on every node of the cluster.", show_default=False)
]
Upload = Annotated[
    bool,
    typer.Option("--upload-data", help="Send local data, up to 100 MB, to the storage root before the run.", show_default=False),
]
Installed = Annotated[
    bool, typer.Option("--installed", help="The cluster's nodes have this version of distrnn; do not send it.", show_default=False)
]
Cpus = Annotated[
    float, typer.Option("--entrypoint-cpus", metavar="N", min=0.0, help="CPUs to reserve for the process that drives the run; 0: the head.")
]
Wait = Annotated[
    bool, typer.Option("--wait", help="Follow the run, and exit with its exit code. Ctrl-C ends the following only.", show_default=False)
]


def submit(
    workflow: WorkflowFile,
    address: ApiAddress = None,
    settings: Settings = None,
    run_id: Annotated[str | None, typer.Option("--run-id", metavar="ID", help="Name of the run; the same one twice is one run.")] = None,
    resume: Annotated[
        str | None, typer.Option("--resume", metavar="RUN", help="Go on with a run that was stopped: its id, or last.")
    ] = None,
    wait: Wait = False,
    installed: Installed = False,
    shared_filesystem: Shared = False,
    upload_data: Upload = False,
    entrypoint_cpus: Cpus = 0.0,
    registry: RegistryUrl = None,
    lock: LockUrl = None,
    quiet: Quiet = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Submit a run to a Ray cluster and let it go on there. Data, storage and registry must be places that every node reaches."""
    from distrnn.errors import UsageError

    if run_id is not None and resume is not None:
        raise UsageError("--run-id names a new run and --resume goes on with one; give one of them.")
    require("submit", "submit")
    from distrnn.cluster.submission import load_request
    from distrnn.cluster.submission import submit as submit_request

    places: dict[str, Any] = {"shared_filesystem": shared_filesystem, "registry": registry, "lock": lock}
    cluster_side: dict[str, Any] = {"installed": installed, "entrypoint_cpus": entrypoint_cpus}
    request = load_request(workflow, settings or [], upload_data=upload_data, **places, **cluster_side)
    out, cluster = Output(json=json, quiet=quiet), open_jobs(address)
    job, made = submit_request(cluster, request, run_id=run_id, resume=resume, say=out.note)
    out.note(f"{'Submitted' if made else 'It was submitted already:'} run {job.run_id} as {job.submission} to {cluster.address}.")
    if not wait:
        out.result({**job.to_json(), "new": made}, Fields(job_fields(job)))
        if not job.ended:
            out.note(f"Next: distrnn jobs logs -f {job.run_id} --address {cluster.address}")
        return
    job = _followed(out, cluster, job)
    result = record_of(request, job)
    out.result({**job.to_json(), "new": made, "result": result}, *_blocks(job, result))
    if job.exit_code:
        complain(job.error or f"run {job.run_id} was stopped. Go on with: {job.resume}")
        raise typer.Exit(job.exit_code)


def record_of(request: "Request", job: "Job") -> dict[str, Any] | None:
    """The record of the run, if it is finished and this machine may read it."""
    from distrnn.runs import RunStore
    from distrnn.storage import open_store

    try:
        document = RunStore(open_store(request.storage_url)).load(job.run_id)
    except DistrnnError:
        return None
    return document if document.get("status") == "finished" else None


def _followed(out: Output, cluster: "Jobs", job: "Job") -> "Job":
    try:
        return cluster.follow(job, (lambda _: None) if out.quiet else lambda text: write(sys.stderr, text))
    except KeyboardInterrupt:
        raise InterruptedRunError(
            f"interrupted while following; run {job.run_id} goes on. Follow it with: distrnn jobs logs -f {job.run_id} --address "
            f"{cluster.address}, stop it with: distrnn jobs stop {job.run_id} --address {cluster.address}"
        ) from None


def _blocks(job: "Job", result: Mapping[str, Any] | None) -> Iterator[Block]:
    from distrnn.cli.workflows import run_blocks

    yield Fields(job_fields(job))
    if result is not None:
        yield from run_blocks(result)
