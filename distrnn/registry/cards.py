"""The model card of a version: published as its README.md, edited later, and no revision is ever lost.

Revision 1 is the file that was published, which is part of the immutable version. Later revisions are in one document beside it,
replaced by compare-and-swap: whoever edits says which revision was edited, and is told if another one came in between.
"""

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from distrnn.errors import ConflictError, DataError, IntegrityError, NotFoundError, UsageError
from distrnn.registry.blobs import broken, examine
from distrnn.registry.layout import card_key, timestamp
from distrnn.registry.manifest import CARD, LIMIT_BYTES, SCHEMA_VERSION, FileEntry, ModelVersion, parse_document, to_json_bytes
from distrnn.storage import Store

MAX_BYTES = 256 << 10
_PUBLISHED_BYTES = 1 << 20
_DOCUMENT_BYTES = LIMIT_BYTES // 2
_FRONT_MATTER = re.compile(r"---[ \t]*\r?\n(.*?)^(?:---|\.\.\.)[ \t]*\r?$", re.DOTALL | re.MULTILINE)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True)
class Revision:
    """One revision of a card; `sha256` is of its text in UTF-8."""

    revision: int
    at: str
    sha256: str


@dataclass(frozen=True)
class Card:
    """A model card.

    Attributes:
        text: Markdown; '' where there is none.
        revision: which one this is, counted from 1; 0 where there is none.
        updated_at: when this revision was written; '' where there is none.
        history: every revision, oldest first.
    """

    text: str
    revision: int
    updated_at: str
    history: tuple[Revision, ...]


@dataclass(frozen=True)
class _Later:
    """A revision after the published one; the text of a very old one may have been dropped (None), its sha256 never is."""

    revision: Revision
    text: str | None


def read(store: Store, version: ModelVersion, revision: int | None = None) -> Card:
    """A version's card.

    Args:
        store: the registry.
        version: whose card.
        revision: an earlier one; None: the latest.
    Raises:
        NotFoundError: there is no such revision.
        IntegrityError: it is missing or damaged in the registry.
        DataError: the README.md that was published is too large to be a card.
    """
    published, later = _published(version), _later(store, version)[0]
    past = _history(version, later)
    wanted = (past[-1].revision if past else 0) if revision is None else revision
    if wanted == 0 and not past:
        return Card("", 0, "", ())
    if not past or not past[0].revision <= wanted <= past[-1].revision:
        raise NotFoundError(f"the card of {version} has no revision {wanted}; its revisions are {_span(past)}.")
    entry = past[wanted - past[0].revision]
    if published is not None and wanted == 1:
        return Card(_read_published(store, version, published), 1, entry.at, past)
    text = next(found.text for found in later if found.revision == entry)
    if text is None:
        raise NotFoundError(f"the text of revision {wanted} of the card of {version} was dropped: the card was edited too often since.")
    return Card(text, wanted, entry.at, past)


def history(store: Store, version: ModelVersion) -> tuple[Revision, ...]:
    """Every revision of a version's card, oldest first.

    Raises:
        IntegrityError: their document is damaged.
    """
    return _history(version, _later(store, version)[0])


def edit(store: Store, version: ModelVersion, text: str, revision: int) -> Card:
    """Write the next revision of a version's card; the same text again is no new revision.

    Args:
        store: the registry.
        version: whose card.
        text: Markdown, with a front matter in YAML or without.
        revision: the one that was read and edited; 0 where there was none.
    Raises:
        UsageError: it is too long, holds control characters, or its front matter is no YAML mapping.
        ConflictError: another revision came in between.
    """
    check(text)
    later, tag = _later(store, version)
    past = _history(version, later)
    current = past[-1].revision if past else 0
    if current != revision:
        raise _overtaken(version, revision, current)
    digest = sha256(text.encode()).hexdigest()
    if past and past[-1].sha256 == digest:
        return Card(text, current, past[-1].at, past)
    made = _Later(Revision(current + 1, timestamp(), digest), text)
    if store.compare_and_swap(card_key(version.name, version.number), _to_bytes(version, [*later, made]), tag) is None:
        raise _overtaken(version, revision, history(store, version)[-1].revision)
    return Card(text, made.revision.revision, made.revision.at, (*past, made.revision))


def check(text: str) -> None:
    """Refuse what cannot be a model card.

    Raises:
        UsageError: it is too long, holds control characters, or its front matter is no YAML mapping.
    """
    if (found := _CONTROL.search(text)) is not None:
        raise UsageError(f"a model card must be plain text. Received the control character {found[0]!r} at position {found.start():,}.")
    if (size_bytes := len(text.encode())) > MAX_BYTES:
        raise UsageError(f"a model card has at most {MAX_BYTES:,} bytes. Received: {size_bytes:,} bytes.")
    if text.split("\n", 1)[0].rstrip() != "---":
        return
    match = _FRONT_MATTER.match(text)
    if match is None:
        raise UsageError("a model card that begins with a line '---' must end its front matter with another line '---'. There is none.")
    import yaml

    try:
        found = yaml.safe_load(match[1])
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(f"the front matter of a model card must be YAML, keys and values. Received: {reason}") from error
    if not isinstance(found, dict | None):
        raise UsageError(f"the front matter of a model card must be YAML, keys and values. Received: {type(found).__name__}")


