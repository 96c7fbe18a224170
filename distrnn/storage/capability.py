"""Whether a server can decide a race, found out by racing.

`If-None-Match: *` looks fine on every server when writers come one after another. *Measured*: Swift's S3 API and s3rver then let
several of them win when they come together, and a registry on such a server would lose versions. So before the first publish a few
writers race for one key, several times; every round must have exactly one winner.
"""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from threading import Barrier

from distrnn.errors import ConflictError, DistrnnError
from distrnn.storage.door import Store
from distrnn.storage.local import LocalStore

_WRITERS = 8
_ROUNDS = 2
_PADDING = " " * 4096


@dataclass(frozen=True)
class Capabilities:
    """What a race of writers showed about a store; it holds for the whole bucket."""

    url: str
    create_if_absent: bool
    compare_and_swap: bool

    @property
    def decides_races(self) -> bool:
        """Whether models can be published there."""
        return self.create_if_absent and self.compare_and_swap


def probe(store: Store) -> Capabilities:
    """Race writers for keys under `_probe/`, which are removed again.

    Raises:
        DistrnnError: the store cannot be written at all.
    """
    keys = [f"_probe/{uuid.uuid4().hex}" for _ in range(_ROUNDS)]
    with ThreadPoolExecutor(_WRITERS) as pool:
        try:
            created = [_race(pool, partial(_create, store, key)) for key in keys]
            swapped = [_race(pool, partial(_swap, store, key, store.read_versioned(key)[1])) for key in keys]
        finally:
            with suppress(DistrnnError):
                for key in keys:
                    store.delete(key)
    return Capabilities(store.url, created == [1] * _ROUNDS, swapped == [1] * _ROUNDS)


def require_races(store: Store, home: Path) -> None:
    """Probe a server that has not been probed from here before; a good verdict is remembered.

    Raises:
        ConflictError: the server lets several writers win.
    """
    if isinstance(store, LocalStore):
        return
    place = f"{getattr(store, 'endpoint', '')} {store.url.split('/')[2:3]}"
    verdict = home / "cache" / "capabilities" / f"{sha256(place.encode()).hexdigest()[:32]}.json"
    if verdict.exists():
        return
    found = probe(store)
    if not found.decides_races:
        raise ConflictError(
            f"{store.url} cannot decide a race: of {_WRITERS} writers that created one key at the same time, more than one (or none) was "
            "told that it won, so two publishers could overwrite each other. Nothing was "
            "published. Use a server that honours If-None-Match and "
            "If-Match on PUT, or a folder."
        )
    LocalStore(verdict.parent).put(verdict.name, json.dumps(asdict(found)).encode())


def _race(pool: ThreadPoolExecutor, write: "partial[bool]") -> int:
    """How many of the writers were told that they won."""
    barrier = Barrier(_WRITERS)

    def run() -> bool:
        barrier.wait(timeout=60)
        return write()

    return sum(pool.map(lambda _: run(), range(_WRITERS)))


def _body() -> bytes:
    return (uuid.uuid4().hex + _PADDING).encode()


def _create(store: Store, key: str) -> bool:
    return store.create_if_absent(key, _body())


def _swap(store: Store, key: str, tag: str) -> bool:
    try:
        return store.compare_and_swap(key, _body(), tag) is not None
    except DistrnnError as error:
        if error.fields.get("kind") == "conflict":
            return False
        raise
