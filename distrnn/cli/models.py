"""`distrnn models` and `distrnn pull`: what the registry holds, and how it comes to this machine."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from distrnn.cli.options import Debug, Json, ModelName, Reference, RegistryUrl, Yes
from distrnn.cli.output import NOTHING, Block, Fields, Output, Table, moment, short_digest, size
from distrnn.errors import NotFoundError, UsageError
from distrnn.refs import ModelRef

if TYPE_CHECKING:
    from distrnn.registry import AliasRecord, ModelVersion, Registry

HEADLINE = ("accuracy", "bits_per_character", "loss_nats", "loss")
Alias = Annotated[str, typer.Argument(metavar="ALIAS", help="For instance production.", show_default=False)]
Reason = Annotated[
    str | None, typer.Option("--force-reason", metavar="TEXT", help="Move a guarded alias all the same; the reason is recorded with it.")
]


class Form(StrEnum):
    """What `pull --for` takes."""

    NUMPY = "numpy"
    KERAS = "keras"
    ALL = "all"


def list_models(registry: RegistryUrl = None, json: Json = False, debug: Debug = False) -> None:
    """List the models with their latest version and their aliases."""
    out, store = Output(json=json), _registry(registry)
    documents = [document for name in store.names() if (document := _model(store, name))]
    rows = [
        [
            document["name"],
            f"v{document['latest']['number']}",
            moment(document["latest"]["created_at"]),
            _headline(document["latest"]["metrics"]),
            [f"{alias} v{held['number']}" for alias, held in document["aliases"].items()],
        ]
        for document in documents
    ]
    if not documents:
        out.note(f"No model in {store.url} yet. Publish one with: distrnn run WORKFLOW")
    out.result(documents, *([Table(["model", "latest", "created", "result", "aliases"], rows)] if rows else []))


def show(reference: Reference, registry: RegistryUrl = None, json: Json = False, debug: Debug = False) -> None:
    """Show a model with all its versions (NAME), or one version with its files, figures and lineage (NAME@…)."""
    out, store = Output(json=json), _registry(registry)
    parsed = ModelRef.parse(reference)
    if "@" in reference or reference.startswith("models:/"):
        version = store.resolve(parsed)
        out.resolved(reference, version.name, version.number, version.digest)
        document = _details(version, store.aliases(version.name))
        out.result(document, *_version_blocks(document))
        return
    aliases = store.aliases(parsed.name)
    versions = [_summary(version, aliases) for version in store.versions(parsed.name)]
    document = {"name": parsed.name, "versions": versions, "aliases": {name: _held(record) for name, record in aliases.items()}}
    out.result(document, *_model_blocks(document))


def set_alias(
    name: ModelName,
    alias: Alias,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="3, v3, another alias, latest or sha256:…", show_default=False)],
    force_reason: Reason = None,
    registry: RegistryUrl = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Let an alias name a version. One that is guarded moves by promotion only (exit 4) unless a reason is given."""
    store = _registry(registry)
    reference = version_reference(name, version)
    target = store.resolve(reference)
    record = store.set_alias(name, alias, target, force_reason=force_reason)
    out = Output(json=json)
    out.resolved(reference, target.name, target.number, target.digest)
    document = {"name": name, "alias": alias, **_held(record)}
    out.result(document, f"{name}@{alias} is v{target.number} ({short_digest(target.digest)}).")


