"""Whether a server can decide a race, found out by racing.

`If-None-Match: *` looks fine on every server when writers come one after another. *Measured*: Swift's S3 API and s3rver then let
several of them win when they come together, and a registry on such a server would lose versions. So before the first publish a few
writers race for one key, several times; every round must have exactly one winner. Where the server knows no conditions at all (501),
nobody wins.

The verdict holds for a bucket of a server, and is remembered in the user's folder. A bad one is forgotten after a day, because servers
are mended; a good one is not, because whoever wants it anew can say so (`distrnn doctor`).
"""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from threading import Barrier

from distrnn.errors import ConflictError, DistrnnError
from distrnn.storage.door import Store
from distrnn.storage.local import LocalStore
from distrnn.storage.locked import LockedStore

_WRITERS = 8
_ROUNDS = 2
_PADDING = " " * 4096
_ASK_AGAIN = timedelta(days=1)


@dataclass(frozen=True)
class Capabilities:
    """What a race of writers showed about a store; it holds for the whole bucket. `probed_at` is when, in UTC."""

    url: str
    create_if_absent: bool
    compare_and_swap: bool
    probed_at: str = field(default="", compare=False)

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
            found = [(key, store.find(key)) for key in keys]
            swapped = [_race(pool, partial(_swap, store, key, there[1])) if there else 0 for key, there in found]
        finally:
            with suppress(DistrnnError):
                for key in keys:
                    store.delete(key)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Capabilities(store.url, created == [1] * _ROUNDS, swapped == [1] * _ROUNDS, now)


def probe_anew(store: Store, home: Path) -> Capabilities:
    """Probe a server, whatever is remembered of it, and remember the verdict.

    Raises:
        DistrnnError: the store cannot be written at all.
    """
    found = probe(store)
    verdict = _verdict(store, home)
    LocalStore(verdict.parent).put(verdict.name, json.dumps(asdict(found)).encode())
    return found


def require_races(store: Store, home: Path) -> None:
    """Make sure that races of writers are decided: by a folder, by a lock, or by a server that was probed from here.

    Args:
        store: where something is going to be published.
        home: the user's folder, where verdicts are remembered.
    Raises:
        ConflictError: the server lets several writers win.
        DistrnnError: the server has to be probed and cannot be written.
    """
    if store.is_local or isinstance(store, LockedStore):
        return
    found = _remembered(_verdict(store, home)) or probe_anew(store, home)
    if not found.decides_races:
        raise ConflictError(
            f"{store.url} cannot decide a race: of {_WRITERS} writers that wrote one key at the same time, more than one (or none) was "
            f"told that it won, so two publishers could overwrite each other (found out at {found.probed_at}). Nothing was published. Use "
            "a server that honours If-None-Match and If-Match on PUT, or a folder; or name the lock that every writer holds with --lock "
            "URL (DISTRNN_LOCK): a file on a shared file system, or ray://NAME in the cluster."
        )


def _verdict(store: Store, home: Path) -> Path:
    """Where the verdict about the store's bucket is remembered."""
    bucket = store.url.removeprefix("s3://").partition("/")[0]
    return home / "cache" / "capabilities" / f"{sha256(f'{store.endpoint} {bucket}'.encode()).hexdigest()[:32]}.json"


def _remembered(verdict: Path) -> Capabilities | None:
    """The verdict in a file; None where it is absent, of no use, or bad and a day old."""
    try:
        found = Capabilities(**json.loads(verdict.read_bytes()))
        age = datetime.now(UTC) - datetime.fromisoformat(found.probed_at)
    except (FileNotFoundError, TypeError, ValueError):
        return None
    return found if found.decides_races or age < _ASK_AGAIN else None


def _race(pool: ThreadPoolExecutor, write: "partial[bool]") -> int:
    """How many of the writers were told that they won."""
    barrier = Barrier(_WRITERS)

    def run() -> bool:
        barrier.wait(timeout=60)
        try:
            return write()
        except DistrnnError as error:
            if error.fields.get("kind") in ("conflict", "unsupported"):
                return False
            raise

    return sum(pool.map(lambda _: run(), range(_WRITERS)))


def _body() -> bytes:
    return (uuid.uuid4().hex + _PADDING).encode()


def _create(store: Store, key: str) -> bool:
    return store.create_if_absent(key, _body())


def _swap(store: Store, key: str, tag: str) -> bool:
    return store.compare_and_swap(key, _body(), tag) is not None
