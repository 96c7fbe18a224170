"""Reading blobs in pieces, and finding out whether they are what their manifest says."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import NamedTuple

from distrnn.errors import IntegrityError, NotFoundError
from distrnn.registry.layout import blob_key
from distrnn.registry.manifest import FileEntry, ModelVersion
from distrnn.storage import Store

PIECE_BYTES = 8 << 20


class Problem(NamedTuple):
    """What is wrong with a blob: `missing` or `altered`, and what was expected and received."""

    kind: str
    detail: str


def examine(store: Store, name: str, file: FileEntry, take: Callable[[bytes], object] = lambda _piece: None) -> Problem | None:
    """Read the blob of a file.

    Args:
        store: the registry.
        name: the model.
        file: what the manifest says of it; not a byte beyond its size is passed on.
        take: called with each piece in order.
    Returns:
        What is wrong; None where every byte is as it should be.
    """
    key, digest, start = blob_key(name, file.sha256), sha256(), 0
    while start <= file.size_bytes:
        end = min(start + PIECE_BYTES, file.size_bytes + 1)
        try:
            piece = store.read_range(key, start, end)
        except NotFoundError as error:
            if error.fields.get("kind") != "key":
                raise
            return Problem("missing", f"expected {file.size_bytes:,} bytes, received nothing: {key} does not exist")
        start += len(piece)
        if start > file.size_bytes:
            break
        digest.update(piece)
        take(piece)
        if start < end:  # fewer than were asked for: that was the end of it
            break
    if start != file.size_bytes:
        received = f"more than {file.size_bytes:,}" if start > file.size_bytes else f"{start:,}"
        return Problem("altered", f"expected {file.size_bytes:,} bytes, received {received} bytes")
    if digest.hexdigest() != file.sha256:
        return Problem("altered", f"expected sha256 {file.sha256[:12]}…, received {digest.hexdigest()[:12]}…")
    return None


def broken(version: ModelVersion, file: FileEntry, problem: Problem, done: str) -> IntegrityError:
    """The error for a file of a version whose blob is not what it should be; `done` says what that means."""
    return IntegrityError(
        f"{file.path} of {version} is {'missing' if problem.kind == 'missing' else 'damaged'} in the registry: {problem.detail}. {done} "
        "Publish the model again, or choose another version.",
        file=file.path,
        version=str(version),
    )


class Examined:
    """The blobs of a model that were examined, each once.

    Args:
        store: the registry.
        name: the model.
        pool: reads several at once.
    """

    def __init__(self, store: Store, name: str, pool: ThreadPoolExecutor) -> None:
        self._store, self._name, self._pool = store, name, pool
        self._whole: set[bytes] = set()
        self._broken: dict[bytes, Problem] = {}

    def examine(self, files: Iterable[FileEntry]) -> None:
        """Examine the blobs of these files that were not examined yet."""
        wanted = {known: file for file in files if (known := _brief(file)) not in self._whole and known not in self._broken}
        problems = self._pool.map(lambda file: examine(self._store, self._name, file), wanted.values())
        for known, problem in zip(wanted, problems, strict=True):
            if problem is None:
                self._whole.add(known)
            else:
                self._broken[known] = problem

    def problem(self, file: FileEntry) -> Problem | None:
        """What is wrong with the blob of a file that was examined."""
        return self._broken.get(_brief(file))


def _brief(file: FileEntry) -> bytes:
    return bytes.fromhex(file.sha256) + file.size_bytes.to_bytes(16, "big")
