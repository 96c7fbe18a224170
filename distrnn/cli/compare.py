"""`distrnn compare`: what differs between two published versions, and on which documents they disagree."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from distrnn.cli.extras import install_command
from distrnn.cli.options import Debug, Json, RegistryUrl, StorageUrl
from distrnn.cli.output import NOTHING, Block, Fields, Output, Table, cell, short_digest, size
from distrnn.cli.registries import open_registry
from distrnn.errors import AccessError, DataError, NotFoundError, StorageError, UsageError
from distrnn.refs import ModelRef

if TYPE_CHECKING:
    from distrnn.registry import ModelVersion, Registry

_DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
_RUN_ID = re.compile(r"[a-z0-9._-]+-\d{8}-\d{6}-[0-9a-f]{4}")
_WORKFLOW_FILES = (".yaml", ".yml")

One = Annotated[str, typer.Argument(metavar="A", help="NAME, NAME@ALIAS, NAME@v3 or NAME@sha256:…", show_default=False)]
Other = Annotated[str, typer.Argument(metavar="B", help="What to compare it with.", show_default=False)]
EvaluationSet = Annotated[
    str | None,
    typer.Option("--evaluation-set", metavar="DIGEST", help="Compare what they say on this set. Default: the one that A was measured on."),
]


def compare(
    a: One,
    b: Other,
    evaluation_set: EvaluationSet = None,
    storage: StorageUrl = None,
    registry: RegistryUrl = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show two versions side by side: figures, workflows, sizes, and which share of the evaluation set they answer differently."""
    from distrnn.evaluation.comparison import compare_versions

    out, store = Output(json=json), open_registry(registry)
    wanted = _digest(evaluation_set)
    one, other = _version(a, store, out), _version(b, store, out)
    document = {**compare_versions(one, other), "evaluation": _evaluation(store, one, other, wanted, storage)}
    out.result(document, *_blocks(document))


def _version(reference: str, registry: "Registry", out: Output) -> "ModelVersion":
    if reference.endswith(_WORKFLOW_FILES) or Path(reference).is_file() or _RUN_ID.fullmatch(reference) or reference == "last":
        raise UsageError(
            f"compare takes two versions, for instance {_name_in(reference)}@v1 {_name_in(reference)}@v2; runs and workflow files are not "
            f"compared. See: distrnn models list. Received: {reference!r}"
        )
    parsed = ModelRef.parse(reference)
    version = registry.resolve(parsed)
    out.resolved(reference, version.name, version.number, version.digest)
    return version


def _name_in(reference: str) -> str:
    """A name that the reference of a run or a workflow file seems to be about."""
    stem = re.sub(r"-\d{8}-\d{6}-[0-9a-f]{4}$", "", Path(reference).stem)
    return stem if re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,62}", stem) and stem != "last" else "NAME"


def _digest(text: str | None) -> str | None:
    if text is None:
        return None
    match = _DIGEST.fullmatch(text)
    if match is None:
        raise UsageError(
            f"--evaluation-set must be the 64 hexadecimal digits that `distrnn models show` prints as evaluation set. Received: {text!r}"
        )
    return match[1]


def _evaluation(registry: "Registry", a: "ModelVersion", b: "ModelVersion", wanted: str | None, storage: str | None) -> dict[str, Any]:
    """What both say on one evaluation set, or why that is not known; the rest of the comparison needs nothing but the registry."""
    from distrnn.evaluation.comparison import evaluation_set_of, figures

    digest = wanted or evaluation_set_of(a)
    answer: dict[str, Any] = {"evaluation_set": digest, "metrics": None, "churn": None, "missing": None}
    try:
        found = _measured(registry, a, b, digest, storage)
    except (AccessError, DataError, NotFoundError, StorageError, UsageError) as error:
        return {**answer, "missing": error.message}
    return {**answer, "metrics": figures(found["metrics"]["a"], found["metrics"]["b"]), "churn": found["churn"]}


def _measured(registry: "Registry", a: "ModelVersion", b: "ModelVersion", digest: str | None, storage: str | None) -> dict[str, Any]:
    from importlib.util import find_spec

    if digest is None:
        raise NotFoundError(f"{a} was published without an evaluation set. Name one with --evaluation-set.")
    if find_spec("pyarrow") is None:
        raise NotFoundError(f"reading an evaluation set needs pyarrow. Install it with: {install_command('train')}")
    from distrnn.client import load_model
    from distrnn.evaluation import held_out
    from distrnn.storage import default_storage, open_store

    texts, labels = held_out.read_texts(open_store(storage or default_storage()), digest)
    return held_out.compare(load_model(str(a), registry), load_model(str(b), registry), texts, labels)


def _blocks(document: Mapping[str, Any]) -> Iterator[Block]:
    a, b = (f"{side['name']}@v{side['number']}" for side in (document["a"], document["b"]))
    names = [a, b] if a != b else [f"{a} (A)", f"{b} (B)"]
    if rows := [[row["metric"], row["a"], row["b"], row["difference"]] for row in document["metrics"]]:
        yield Table(["figure", *names, "difference"], rows, title="when they were published, each on its own test split")
    yield from _workflow_blocks(document["workflow"], names)
    yield Table(["size", *names, "difference"], list(_size_rows(document["size"])))
    yield from _evaluation_blocks(document["evaluation"], names)


def _workflow_blocks(differences: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Iterator[Block]:
    if not differences:
        yield "The workflows are the same."
        return
    yield Table(["workflow", *names], [[row["key"], _plain(row["a"]), _plain(row["b"])] for row in differences])


def _size_rows(sizes: Mapping[str, Any]) -> Iterator[list[Any]]:
    for row in sizes["bytes"]:
        yield [row["form"], *(NOTHING if row[side] is None else size(row[side]) for side in ("a", "b")), _signed_size(row["difference"])]
    parameters = sizes["parameters"]
    if parameters["a"] is not None or parameters["b"] is not None:
        yield ["parameters", *(cell(parameters[key]) for key in ("a", "b", "difference"))]


def _evaluation_blocks(evaluation: Mapping[str, Any], names: Sequence[str]) -> Iterator[Block]:
    if evaluation["missing"] is not None:
        yield f"What they say about the same text is not known: {evaluation['missing']}"
        return
    rows = [[row["metric"], row["a"], row["b"], row["difference"]] for row in evaluation["metrics"]]
    yield Table(["figure", *names, "difference"], rows, title=f"on evaluation set {short_digest(evaluation['evaluation_set'])}")
    if churn := evaluation["churn"]:
        shares = {"different answers": f"{churn['changed']:,} of {churn['documents']:,} ({100 * churn['share']:.2f} %)"}
        yield Fields({**shares, "became right": churn["became_right"], "became wrong": churn["became_wrong"]}, title="prediction churn")


def _signed_size(difference: int | None) -> str:
    if difference is None:
        return NOTHING
    return f"{'-' if difference < 0 else '+'}{size(abs(difference))}" if difference else "0 B"


def _plain(value: Any) -> str:
    """A value of a workflow as the file writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return NOTHING if value is None else str(value)
