"""`distrnn plan`, `run` and `prepare`: what is done with a workflow file."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Annotated, Any

import typer

from distrnn.amounts import duration
from distrnn.cli.decisions import decision_blocks, why_refused
from distrnn.cli.extras import require
from distrnn.cli.options import Address, Debug, Json, LockUrl, Quiet, RegistryUrl, Settings, WorkflowFile
from distrnn.cli.output import NOTHING, Block, Fields, Output, Table, cell, complain, short_digest
from distrnn.cli.progress import shown
from distrnn.errors import GateRefusedError

NewRunId = Annotated[str | None, typer.Option("--run-id", metavar="ID", help="Name of the run. Default: workflow, time, four digits.")]
Resume = Annotated[str | None, typer.Option("--resume", metavar="RUN", help="Go on with a run that was stopped: its id, or last.")]
Shared = Annotated[
    bool, typer.Option("--shared-filesystem", help="Local paths are the same folders on every node of the cluster.", show_default=False)
]


def plan(workflow: WorkflowFile, settings: Settings = None, address: Address = None, json: Json = False, debug: Debug = False) -> None:
    """Show what a run would do: the resolved workflow, the dataset, steps, parameters, placement. Nothing is started."""
    _check(workflow, settings, "plan")
    from distrnn.cluster.planning import plan as make_plan

    document = make_plan(workflow, settings or [], address=address)
    Output(json=json).result(document, *plan_blocks(document))


def run(
    workflow: WorkflowFile,
    settings: Settings = None,
    address: Address = None,
    run_id: NewRunId = None,
    resume: Resume = None,
    shared_filesystem: Shared = False,
    registry: RegistryUrl = None,
    lock: LockUrl = None,
    quiet: Quiet = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Prepare the dataset, train, evaluate, register and promote. Exits 4 where the gate refuses; the version is published all the same."""
    from distrnn.cluster.same_version import check_version

    check_version()
    # A run that goes on may have been started with settings that its file needs
    _check(workflow, settings, "run") if resume is None else require("train", "run")
    from distrnn.cluster.pipeline import run_workflow

    out = Output(json=json, quiet=quiet)
    with shown(out) as progress:
        result = run_workflow(
            workflow,
            settings or [],
            address=address,
            run_id=run_id,
            resume=resume,
            registry=registry,
            shared_filesystem=shared_filesystem,
            lock=lock,
            progress=progress,
        )
    document = result.to_json()
    out.result(document, *run_blocks(document))
    if (document["promotion"] or {}).get("decision") == "refused":
        refused = refusal(document)
        complain(refused.message)
        raise typer.Exit(refused.exit_code)
    out.note(f"Next: {next_step(document)}")


