"""Stores that stand in the way: counting, interrupting, killing, letting several writers win; and one that is nothing but memory."""

import os
import signal
import threading
import uuid
from bisect import bisect_left, bisect_right, insort
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from hashlib import md5, sha256
from pathlib import Path
from typing import Any

from distrnn.errors import ConflictError, NotFoundError
from distrnn.storage import Entry, Store
from distrnn.storage.door import Upload, check_key, check_size

PAGE_KEYS = 1000
_WRITES = ("put", "put_file", "create_if_absent", "compare_and_swap", "delete", "abort_upload")


class MemoryStore:
    """A correct store in a dictionary, for threads of one process; it counts what a server would see as requests.

    As on S3 a tag is the MD5 of the body (so equal bodies have equal tags), a listing is one request for 1,000 keys, asked for when
    it is reached, and an upload can be left behind. `clock` says what time it is.
    """

    is_local = False

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.clock = clock
        self.calls: Counter[str] = Counter()
        self.uploads: dict[tuple[str, str], datetime] = {}
        self._id = uuid.uuid4().hex[:8]
        self._lock = threading.RLock()
        self._bodies: dict[str, tuple[bytes, datetime]] = {}
        self._keys: list[str] = []

    def __repr__(self) -> str:
        return f"MemoryStore({self.url!r}, {len(self._keys)} keys)"

    @property
    def url(self) -> str:
        return f"memory://{self._id}"

    @property
    def endpoint(self) -> str:
        return "memory"

    @property
    def requests(self) -> int:
        return sum(self.calls.values())

    def snapshot(self) -> dict[str, bytes]:
        """Everything that is stored; no request."""
        with self._lock:
            return {key: body for key, (body, _) in self._bodies.items()}

    def read(self, key: str, *, limit_bytes: int | None = None) -> bytes:
        return self.read_versioned(key, limit_bytes=limit_bytes)[0]

    def read_versioned(self, key: str, *, limit_bytes: int | None = None) -> tuple[bytes, str]:
        found = self.find(key, limit_bytes=limit_bytes)
        if found is None:
            raise self._missing(key)
        return found

    def find(self, key: str, *, limit_bytes: int | None = None) -> tuple[bytes, str] | None:
        body = self._read(key)
        if body is not None:
            check_size(len(body), limit_bytes, f"{self.url}/{key}")
        return None if body is None else (body, _tag(body))

    def read_many(self, keys: Sequence[str], *, limit_bytes: int | None = None) -> Iterator[tuple[str, bytes | None]]:
        for key in keys:
            found = self.find(key, limit_bytes=limit_bytes)
            yield key, None if found is None else found[0]

    def read_range(self, key: str, start: int, end: int) -> bytes:
        body = self._read(key)
        if body is None:
            raise self._missing(key)
        return body[start:end]

    def create_if_absent(self, key: str, body: bytes) -> bool:
        return self.compare_and_swap(key, body, None) is not None

    def compare_and_swap(self, key: str, body: bytes, tag: str | None) -> str | None:
        with self._lock:
            found = self._bodies.get(check_key(key))
            if (None if found is None else _tag(found[0])) != tag:
                self.calls["PUT"] += 1
                return None
            self.put(key, body)
        return _tag(body)

    def put(self, key: str, body: bytes) -> None:
        with self._lock:
            self.calls["PUT"] += 1
            if check_key(key) not in self._bodies:
                insort(self._keys, key)
            self._bodies[key] = (bytes(body), self.clock())

    def put_file(self, key: str, path: Path, *, sha256: str | None = None) -> None:
        body = path.read_bytes()
        if sha256 is not None and _sha256(body) != sha256:
            raise ConflictError(f"{path} changed while it was being sent. Nothing was written.", kind="changed")
        self.put(key, body)

    def get_file(
        self,
        key: str,
        path: Path,
        *,
        update: Callable[[bytes], object] | None = None,
        limit_bytes: int | None = None,
        resume: bool = False,
    ) -> None:
        body = self._read(key)
        if body is None:
            raise self._missing(key)
        piece = body if limit_bytes is None else body[: limit_bytes + 1]
        path.write_bytes(piece)
        if update is not None:
            update(piece)

    def list(self, prefix: str = "", *, after: str = "") -> Iterator[Entry]:
        while page := self._page(prefix, after):
            yield from page
            after = page[-1].key
            if len(page) < PAGE_KEYS:
                return

    def folders(self, prefix: str = "") -> Iterator[str]:
        with self._lock:
            self.calls["LIST"] += 1
            keys = self._keys[bisect_left(self._keys, prefix) : bisect_left(self._keys, prefix + "\U0010ffff")]
        yield from sorted({rest.partition("/")[0] for key in keys if "/" in (rest := key[len(prefix) :])})

    def size(self, key: str) -> int | None:
        body = self._read(key, "HEAD")
        return None if body is None else len(body)

    def delete(self, key: str) -> None:
        with self._lock:
            self.calls["DELETE"] += 1
            if self._bodies.pop(check_key(key), None) is not None:
                del self._keys[bisect_left(self._keys, key)]

    def begin_upload(self, key: str) -> Upload:
        """What a writer leaves behind that dies within an upload."""
        upload_id = uuid.uuid4().hex
        with self._lock:
            self.uploads[check_key(key), upload_id] = self.clock()
            return Upload(key, upload_id, self.uploads[key, upload_id])

    def abandoned_uploads(self, prefix: str, older_than: datetime) -> Iterator[Upload]:
        with self._lock:
            self.calls["LIST"] += 1
            found = sorted((key, upload_id, started) for (key, upload_id), started in self.uploads.items())
        yield from (Upload(*upload) for upload in found if upload[0].startswith(prefix) and upload[2] < older_than)

    def abort_upload(self, upload: Upload) -> None:
        with self._lock:
            self.calls["DELETE"] += 1
            self.uploads.pop((upload.key, upload.upload_id), None)

    def local_path(self, key: str) -> Path | None:
        return None

    def _missing(self, key: str) -> NotFoundError:
        return NotFoundError(f"{self.url}/{key} does not exist.", kind="key", key=key)

    def _read(self, key: str, method: str = "GET") -> bytes | None:
        with self._lock:
            self.calls[method] += 1
            found = self._bodies.get(check_key(key))
            return None if found is None else found[0]

    def _page(self, prefix: str, after: str) -> "list[Entry]":
        with self._lock:
            self.calls["LIST"] += 1
            start = max(bisect_left(self._keys, prefix), bisect_right(self._keys, after))
            keys = [key for key in self._keys[start : start + PAGE_KEYS] if key.startswith(prefix)]
            return [Entry(key, len(body), written, _tag(body)) for key in keys for body, written in [self._bodies[key]]]


