"""`distrnn models list`: models, or all their versions, filtered and sorted.

Versions are streamed: there may be a hundred thousand of them. Only an order has to know all of them before it can show the first.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from distrnn.amounts import size
from distrnn.cli.options import Debug, Json, RegistryUrl
from distrnn.cli.output import Column, Output, Table, moment, short_digest
from distrnn.cli.registries import open_registry
from distrnn.cli.versions import headline, numbered, summary_document, tag_words

if TYPE_CHECKING:
    from distrnn.registry import Registry
    from distrnn.registry.query import Order, Selection

Row = dict[str, Any]
Facts = Callable[[Row], Row]

Pattern = Annotated[str, typer.Argument(metavar="PATTERN", help="Models whose name fits, for instance 'imdb-*'.", show_default=False)]
Versions = Annotated[
    bool, typer.Option("--versions", help="A line a version, newest first, instead of a line a model.", show_default=False)
]
Tags = Annotated[list[str] | None, typer.Option("--tag", metavar="KEY[=VALUE]", help="Only versions with this tag. Repeatable.")]
Where = Annotated[
    list[str] | None,
    typer.Option("--where", metavar="CONDITION", help="Only versions whose figures fulfil it: 'accuracy>0.85'. Repeatable."),
]
Sort = Annotated[
    str | None,
    typer.Option(
        "--sort",
        metavar="KEY[:desc]",
        help="By name, version, created, size or a figure. With --versions lines then appear when all versions were read.",
    ),
]
EVERY = "*"
COLUMNS = (
    Column("version", 24),
    Column("created", 23),
    Column("digest", 19),
    Column("size", 8, right=True),
    Column("result", 26),
    Column("aliases", 12),
    Column("tags"),
)


def list_models(
    pattern: Pattern = EVERY,
    versions: Versions = False,
    tag: Tags = None,
    where: Where = None,
    sort: Sort = None,
    registry: RegistryUrl = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List the models with their latest version and their aliases, or with --versions every version. Filters look at what is listed."""
    from distrnn.registry.query import Order, Selection

    out, store = Output(json=json), open_registry(registry)
    listing = Listing(Selection.parse(tag or [], where or []), Order.parse(sort) if sort else None)
    shown = listing.show_versions(out, store, pattern) if versions else listing.show_models(out, store, pattern)
    if not shown:
        out.note(_nothing(store.url, pattern, listing.looked_at))


class Listing:
    """One list being made.

    Attributes:
        selection: what is wanted.
        order: None: as it comes.
        looked_at: how many versions there were to choose from.
    """

    def __init__(self, selection: "Selection", order: "Order | None") -> None:
        self.selection, self.order = selection, order
        self.looked_at = 0
        self._figures = [condition.metric for condition in selection.conditions] + ([order.key] if order else [])

    def show_models(self, out: Output, store: "Registry", pattern: str) -> int:
        """A line a model; returns how many."""
        documents = self._ordered(self._wanted(_models(store, pattern), _latest), _latest)
        table = Table(["model", "latest", "created", "result", "aliases"], [self._model_line(document) for document in documents])
        out.result(documents, *([table] if documents else []))
        return len(documents)

    def show_versions(self, out: Output, store: "Registry", pattern: str) -> int:
        """A line a version; returns how many."""
        found = self._wanted(_versions(store, pattern), _itself)
        rows = found if self.order is None else iter(self._ordered(found, _itself))
        return out.stream(COLUMNS, ((row, self._version_line(row)) for row in rows))

    def _wanted(self, rows: Iterable[Row], facts: Facts) -> Iterator[Row]:
        for row in rows:
            self.looked_at += 1
            if self.selection.keeps(facts(row)):
                yield row

    def _ordered(self, rows: Iterable[Row], facts: Facts) -> list[Row]:
        return list(rows) if self.order is None else self.order.sorted(rows, facts)

    def _model_line(self, document: Row) -> list[Any]:
        latest = document["latest"]
        aliases = [f"{alias} {numbered(held['number'])}" for alias, held in document["aliases"].items()]
        result = headline(latest["metrics"], self._figures)
        return [document["name"], numbered(latest["number"]), moment(latest["created_at"]), result, aliases]

    def _version_line(self, row: Row) -> list[Any]:
        shown = [f"{row['name']}@v{row['number']}", moment(row["created_at"]), short_digest(row["digest"]), size(row["size_bytes"])]
        return [*shown, headline(row["metrics"], self._figures), row["aliases"], tag_words(row["tags"])]


def _models(store: "Registry", pattern: str) -> Iterator[Row]:
    for summary in store.summaries(pattern):
        if summary.latest is not None:  # a model whose versions were all deleted has nothing to show
            aliases = {alias: asdict(held) for alias, held in summary.aliases.items()}
            yield {"name": summary.name, "latest": summary_document(summary.latest, summary.aliases), "aliases": aliases}


def _versions(store: "Registry", pattern: str) -> Iterator[Row]:
    from distrnn.registry.catalog import VersionSummary
    from distrnn.registry.listing import with_tags

    for summary in store.summaries(pattern):
        for version, tags in with_tags(store.store, store.iter_versions(summary.name)):
            yield {"name": summary.name, **summary_document(VersionSummary.of(version, tags), summary.aliases)}


def _latest(document: Row) -> Row:
    return {"name": document["name"], **document["latest"]}


def _itself(row: Row) -> Row:
    return row


def _nothing(url: str, pattern: str, looked_at: int) -> str:
    """What to tell somebody who sees an empty list."""
    if looked_at:
        return f"None of {looked_at:,} looked at has these tags and figures."
    if pattern != EVERY:
        return f"No model in {url} has a name that fits {pattern!r}; * stands for any characters."
    return f"No model in {url} yet. Publish one with: distrnn run WORKFLOW"
