"""`distrnn models tag` and `card`: what is said about a version after it was published, in words and in a page."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from distrnn.cli.options import Debug, Json, LockUrl, Reference, RegistryUrl
from distrnn.cli.output import Output
from distrnn.cli.registries import open_registry
from distrnn.cli.versions import named, tag_words
from distrnn.errors import NotFoundError, UsageError

STDIN = "-"


def tag(
    reference: Reference,
    assignments: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE...", help="Tags to give it; none: show those it has.", show_default=False)
    ] = None,
    remove: Annotated[list[str] | None, typer.Option("--remove", metavar="KEY", help="Take a tag away. Repeatable.")] = None,
    registry: RegistryUrl = None,
    lock: LockUrl = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show, give and take away a version's tags."""
    add = parse_tags(assignments or [])
    out, store = Output(json=json), open_registry(registry, lock)
    version = store.resolve(reference)
    out.resolved(reference, version.name, version.number, version.digest)
    tags = store.set_tags(version, add, remove or []) if add or remove else store.tags(version)
    if not tags:
        out.note(f"{version} has no tags.")
    out.result({**named(version), "tags": tags}, *tag_words(tags))


def card(
    reference: Reference,
    edit: Annotated[
        str | None, typer.Option("--edit", metavar="FILE", help="Replace the card by this Markdown file, - for stdin, as a new revision.")
    ] = None,
    revision: Annotated[
        int | None, typer.Option("--revision", metavar="N", help="With --edit: only if the card is still this revision, the one you read.")
    ] = None,
    registry: RegistryUrl = None,
    lock: LockUrl = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show a version's model card as it is written, or replace it; earlier revisions stay."""
    if revision is not None and edit is None:
        raise UsageError("--revision says which revision was edited, so it needs --edit. Received: --revision alone")
    text = None if edit is None else _given(edit)
    out, store = Output(json=json), open_registry(registry, lock)
    version = store.resolve(reference)
    out.resolved(reference, version.name, version.number, version.digest)
    found = store.card(version)
    if text is not None:
        found = store.edit_card(version, text, revision=found.revision if revision is None else revision)
    document = {**named(version), "text": found.text, "revision": found.revision, "updated_at": found.updated_at}
    if text is not None:
        out.result(document, f"The card of {version} is revision {found.revision} now.")
        return
    if not found.text:
        out.note(f"{version} has no model card. Write one with: distrnn models card {version} --edit FILE")
    out.result(document, *([found.text.rstrip("\n")] if found.text else []))


def parse_tags(assignments: Sequence[str]) -> dict[str, str]:
    """Tags as they are typed.

    Raises:
        UsageError: one has no `=`, or a key is given twice.
    """
    tags: dict[str, str] = {}
    for text in assignments:
        key, equals, value = text.partition("=")
        if not equals or key in tags:
            raise UsageError(f"expected {'each key once' if equals else 'KEY=VALUE'}, for instance stage=tested. Received: {text!r}")
        tags[key] = value
    return tags


def _given(file: str) -> str:
    """The text of a card; no more is read than a card can have, whatever file was named."""
    from distrnn.registry.cards import MAX_BYTES

    if file == STDIN:
        body = sys.stdin.buffer.read(MAX_BYTES + 1)
    else:
        path = Path(file).expanduser()
        if not path.is_file():
            raise NotFoundError(f"no file {file!r} to take the model card from.")
        with path.open("rb") as opened:
            body = opened.read(MAX_BYTES + 1)
    if len(body) > MAX_BYTES:
        raise UsageError(f"a model card has at most {MAX_BYTES:,} bytes. Received: {file!r}, which is longer")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"a model card is text in UTF-8. Received: {file!r}, which is not") from None
