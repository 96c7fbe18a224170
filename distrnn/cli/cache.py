"""`distrnn cache`: what was pulled to this machine, whether it is still whole, and what can go."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from distrnn.amounts import size
from distrnn.cli.options import Debug, Json, Yes
from distrnn.cli.output import Fields, Output, Table, moment, short_digest
from distrnn.cli.registries import confirm
from distrnn.cli.units import byte_size, duration
from distrnn.errors import IntegrityError, UsageError

if TYPE_CHECKING:
    from distrnn.registry.cache import Cache
    from distrnn.registry.cache_prune import Prunable


def list_cache(json: Json = False, debug: Debug = False) -> None:
    """List the versions that are on this machine, what they take, and when they were last used."""
    from distrnn.registry import cache_care

    cache, out = _cache(), Output(json=json)
    found = cache_care.list_cache(cache)
    total = cache_care.cache_bytes(cache)
    if not found:
        out.note(f"No version in {cache.root} yet.")
    rows = [
        [
            f"{entry.name}@v{entry.number}" if entry.name else short_digest(entry.digest),
            entry.form,
            size(entry.present_bytes),
            entry.state if entry.state == "complete" else f"{entry.state}, of {size(entry.size_bytes)}",
            moment(entry.used_at.isoformat()),
            short_digest(entry.digest),
        ]
        for entry in found
    ]
    document = {"folder": str(cache.root), "size_bytes": total, "versions": [entry.to_json() for entry in found]}
    table = [Table(["version", "form", "size", "state", "last used", "digest"], rows)] if rows else []
    out.result(document, *table, Fields({"folder": str(cache.root), "on disk": size(total)}))


def verify(json: Json = False, debug: Debug = False) -> None:
    """Hash every file of the cache; what was altered is removed and named. Exits 5 if anything was."""
    from distrnn.registry import cache_care

    cache, out = _cache(), Output(json=json)
    altered = list(cache_care.verify_cache(cache))
    rows = [[found.version, found.form, found.file, found.problem, str(found.path)] for found in altered]
    document = {"folder": str(cache.root), "altered": [found.to_json() for found in altered]}
    if altered:
        out.result(document, Table(["version", "form", "file", "problem", "where"], rows))
        out.note("What was altered was removed; pull it again to have it back.")
        raise typer.Exit(IntegrityError.code)
    out.result(document, f"Everything in {cache.root} is what it was when it was pulled.")


def prune(
    older_than: Annotated[str | None, typer.Option("--older-than", metavar="TIME", help="What was not used for so long: 30d, 8w.")] = None,
    max_size: Annotated[
        str | None, typer.Option("--max-size", metavar="SIZE", help="What was not used for longest, until no more than this is left: 5GB.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of it.", show_default=False)] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go, and remove nothing.", show_default=False)] = False,
    yes: Yes = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Remove versions from the cache, and what broken pulls have left for more than a week. What a pull is working on stays."""
    from distrnn.registry import cache_care, cache_prune

    if everything and (older_than or max_size):
        raise UsageError("--all removes everything, so --older-than and --max-size cannot be given with it.")
    cache, out = _cache(), Output(json=json)
    going = cache_prune.to_prune(
        cache,
        older_than=duration(older_than) if older_than is not None else None,
        max_bytes=byte_size(max_size) if max_size is not None else None,
        everything=everything,
    )
    freed = cache_prune.freed_bytes(cache, going)
    if dry_run or not going:
        _show(out, cache, going, freed, dry_run=dry_run)
        return
    if not yes:
        out.note("\n".join(f"{item.label}  {size(item.size_bytes)}  last used {moment(item.used_at.isoformat())}" for item in going))
    confirm(f"Remove {len(going)} from the cache ({size(freed)})?", yes)
    before = cache_care.cache_bytes(cache)
    gone = list(cache_prune.prune(cache, going))
    if len(gone) < len(going):
        out.note(f"{len(going) - len(gone)} stayed, because a pull is at work on it or it was used just now.")
    _show(out, cache, gone, max(before - cache_care.cache_bytes(cache), 0), dry_run=False)


def _show(out: Output, cache: "Cache", items: "list[Prunable]", freed: int, *, dry_run: bool) -> None:
    document: dict[str, Any] = {
        "folder": str(cache.root),
        "dry_run": dry_run,
        "freed_bytes": freed,
        "pruned": [item.to_json() for item in items],
    }
    if not items:
        out.result(document, "Nothing to remove.")
        return
    rows = [[item.kind, item.label, size(item.size_bytes), moment(item.used_at.isoformat())] for item in items]
    text = f"Would free {size(freed)}; nothing was removed." if dry_run else f"Freed {size(freed)}."
    out.result(document, Table(["what", "name", "size", "last used"], rows), text)


def _cache() -> "Cache":
    from distrnn.registry.cache import Cache
    from distrnn.storage import default_home

    return Cache(default_home())