def prepare(
    workflow: WorkflowFile,
    settings: Settings = None,
    address: Address = None,
    shared_filesystem: Shared = False,
    quiet: Quiet = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Prepare the dataset only; where it is prepared already, nothing is done."""
    _check(workflow, settings, "prepare")
    from distrnn.cluster.pipeline import prepare_workflow

    out = Output(json=json, quiet=quiet)
    with shown(out) as progress:
        document = prepare_workflow(workflow, settings or [], address=address, shared_filesystem=shared_filesystem, progress=progress)
    out.result(document, Fields(_dataset(document["dataset"]) | {"took": _took(document["seconds"])}))


def _check(workflow: str, settings: list[str] | None, verb: str) -> None:
    """Find a mistake in the workflow before the seconds that it takes to import Ray."""
    from distrnn.workflow import load_workflow

    load_workflow(workflow, settings or [])
    require("train", verb)


def run_blocks(document: Mapping[str, Any]) -> Iterator[Block]:
    """The document of `run --json` as a person reads it."""
    version = document.get("version")
    yield Fields(
        {
            "run": document["run_id"],
            "workflow": document["workflow"],
            **_dataset(document["dataset"]),
            "model": _model(version) if version else None,
            "report": document["report"],
            "took": _took(document["seconds"]),
        }
    )
    measured = document["metrics"] or {}
    rows = [["test", name, value] for name, value in measured.items()]
    rows += [["training", name, value] for name, value in document["train_metrics"].items() if value is not None]
    yield Table(["split", "figure", "value"], rows)
    if promotion := document.get("promotion"):
        yield from decision_blocks(promotion)


def plan_blocks(document: Mapping[str, Any]) -> Iterator[Block]:
    """A plan as a person reads it: the workflow as YAML, then a section for each decision."""
    import yaml

    sections = dict(document)
    if "workflow" in sections:
        yield "# the workflow, with everything that was left to defaults"
        yield yaml.safe_dump(sections.pop("workflow"), sort_keys=False, allow_unicode=True).rstrip()
    stages = sections.pop("architecture", None)
    plain = {_words(key): value for key, value in sections.items() if not isinstance(value, Mapping)}
    if plain:
        yield Fields(plain)
    for key, value in sections.items():
        if isinstance(value, Mapping) and value:
            yield Fields(dict(_flat(value)), title=_words(key))
    if stages:
        yield Table(["model", "what it does", "output", "parameters"], drawn(stages))


def drawn(stages: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
    """The layers of a model as rows of a table, the way of a batch drawn at the left: layers that stand side by side branch off."""
    rows = []
    for position, stage in enumerate(stages):
        branches = position + 1 < len(stages) and stages[position + 1]["beside"]
        if branches or stage["beside"]:
            drawn_to = "├─ " if branches else "└─ "
        else:
            drawn_to = "   " if position == 0 else "▼  " if position == len(stages) - 1 else "│  "
        shape = " × ".join(cell(size) for size in stage["output"])
        parameters = NOTHING if stage["parameters"] is None else stage["parameters"]
        rows.append([f"{drawn_to}{stage['layer']}", stage["does"], shape, parameters])
    return rows


def runs_of(values: Sequence[Any]) -> str:
    """Values in order, each once as long as it does not change: `0.001 (8 times), 0.0001 (4 times)`."""
    found = [(value, len(list(same))) for value, same in groupby(values)]
    return ", ".join(f"{cell(value)} ({count} times)" if count > 1 else cell(value) for value, count in found) or NOTHING


def refusal(document: Mapping[str, Any]) -> GateRefusedError:
    """The error that a refused promotion ends with."""
    version, promotion = document["version"], document["promotion"]
    return GateRefusedError(
        f"{version['name']}@v{version['number']} is published, but {promotion['alias']} was not moved to it: "
        f"{why_refused(promotion['rules'])}. See the report: {document['report']}"
    )


def _model(version: Mapping[str, Any]) -> str:
    name = f"{version['name']}@v{version['number']} ({short_digest(version['digest'])})"
    return f"{name}, unchanged: another run published the same before" if version.get("unchanged") else name


def _dataset(dataset: Mapping[str, Any]) -> dict[str, Any]:
    found = "already prepared" if dataset["cache"] == "hit" else "prepared now"
    name = f"{dataset['fingerprint'][:16]} ({found})"
    return {"dataset": name, "distinct tokens": dataset["distinct_tokens"], "dataset path": dataset["path"]}


def _took(seconds: Mapping[str, float]) -> str:
    stages = ", ".join(f"{stage} {duration(value)}" for stage, value in seconds.items())
    return f"{duration(sum(seconds.values()))} ({stages})" if len(seconds) > 1 else duration(sum(seconds.values()))


def next_step(document: Mapping[str, Any]) -> str:
    """What to try with what a run made."""
    version = document["version"]
    if version is None:
        return f"distrnn runs report {document['run_id']}"
    reference = f"{version['name']}@v{version['number']}"
    arguments = {"classifier": f'predict {reference} "some text"', "embedding": f"neighbors {reference} film"}
    return f"distrnn {arguments.get(document['task'], f'generate {reference}')}"


def _flat(section: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in section.items():
        name = f"{prefix}{_words(key)}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}, ")
        else:
            yield name, runs_of(value) if isinstance(value, list) else value


def _words(key: str) -> str:
    return key.replace("_", " ")
