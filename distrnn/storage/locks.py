"""Locks that writers agree on where the storage itself cannot decide their races.

One file is one lock. The system takes it away from a holder that dies, so nothing has to be cleaned up after a crash. It is as good as
the file system it lies on: writers on several machines need one that hands locks between machines (NFS and Lustre do), not a folder of
each machine's own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from distrnn.errors import UsageError
from distrnn.storage.door import Lock
from distrnn.storage.local_errors import os_errors
from distrnn.storage.locations import parse_url

_LOOK_AGAIN_S = 0.01


def open_lock(url: str) -> Lock:
    """The lock that `url` names; nothing is created yet.

    Args:
        url: `file:///path` or a path. `ray://NAME` is opened by `distrnn.cluster.lock`, because this layer knows nothing of Ray.
    Raises:
        UsageError: `url` is neither.
    """
    if "://" in url and not url.startswith("file://"):
        raise UsageError(f"a lock must be a file on a file system that all writers share (file:///path or a path). Received: {url}")
    return FileLock(Path(parse_url(url).path))


class FileLock:
    """A lock file; whatever the key, one holder at a time. Pickles by its path, and may be used from several threads."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"FileLock({str(self.path)!r})"

    @contextmanager
    def hold(self, key: str) -> Iterator[None]:
        """Keep everybody else away while the context lasts.

        Raises:
            AccessError: this user may not write there.
            StorageError: the file cannot be made or locked.
        """
        from filelock import FileLock as SystemLock

        with os_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # A lock of its own for each holder, so that threads keep each other away too
            lock = SystemLock(self.path, thread_local=False, poll_interval=_LOOK_AGAIN_S)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()
