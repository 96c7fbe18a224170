"""What `verify` finds wrong, and how it reads documents so that one which is too large does not stop the rest."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from distrnn.errors import IntegrityError
from distrnn.registry.manifest import LIMIT_BYTES
from distrnn.storage import Store

_WINDOW = 256


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong in a registry.

    Attributes:
        version: the version that it concerns, `name@v3`; None where it concerns the model, or nobody knows which version.
        key: where it is in the registry.
        file: the file of the version; None for a document.
        problem: `missing`, `altered` (bytes that do not match their digest), `damaged` (a document that cannot be read, or that says
            something untrue) or `dangling` (an alias of what is not there).
        detail: what was expected, and what was received.
    """

    version: str | None
    key: str
    file: str | None
    problem: str
    detail: str

    def to_json(self) -> dict[str, Any]:
        """The finding as plain JSON."""
        return asdict(self)


def damaged(key: str, detail: object, version: str | None = None) -> Finding:
    """A document that cannot be read, or that says something untrue."""
    return Finding(version, key, None, "damaged", str(detail))


def bodies(store: Store, prefix: str) -> Iterator[tuple[str, bytes | IntegrityError | None]]:
    """Key and bytes of each document under a prefix, in the order of their keys; None for one that is gone since it was listed."""
    listed = iter(store.list(prefix))
    while window := list(islice(listed, _WINDOW)):
        small = iter(store.read_many([entry.key for entry in window if entry.size_bytes <= LIMIT_BYTES], limit_bytes=LIMIT_BYTES))
        for entry in window:
            if entry.size_bytes <= LIMIT_BYTES:
                yield next(small)
            else:
                yield entry.key, IntegrityError(f"holds {entry.size_bytes:,} bytes; expected at most {LIMIT_BYTES:,}")
