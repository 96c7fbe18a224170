"""`distrnn models show` and `history`: everything the registry knows of a model or of one version, and how its aliases moved."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from distrnn.amounts import size
from distrnn.cli.markdown import plain
from distrnn.cli.options import Debug, Json, ModelName, Reference, RegistryUrl
from distrnn.cli.output import Block, Fields, Output, Table, moment, short_digest
from distrnn.cli.registries import names_version, open_registry
from distrnn.cli.versions import headline, held, numbered, rules_text, signature_document, summary_document, tag_words
from distrnn.errors import DataError, IntegrityError
from distrnn.refs import ModelRef

if TYPE_CHECKING:
    from distrnn.registry import ModelVersion, Registry

LINEAGE_FIRST = ("run_id", "workflow", "dataset", "evaluation_set", "commit")
OneAlias = Annotated[str | None, typer.Argument(metavar="ALIAS", help="Of this alias only.", show_default=False)]


def show(reference: Reference, registry: RegistryUrl = None, json: Json = False, debug: Debug = False) -> None:
    """Show a model with all its versions (NAME), or one version with its figures, lineage, files, model card and signatures (NAME@…)."""
    out, store = Output(json=json), open_registry(registry)
    parsed = ModelRef.parse(reference)
    if not names_version(reference):
        document = model_document(store, parsed.name)
        out.result(document, *model_blocks(document))
        return
    version = store.resolve(parsed)
    out.resolved(reference, version.name, version.number, version.digest)
    document = version_document(store, version)
    out.result(document, *version_blocks(document))


def history(name: ModelName, alias: OneAlias = None, registry: RegistryUrl = None, json: Json = False, debug: Debug = False) -> None:
    """Show every move of a model's aliases, oldest first: when, from, to, how, why, by which run; decisions of the gate too."""
    out, store = Output(json=json), open_registry(registry)
    documents = [{"alias": moved, **move.to_json()} for moved, move in store.history(name, alias)]
    rows = [
        [moment(move["at"]), move["alias"], numbered(move["from"]), numbered(move["to"]), action(move), move["reason"], move["run_id"]]
        for move in documents
    ]
    if not documents:
        out.note(f"No alias of {name} was ever moved." if alias is None else f"{name}@{alias} was never moved.")
    out.result(documents, *([Table(["when", "alias", "from", "to", "action", "why", "run"], rows)] if rows else []))


def action(move: Mapping[str, Any]) -> str:
    """What was done, and whether rules were overruled."""
    return f"{move['action']} (forced)" if move["forced"] else str(move["action"])


def model_document(store: "Registry", name: str) -> dict[str, Any]:
    """What `models show NAME --json` prints."""
    from distrnn.registry.catalog import VersionSummary
    from distrnn.registry.listing import with_tags

    aliases = store.aliases(name)
    tagged = with_tags(store.store, store.iter_versions(name))
    versions = [summary_document(VersionSummary.of(version, tags), aliases) for version, tags in tagged]
    return {"name": name, "versions": versions, "aliases": {alias: held(record) for alias, record in aliases.items()}}


def version_document(store: "Registry", version: "ModelVersion") -> dict[str, Any]:
    """What `models show NAME@… --json` prints."""
    from distrnn.registry.catalog import VersionSummary
    from distrnn.registry.maintenance import Maintenance

    manifest = version.manifest
    return {
        "name": version.name,
        **summary_document(VersionSummary.of(version, store.tags(version)), store.aliases(version.name)),
        "form_bytes": {form: sum(file.size_bytes for file in manifest.files_of(form)) for form in manifest.forms},
        "files": [file.to_json() for file in manifest.files],
        "metadata": version.metadata,
        "card": _card(store, version),
        "signatures": [signature_document(signature) for signature in Maintenance(store).signatures(version)],
    }


def model_blocks(document: Mapping[str, Any]) -> Iterator[Block]:
    """A model as a person reads it."""
    rows = [
        [
            numbered(version["number"]),
            moment(version["created_at"]),
            short_digest(version["digest"]),
            size(version["size_bytes"]),
            headline(version["metrics"]),
            version["aliases"],
            tag_words(version["tags"]),
        ]
        for version in document["versions"]
    ]
    yield Table(["version", "created", "digest", "size", "result", "aliases", "tags"], rows, title=document["name"])
    if document["aliases"]:
        aliases = document["aliases"].items()
        rows = [[alias, numbered(now["number"]), moment(now["updated_at"]), rules_text(now["rules"])] for alias, now in aliases]
        yield Table(["alias", "version", "moved", "guarded by"], rows)


def version_blocks(document: Mapping[str, Any]) -> Iterator[Block]:
    """A version as a person reads it."""
    metadata = document["metadata"]
    yield Fields(
        {
            "model": f"{document['name']}@v{document['number']}",
            "digest": document["digest"],
            "created": moment(document["created_at"]),
            "task": document["task"],
            "labels": metadata.get("labels") or None,
            "threshold": metadata.get("threshold"),
            "aliases": document["aliases"] or None,
            "tags": tag_words(document["tags"]) or None,
            "signed by": [signature["key_id"] for signature in document["signatures"]] or None,
        }
    )
    if isinstance(lineage := metadata.get("lineage"), Mapping) and lineage:
        yield Fields(_lineage(lineage), title="lineage")
    if isinstance(metrics := document["metrics"], Mapping) and metrics:
        yield Fields(metrics, title="on the test split")
    brings = ", ".join(f"{form} {size(count_bytes)}" for form, count_bytes in document["form_bytes"].items())
    files = [[file["path"], size(file["size_bytes"]), short_digest(f"sha256:{file['sha256']}")] for file in document["files"]]
    yield Table(["file", "size", "digest"], files, title=f"files (pulled for {brings})" if brings else "files")
    card = document["card"]
    if card["problem"]:
        yield f"The model card cannot be shown: {card['problem']}"
    elif card["text"]:
        yield f"model card, revision {card['revision']}\n{plain(card['text'])}"


def _card(store: "Registry", version: "ModelVersion") -> dict[str, Any]:
    """The model card, or why there is none to show: everything else about the version is worth seeing all the same."""
    try:
        card = store.card(version)
    except (DataError, IntegrityError) as error:
        return {"text": "", "revision": 0, "updated_at": "", "problem": error.message}
    return {"text": card.text, "revision": card.revision, "updated_at": card.updated_at, "problem": None}


def _lineage(lineage: Mapping[str, Any]) -> dict[str, Any]:
    """Where a version came from, its workflow by name: all its keys are longer than the rest together, and `--json` has them."""
    workflow = lineage.get("workflow")
    name = workflow.get("name") if isinstance(workflow, Mapping) else workflow
    ordered = {key: lineage.get(key) for key in LINEAGE_FIRST} | {**lineage, "workflow": name}
    return {key.replace("_", " "): value for key, value in ordered.items()}
