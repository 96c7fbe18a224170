"""The sequence of a model's versions, read without listing.

Numbers are consecutive from 1 and never used twice, because a version is made by creating the manifest at the next number, and of
several publishers one wins it. So the newest is found by probing: from the hint onwards in growing steps until a number is
absent, then by halves. The hint only saves requests; missing, stale or nonsensical, the answer is the same.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from distrnn.errors import IntegrityError
from distrnn.refs import NAME_PATTERN
from distrnn.registry.layout import MAX_NUMBER, hint_key, version_key
from distrnn.registry.manifest import SCHEMA_VERSION, Manifest, ModelVersion, Tombstone, digest_of, parse, parse_document, to_json_bytes
from distrnn.storage import Store

_READS_AT_ONCE = 16


def model_names(store: Store) -> list[str]:
    """The folders of a store that can be models, sorted."""
    return sorted(name for name in store.folders() if re.fullmatch(NAME_PATTERN, name))


class VersionLog:
    """The versions of one model."""

    def __init__(self, store: Store, name: str) -> None:
        self.store = store
        self.name = name

    def head(self) -> int:
        """The highest number in use, 0 where there is none."""
        low = self._hint()
        if low and not self._exists(low):
            low = 0
        step = 1
        while self._exists(low + step):
            low, step = low + step, step * 2
        high = low + step
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._exists(middle) else (low, middle)
        return low

    def read(self, number: int) -> ModelVersion | Tombstone | None:
        """A version, its tombstone, or None where the number is not in use.

        Raises:
            IntegrityError: the manifest is damaged.
        """
        found = self.store.find(version_key(self.name, number)) if 0 < number <= MAX_NUMBER else None
        return None if found is None else self.parse(found[0], number)

    def parse(self, body: bytes, number: int) -> ModelVersion | Tombstone:
        """What the bytes of a manifest say."""
        parsed = parse(body, self.name, number, f"{self.store.url}/{version_key(self.name, number)}")
        return parsed if isinstance(parsed, Tombstone) else ModelVersion(self.name, number, digest_of(body), parsed, body)

    def latest(self) -> ModelVersion | None:
        """The highest live version."""
        for number in range(self.head(), 0, -1):
            if isinstance(found := self.read(number), ModelVersion):
                return found
        return None

    def newest_first(self, limit: int = MAX_NUMBER) -> Iterator[ModelVersion]:
        """The live ones among the `limit` highest numbers; on a server several are read at once."""
        head = self.head()
        numbers = range(head, max(head - limit, 0), -1)
        if self.store.is_local:
            yield from (found for found in map(self.read, numbers) if isinstance(found, ModelVersion))
            return
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(_READS_AT_ONCE) as pool:
            for start in range(0, len(numbers), _READS_AT_ONCE):
                yield from (
                    found for found in pool.map(self.read, numbers[start : start + _READS_AT_ONCE]) if isinstance(found, ModelVersion)
                )

    def commit(self, make: Callable[[int], Manifest]) -> ModelVersion:
        """Create the manifest at the next free number: the instant at which a version begins to exist.

        Args:
            make: the manifest for a number; called again with the next one when somebody else was first.
        """
        number = self.head() + 1
        while True:
            manifest = make(number)
            body = manifest.to_bytes()
            if self.store.create_if_absent(version_key(self.name, number), body):
                return ModelVersion(self.name, number, digest_of(body), manifest, body)
            number += 1

    def leave_hint(self, number: int) -> None:
        """Say that `number` is in use, unless a higher one is hinted at already."""
        if number > self._hint():
            self.store.put(hint_key(self.name), to_json_bytes({"schema_version": SCHEMA_VERSION, "number": number}, "hint"))

    def _exists(self, number: int) -> bool:
        return number <= MAX_NUMBER and self.store.size(version_key(self.name, number)) is not None

    def _hint(self) -> int:
        found = self.store.find(hint_key(self.name))
        try:
            number: Any = parse_document(found[0], "hint").get("number") if found else 0
        except IntegrityError:
            number = 0
        return number if type(number) is int and 0 <= number <= MAX_NUMBER else 0
