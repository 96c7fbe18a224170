"""Where things are kept under a registry's URL.

<model>/blobs/sha256/ab/<hex>      content-addressed, immutable
<model>/versions/<10 digits>.json  the manifest, or a tombstone: the commit point
<model>/aliases/<name>.json        moved by compare-and-swap only
<model>/latest.json                a hint, never trusted
<model>/pending/<attempt>.json     a publisher at work
"""

from datetime import UTC, datetime

MAX_NUMBER = 10**10 - 1


def blob_key(name: str, digest: str) -> str:
    """Where the bytes with this sha256 are."""
    return f"{name}/blobs/sha256/{digest[:2]}/{digest}"


def version_key(name: str, number: int) -> str:
    """Where a version's manifest is."""
    return f"{name}/versions/{number:010d}.json"


def alias_prefix(name: str) -> str:
    """Where a model's aliases are."""
    return f"{name}/aliases/"


def alias_key(name: str, alias: str) -> str:
    """Where an alias is."""
    return f"{alias_prefix(name)}{alias}.json"


def hint_key(name: str) -> str:
    """Where the hint to the newest version is."""
    return f"{name}/latest.json"


def pending_key(name: str, attempt: str) -> str:
    """Where a publisher says what it is about to use."""
    return f"{name}/pending/{attempt}.json"


def timestamp(moment: datetime | None = None) -> str:
    """A moment (default: now) as it is written everywhere: ISO 8601, UTC, microseconds."""
    return (moment or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
