"""A store whose races are decided by a lock, because its server lets several writers win.

Under the lock a writer looks first, and writes only where it found what it expects. It still writes with the server's own condition: a
request that was given up and arrives after the lock was passed on is then refused by a server that honours conditions one after the
other, as all that were *measured* do. A server that knows no conditions at all (501) is written without one. Files (blobs) need no lock:
whoever writes one writes the same bytes.
"""

from contextlib import AbstractContextManager
from typing import Any

from distrnn.errors import StorageError
from distrnn.storage.door import Lock, Store


class LockedStore:
    """A `Store` that is another one, except that writers of one key take turns. All of them must use the same lock."""

    def __init__(self, store: Store, lock: Lock) -> None:
        self.store = store
        self.lock = lock
        # What takes no turns is the other store's own
        self.read = store.read
        self.read_versioned = store.read_versioned
        self.find = store.find
        self.read_many = store.read_many
        self.read_range = store.read_range
        self.put_file = store.put_file
        self.get_file = store.get_file
        self.list = store.list
        self.folders = store.folders
        self.size = store.size
        self.abandoned_uploads = store.abandoned_uploads
        self.abort_upload = store.abort_upload
        self.local_path = store.local_path

    def __repr__(self) -> str:
        return f"LockedStore({self.store!r}, {self.lock!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return LockedStore, (self.store, self.lock)

    @property
    def url(self) -> str:
        """The other store's; opened again it has no lock."""
        return self.store.url

    @property
    def is_local(self) -> bool:
        """Whether the other store is a folder."""
        return self.store.is_local

    @property
    def endpoint(self) -> str:
        """The other store's."""
        return self.store.endpoint

    def create_if_absent(self, key: str, body: bytes) -> bool:
        """Write `body` unless the key exists."""
        with self._turn(key):
            if self.store.find(key) is not None:
                return False
            try:
                return self.store.create_if_absent(key, body)
            except StorageError as error:
                self._put_without_condition(key, body, error)
                return True

    def compare_and_swap(self, key: str, body: bytes, tag: str | None) -> str | None:
        """Replace `key` if it still carries `tag`."""
        with self._turn(key):
            found = self.store.find(key)
            if (None if found is None else found[1]) != tag:
                return None
            try:
                return self.store.compare_and_swap(key, body, tag)
            except StorageError as error:
                self._put_without_condition(key, body, error)
                return self.store.read_versioned(key)[1]

    def put(self, key: str, body: bytes) -> None:
        """Write or replace `key`, not between another writer's look and its write."""
        with self._turn(key):
            self.store.put(key, body)

    def delete(self, key: str) -> None:
        """Remove `key`, not between another writer's look and its write."""
        with self._turn(key):
            self.store.delete(key)

    def _put_without_condition(self, key: str, body: bytes, error: StorageError) -> None:
        if error.fields.get("kind") != "unsupported":
            raise error
        self.store.put(key, body)

    def _turn(self, key: str) -> AbstractContextManager[None]:
        return self.lock.hold(f"{self.store.url}/{key}")
