"""`distrnn datasets`: what was prepared, what is in it, whether it is whole, and what may go."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from distrnn.amounts import size
from distrnn.cli.datasets_show import show_blocks, show_document
from distrnn.cli.extras import require
from distrnn.cli.options import Debug, Json, Settings, StorageUrl, Yes
from distrnn.cli.output import Column, Output, Table, complain, moment
from distrnn.cli.prepared import dataset_of, is_workflow
from distrnn.cli.registries import confirm
from distrnn.cli.waiting import waiting
from distrnn.errors import IntegrityError, UsageError

if TYPE_CHECKING:
    from distrnn.data.catalog import Listed
    from distrnn.storage import Store

FINDINGS = (Column("dataset", 16), Column("problem", 8), Column("file", 52), Column("detail"))
COLUMNS = ["dataset", "source", "task", "train", "validation", "test", "tokens", "vocabulary", "size", "prepared"]
SPLITS = ("train", "validation", "test")
Subject = Annotated[
    str,
    typer.Argument(metavar="DATASET", help="Digits of its fingerprint, four or more, or the workflow file.", show_default=False),
]
Leaks = Annotated[int, typer.Option("--leaks", metavar="N", min=0, help="List so many pairs of documents that are alike.")]


def list_datasets(storage: StorageUrl = None, json: Json = False, debug: Debug = False) -> None:
    """List the prepared datasets, and what is left of those that were never finished."""
    from distrnn.data.catalog import listed

    out, store = Output(json=json), _store(storage)
    documents = [_document(one) for one in listed(store)]
    if not documents:
        out.note(f"No dataset in {store.url} yet. Make one with: distrnn prepare WORKFLOW")
    whole = [_line(document) for document in documents if document["problem"] is None]
    broken = [
        [document["dataset"], document["problem"], size(document["size_bytes"]), moment(document["changed_at"])]
        for document in documents
        if document["problem"] is not None
    ]
    tables = [Table(COLUMNS, whole)] if whole else []
    if broken:
        tables.append(Table(["dataset", "problem", "size", "last written"], broken, title="of no use, and can be deleted"))
    out.result(documents, *tables)


def show(
    dataset: Subject, leaks: Leaks = 5, settings: Settings = None, storage: StorageUrl = None, json: Json = False, debug: Debug = False
) -> None:
    """Show what is in a dataset: lengths, labels, tokens, sample documents, and documents that are there more than once."""
    require("train", "datasets show")
    from distrnn.data.dataset import open_dataset

    store, name = _found(dataset, settings, storage)
    opened = open_dataset(store, name)
    with waiting(f"reading {opened.path}"):
        document = show_document(opened)
    Output(json=json).result(document, *show_blocks(document, leaks))


def verify(
    dataset: Annotated[
        str | None,
        typer.Argument(metavar="DATASET", help="Digits of its fingerprint, or the workflow file. Default: all.", show_default=False),
    ] = None,
    settings: Settings = None,
    storage: StorageUrl = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Read every byte and tell what is missing, altered or damaged, a line for each. Exits 5 if there is anything."""
    require("train", "datasets verify")
    from distrnn.data.catalog import listed
    from distrnn.data.verification import verify as verified

    out = Output(json=json)
    if dataset is None:
        store = _store(storage)
        names = [one.name for one in listed(store) if one.committed is not None]
    else:
        store, name = _found(dataset, settings, storage)
        names = [name]
    findings = (finding for name in names for finding in verified(store, name))
    with waiting(f"reading {store.url}"):
        rows = ((one.to_json(), [one.dataset, one.problem, _within(one.dataset, one.key), one.detail]) for one in findings)
        found = out.stream(FINDINGS, rows)
    subject = f"dataset {names[0]}" if dataset is not None else store.url
    if found:
        count = f"{found:,} finding{'s' if found > 1 else ''}"
        complain(f"{subject} is not whole: {count}. Delete what is broken with distrnn datasets delete, and prepare it again.")
        raise typer.Exit(IntegrityError.code)
    if not names:
        out.note(f"{subject} holds no dataset, so there was nothing to read.")
        return
    out.note(f"{subject} is whole: every file is there and matches its digest.")


def delete(
    dataset: Subject, yes: Yes = False, settings: Settings = None, storage: StorageUrl = None, json: Json = False, debug: Debug = False
) -> None:
    """Delete a dataset, or what is left of one that was never finished. Its evaluation set stays: aliases may have pinned it."""
    from distrnn.data import catalog

    out = Output(json=json)
    store, name = _found(dataset, settings, storage)
    one = catalog.describe(store, name)
    confirm(f"Delete dataset {name} ({_said(one)}, {size(one.size_bytes)}) from {store.url}?", yes)
    files = catalog.delete(store, name)
    held_out = one.manifest.evaluation_set.file if one.manifest and one.manifest.evaluation_set else None
    users = catalog.users_of(store, held_out, but=name) if held_out else []
    document = {"dataset": name, "files": files, "freed_bytes": one.size_bytes, "kept": held_out, "kept_for": users}
    out.result(document, f"Deleted dataset {name}: {files:,} file{'' if files == 1 else 's'}, {size(one.size_bytes)}.")
    if held_out:
        why = f"datasets have it too ({', '.join(users)})" if users else "an alias of the registry may have pinned it"
        out.note(f"Its evaluation set stays, because {why}: {store.url}/{held_out}")


def _said(one: "Listed") -> str:
    if one.manifest is None:
        written = f", last written {moment(one.changed.isoformat())}" if one.changed else ""
        return f"{one.problem}{written}"
    return f"{one.manifest.fingerprint_parts['source']['name']}, {sum(split.rows for split in one.manifest.splits.values()):,} rows"


def _within(dataset: str, key: str) -> str:
    return key.removeprefix(f"datasets/{dataset}/")


def _document(one: "Listed") -> dict[str, Any]:
    manifest = one.manifest
    splits = manifest.splits if manifest else {}
    return {
        "dataset": one.name,
        "fingerprint": manifest.fingerprint if manifest else None,
        "problem": one.problem or None,
        "source": manifest.fingerprint_parts["source"]["name"] if manifest else None,
        "task": manifest.task if manifest else None,
        "rows": {name: split.rows for name, split in splits.items()} or None,
        "tokens": {name: split.tokens for name, split in splits.items()} or None,
        "vocabulary_size": manifest.vocabulary_size if manifest else None,
        "size_bytes": one.size_bytes,
        "prepared_at": one.committed.isoformat() if one.committed else None,
        "changed_at": one.changed.isoformat() if one.changed else None,
    }


def _line(document: dict[str, Any]) -> list[Any]:
    rows = [document["rows"].get(split) for split in SPLITS]
    figures = [sum(document["tokens"].values()), document["vocabulary_size"], size(document["size_bytes"])]
    return [document["dataset"], document["source"], document["task"], *rows, *figures, moment(document["prepared_at"])]


def _found(subject: str, settings: list[str] | None, storage: str | None) -> "tuple[Store, str]":
    """The storage root and the name of the dataset that a command line means."""
    from distrnn.data.catalog import find

    if not is_workflow(subject):
        if settings:
            raise UsageError(f"--set overrides keys of a workflow. Received: the dataset {subject}")
        store = _store(storage)
        return store, find(store, subject)
    require("train", f"datasets … {subject}")
    _, opened = dataset_of(subject, settings or [], storage)
    return opened.store, opened.manifest.fingerprint[:16]


def _store(storage: str | None) -> "Store":
    from distrnn.storage import default_storage, open_store

    return open_store(storage or default_storage())
