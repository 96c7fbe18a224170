"""The catalog: one small summary of each model, so that listing a thousand models takes a thousand parallel reads and no more.

A summary is exact unless somebody is announced in `_pending/<model>/`: a writer announces itself, changes something, brings the summary up
to date, and takes its announcement away, in this order. Bringing it up to date reads the summary's tag *first*, the truth second, and
replaces the summary by compare-and-swap; so of two writers the later one has seen what the earlier one did. A reader looks for
announcements first and at the summaries second, and works out the truth itself where it found one, or where there is no summary.
"""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from distrnn.errors import ConflictError, DistrnnError, IntegrityError
from distrnn.registry.aliases import read_alias, read_aliases
from distrnn.registry.layout import catalog_key, pending_prefix
from distrnn.registry.manifest import LIMIT_BYTES, SCHEMA_VERSION, ModelVersion, parse_document, to_json_bytes
from distrnn.registry.pending import Pending, busy_models
from distrnn.registry.tags import read as read_tags
from distrnn.registry.turns import turns
from distrnn.registry.versions import VersionLog, model_names
from distrnn.storage import Store


@dataclass(frozen=True)
class VersionSummary:
    """What a list shows of a version."""

    number: int
    digest: str
    created_at: str
    task: str | None
    forms: tuple[str, ...]
    size_bytes: int
    metrics: Mapping[str, Any] | None
    tags: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, version: ModelVersion, tags: Mapping[str, str]) -> "VersionSummary":
        """The summary of a version."""
        manifest, metadata = version.manifest, version.metadata
        return cls(
            version.number,
            version.digest,
            manifest.created_at,
            metadata.get("task"),
            manifest.forms,
            sum(file.size_bytes for file in manifest.files),
            metadata.get("metrics"),
            dict(tags),
        )

    def to_json(self) -> dict[str, Any]:
        """The summary as plain JSON."""
        return {**asdict(self), "forms": list(self.forms)}


@dataclass(frozen=True)
class HeldAlias:
    """What a list shows of an alias."""

    number: int
    digest: str
    updated_at: str


@dataclass(frozen=True)
class Summary:
    """What a list shows of a model; `latest` is None where every version was deleted, `head` is the highest number in use."""

    name: str
    head: int
    latest: VersionSummary | None
    aliases: Mapping[str, HeldAlias]

    def to_json(self) -> dict[str, Any]:
        """The summary as plain JSON."""
        aliases = {alias: asdict(held) for alias, held in self.aliases.items()}
        return {"name": self.name, "head": self.head, "latest": self.latest.to_json() if self.latest else None, "aliases": aliases}


def truth(store: Store, name: str, known: int = 0) -> Summary:
    """A model's summary, worked out from its versions, aliases and tags.

    Args:
        store: the registry.
        name: the model.
        known: a version number that is in use, where the caller knows one.
    """
    head, latest = _newest(store, name, known)
    held = {record.alias: _held(record) for record in read_aliases(store, name) if record.number is not None}
    return Summary(name, head, latest, held)


def summary(store: Store, name: str) -> Summary:
    """One model's summary; its `head` is 0 where there is no such model."""
    if any(True for _ in store.list(pending_prefix(name))):
        return truth(store, name)
    try:
        found = store.find(catalog_key(name), limit_bytes=LIMIT_BYTES)
    except IntegrityError:
        found = None
    return _parsed(found[0] if found else None, name) or truth(store, name)


def summaries(store: Store, pattern: str = "*") -> Iterator[Summary]:
    """The summaries of the models whose name matches a shell pattern, by name."""
    busy = busy_models(store)
    names = [name for name in model_names(store) if fnmatchcase(name, pattern)]
    quiet = iter(store.read_many([catalog_key(name) for name in names if name not in busy], limit_bytes=LIMIT_BYTES))
    for name in names:
        known = None if name in busy else _parsed(next(quiet)[1], name)
        found = known or truth(store, name)
        if found.head:
            yield found


def refresh(store: Store, name: str, *, published: int = 0, alias: str | None = None) -> None:
    """Bring a model's summary up to date.

    Args:
        store: the registry.
        name: the model.
        published: the version that was just published; a summary that knows it, or a later one, is good.
        alias: the alias that was just moved. Without either, all of the summary is worked out again.
    Raises:
        ConflictError: others were at it again and again; keep your announcement.
    """
    key = catalog_key(name)
    for _ in turns():
        found = store.find(key, limit_bytes=LIMIT_BYTES)
        known = _parsed(found[0], name) if found else None
        if known is not None and published and known.head >= published:
            return
        if known is None or not (published or alias):
            new = truth(store, name, published or (known.head if known else 0))
        elif alias is not None:
            record = read_alias(store, name, alias)[0]
            rest = {other: held for other, held in known.aliases.items() if other != alias}
            now = {alias: _held(record)} if record.number is not None else {}
            new = Summary(name, known.head, known.latest, {**rest, **now})
        else:
            new = Summary(name, *_newest(store, name, published), known.aliases)
        if new == known or store.compare_and_swap(key, _body(new), found[1] if found else None) is not None:
            return
    raise ConflictError(f"the summary of {name!r} is being changed by many others at once.")


@contextmanager
def changing(store: Store, name: str) -> Iterator[None]:
    """Announce a change that is not an alias' or a publication's, and bring all of the summary up to date after it."""
    with Pending(store, name) as pending:
        pending.keep = True
        yield
        with suppress(DistrnnError):
            refresh(store, name)
            pending.keep = False


def recorded(store: Store, name: str) -> Summary | None:
    """What the catalog says of a model; None where it says nothing that can be read."""
    found = store.find(catalog_key(name), limit_bytes=LIMIT_BYTES)
    return _parsed(found[0], name) if found else None


def _newest(store: Store, name: str, known: int) -> tuple[int, VersionSummary | None]:
    log = VersionLog(store, name)
    head = log.head(known)
    latest = log.latest(head)
    return head, VersionSummary.of(latest, _tags(store, latest)) if latest else None


def _tags(store: Store, version: ModelVersion) -> dict[str, str]:
    """A version's tags; damaged ones are for `verify` to tell, and stop nobody from listing models."""
    try:
        return read_tags(store, version.name, version.number)
    except IntegrityError:
        return {}


def _held(record: Any) -> HeldAlias:
    return HeldAlias(record.number, record.digest, record.updated_at)


def _body(new: Summary) -> bytes:
    document = {**new.to_json(), "schema_version": SCHEMA_VERSION, "attempt": uuid.uuid4().hex}
    return to_json_bytes(document, "a summary")


def _parsed(body: bytes | None, name: str) -> Summary | None:
    """A summary as it is stored; None for anything else: it can be worked out again."""
    if body is None:
        return None
    try:
        document = parse_document(body, "a summary")
        latest = document["latest"]
        if document["name"] != name or type(document["head"]) is not int or document["head"] < 1:
            return None
        newest = VersionSummary(**{**latest, "forms": tuple(latest["forms"])}) if latest is not None else None
        return Summary(name, document["head"], newest, {alias: HeldAlias(**held) for alias, held in document["aliases"].items()})
    except (DistrnnError, KeyError, TypeError, AttributeError):
        return None
