"""From what a command line names to a registry, a version of it, and the consent to change it."""

from typing import TYPE_CHECKING

import typer

from distrnn.cli.extras import require
from distrnn.errors import UsageError
from distrnn.refs import ModelRef

if TYPE_CHECKING:
    from distrnn.registry import Registry
    from distrnn.storage import Lock

IN_CLUSTER = "ray://"


def open_registry(url: str | None, lock: str | None = None) -> "Registry":
    """The registry at a URL; nothing is read or connected to yet.

    Args:
        url: a folder or s3://…; None: the default.
        lock: URL of the lock that whoever writes holds, for a server that cannot decide races.
    """
    from distrnn.registry import Registry

    return Registry(url, lock=_lock(lock) if lock else None)


def names_version(reference: str) -> bool:
    """Whether a reference says which version it means, even if it says `latest`."""
    return "@" in reference or "/" in reference.removeprefix("models:/")


def one_version(reference: str, verb: str) -> ModelRef:
    """The reference of a verb that must not guess which version is meant.

    Raises:
        UsageError: it is a model's name alone.
    """
    parsed = ModelRef.parse(reference)
    if not names_version(reference):
        raise UsageError(
            f"distrnn {verb} must be told which version, for instance {parsed.name}@v3; see: distrnn models show {parsed.name}. "
            f"Received: {reference!r}"
        )
    return parsed


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


def _lock(url: str) -> "Lock":
    if url.startswith(IN_CLUSTER):
        require("submit", "--lock ray://…")
        from distrnn.cluster.lock import open_lock as open_actor

        return open_actor(url)
    from distrnn.storage.locks import open_lock

    return open_lock(url)
