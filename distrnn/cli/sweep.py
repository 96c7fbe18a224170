"""`distrnn sweep`: every combination of some values, ranked by the validation split."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from distrnn.amounts import duration
from distrnn.cli.extras import require
from distrnn.cli.options import Address, Debug, Json, Quiet, Settings, WorkflowFile
from distrnn.cli.output import NOTHING, Block, Fields, Output, Table, complain
from distrnn.cli.progress import shown
from distrnn.cli.workflows import Shared
from distrnn.errors import UsageError
from distrnn.progress import Event

Grid = Annotated[
    list[str] | None,
    typer.Option(
        "--grid", metavar="KEY=V1,V2", help="Values to try, for instance model.units=5,16; in place of the workflow's own. Repeatable."
    ),
]
Metric = Annotated[
    str | None,
    typer.Option(
        "--metric", metavar="METRIC", help="accuracy or loss of the validation split. Default: accuracy; loss of a language model."
    ),
]
Concurrent = Annotated[
    int | None, typer.Option("--concurrent", metavar="N", min=1, help="Trials at a time, at most. Default: as many as there are CPUs for.")
]
OutputFile = Annotated[
    str | None, typer.Option("--output", metavar="FILE", help="Where the best one goes, as a workflow. Default: NAME-best.yaml.")
]
Resume = Annotated[
    str | None, typer.Option("--resume", metavar="SWEEP", help="Go on with the trials that a sweep did not come to: its id, or last.")
]


def sweep(
    workflow: WorkflowFile,
    grid: Grid = None,
    metric: Metric = None,
    concurrent: Concurrent = None,
    output: OutputFile = None,
    settings: Settings = None,
    address: Address = None,
    shared_filesystem: Shared = False,
    resume: Resume = None,
    quiet: Quiet = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Train every combination of the values of a grid, rank them by the validation split, and write the best one as a workflow.

    What to try stands behind --grid or in the workflow's `sweep` section. The test split is not looked at.
    """
    _check(workflow, settings, grid, metric, output, resume)
    require("train", "sweep")
    from distrnn.cluster.sweep import sweep_workflow
    from distrnn.cluster.sweep_plan import parse_grid
    from distrnn.cluster.sweep_record import SweepOptions
    from distrnn.workflow import overrides_as_mapping

    out = Output(json=json, quiet=quiet)
    options = SweepOptions(
        overrides_as_mapping(settings or []),
        parse_grid(grid or []),
        metric=metric,
        address=address,
        concurrent=concurrent,
        shared_filesystem=shared_filesystem,
        output=str(Path(output).expanduser().absolute()) if output else None,
    )
    with shown(out) as show:

        def progress(event: Event) -> None:
            show(event)
            if line := event.info.get("line"):
                out.note(line)

        result = sweep_workflow(workflow, options, resume=resume, progress=progress)
    out.result(result.document, *sweep_blocks(result.document))
    if result.error is not None:
        complain(result.error.message)
        raise typer.Exit(result.error.exit_code)
    out.note(f"Next: distrnn run {_from_here(result.document['best']['file'])}")


def sweep_blocks(document: Mapping[str, Any]) -> Iterator[Block]:
    """The document of `sweep --json` as a person reads it."""
    from distrnn.workflow.sweep_words import short_names, shown, varied

    names = short_names(varied(document["grid"]))
    failed = any(trial["error"] for trial in document["trials"])
    columns = [
        *names.values(),
        f"validation {document['metric']}",
        "best epoch",
        "epochs",
        "seconds",
        "parameters",
        *(["error"] if failed else []),
    ]
    rows = [
        [
            *(shown(trial["values"][key]) for key in names),
            trial["value"],
            trial["best_epoch"],
            trial["epochs"],
            NOTHING if trial["seconds"] is None else f"{trial['seconds']:.1f}",
            trial["parameters"],
            *([trial["error"]["message"] if trial["error"] else None] if failed else []),
        ]
        for trial in document["trials"]
    ]
    yield Table(columns, rows)
    best, seconds = document["best"], document["seconds"]
    stages = ", ".join(f"{stage} {duration(value)}" for stage, value in seconds.items())
    yield Fields(
        {
            "sweep": document["sweep_id"],
            "not tried yet": document["left"] or None,
            "best": _from_here(best["file"]) if best else None,
            "picture": document["picture"],
            "took": f"{duration(sum(seconds.values()))} ({stages})" if seconds else None,
        }
    )


def _check(
    workflow: str, settings: list[str] | None, grid: list[str] | None, metric: str | None, output: str | None, resume: str | None
) -> None:
    """Find a mistake before the seconds that it takes to import Ray."""
    from distrnn.cluster.sweep_plan import make_plan

    if metric not in (None, "accuracy", "loss"):
        raise UsageError(f"--metric must be accuracy or loss, of the validation split. Received: {metric!r}")
    if resume is not None and (grid or metric):
        raise UsageError("--resume goes on with the grid and the metric that the sweep began with; leave --grid and --metric out.")
    # A sweep that goes on may have been started with settings that its file needs
    if resume is None:
        make_plan(workflow, settings or [], grid or [], metric)


def _from_here(path: str) -> str:
    """A path as somebody in the working folder would type it."""
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path
