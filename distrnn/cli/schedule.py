"""`distrnn schedule`: workflows that are run again by themselves, when they are due and only where something has changed."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from distrnn.cli.extras import require
from distrnn.cli.jobs import open_jobs
from distrnn.cli.options import Debug, Json, LockUrl, RegistryUrl, Settings, WorkflowFile
from distrnn.cli.output import NOTHING, Output, Table, cell
from distrnn.cli.registries import open_registry
from distrnn.errors import DistrnnError, NotFoundError, UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from distrnn.retraining.book import Book
    from distrnn.retraining.scheduler import Around, Scheduled
    from distrnn.retraining.state import Entry, State

WORKERS = 4
WorkflowFiles = Annotated[list[str], typer.Argument(metavar="WORKFLOW…", help="YAML files with a section schedule.", show_default=False)]
Cluster = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="URL",
        envvar="RAY_API_SERVER_ADDRESS",
        help="Submit runs to a cluster: http://head:8265. Default: each run is a process here.",
    ),
]
Port = Annotated[int | None, typer.Option("--metrics-port", metavar="N", min=1, max=65535, help="Serve metrics for Prometheus there.")]


def run(
    workflows: WorkflowFiles,
    address: Cluster = None,
    settings: Settings = None,
    metrics_port: Port = None,
    metrics_host: Annotated[str, typer.Option("--metrics-host", metavar="HOST", help="Where metrics are served.")] = "127.0.0.1",
    force: Annotated[bool, typer.Option("--force", help="Train at every tick, changed or not.", show_default=False)] = False,
    installed: Annotated[bool, typer.Option("--installed", help="As of distrnn submit; needs --address.", show_default=False)] = False,
    shared_filesystem: Annotated[
        bool, typer.Option("--shared-filesystem", help="As of distrnn submit; needs --address.", show_default=False)
    ] = False,
    upload_data: Annotated[bool, typer.Option("--upload-data", help="As of distrnn submit; needs --address.", show_default=False)] = False,
    entrypoint_cpus: Annotated[
        float, typer.Option("--entrypoint-cpus", metavar="N", min=0.0, help="As of distrnn submit; needs --address.", show_default=False)
    ] = 0.0,
    registry: RegistryUrl = None,
    lock: LockUrl = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Run workflows when they are due, until stopped. Any number may run over one registry; each tick is run once.

    A tick trains only where data, workflow or code have changed. Ticks that were missed are run once. Whatever is being run when this is
    stopped goes on with the next scheduler.
    """
    require("schedule", "schedule")
    given = {"--installed": installed, "--shared-filesystem": shared_filesystem, "--upload-data": upload_data}
    words = [word for word, said in given.items() if said]
    words += ["--entrypoint-cpus", f"{entrypoint_cpus:g}"] if entrypoint_cpus else []
    if words and address is None:
        raise UsageError(f"{words[0]} is for runs on a cluster; name it with --address URL.")
    from distrnn.retraining.scheduler import Scheduler

    out = Output(json=json)
    scheduled = [load(file, settings or []) for file in workflows]
    if len({one.name for one in scheduled}) < len(scheduled):
        raise UsageError("two of these files are workflows of one name, and records are kept by name. Give one of them another name.")
    if address is not None:
        places = {"registry": registry, "lock": lock, "shared_filesystem": shared_filesystem}
        check_cluster(scheduled, address, **places, installed=installed, upload_data=upload_data)
    with _around(out, scheduled, address, words, registry, lock, force) as around, _metrics(around, metrics_host, metrics_port) as around:
        scheduler = Scheduler(around, scheduled)
        around.say(f"Scheduling {', '.join(one.name for one in scheduled)} in {around.registry} as {scheduler.holder}. Stop with Ctrl-C.")
        scheduler.run(threading.Event())


def list_schedules(registry: RegistryUrl = None, json: Json = False, debug: Debug = False) -> None:
    """List the workflows that are scheduled over a registry, and where each stands."""
    require("schedule", "schedule list")
    out, damaged = Output(json=json), list[DistrnnError]()
    book = open_book(registry)
    states, store = book.states(damaged.append), book.store
    for error in damaged:
        out.note(error.message)
    if not states and not damaged:
        out.note(f"Nothing is scheduled in {store.url} yet. Start with: distrnn schedule run WORKFLOW")
    columns = ["workflow", "cron", "time zone", "standing", "next", "last outcome", "last check", "last success"]
    rows = [
        [
            state.workflow,
            state.cron,
            state.timezone,
            standing(state),
            _moment(_next(state)),
            state.last_outcome,
            _moment(state.last_check_at),
            _moment(state.last_success_at),
        ]
        for state in states
    ]
    documents = [
        {**state.model_dump(mode="json", exclude={"inputs", "turn"}), "turn": _turn(state), "next": at.isoformat() if at else None}
        for state, at in ((state, _next(state)) for state in states)
    ]
    out.result(documents, *([Table(columns, rows)] if rows else []))


