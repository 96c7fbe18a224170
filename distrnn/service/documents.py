"""What the REST answers and the pages show: the registry's facts as plain documents."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from distrnn.errors import DataError, IntegrityError
from distrnn.registry import AliasRecord, ModelVersion, Move, Registry, Summary
from distrnn.registry.catalog import VersionSummary
from distrnn.registry.listing import with_tags
from distrnn.registry.signing import readable
from distrnn.registry.versions import VersionLog
from distrnn.service.errors import told

HEADLINES = ("accuracy", "bits_per_character", "perplexity", "loss_nats", "loss")


def model(summary: Summary) -> dict[str, Any]:
    """A model in a list: its newest version and what its aliases hold."""
    document = summary.to_json()
    return {"name": document["name"], "versions_published": document["head"], "latest": document["latest"], "aliases": document["aliases"]}


def version_row(version: ModelVersion, tags: Mapping[str, str], aliases: Mapping[str, Any]) -> dict[str, Any]:
    """A version in a list.

    Args:
        version: it.
        tags: its tags.
        aliases: of its model; each has a `number`.
    """
    holding = sorted(alias for alias, held in aliases.items() if held.number == version.number)
    return {"name": version.name, **VersionSummary.of(version, tags).to_json(), "aliases": holding}


@dataclass(frozen=True)
class Stretch:
    """Numbers of versions that are shown together, from `newest` down to `oldest`; a deleted version counts as well.

    Attributes:
        newest: the highest; 0 where there are none.
        oldest: the lowest; 1 more than `newest` where there are none.
        older: what `before` is to be for those that follow; None: there are none.
        newer: the same for those that went before.
    """

    newest: int
    oldest: int
    older: int | None
    newer: int | None


def stretch(head: int, limit: int, before: int | None = None) -> Stretch:
    """The numbers of one page.

    Args:
        head: the highest number in use.
        limit: how many numbers a page has.
        before: only smaller ones.
    """
    newest = head if before is None else min(head, before - 1)
    oldest = max(newest - limit, 0) + 1
    return Stretch(newest, oldest, oldest if oldest > 1 else None, min(newest + limit, head) + 1 if newest < head else None)


def version_rows(registry: Registry, name: str, shown: Stretch) -> list[dict[str, Any]]:
    """The live ones of a stretch of a model's versions, newest first.

    Raises:
        NotFoundError: there is no such model.
    """
    newest = VersionLog(registry.store, name).newest_first(shown.newest - shown.oldest + 1, shown.newest)
    aliases = registry.aliases(name)
    return [version_row(found, tags, aliases) for found, tags in with_tags(registry.store, newest)]


def version(registry: Registry, found: ModelVersion) -> dict[str, Any]:
    """A version with all that is known of it; its card apart."""
    manifest = found.manifest
    return {
        **version_row(found, registry.tags(found), registry.aliases(found.name)),
        "form_bytes": {form: sum(file.size_bytes for file in manifest.files_of(form)) for form in manifest.forms},
        "files": [file.to_json() for file in manifest.files],
        "metadata": found.metadata,
        "signatures": signatures(registry, found),
    }


def signatures(registry: Registry, found: ModelVersion) -> list[dict[str, Any]]:
    """Whose signatures of a version there are, by the ids of their keys, and when they were made; a service checks none of them."""
    documents = []
    for key_id, one in readable(registry.store, found):
        if isinstance(one, IntegrityError):
            texts, problem = {"public_key": "", "signature": "", "signed_at": ""}, told(one, registry.url)
        else:
            texts, problem = {"public_key": one.public_key, "signature": one.signature, "signed_at": one.signed_at}, None
        documents.append({"key_id": key_id, **texts, "problem": problem})
    return documents


def card(registry: Registry, found: ModelVersion) -> dict[str, Any]:
    """A version's model card, or why it cannot be shown: the rest of the version is worth seeing all the same."""
    try:
        kept = registry.card(found)
    except (DataError, IntegrityError) as error:
        return {"text": "", "revision": 0, "updated_at": "", "problem": told(error, registry.url)}
    return {"text": kept.text, "revision": kept.revision, "updated_at": kept.updated_at, "problem": None}


def alias(record: AliasRecord) -> dict[str, Any]:
    """What an alias holds, under which rules it moves, and its past, oldest first."""
    return {
        "alias": record.alias,
        "number": record.number,
        "digest": record.digest,
        "updated_at": record.updated_at,
        "rules": [rule.to_json() for rule in record.rules],
        "evaluation_set": record.evaluation_set,
        "history": [move(entry) for entry in record.history],
    }


def move(entry: Move) -> dict[str, Any]:
    """One entry of an alias' history."""
    return entry.to_json()
