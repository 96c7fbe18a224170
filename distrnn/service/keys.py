"""Which of the storage's objects the service hands out: those that readers of a registry read, and nothing else.

A key is taken only if it is spelt exactly as the registry spells it, so no path leads out of the registry, and neither the lease nor
the body of an announcement nor anything else of the registry's own is handed out.
"""

import re

from distrnn.refs import NAME_PATTERN
from distrnn.registry.layout import CATALOG, PENDING

BLOB = "blob"
DOCUMENT = "document"
_N = f"(?:{NAME_PATTERN})"
_BLOB = re.compile(rf"{_N}/blobs/sha256/([0-9a-f]{{2}})/(\1[0-9a-f]{{62}})")
_DOCUMENTS = (
    re.compile(rf"{_N}/(?:versions|tags|cards)/\d{{10}}\.json"),
    re.compile(rf"{_N}/aliases/{_N}\.json"),
    re.compile(rf"{_N}/contents/[0-9a-f]{{64}}\.json"),
    re.compile(rf"{_N}/signatures/[0-9a-f]{{64}}/[A-Za-z0-9._:-]{{1,128}}\.json"),
    re.compile(rf"{CATALOG}{_N}\.json"),
)
_FOLDERS = re.compile(rf"{_N}/(?:blobs|versions|aliases|contents|tags|cards|signatures)/[0-9A-Za-z/._:-]{{0,300}}")
_OWN = re.compile(rf"(?:{CATALOG}|{PENDING})[a-z0-9/._-]{{0,200}}")


def kind_of(key: str) -> str | None:
    """`blob`, `document`, or None for what is not handed out."""
    if _BLOB.fullmatch(key):
        return BLOB
    return DOCUMENT if any(pattern.fullmatch(key) for pattern in _DOCUMENTS) else None


def digest_of(key: str) -> str:
    """The sha256 in a blob's key."""
    return key.rpartition("/")[2]


def may_list(prefix: str) -> bool:
    """Whether the keys under a prefix are told; of announcements their keys are, for the catalog is exact only where there are none."""
    inside = _FOLDERS.fullmatch(prefix) or _OWN.fullmatch(prefix)
    return bool(inside) and not any(part in (".", "..") for part in prefix.split("/"))