def show_next(
    workflow: WorkflowFile,
    count: Annotated[int, typer.Option("--count", metavar="N", min=1, max=1000, help="How many.")] = 5,
    settings: Settings = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show when a workflow will be due next, in its time zone and in UTC."""
    require("schedule", "schedule next")
    from datetime import UTC, datetime

    from distrnn.retraining.ticks import begins_at, next_tick, zone_of

    one = load(workflow, settings or [])
    ticks, at = [], datetime.now(UTC)
    for _ in range(count):
        at = next_tick(one.schedule, at)
        ticks.append(at)
    document = [{"tick": tick.isoformat(), "begins_at": begins_at(one.name, one.schedule, tick).isoformat()} for tick in ticks]
    zone = zone_of(one.schedule)
    rows = [[f"{tick.astimezone(zone):%Y-%m-%d %H:%M %Z}", _moment(begins_at(one.name, one.schedule, tick))] for tick in ticks]
    Output(json=json).result(document, Table([f"tick ({one.schedule.timezone})", "begins"], rows))


def history(
    workflow: Annotated[str, typer.Argument(metavar="WORKFLOW", help="The workflow's name, or its file.", show_default=False)],
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="The newest so many.")] = 50,
    registry: RegistryUrl = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show what came of each tick of a workflow, and why, newest first."""
    require("schedule", "schedule history")
    from itertools import islice

    name = workflow
    if workflow.endswith((".yaml", ".yml")):
        from distrnn.workflow import load_workflow

        name = load_workflow(workflow).workflow.name
    book, out, damaged = open_book(registry), Output(json=json), list[DistrnnError]()
    entries = list(islice(book.history(name, damaged.append), limit))
    for error in damaged:
        out.note(error.message)
    if not entries and not damaged and book.read(name) is None:
        raise NotFoundError(f"no workflow {name!r} is scheduled in {book.store.url}. See: distrnn schedule list")
    columns = ["tick", "attempt", "outcome", "model", "run", "took", "why"]
    out.result([entry.model_dump(mode="json") for entry in entries], Table(columns, [_row(entry) for entry in entries]))


def manifests(
    workflow: WorkflowFile,
    form: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="kuberay: a RayCronJob; cronjob: a CronJob that makes RayJobs.")
    ] = "kuberay",
    image: Annotated[str, typer.Option("--image", metavar="IMAGE", help="Of head and workers; built from infra/Dockerfile.")] = "distrnn",
    credentials: Annotated[str, typer.Option("--secret", metavar="NAME", help="The Secret with the AWS variables.")] = "distrnn-s3",
    kubectl_image: Annotated[
        str, typer.Option("--kubectl-image", metavar="IMAGE", help="With cronjob: what makes RayJobs; kubectl 1.31 or later.")
    ] = "registry.k8s.io/kubectl:v1.34.1",
    settings: Settings = None,
    registry: RegistryUrl = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write what Kubernetes needs to run a workflow on its schedule, for kubectl apply -f -. Places must be s3:// URLs."""
    from importlib.metadata import version
    from typing import get_args

    require("schedule", "schedule manifests")
    import yaml

    from distrnn.cluster.submission import load_request
    from distrnn.retraining.manifests import Format, Place
    from distrnn.retraining.manifests import manifests as write_manifests

    if form not in get_args(Format):
        raise UsageError(f"--format must be one of {', '.join(get_args(Format))}. Received: {form!r}")
    one, request = load(workflow, settings or []), load_request(workflow, settings or [], registry=registry)
    place = Place(image, request.registry_url, request.storage_url, credentials, version("ray"), kubectl_image)
    text = write_manifests(form, one.loaded.workflow, one.schedule, request.document(), place)  # type: ignore[arg-type]
    Output(json=json).result(list(yaml.safe_load_all(text)), text.rstrip("\n"))


def load(file: str, settings: list[str]) -> "Scheduled":
    """A workflow that has a schedule.

    Raises:
        WorkflowError: it has none, or its cron expression never comes true.
    """
    from distrnn.errors import WorkflowError
    from distrnn.retraining.scheduler import Scheduled
    from distrnn.retraining.ticks import check_cron
    from distrnn.workflow import load_workflow

    loaded = load_workflow(file, settings)
    schedule = loaded.workflow.schedule
    if schedule is None:
        example = 'schedule: {cron: "0 3 * * 1", timezone: UTC}'
        raise WorkflowError(f"{file}: expected a section schedule, for instance {example}. Received: none", file=file, key="schedule")
    check_cron(schedule, file)
    return Scheduled(loaded, schedule, tuple(settings))


