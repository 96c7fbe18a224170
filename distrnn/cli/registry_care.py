"""`distrnn models verify`, `delete` and `gc`: is everything still whole, and what may go."""

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from distrnn.amounts import size
from distrnn.cli.options import Debug, Json, LockUrl, RegistryUrl, VersionReference, Yes
from distrnn.cli.output import Column, Output, complain
from distrnn.cli.registries import confirm, one_version, open_registry
from distrnn.cli.units import duration
from distrnn.cli.versions import named, numbered
from distrnn.cli.waiting import waiting
from distrnn.errors import IntegrityError

if TYPE_CHECKING:
    from distrnn.registry.verify import Finding

What = Annotated[
    str | None, typer.Argument(metavar="NAME|REF", help="A model or a version. Default: the whole registry.", show_default=False)
]
Keep = Annotated[
    int | None, typer.Option("--keep", metavar="N", min=1, help="Delete versions but the N newest, and what an alias held in 30 days.")
]
KeepFor = Annotated[
    timedelta | None,
    typer.Option(
        "--keep-for", metavar="TIME", parser=duration, help="Delete versions older than this, such as 90d, but those --keep keeps."
    ),
]
Grace = Annotated[
    timedelta, typer.Option("--grace", metavar="TIME", parser=duration, help="Files younger than this stay, whoever uses them.")
]
Apply = Annotated[bool, typer.Option("--apply", help="Really remove it.", show_default=False)]
COLLECTED = (
    Column("model", 24),
    Column("files", 7, right=True),
    Column("size", 8, right=True),
    Column("uploads", 7, right=True),
    Column("leftovers", 9, right=True),
    Column("versions"),
)
FINDINGS = (Column("version", 24), Column("problem", 8), Column("what", 40), Column("detail"))


def verify(what: What = None, registry: RegistryUrl = None, json: Json = False, debug: Debug = False) -> None:
    """Read every byte and tell what is missing, altered, damaged or dangling, a line for each. Exits 5 if there is anything."""
    from distrnn.registry.maintenance import Maintenance

    out, store = Output(json=json), open_registry(registry)
    subject = what or store.url
    with waiting(f"reading {subject}"):
        found = out.stream(FINDINGS, ((finding.to_json(), _finding_line(finding)) for finding in Maintenance(store).verify(what)))
    if found:
        complain(
            f"{subject} is not whole: {found:,} finding{'s' if found > 1 else ''}. Restore these files from a backup or publish again."
        )
        raise typer.Exit(IntegrityError.code)
    if what is None and not store.names():
        out.note(f"{subject} holds no model, so there was nothing to read.")
        return
    out.note(f"{subject} is whole: every file is there and matches its digest.")


def delete(
    reference: VersionReference,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it stays in the version's place.", show_default=False)],
    yes: Yes = False,
    registry: RegistryUrl = None,
    lock: LockUrl = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Delete one version for ever; its number is never used again, and gc frees its space. Refused while an alias points at it."""
    from distrnn.registry.maintenance import Maintenance

    parsed = one_version(reference, "models delete")
    out, store = Output(json=json), open_registry(registry, lock)
    version = store.resolve(parsed)
    out.resolved(reference, version.name, version.number, version.digest)
    confirm(f"Delete {version} for ever?", yes)
    tombstone = Maintenance(store).delete(str(version), reason=reason)
    document = {**named(version), "deleted_at": tombstone.deleted_at, "reason": tombstone.reason}
    out.result(document, f"Deleted {version}.")
    out.note(f"Its files are removed by: distrnn models gc {version.name} --apply")


def gc(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="One model. Default: all.", show_default=False)] = None,
    keep: Keep = None,
    keep_for: KeepFor = None,
    grace: Grace = "24h",  # type: ignore[assignment]  # typer parses the default too, and shows it as it is typed
    apply: Apply = False,
    yes: Yes = False,
    registry: RegistryUrl = None,
    lock: LockUrl = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Say what nobody needs any more: files of no version, uploads nobody completed, versions beyond --keep; --apply removes it."""
    from distrnn.registry.maintenance import Maintenance
    from distrnn.registry.retention import Retention

    out, store = Output(json=json), open_registry(registry, lock)
    if apply:
        beyond = "" if keep is None and keep_for is None else ", and delete the versions beyond what is kept"
        confirm(f"Remove from {name or store.url} what nobody needs{beyond}?", yes)
    retention = Retention(newest=keep, younger_than=keep_for)
    collected = Maintenance(store).gc(name, retention=retention, grace=grace, apply=apply)
    found = ({**one.to_json(), "applied": apply} for one in collected)
    with waiting(f"looking through {name or store.url}"):
        shown = out.stream(COLLECTED, ((one, _collected_line(one)) for one in found if _is_something(one)))
    if not shown:
        out.note("There is nothing to remove.")
    elif not apply:
        out.note("Nothing was removed; the same command with --apply does it.")


def _finding_line(finding: "Finding") -> list[Any]:
    return [finding.version, finding.problem, finding.file or finding.key, finding.detail]


def _collected_line(one: Mapping[str, Any]) -> list[Any]:
    versions = [numbered(number) for number in one["versions"]]
    return [one["name"], one["blobs"], size(one["blob_bytes"]), one["uploads"], one["leftovers"], versions]


def _is_something(collected: Mapping[str, Any]) -> bool:
    return any(collected[key] for key in ("versions", "blobs", "uploads", "leftovers"))
