"""`distrnn datasets`: what was prepared, what is in it, whether it is whole, and what may go."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from distrnn.cli.extras import require
from distrnn.cli.options import Debug, Json, Settings, StorageUrl, Yes
from distrnn.cli.output import NOTHING, Block, Column, Fields, Output, Table, complain, moment, size
from distrnn.cli.prepared import dataset_of, is_workflow
from distrnn.cli.registries import confirm
from distrnn.cli.waiting import waiting
from distrnn.errors import IntegrityError, UsageError

if TYPE_CHECKING:
    from distrnn.data.catalog import Listed
    from distrnn.data.statistics import Leaks
    from distrnn.storage import Store

BAR_WIDTH = 40
LISTED_LEAKS = 1000
FINDINGS = (Column("problem", 8), Column("file", 60), Column("detail"))
Subject = Annotated[
    str,
    typer.Argument(metavar="DATASET", help="Digits of its fingerprint, four or more, or the workflow file.", show_default=False),
]


def list_datasets(storage: StorageUrl = None, json: Json = False, debug: Debug = False) -> None:
    """List the datasets of a storage root, those that were never finished too."""
    require("train", "datasets list")
    from distrnn.data.catalog import listed

    out, store = Output(json=json), _store(storage)
    found = list(listed(store))
    rows = [_line(one) for one in found]
    if not found:
        out.note(f"No dataset in {store.url} yet. Make one with: distrnn prepare WORKFLOW")
    columns = ["dataset", "source", "task", "train", "validation", "test", "tokens", "vocabulary", "size", "prepared"]
    out.result([_document(one) for one in found], *([Table(columns, rows)] if rows else []))


def show(
    dataset: Subject,
    leaks: Annotated[int, typer.Option("--leaks", metavar="N", min=0, help="List so many pairs of documents that are alike.")] = 5,
    settings: Settings = None,
    storage: StorageUrl = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show what is in a dataset: lengths, labels, tokens, sample documents, and documents that are there more than once."""
    require("train", "datasets show")
    from distrnn.data import statistics
    from distrnn.data.dataset import open_dataset

    out = Output(json=json)
    store, name = _found(dataset, settings, storage)
    opened = open_dataset(store, name)
    manifest = opened.manifest
    with waiting("looking for duplicates"):
        found = statistics.leaks(opened) if manifest.task == "classifier" else None
    document = {
        "fingerprint": manifest.fingerprint,
        "path": opened.path,
        "task": manifest.task,
        "parts": manifest.fingerprint_parts,
        "vocabulary_size": manifest.vocabulary_size,
        "distinct_tokens": manifest.distinct_tokens,
        "collisions": manifest.collisions,
        "replaced_utf8": manifest.replaced_utf8,
        "removed_duplicates": manifest.removed_duplicates,
        "splits": {split: _split_document(value) for split, value in manifest.splits.items()},
        "lengths": {split: statistics.lengths(opened, split) for split in manifest.splits} if manifest.task == "classifier" else None,
        "frequent_tokens": [list(pair) for pair in opened.vocabulary_counts[: statistics.FREQUENT]],
        "samples": statistics.samples(opened, "train"),
        "leaks": _leaks_document(found) if found is not None else None,
    }
    out.result(document, *show_blocks(document, leaks))


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
    """Read every byte and tell what is missing or altered, a line for each. Exits 5 if there is anything."""
    require("train", "datasets verify")
    from distrnn.data import catalog

    out = Output(json=json)
    if dataset is None:
        store = _store(storage)
        names = [one.name for one in catalog.listed(store) if one.committed is not None]
    else:
        store, name = _found(dataset, settings, storage)
        names = [name]
    findings = (finding for name in names for finding in catalog.verify(store, name))
    with waiting(f"reading {store.url}"):
        found = out.stream(FINDINGS, ((one.to_json(), [one.problem, one.key, one.detail]) for one in findings))
    if found:
        complain(f"{found:,} finding{'s' if found > 1 else ''} in {store.url}. Delete the dataset and prepare it again.")
        raise typer.Exit(IntegrityError.code)
    out.note(f"{', '.join(names)}: every file is there and matches its digest." if names else f"No dataset in {store.url}.")


def delete(
    dataset: Subject, yes: Yes = False, settings: Settings = None, storage: StorageUrl = None, json: Json = False, debug: Debug = False
) -> None:
    """Delete a dataset, or what is left of one that was never finished. Evaluation sets stay, others may use them."""
    require("train", "datasets delete")
    from distrnn.data import catalog

    out = Output(json=json)
    store, name = _found(dataset, settings, storage)
    one = catalog.describe(store, name)
    confirm(f"Delete dataset {name} ({size(one.size_bytes)}) from {store.url}?", yes)
    files = catalog.delete(store, name)
    out.result({"dataset": name, "files": files, "size_bytes": one.size_bytes}, f"Deleted dataset {name} ({size(one.size_bytes)}).")
    if one.manifest is not None and one.manifest.evaluation_set is not None:
        out.note(f"Its evaluation set stays, aliases may have pinned it: {one.manifest.evaluation_set.file}")