def check_cluster(scheduled: "list[Scheduled]", address: str, **options: Any) -> None:
    """Make sure that a cluster is there and can carry out these workflows, as `distrnn submit` would.

    Raises:
        WorkflowError: a key names a place of this machine alone.
        UsageError: so does an option, or the address is none.
        StorageError: nobody answers there.
    """
    from distrnn.cluster.submission import load_request

    for one in scheduled:
        load_request(one.loaded.file, one.settings, **options)
    open_jobs(address)


def open_book(registry: str | None) -> "Book":
    """The schedules of the registry at a URL.

    Raises:
        UsageError: it is a service, which hands none out: a record may hold what only those who may read the storage should see.
    """
    from distrnn.retraining.book import Book

    store = open_registry(registry).store
    if store.url.startswith(("http://", "https://")):
        raise UsageError(f"a service does not hand out schedules; name the registry itself, a folder or s3:// URL. Received: {store.url}")
    return Book(store)


def standing(state: "State") -> str:
    """What a schedule is doing, in words."""
    if state.turn is None:
        return "waits for its tick" if state.holder is None else "looks for changes"
    if state.holder is not None:
        return f"runs {state.turn.run_id}" if state.turn.inputs else "looks for changes"
    if state.turn.not_before is not None:
        return f"tries {state.turn.run_id} again at {_moment(state.turn.not_before)}"
    return f"goes on with {state.turn.run_id} once a scheduler runs"


@contextmanager
def _around(
    out: Output, scheduled: "list[Scheduled]", address: str | None, words: list[str], registry: str | None, lock: str | None, force: bool
) -> "Iterator[Around]":
    """What a scheduler works with, and the threads that it uses."""
    from concurrent.futures import ThreadPoolExecutor
    from datetime import UTC, datetime
    from functools import partial

    from distrnn.retraining.book import Book
    from distrnn.retraining.inputs import inputs_of
    from distrnn.retraining.notify import SECRET, URL, Webhook
    from distrnn.retraining.runner import Processes
    from distrnn.retraining.scheduler import Around

    kept = open_registry(registry, lock)
    kept.check_races()
    executor, closing = ThreadPoolExecutor(WORKERS, thread_name_prefix="schedule"), threading.Event()

    def tell(webhook: Webhook, entry: "Entry") -> None:
        try:
            webhook.tell(entry, kept.url)
        except DistrnnError as error:
            out.note(error.message)

    def told(one: "Scheduled", entry: "Entry", _state: "State") -> None:
        notify = one.loaded.workflow.notify
        url = (notify.url if notify else None) or os.environ.get(URL)
        if notify is not None and url and entry.outcome in notify.outcomes:
            executor.submit(tell, Webhook(url, os.environ.get(SECRET), sleep=closing.wait), entry)

    try:
        yield Around(
            book=Book(kept.store),
            runner=Processes(address=address, options=words),
            look=partial(inputs_of, registry=kept),
            executor=executor,
            clock=lambda: datetime.now(UTC),
            registry=kept.url,
            lock=lock,
            told=told,
            say=out.note,
            force=force,
        )
    finally:
        closing.set()  # whoever waits to tell a webhook again does so now
        executor.shutdown()


@contextmanager
def _metrics(around: "Around", host: str, port: int | None) -> "Iterator[Around]":
    """The same, with each decision exported too, and what was decided before this process began."""
    if port is None:
        yield around
        return
    from dataclasses import replace

    from distrnn.retraining.metrics import export
    from distrnn.telemetry import Telemetry, served

    telemetry = Telemetry()
    for state in around.book.states(lambda error: around.say(error.message)):
        export(telemetry, state)

    def told(one: "Scheduled", entry: "Entry", state: "State") -> None:
        export(telemetry, state)
        around.told(one, entry, state)

    with served(telemetry, host, port):
        yield replace(around, told=told)


def _next(state: "State") -> "datetime | None":
    """None where the record's expression never comes true."""
    from datetime import UTC, datetime

    from distrnn.retraining.ticks import comes_true, next_tick
    from distrnn.workflow.schedule_sections import Schedule

    schedule = Schedule(cron=state.cron, timezone=state.timezone)
    return next_tick(schedule, datetime.now(UTC)) if comes_true(schedule) else None


def _turn(state: "State") -> dict[str, Any] | None:
    return state.turn.model_dump(mode="json", exclude={"inputs"}) if state.turn else None


def _row(entry: "Entry") -> list[Any]:
    model = f"{entry.version['name']}@v{entry.version['number']}" if entry.version else NOTHING
    missed = f" (and {entry.missed} before)" if entry.missed else ""
    took = f"{(entry.ended_at - entry.began_at).total_seconds():.0f} s"
    why = "; ".join(text for text in (entry.reason, entry.error) if text)
    return [f"{_moment(entry.tick)}{missed}", entry.attempt, entry.outcome, model, entry.run_id, took, why]


def _moment(at: "datetime | None") -> str:
    from datetime import UTC

    return cell(None) if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