def delete_alias(
    name: ModelName,
    alias: Alias,
    force_reason: Reason = None,
    yes: Yes = False,
    registry: RegistryUrl = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Let an alias name nothing; the versions and the alias' history stay."""
    store = _registry(registry)
    held = store.aliases(name).get(alias)
    if held is None:
        store.resolve(ModelRef(name, "alias", alias))
        raise NotFoundError(f"model {name!r} has no alias {alias!r}, so there is nothing to delete.")
    confirm(f"{name}@{alias} is v{held.number}. Delete the alias?", yes)
    store.delete_alias(name, alias, force_reason=force_reason)
    Output(json=json).result({"name": name, "alias": alias, "was": held.number}, f"Deleted {name}@{alias}; it was v{held.number}.")


def pull(
    reference: Reference,
    form: Annotated[Form, typer.Option("--for", help="What will load it.")] = Form.NUMPY,
    dest: Annotated[str | None, typer.Option("--dest", metavar="DIR", help="Folder to fill. Default: a folder of the cache.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Use what was pulled before.", show_default=False)] = False,
    registry: RegistryUrl = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Bring a model to this machine, every byte checked, and say where it is."""
    out, store = Output(json=json), _registry(registry)
    parsed = ModelRef.parse(reference)
    folder = str(store.pull(parsed, dest, form=form.value, offline=offline))
    # Asked after the pull and of this machine alone: an alias may have moved on meanwhile, and this is what came
    version = store.resolve(parsed, offline=True)
    out.resolved(reference, version.name, version.number, version.digest)
    document = {"reference": reference, "name": version.name, "number": version.number, "digest": version.digest}
    out.result({**document, "form": form.value, "path": folder}, folder)


def version_reference(name: str, version: str) -> str:
    """The reference that VERSION of `models alias set` means: `3` is `v3`."""
    return f"{name}@v{version}" if version.isascii() and version.isdigit() else f"{name}@{version.removeprefix(f'{name}@')}"


def confirm(question: str, yes: bool) -> None:
    """Ask before something is destroyed.

    Raises:
        UsageError: nobody is there to answer.
    """
    if yes:
        return
    import sys

    if not sys.stdin.isatty():
        raise UsageError(f"{question} Nobody is there to answer; say it with --yes.")
    typer.confirm(question, abort=True, err=True)


def _registry(url: str | None) -> "Registry":
    from distrnn.registry import Registry

    return Registry(url)


def _model(store: "Registry", name: str) -> dict[str, Any] | None:
    try:
        latest = store.resolve(name)
    except NotFoundError:  # every version was deleted
        return None
    aliases = store.aliases(name)
    held = {alias: _held(record) for alias, record in aliases.items()}
    return {"name": name, "latest": _summary(latest, aliases), "aliases": held}


def _summary(version: "ModelVersion", aliases: "Mapping[str, AliasRecord]") -> dict[str, Any]:
    return {
        "number": version.number,
        "digest": version.digest,
        "created_at": version.manifest.created_at,
        "task": version.metadata.get("task"),
        "forms": list(version.manifest.forms),
        "size_bytes": sum(file.size_bytes for file in version.manifest.files),
        "metrics": version.metadata.get("metrics"),
        "aliases": [name for name, record in aliases.items() if record.number == version.number],
    }


def _details(version: "ModelVersion", aliases: "Mapping[str, AliasRecord]") -> dict[str, Any]:
    files = [file.to_json() for file in version.manifest.files]
    return {"name": version.name, **_summary(version, aliases), "files": files, "metadata": version.metadata}


def _held(record: "AliasRecord") -> dict[str, Any]:
    return {
        "number": record.number,
        "digest": record.digest,
        "updated_at": record.updated_at,
        "rules": [rule.to_json() for rule in record.rules],
        "evaluation_set": record.evaluation_set,
    }


def _model_blocks(document: Mapping[str, Any]) -> Iterator[Block]:
    yield Table(
        ["version", "created", "digest", "size", "result", "aliases"],
        [
            [
                f"v{version['number']}",
                moment(version["created_at"]),
                short_digest(version["digest"]),
                size(version["size_bytes"]),
                _headline(version["metrics"]),
                version["aliases"],
            ]
            for version in document["versions"]
        ],
        title=document["name"],
    )
    if document["aliases"]:
        held = document["aliases"].items()
        rows = [[alias, f"v{now['number']}", moment(now["updated_at"]), _guard(now["rules"])] for alias, now in held]
        yield Table(["alias", "version", "moved", "guarded by"], rows)


def _version_blocks(document: Mapping[str, Any]) -> Iterator[Block]:
    lineage = document["metadata"].get("lineage") or {}
    yield Fields(
        {
            "model": f"{document['name']}@v{document['number']}",
            "digest": document["digest"],
            "created": moment(document["created_at"]),
            "task": document["task"],
            "labels": document["metadata"].get("labels") or None,
            "aliases": document["aliases"] or None,
            "run": lineage.get("run_id"),
            "dataset": lineage.get("dataset"),
            "evaluation set": lineage.get("evaluation_set"),
            "commit": lineage.get("commit"),
        }
    )
    if document["metrics"]:
        yield Fields(document["metrics"], title="on the test split")
    files = [[file["path"], size(file["size_bytes"]), short_digest(f"sha256:{file['sha256']}")] for file in document["files"]]
    yield Table(["file", "size", "digest"], files)


def _guard(rules: list[dict[str, Any]]) -> str:
    from distrnn.registry import Rule

    return "; ".join(str(Rule(**rule)) for rule in rules) or NOTHING


def _headline(metrics: Mapping[str, Any] | None) -> str:
    known = metrics or {}
    return next((f"{name.replace('_', ' ')} {known[name]:.4f}" for name in HEADLINE if isinstance(known.get(name), float)), NOTHING)
