"""`distrnn runs`: what was run, and what came of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from distrnn.cli.options import Debug, Json, RunId, StorageUrl
from distrnn.cli.output import NOTHING, Fields, Output, Table, moment
from distrnn.errors import NotFoundError

if TYPE_CHECKING:
    from distrnn.runs import RunStore

HEADLINE = ("accuracy", "bits_per_character")


def list_runs(storage: StorageUrl = None, json: Json = False, debug: Debug = False) -> None:
    """List the runs, newest first."""
    out, store = Output(json=json), _runs(storage)
    documents = store.list()
    rows = [
        [document["run_id"], document.get("status"), moment(document.get("started_at")), _version(document), _headline(document)]
        for document in documents
    ]
    if not documents:
        out.note(f"No run in {store.store.url} yet. Start one with: distrnn run WORKFLOW")
    out.result(documents, *([Table(["run", "status", "started", "model", "result"], rows)] if rows else []))


def show(run: RunId = "last", storage: StorageUrl = None, json: Json = False, debug: Debug = False) -> None:
    """Show one run: its status, figures, model and the gate's decision."""
    from distrnn.cli.workflows import run_blocks

    store = _runs(storage)
    document = store.load(store.resolve(run))
    started = moment(document.get("started_at"))
    state = {"status": document.get("status"), "started": started, "workflow file": document.get("workflow_file")}
    if document.get("resolved_workflow", {}).get("train", {}).get("tensorboard"):
        state["tensorboard"] = store.location(document["run_id"], "tensorboard")
    if document.get("status") == "finished":
        blocks = [Fields(state), *run_blocks(document)]
    else:
        where = {"error": document.get("error"), "log": store.location(document["run_id"], "log.txt")}
        blocks = [Fields({"run": document["run_id"], "workflow": document["workflow"], **state, **where})]
    Output(json=json).result(document, *blocks)


def report(
    run: RunId = "last",
    dest: Annotated[str | None, typer.Option("--dest", metavar="FILE", help="Copy the page there.")] = None,
    storage: StorageUrl = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Say where the report of a run is: a page for the browser, with figures, curves and samples."""
    store = _runs(storage)
    run_id = store.resolve(run)
    page, where = store.read(run_id, "report.html"), store.location(run_id, "report.html")
    if dest is not None:
        target = Path(dest).expanduser()
        if not target.parent.is_dir():
            raise NotFoundError(f"no folder {str(target.parent)!r} to write the report into. Make it first.")
        target.write_bytes(page)
        where = str(target.absolute())
    Output(json=json).result({"run_id": run_id, "report": where}, where)


def _runs(storage: str | None) -> "RunStore":
    from distrnn.runs import RunStore
    from distrnn.storage import default_storage, open_store

    return RunStore(open_store(storage or default_storage()))


def _version(document: dict[str, Any]) -> str:
    version = document.get("version")
    return f"{version['name']}@v{version['number']}" if version else NOTHING


def _headline(document: dict[str, Any]) -> str:
    metrics = document.get("metrics") or {}
    return next((f"{name.replace('_', ' ')} {metrics[name]:.4f}" for name in HEADLINE if metrics.get(name) is not None), NOTHING)
