"""What `verify` looks at beside manifests and blobs: aliases, tags, cards, signatures, notes of content, and the catalog."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from distrnn.errors import DistrnnError, IntegrityError
from distrnn.refs import check_alias
from distrnn.registry import cards, catalog, signing, tags
from distrnn.registry.aliases import parse_alias
from distrnn.registry.findings import Finding, bodies, damaged
from distrnn.registry.layout import alias_prefix, card_key, catalog_key, content_prefix, pending_prefix, signature_prefix, tags_key
from distrnn.registry.manifest import ModelVersion, Tombstone, parse_document
from distrnn.registry.versions import VersionLog
from distrnn.storage import Store

_TRIES = 5
_SHOWN = 100
Check = Callable[[Store, str, str, bytes], None]
_ITSELF = re.compile("")
_NOTE = re.compile(r"[0-9a-f]{64}\.json")
_BY_KEY = re.compile(r"[0-9a-f]{16}\.json")
_NUMBERED = re.compile(r"(\d{10})\.json")
_SIGNATURE = re.compile(r"([0-9a-f]{64})/([0-9a-f]{16})\.json")


def aliases(store: Store, name: str) -> Iterator[Finding]:
    """Aliases that cannot be read, or that hold what is not there."""
    log, prefix = VersionLog(store, name), alias_prefix(name)
    for key, body in bodies(store, prefix):
        alias = key.removeprefix(prefix).removesuffix(".json")
        if body is None or not _is_alias(alias):
            continue
        try:
            if isinstance(body, DistrnnError):
                raise body
            record = parse_alias(body, name, alias, f"{store.url}/{key}")
        except DistrnnError as error:
            yield damaged(key, error)
            continue
        if record.number is not None and (detail := _dangling(log, record.number, record.digest)):
            yield Finding(f"{name}@v{record.number}", key, None, "dangling", f"{name}@{alias} {detail}")


def documents(store: Store, name: str) -> Iterator[Finding]:
    """Notes of content, tags, cards and signatures of a model that cannot be read or are not what they say."""
    yield from _read(store, name, content_prefix(name), _NOTE, _check_note)
    yield from _read(store, name, tags_key(name, 0).removesuffix(f"{0:010d}.json"), _NUMBERED, _check_tags)
    yield from _read(store, name, card_key(name, 0).removesuffix(f"{0:010d}.json"), _NUMBERED, _check_card)
    yield from _read(store, name, f"{name}/signatures/", _SIGNATURE, _check_signature)


def documents_of(store: Store, version: ModelVersion) -> Iterator[Finding]:
    """As `documents`, of one version."""
    name, number, prefix = version.name, version.number, signature_prefix(version.name, version.hex_digest)
    found = [
        *_read(store, name, tags_key(name, number), _ITSELF, _check_tags),
        *_read(store, name, card_key(name, number), _ITSELF, _check_card),
        *_read(store, name, prefix, _BY_KEY, _check_signature),
    ]
    yield from (damaged(one.key, one.detail, str(version)) for one in found)


def catalog_entry(store: Store, name: str) -> Iterator[Finding]:
    """A summary that is not true although nobody is at work on the model; one that is absent is worked out by whoever needs it.

    A writer that is done has brought the summary up to date before it took its announcement away. So a summary that was read before
    the truth, and is the same after nobody was found at work, is nobody's who is only about to correct it.
    """
    key = catalog_key(name)
    for _ in range(_TRIES):
        if store.size(key) is None:
            return
        said = _recorded(store, name)
        try:
            true = catalog.truth(store, name)
        except IntegrityError:  # a document that it summarises is damaged, which was found already
            return
        if said == true or any(True for _ in store.list(pending_prefix(name))):
            return
        if _recorded(store, name) == said:
            differ = "; ".join(_differences(true.to_json(), said.to_json())) if said else "expected a summary, received something else"
            yield damaged(key, differ)
            return


def _recorded(store: Store, name: str) -> catalog.Summary | None:
    try:
        return catalog.recorded(store, name)
    except IntegrityError:
        return None


def _differences(true: Mapping[str, Any], said: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for key in sorted({*true, *said}):
        expected, received = true.get(key), said.get(key)
        if expected == received:
            continue
        if isinstance(expected, dict) and isinstance(received, dict):
            yield from _differences(expected, received, f"{above}{key} ")
        else:
            yield f"{above}{key}: expected {_short(expected)}, received {_short(received)}"


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _read(store: Store, name: str, prefix: str, named: re.Pattern[str], check: Check) -> Iterator[Finding]:
    """What `check` finds damaged among the documents under a prefix; what is named otherwise is none of the registry's."""
    for key, body in bodies(store, prefix):
        if body is None or not named.fullmatch(key.removeprefix(prefix)):
            continue
        try:
            if isinstance(body, DistrnnError):
                raise body
            check(store, name, key, body)
        except DistrnnError as error:
            yield damaged(key, error)


def _check_note(store: Store, name: str, key: str, body: bytes) -> None:
    document = parse_document(body, f"{store.url}/{key}")
    if document.get("name") != name or type(document.get("number")) is not int:
        raise IntegrityError(f"{store.url}/{key} is damaged: expected the number of a version of {name!r}. Remove the file.")


def _check_tags(store: Store, name: str, key: str, body: bytes) -> None:
    tags.parse(body, name, _number(key), f"{store.url}/{key}")


def _check_card(store: Store, name: str, key: str, body: bytes) -> None:
    cards.check_document(body, name, _number(key), f"{store.url}/{key}")


def _check_signature(store: Store, name: str, key: str, body: bytes) -> None:
    """A signature must be what it says; whose it is, and whether that is anybody to trust, is not asked here."""
    digest, key_id = key[-86:-22], key[-21:-5]
    signature = signing.parse(body, name, digest, key_id, f"{store.url}/{key}")
    version = VersionLog(store, name).read(signature.number)
    if isinstance(version, ModelVersion) and (version.hex_digest != digest or signing.is_false(signature, version)):
        raise IntegrityError(f"{store.url}/{key} is no true signature of {version}. Sign the version again.")


def _dangling(log: VersionLog, number: int, digest: str | None) -> str | None:
    """Why an alias cannot hold a version; None where it can."""
    try:
        found = log.read(number)
    except DistrnnError as error:
        return f"holds v{number}, whose manifest cannot be read: {error}"
    if found is None:
        return f"holds v{number}, which does not exist"
    if isinstance(found, Tombstone):
        return f"holds v{number}, which was deleted"
    if found.digest != digest:
        return f"holds v{number}: expected digest {str(digest)[:19]}…, received {found.digest[:19]}…"
    return None


def _is_alias(text: str) -> bool:
    try:
        return check_alias(text) == text
    except DistrnnError:
        return False


def _number(key: str) -> int:
    return int(key[-15:-5])