def check_document(body: bytes, name: str, number: int, where: str, version: ModelVersion | None = None) -> None:
    """Make sure that a document with the later revisions of a card can be read.

    Args:
        body: the stored bytes.
        name: the model that it must belong to.
        number: the version's.
        where: the URL, for messages.
        version: where it is at hand, the revisions must go on from the card that was published with it.
    Raises:
        IntegrityError: it is damaged, or another version's.
    """
    later = _parse(body, name, number, where)
    if version is not None and later[0].revision.revision != _first_later(version):
        raise _damaged(where, name, number)


def _parse(body: bytes, name: str, number: int, where: str) -> list[_Later]:
    document = parse_document(body, where)
    found = document.get("revisions")
    belongs = document.get("name") == name and type(document.get("number")) is int and document["number"] == number
    if not belongs or not isinstance(found, list) or not found or not all(map(_whole, found)):
        raise _damaged(where, name, number)
    later = [_Later(Revision(entry["revision"], entry["at"], entry["sha256"]), entry["text"]) for entry in found]
    first = later[0].revision.revision
    if first not in (1, 2) or [entry.revision.revision for entry in later] != list(range(first, first + len(later))):
        raise _damaged(where, name, number)
    if later[-1].text is None:
        raise _damaged(where, name, number)
    return later


def _whole(entry: Any) -> bool:
    if not isinstance(entry, dict) or type(entry.get("revision")) is not int:
        return False
    at, digest, text = entry.get("at"), entry.get("sha256"), entry.get("text", "")
    if not isinstance(at, str) or not isinstance(digest, str):
        return False
    return text is None or (isinstance(text, str) and sha256(text.encode("utf-8", "replace")).hexdigest() == digest)


def _later(store: Store, version: ModelVersion) -> tuple[list[_Later], str | None]:
    """The revisions after the published one, and what `compare_and_swap` takes."""
    key = card_key(version.name, version.number)
    found = store.find(key, limit_bytes=LIMIT_BYTES)
    if found is None:
        return [], None
    where = f"{store.url}/{key}"
    check_document(found[0], version.name, version.number, where, version)
    return _parse(found[0], version.name, version.number, where), found[1]


def _first_later(version: ModelVersion) -> int:
    return 1 if _published(version) is None else 2


def _history(version: ModelVersion, later: Sequence[_Later]) -> tuple[Revision, ...]:
    published = _published(version)
    first = (Revision(1, version.manifest.created_at, published.sha256),) if published else ()
    return (*first, *(entry.revision for entry in later))


def _published(version: ModelVersion) -> FileEntry | None:
    return next((file for file in version.manifest.files if file.path == CARD), None)


def _read_published(store: Store, version: ModelVersion, file: FileEntry) -> str:
    if file.size_bytes > _PUBLISHED_BYTES:
        raise DataError(
            f"{CARD} of {version} has {file.size_bytes:,} bytes; a model card is shown up to {_PUBLISHED_BYTES:,}. Pull the version "
            "to read it."
        )
    pieces: list[bytes] = []
    if (problem := examine(store, version.name, file, pieces.append)) is not None:
        raise broken(version, file, problem, "Nothing was changed.")
    return b"".join(pieces).decode("utf-8", "replace")


def _to_bytes(version: ModelVersion, later: Sequence[_Later]) -> bytes:
    """The document; where it would become too large for its readers, the oldest texts are dropped from it."""
    left_bytes = _DOCUMENT_BYTES
    entries = []
    for entry in reversed(later):
        left_bytes -= len((entry.text or "").encode())
        kept = entry.text if left_bytes >= 0 else None
        revision = entry.revision
        entries.append({"revision": revision.revision, "at": revision.at, "sha256": revision.sha256, "text": kept})
    document = {
        "schema_version": SCHEMA_VERSION,
        "name": version.name,
        "number": version.number,
        "attempt": uuid.uuid4().hex,
        "revisions": entries[::-1],
    }
    return to_json_bytes(document, "a model card")


def _overtaken(version: ModelVersion, revision: int, current: int) -> ConflictError:
    return ConflictError(
        f"the card of {version} is at revision {current}, and this text is an edit of revision {revision}. Nothing was written. Read the "
        "card again, put your change into it, and try once more."
    )


def _damaged(where: str, name: str, number: int) -> IntegrityError:
    return IntegrityError(f"{where} is damaged: expected revisions of the card of {name}@v{number}. Restore it from a backup.")


def _span(past: Sequence[Revision]) -> str:
    return f"{past[0].revision} to {past[-1].revision}" if past else "none"