class Watched:
    """A store that calls `before` and `after` around every operation, and counts them.

    `before` and `after` get the operation's name and its key (the first one of several), and may raise. `calls` counts operations (each
    key of a `read_many` is one), `keys` are their keys in turn.
    """

    def __init__(
        self, store: Store, before: Callable[[str, str], None] | None = None, after: Callable[[str, str], None] | None = None
    ) -> None:
        self._store = store
        self._before = before
        self._after = after
        self.calls: Counter[str] = Counter()
        self.keys: dict[str, list[str]] = defaultdict(list)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if not callable(found) or name.startswith("_"):
            return found

        def watched(subject: Any = "", *arguments: Any, **named: Any) -> Any:
            if name == "read_many":
                subject = list(subject)
            self.calls[name] += len(subject) if name == "read_many" else 1
            key = _key_of(subject)
            self.keys[name].append(key)
            if self._before is not None:
                self._before(name, key)
            result = found(subject, *arguments, **named)
            if self._after is not None:
                self._after(name, key)
            return result

        return watched

    @property
    def requests(self) -> int:
        return sum(self.calls.values())


class Suicidal(Watched):
    """A store whose process kills itself with SIGKILL at a step: step 1 is before the first operation, 2 after it, 3 before the second.

    What was reached is in `journal`, a line each: `before` or `after`, the operation, the key. With `writes_only` the operations that
    only read are no steps.
    """

    def __init__(self, store: Store, step: int, journal: Path, *, writes_only: bool = False) -> None:
        self._left, self._writes_only = step, writes_only
        self._journal = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        super().__init__(store, lambda name, key: self._reached("before", name, key), lambda name, key: self._reached("after", name, key))

    def _reached(self, when: str, name: str, key: str) -> None:
        if self._writes_only and name not in _WRITES:
            return
        os.write(self._journal, f"{when} {name} {key}\n".encode())
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class Forgetful(Watched):
    """Look before you write: what servers without a real conditional PUT do. One after the other it looks fine."""

    def __init__(self, store: Store, writers: int) -> None:
        super().__init__(store)
        self._together = threading.Barrier(writers)

    is_local = False

    def create_if_absent(self, key: str, body: bytes) -> bool:
        absent = self._store.size(key) is None
        self._together.wait(timeout=10)
        if absent:
            self._store.put(key, body)
        return absent


def _tag(body: bytes) -> str:
    return md5(body, usedforsecurity=False).hexdigest()


def _sha256(body: bytes) -> str:
    return sha256(body).hexdigest()


def _key_of(subject: Any) -> str:
    if isinstance(subject, list):
        return subject[0] if subject else ""
    return str(getattr(subject, "key", subject))
