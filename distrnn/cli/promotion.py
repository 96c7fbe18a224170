"""`distrnn models promote` and `rollback`: an alias through its gate, and back to what it named before."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from distrnn.cli.decisions import decision_blocks, why_refused
from distrnn.cli.extras import require
from distrnn.cli.options import Alias, Debug, Force, Json, LockUrl, ModelName, Reason, Reference, RegistryUrl, Rules, StorageUrl
from distrnn.cli.output import Output, complain, short_digest
from distrnn.cli.registries import open_registry
from distrnn.cli.versions import held, named, numbered
from distrnn.errors import GateRefusedError

if TYPE_CHECKING:
    from distrnn.registry import ModelVersion, Registry
    from distrnn.registry.promote import Measure
    from distrnn.registry.promotion import Figures
    from distrnn.registry.rules import Slice

NewSet = Annotated[
    bool,
    typer.Option(
        "--replace-evaluation-set",
        help="Pin the evaluation set of this version instead of the one the alias has; the holder is measured on it.",
        show_default=False,
    ),
]


def promote(
    reference: Reference,
    alias: Alias,
    rule: Rules = None,
    replace_evaluation_set: NewSet = False,
    reason: Reason = None,
    force: Force = False,
    storage: StorageUrl = None,
    registry: RegistryUrl = None,
    lock: LockUrl = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Let a version take an alias if the rules allow it (default: the alias' own). Exits 4 where they do not; the decision is recorded."""
    from distrnn.registry import Rule

    out, store = Output(json=json), open_registry(registry, lock)
    version = store.resolve(reference)
    out.resolved(reference, version.name, version.number, version.digest)
    decision = store.promote(
        version,
        alias,
        [Rule.parse(text) for text in rule] if rule else None,
        replace_evaluation_set=replace_evaluation_set,
        measure=_measure(store, storage),
        reason=reason,
        force=force,
    )
    document = {**named(version), **decision.to_json()}
    out.result(document, *decision_blocks(document))
    if not decision.promoted:
        refused = GateRefusedError(f"{alias} was not moved to {version}: {why_refused(document['rules'])}.")
        complain(refused.message)
        raise typer.Exit(refused.exit_code)


def rollback(
    name: ModelName,
    alias: Alias,
    reason: Reason = None,
    registry: RegistryUrl = None,
    lock: LockUrl = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Let an alias name what it named before, after every file of that version was checked and it was loaded. Guarded aliases too."""
    from distrnn.client import load_check

    store = open_registry(registry, lock)
    before = store.alias(name, alias).number
    record = store.rollback(name, alias, check=load_check(store), reason=reason)
    document = {"name": name, "alias": alias, **held(record), "was": before}
    told = f"{name}@{alias} is {numbered(record.number)} again ({short_digest(record.digest or '')}); it was {numbered(before)}."
    Output(json=json).result(document, told)


def _measure(store: "Registry", storage: str | None) -> "Measure":
    """Figures that nobody has recorded yet; only then are the packages needed that read an evaluation set."""

    def measure(version: "ModelVersion", evaluation_set: str, slices: "Sequence[Slice]") -> "Figures":
        require("train", "models promote")
        from distrnn.evaluation.held_out import measure_version
        from distrnn.storage import default_storage, open_store

        return measure_version(store, open_store(storage or default_storage()), version, evaluation_set, slices)

    return measure
