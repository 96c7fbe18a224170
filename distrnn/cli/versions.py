"""How versions and aliases look in the documents and lines of several verbs."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from distrnn.cli.output import NOTHING

if TYPE_CHECKING:
    from distrnn.registry import AliasRecord, ModelVersion
    from distrnn.registry.catalog import VersionSummary
    from distrnn.registry.signing import Signature

HEADLINE = ("accuracy", "bits_per_character", "loss_nats", "loss")


def summary_document(summary: "VersionSummary", aliases: Mapping[str, Any]) -> dict[str, Any]:
    """A version in a list.

    Args:
        summary: of the version.
        aliases: of its model; each has a `number`.
    """
    holding = sorted(alias for alias, held in aliases.items() if held.number == summary.number)
    return {**summary.to_json(), "aliases": holding}


def named(version: "ModelVersion") -> dict[str, Any]:
    """Which version it was that a verb dealt with."""
    return {"name": version.name, "number": version.number, "digest": version.digest}


def held(record: "AliasRecord") -> dict[str, Any]:
    """What an alias holds, and under which rules it moves."""
    return {
        "number": record.number,
        "digest": record.digest,
        "updated_at": record.updated_at,
        "rules": [rule.to_json() for rule in record.rules],
        "evaluation_set": record.evaluation_set,
    }


def signature_document(signature: "Signature") -> dict[str, Any]:
    """Who signed a version, and when."""
    return {key: getattr(signature, key) for key in ("key_id", "public_key", "signature", "signed_at")}


def headline(metrics: Mapping[str, Any] | None, first: Sequence[str] = ()) -> str:
    """The figure of a version that a list has room for: one of those asked for, else the one that models are judged by."""
    from distrnn.registry.query import figure

    for name in (*first, *HEADLINE):
        if (value := figure(metrics, name)) is not None:
            return f"{name.replace('_', ' ')} {value:,}" if isinstance(value, int) else f"{name.replace('_', ' ')} {value:.4f}"
    return NOTHING


def numbered(number: int | None) -> str:
    """A version's number as everybody writes it."""
    return NOTHING if number is None else f"v{number}"


def rules_text(rules: list[dict[str, Any]]) -> str:
    """The rules of an alias in words."""
    from distrnn.registry import Rule

    return "; ".join(str(Rule.from_json(rule)) for rule in rules) or NOTHING


def tag_words(tags: Mapping[str, str]) -> list[str]:
    """Tags as they are typed; one without a value is its key."""
    return [f"{key}={value}" if value else key for key, value in tags.items()]
