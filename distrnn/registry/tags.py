"""Tags of a version: words of its users', beside the manifest because they change and it does not.

All tags of a version are one document that is replaced by compare-and-swap, so of two people who tag at the same time none is lost.
"""

import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from distrnn.errors import ConflictError, IntegrityError, NotFoundError, UsageError
from distrnn.refs import NAME_PATTERN
from distrnn.registry.layout import tags_key
from distrnn.registry.manifest import LIMIT_BYTES, SCHEMA_VERSION, ModelVersion, parse_document, to_json_bytes
from distrnn.registry.turns import turns
from distrnn.registry.versions import VersionLog
from distrnn.storage import Store

MAX_TAGS = 64
MAX_VALUE = 256
_KEY = re.compile(NAME_PATTERN)


def read(store: Store, name: str, number: int) -> dict[str, str]:
    """A version's tags, sorted by key; none where it was never tagged.

    Raises:
        IntegrityError: their document is damaged.
    """
    return _read(store, name, number)[0]


def change(store: Store, name: str, number: int, add: Mapping[str, str], remove: Sequence[str] = ()) -> dict[str, str]:
    """Add or replace some tags of a version, take some away, and return what it has now.

    Args:
        store: the registry.
        name: the model.
        number: the version.
        add: new values.
        remove: keys; one that is not there is no error.
    Raises:
        UsageError: a key or a value is not valid, or there would be too many.
        NotFoundError: there is no such version.
        ConflictError: others were first again and again.
    """
    _check(add, remove)
    if not isinstance(VersionLog(store, name).read(number), ModelVersion):
        raise NotFoundError(f"{name}@v{number} does not exist or was deleted, so it cannot be tagged.")
    for _ in turns():
        before, tag = _read(store, name, number)
        after = dict(sorted({**{key: value for key, value in before.items() if key not in remove}, **add}.items()))
        if len(after) > MAX_TAGS:
            raise UsageError(f"a version has at most {MAX_TAGS} tags. {name}@v{number} would have {len(after)}; take some away first.")
        if after == before or store.compare_and_swap(tags_key(name, number), _to_bytes(name, number, after), tag) is not None:
            return after
    raise ConflictError(f"the tags of {name}@v{number} are being changed by many others at once. Nothing was changed; try again.")


def parse(body: bytes, name: str, number: int, where: str) -> dict[str, str]:
    """Read a document of tags.

    Raises:
        IntegrityError: it is damaged, or another version's.
    """
    document = parse_document(body, where)
    found = document.get("tags")
    belongs = document.get("name") == name and type(document.get("number")) is int and document["number"] == number
    if not belongs or not isinstance(found, dict) or len(found) > MAX_TAGS or not all(_valid(*tag) for tag in found.items()):
        raise IntegrityError(f"{where} is damaged: expected the tags of {name}@v{number}. Remove the file and tag the version again.")
    return dict(sorted(found.items()))


def _read(store: Store, name: str, number: int) -> tuple[dict[str, str], str | None]:
    """The tags, and what `compare_and_swap` takes."""
    key = tags_key(name, number)
    found = store.find(key, limit_bytes=LIMIT_BYTES)
    return (parse(found[0], name, number, f"{store.url}/{key}"), found[1]) if found else ({}, None)


def _to_bytes(name: str, number: int, tags: Mapping[str, str]) -> bytes:
    document = {"schema_version": SCHEMA_VERSION, "name": name, "number": number, "attempt": uuid.uuid4().hex, "tags": dict(tags)}
    return to_json_bytes(document, "tags")


def _check(add: Mapping[str, str], remove: Sequence[str]) -> None:
    for key in (*add, *remove):
        if not _valid(key, ""):
            raise UsageError(
                "a tag's key must start with a lower-case letter or digit and go on with lower-case letters, digits, '.', '_' or '-' "
                f"(63 characters at most). Received: {key!r}"
            )
    for key, value in add.items():
        if not _valid(key, value):
            raise UsageError(f"a tag's value must be {MAX_VALUE} printable characters at most. Received for {key!r}: {value!r}")
    if both := sorted(set(add) & set(remove)):
        raise UsageError(f"a tag is either added or taken away. Received both for: {', '.join(both)}")


def _valid(key: Any, value: Any) -> bool:
    texts = isinstance(key, str) and isinstance(value, str)
    return texts and _KEY.fullmatch(key) is not None and len(value) <= MAX_VALUE and value.isprintable()