def show_blocks(document: Mapping[str, Any], listed_leaks: int) -> Iterator[Block]:
    """The document of `datasets show --json` as a person reads it."""
    splits = document["splits"]
    yield Fields(
        {
            "dataset": document["fingerprint"][:16],
            "where": document["path"],
            "task": document["task"],
            "source": document["parts"]["source"]["name"],
            "vocabulary": f"{document['vocabulary_size']:,} of {document['distinct_tokens']:,} distinct tokens",
            "collisions": _collisions(document),
            "bad UTF-8": f"{document['replaced_utf8']:,} sequences replaced" if document["replaced_utf8"] else None,
            "removed": f"{document['removed_duplicates']:,} duplicates" if document["removed_duplicates"] else None,
        }
    )
    columns = ["split", "documents", "empty", "tokens", "unknown", "text", "labels"]
    yield Table(columns, [_split_line(name, split) for name, split in splits.items()])
    for name, found in (document["lengths"] or {}).items():
        if name == "train":
            yield Table(["tokens", "documents", ""], list(_bars(found["histogram"])), title=_lengths_title(found))
    yield Table(["token", "count"], document["frequent_tokens"], title="most frequent tokens of the training text")
    for sample in document["samples"]:
        label = f" ({sample['label']})" if sample["label"] else ""
        yield Fields({"text": sample["text"], "ids": " ".join(map(str, sample["ids"]))}, title=f"sample {sample['id']}{label}")
    if document["leaks"] is not None:
        yield from _leak_blocks(document["leaks"], listed_leaks)


def _leak_blocks(leaks: Mapping[str, Any], listed: int) -> Iterator[Block]:
    counts = leaks["counts"]
    places = list(next(iter(counts.values())))
    rows = [[kind, *(found[place] for place in places)] for kind, found in counts.items()]
    names = ["across splits" if place == "across" else f"in {place}" for place in places]
    yield Table(["duplicates", *names], rows, title="documents that have an earlier twin")
    pairs = [*leaks["exact"], *leaks["near"]]
    across = sorted(pairs, key=lambda pair: pair["split"] == pair["other_split"])[:listed]
    if across:
        columns = ["document", "split", "twin", "split of twin", "similarity"]
        rows = [[pair["other_id"], pair["other_split"], pair["id"], pair["split"], pair["similarity"]] for pair in across]
        yield Table(columns, rows, title="some of them (--leaks N shows more; data.duplicates: exact or near leaves them out)")


def _collisions(document: Mapping[str, Any]) -> str | None:
    if document["collisions"] is None:
        return None
    share = document["collisions"] / max(document["distinct_tokens"], 1)
    return f"{share:.1%} of the distinct tokens share their bucket ({document['collisions']:,})"


def _split_line(name: str, split: Mapping[str, Any]) -> list[Any]:
    unknown = f"{split['unknown_tokens'] / max(split['tokens'], 1):.2%}"
    labels = ", ".join(f"{label} {count / max(split['rows'], 1):.1%}" for label, count in split["labels"].items()) or NOTHING
    return [name, split["rows"], split["empty_rows"], split["tokens"], unknown, size(split["text_bytes"]), labels]


def _lengths_title(found: Mapping[str, Any]) -> str:
    figures = f"{found['min']} to {found['max']:,}, median {found['median']}, mean {found['mean']}, 95 % at most {found['p95']}"
    return f"tokens of a training document: {figures}"


def _bars(histogram: Sequence[Mapping[str, int]]) -> Iterator[list[Any]]:
    highest = max((found["documents"] for found in histogram), default=1) or 1
    for found in histogram:
        last = found["last"]
        span = str(found["first"]) if last == found["first"] else f"{found['first']}–{last}"
        yield [span, found["documents"], "█" * round(BAR_WIDTH * found["documents"] / highest)]


def _split_document(split: Any) -> dict[str, Any]:
    figures = ("rows", "tokens", "unknown_tokens", "text_bytes", "empty_rows")
    return {**{name: getattr(split, name) for name in figures}, "shards": len(split.shards), "labels": split.label_counts}


def _leaks_document(found: "Leaks") -> dict[str, Any]:
    return {
        "counts": found.counts,
        "exact": [asdict(leak) for leak in found.exact[:LISTED_LEAKS]],
        "near": [asdict(leak) for leak in found.near[:LISTED_LEAKS]],
    }


def _document(one: "Listed") -> dict[str, Any]:
    manifest = one.manifest
    return {
        "dataset": one.name,
        "problem": one.problem or None,
        "source": manifest.fingerprint_parts["source"]["name"] if manifest else None,
        "task": manifest.task if manifest else None,
        "rows": {name: split.rows for name, split in manifest.splits.items()} if manifest else None,
        "tokens": sum(split.tokens for split in manifest.splits.values()) if manifest else None,
        "vocabulary_size": manifest.vocabulary_size if manifest else None,
        "size_bytes": one.size_bytes,
        "prepared_at": one.committed.isoformat() if one.committed else None,
    }


def _line(one: "Listed") -> list[Any]:
    document = _document(one)
    rows = document["rows"] or {}
    figures = [rows.get(split) for split in ("train", "validation", "test")]
    prepared = moment(document["prepared_at"]) if not one.problem else one.problem
    source, task = document["source"], document["task"]
    return [one.name, source, task, *figures, document["tokens"], document["vocabulary_size"], size(one.size_bytes), prepared]


def _found(subject: str, settings: list[str] | None, storage: str | None) -> "tuple[Store, str]":
    """The storage root and the name of the dataset that a command line means."""
    from distrnn.data.catalog import find

    if not is_workflow(subject):
        if settings:
            raise UsageError(f"--set overrides keys of a workflow. Received: the dataset {subject}")
        store = _store(storage)
        return store, find(store, subject)
    _, opened = dataset_of(subject, settings or [], storage)
    return opened.store, opened.manifest.fingerprint[:16]


def _store(storage: str | None) -> "Store":
    from distrnn.storage import default_storage, open_store

    return open_store(storage or default_storage())
