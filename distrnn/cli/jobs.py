"""`distrnn jobs`: the runs that were submitted to a cluster, as its Jobs API tells of them."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from distrnn.cli.extras import require
from distrnn.cli.options import Debug, Json
from distrnn.cli.output import Fields, Output, Table, moment, write
from distrnn.errors import UsageError

if TYPE_CHECKING:
    from distrnn.cluster.jobs import Job, Jobs

ApiAddress = Annotated[
    str | None,
    typer.Option("--address", metavar="URL", envvar="RAY_API_SERVER_ADDRESS", help="Of a cluster's dashboard: http://head:8265."),
]
JobOfRun = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, a submission's, or last.", show_default=False)]


def list_jobs(address: ApiAddress = None, json: Json = False, debug: Debug = False) -> None:
    """List the runs that were submitted to a cluster, newest first."""
    cluster, out = open_jobs(address), Output(json=json)
    jobs = cluster.all()
    rows = [[job.run_id, job.workflow, job.attempt, job.status, job.exit_code, moment(job.started_at)] for job in jobs]
    if not jobs:
        out.note(f"No run was submitted to {cluster.address} yet. Submit one with: distrnn submit WORKFLOW --address {cluster.address}")
    table = Table(["run", "workflow", "attempt", "status", "exit code", "submitted"], rows)
    out.result([job.to_json() for job in jobs], *([table] if rows else []))


def status(run: JobOfRun, address: ApiAddress = None, json: Json = False, debug: Debug = False) -> None:
    """Show one submitted run: its status, its exit code, and how to go on with it."""
    job = open_jobs(address).find(run)
    Output(json=json).result(job.to_json(), Fields(job_fields(job)))


def logs(
    run: JobOfRun,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run has ended.", show_default=False)] = False,
    address: ApiAddress = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show what a submitted run has said."""
    if follow and json:
        raise UsageError("--follow shows lines as they come and --json one document; give one of them.")
    cluster = open_jobs(address)
    job = cluster.find(run)
    if follow:
        cluster.follow(job, lambda text: write(sys.stdout, text))
        return
    said = cluster.logs(job)
    Output(json=json).result({"run_id": job.run_id, "submission": job.submission, "logs": said}, said.rstrip("\n"))


def stop(run: JobOfRun, address: ApiAddress = None, json: Json = False, debug: Debug = False) -> None:
    """Stop a submitted run. It writes a checkpoint first, publishes nothing, and can go on later."""
    cluster, out = open_jobs(address), Output(json=json)
    job = cluster.find(run)
    ran = not job.ended
    if ran:
        job = cluster.stop(job)
    out.result({**job.to_json(), "stopped": ran}, Fields(job_fields(job)))
    if not ran:
        out.note(f"Run {job.run_id} had ended already.")
    elif job.status == "stopped":
        out.note(f"What is done is kept. Go on with: {job.resume}")


def open_jobs(address: str | None) -> "Jobs":
    """The jobs of the cluster at an address.

    Raises:
        UsageError: none was named.
        StorageError: nobody answers there.
    """
    if not address:
        raise UsageError("which cluster? Say it with --address URL or RAY_API_SERVER_ADDRESS, for instance http://head:8265.")
    require("submit", "jobs")
    from distrnn.cluster.jobs import Jobs

    return Jobs(address)


def job_fields(job: "Job") -> dict[str, Any]:
    """A job as a person reads it."""
    resumable = job.ended and job.status in ("stopped", "failed")
    return {
        "run": job.run_id,
        "workflow": job.workflow,
        "status": job.status,
        "exit code": job.exit_code,
        "attempt": job.attempt,
        "submission": job.submission,
        "submitted": moment(job.started_at),
        "ended": moment(job.ended_at),
        "error": job.error,
        "go on with": job.resume if resumable else None,
    }
