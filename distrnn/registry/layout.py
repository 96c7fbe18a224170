"""Where things are kept under a registry's URL.

<model>/blobs/sha256/ab/<hex>                   content-addressed, immutable
<model>/versions/<10 digits>.json               the manifest, or a tombstone: the commit point
<model>/aliases/<name>.json                     moved by compare-and-swap only
<model>/contents/<identity>.json                a hint: which version has this content
<model>/tags/<10 digits>.json                   a version's tags
<model>/cards/<10 digits>.json                  later revisions of a version's model card
<model>/signatures/<hex>/<key id>.json          detached signatures of the manifest with this sha256
<model>/gc.json                                 the lease of whoever removes blobs
_pending/<model>/<attempt>.json                 a writer at work
_catalog/<model>.json                           a summary, exact while nobody is at work on the model
_schedules/<workflow>/state.json                where a schedule stands; moved by compare-and-swap only
_schedules/<workflow>/history/<10 digits>.json  one decision of it; never changed

Names that begin with `_` are the registry's own; no model can have one.
"""

from datetime import UTC, datetime

MAX_NUMBER = 10**10 - 1
PENDING = "_pending/"
CATALOG = "_catalog/"
SCHEDULES = "_schedules/"


def blob_prefix(name: str) -> str:
    """Where a model's blobs are."""
    return f"{name}/blobs/sha256/"


def blob_key(name: str, digest: str) -> str:
    """Where the bytes with this sha256 are."""
    return f"{blob_prefix(name)}{digest[:2]}/{digest}"


def version_prefix(name: str) -> str:
    """Where a model's manifests are."""
    return f"{name}/versions/"


def version_key(name: str, number: int) -> str:
    """Where a version's manifest is."""
    return f"{version_prefix(name)}{number:010d}.json"


def alias_prefix(name: str) -> str:
    """Where a model's aliases are."""
    return f"{name}/aliases/"


def alias_key(name: str, alias: str) -> str:
    """Where an alias is."""
    return f"{alias_prefix(name)}{alias}.json"


def content_prefix(name: str) -> str:
    """Where the hints from content to version are."""
    return f"{name}/contents/"


def content_key(name: str, identity: str) -> str:
    """Where it says which version has the content with this identity."""
    return f"{content_prefix(name)}{identity}.json"


def tags_key(name: str, number: int) -> str:
    """Where a version's tags are."""
    return f"{name}/tags/{number:010d}.json"


def card_key(name: str, number: int) -> str:
    """Where the later revisions of a version's model card are."""
    return f"{name}/cards/{number:010d}.json"


def signature_prefix(name: str, digest: str) -> str:
    """Where the signatures of the manifest with this sha256 are."""
    return f"{name}/signatures/{digest}/"


def signature_key(name: str, digest: str, key_id: str) -> str:
    """Where the signature that one key made is."""
    return f"{signature_prefix(name, digest)}{key_id}.json"


def lease_key(name: str) -> str:
    """Where it says who removes blobs, and until when."""
    return f"{name}/gc.json"


def pending_prefix(name: str) -> str:
    """Where the writers of a model say that they are at work."""
    return f"{PENDING}{name}/"


def pending_key(name: str, attempt: str) -> str:
    """Where one writer says that it is at work, and what it is about to use."""
    return f"{pending_prefix(name)}{attempt}.json"


def catalog_key(name: str) -> str:
    """Where the summary of a model is."""
    return f"{CATALOG}{name}.json"


def schedule_key(workflow: str) -> str:
    """Where it says how the schedule of a workflow stands."""
    return f"{SCHEDULES}{workflow}/state.json"


def decision_prefix(workflow: str) -> str:
    """Where the decisions of a schedule are."""
    return f"{SCHEDULES}{workflow}/history/"


def decision_key(workflow: str, number: int) -> str:
    """Where one decision of a schedule is."""
    return f"{decision_prefix(workflow)}{number:010d}.json"


def timestamp(moment: datetime | None = None) -> str:
    """A moment (default: now) as it is written everywhere: ISO 8601, UTC, microseconds."""
    return (moment or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def moment_of(text: object) -> datetime | None:
    """The moment that `timestamp` wrote; None for anything else."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else None
