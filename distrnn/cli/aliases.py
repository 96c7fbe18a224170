"""`distrnn models alias`: movable names of versions, and the rules under which they move."""

from typing import Annotated

import typer

from distrnn.cli.options import Alias, Debug, Force, Json, LockUrl, ModelName, Reason, RegistryUrl, Rules, Yes
from distrnn.cli.output import Output, short_digest
from distrnn.cli.registries import confirm, open_registry, version_reference
from distrnn.cli.versions import held, numbered, rules_text
from distrnn.errors import NotFoundError, UsageError
from distrnn.refs import ModelRef


def set_alias(
    name: ModelName,
    alias: Alias,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="3, v3, another alias, latest or sha256:…", show_default=False)],
    reason: Reason = None,
    force: Force = False,
    registry: RegistryUrl = None,
    lock: LockUrl = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Let an alias name a version. One that is guarded moves by promote and rollback only (exit 4) unless forced."""
    store = open_registry(registry, lock)
    reference = version_reference(name, version)
    target = store.resolve(reference)
    record = store.set_alias(name, alias, target, reason=reason, force=force)
    out = Output(json=json)
    out.resolved(reference, target.name, target.number, target.digest)
    document = {"name": name, "alias": alias, **held(record)}
    out.result(document, f"{name}@{alias} is v{target.number} ({short_digest(target.digest)}).")


def delete_alias(
    name: ModelName,
    alias: Alias,
    reason: Reason = None,
    force: Force = False,
    yes: Yes = False,
    registry: RegistryUrl = None,
    lock: LockUrl = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Let an alias name nothing; the versions and the alias' history stay."""
    store = open_registry(registry, lock)
    record = store.alias(name, alias)
    if record.number is None:
        store.resolve(ModelRef(name, "latest"))  # where there is no such model, it says so
        raise NotFoundError(f"model {name!r} has no alias {alias!r}, so there is nothing to delete.")
    confirm(f"{name}@{alias} is v{record.number}. Delete the alias?", yes)
    store.delete_alias(name, alias, reason=reason, force=force)
    Output(json=json).result({"name": name, "alias": alias, "was": record.number}, f"Deleted {name}@{alias}; it was v{record.number}.")


def guard(
    name: ModelName,
    alias: Alias,
    rule: Rules = None,
    clear: Annotated[bool, typer.Option("--clear", help="Take the rules away.", show_default=False)] = False,
    reason: Reason = None,
    force: Force = False,
    registry: RegistryUrl = None,
    lock: LockUrl = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Give an alias rules: from then on it moves by promote, which asks them, and rollback only. Changing rules needs --force."""
    from distrnn.registry import Rule

    if bool(rule) == clear:
        raise UsageError(f"say either --rule or --clear. Received: {'both' if clear else 'none of them'}")
    record = open_registry(registry, lock).guard(name, alias, [Rule.parse(text) for text in rule or ()], reason=reason, force=force)
    document = {"name": name, "alias": alias, **held(record)}
    holding = f" It is {numbered(record.number)}." if record.number is not None else " It names no version yet."
    told = f"guarded by: {rules_text(document['rules'])}." if record.rules else "not guarded any more."
    Output(json=json).result(document, f"{name}@{alias} is {told}{holding}")
