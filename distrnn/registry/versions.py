"""The sequence of a model's versions, read without listing.

Numbers are consecutive from 1 and never used twice, because a version is made by creating the manifest at the next number, and of
several publishers one wins it. So the newest is found by probing: from the hint onwards in growing steps until a number is
absent, then by halves. The hint only saves requests; missing, stale or nonsensical, the answer is the same.
"""

import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from distrnn.errors import DistrnnError, IntegrityError
from distrnn.refs import NAME_PATTERN
from distrnn.registry.layout import MAX_NUMBER, catalog_key, version_key
from distrnn.registry.manifest import (
    LIMIT_BYTES,
    SCHEMA_VERSION,
    Manifest,
    ModelVersion,
    Tombstone,
    digest_of,
    parse,
    parse_document,
    to_json_bytes,
)
from distrnn.storage import Store

_WINDOW = 256


def model_names(store: Store) -> list[str]:
    """The folders of a store that can be models, sorted."""
    return sorted(name for name in store.folders() if re.fullmatch(NAME_PATTERN, name))


@dataclass(frozen=True)
class Slot:
    """What stands at a version's number.

    Attributes:
        found: the version, or the tombstone in its place.
        tag: for `compare_and_swap`.
        deleting: somebody is about to delete it; until then it is as good as any other.
    """

    found: ModelVersion | Tombstone
    tag: str
    deleting: bool = False


class VersionLog:
    """The versions of one model."""

    def __init__(self, store: Store, name: str) -> None:
        self.store = store
        self.name = name

    def head(self, known: int = 0) -> int:
        """The highest number in use, 0 where there is none.

        Args:
            known: a number that is in use, where the caller knows of one; the hint is read otherwise.
        """
        low = known or self._hint()
        if low and not known and not self._exists(low):
            low = 0
        step = 1
        while self._exists(low + step):
            low, step = low + step, step * 2
        high = low + step
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._exists(middle) else (low, middle)
        return low

    def slot(self, number: int) -> Slot | None:
        """What stands at a number, None where it is not in use.

        Raises:
            IntegrityError: the manifest is damaged.
        """
        if not 0 < number <= MAX_NUMBER:
            return None
        found = self.store.find(version_key(self.name, number), limit_bytes=LIMIT_BYTES)
        if found is None:
            return None
        body, deleting = _unwrapped(found[0], self._where(number))
        return Slot(self._parse(body, number), found[1], deleting)

    def read(self, number: int) -> ModelVersion | Tombstone | None:
        """A version, its tombstone, or None where the number is not in use.

        Raises:
            IntegrityError: the manifest is damaged.
        """
        slot = self.slot(number)
        return slot.found if slot else None

    def parse(self, body: bytes, number: int) -> ModelVersion | Tombstone:
        """What the bytes at a version's number say."""
        return self._parse(_unwrapped(body, self._where(number))[0], number)

    def latest(self, head: int | None = None) -> ModelVersion | None:
        """The highest live version.

        Args:
            head: the highest number in use, where it is known.
        """
        for number in range(self.head() if head is None else head, 0, -1):
            if isinstance(found := self.read(number), ModelVersion):
                return found
        return None

    def newest_first(self, limit: int = MAX_NUMBER, head: int | None = None) -> Iterator[ModelVersion]:
        """The live ones among the `limit` highest numbers, as they are read; on a server many are read at once.

        Args:
            limit: how many numbers to look at.
            head: the highest number in use, where it is known.
        Raises:
            IntegrityError: a manifest is damaged or missing.
        """
        head = self.head() if head is None else head
        numbers = range(head, max(head - limit, 0), -1)
        for start in range(0, len(numbers), _WINDOW):
            keys = {version_key(self.name, number): number for number in numbers[start : start + _WINDOW]}
            for key, body in self.store.read_many(list(keys), limit_bytes=LIMIT_BYTES):
                if body is None:
                    raise IntegrityError(
                        f"{self.store.url}/{key} is missing, though later versions exist. Restore the file from a backup.", key=key
                    )
                if isinstance(found := self.parse(body, keys[key]), ModelVersion):
                    yield found

    def commit(
        self,
        head: int,
        make: Callable[[int], Manifest],
        same: Callable[[Manifest], bool],
        *,
        before_commit: Callable[[], object] | None = None,
    ) -> tuple[ModelVersion, bool]:
        """Create the manifest at the next free number: the instant at which a version begins to exist.

        Args:
            head: a number that was the highest in use when the caller looked for the same content.
            make: the manifest for a number; called again with the next one when somebody else was first.
            same: whether what somebody else put there since then is what we were about to publish.
            before_commit: called as the last thing before each try; nothing is created where it raises.
        Returns:
            The version, and whether it is ours.
        """
        number = head + 1
        while True:
            manifest = make(number)
            body = manifest.to_bytes()
            if before_commit is not None:
                before_commit()
            if self.store.create_if_absent(version_key(self.name, number), body):
                return ModelVersion(self.name, number, digest_of(body), manifest, body), True
            theirs = self.read(number)
            if isinstance(theirs, ModelVersion) and same(theirs.manifest):
                return theirs, False
            number += 1

    def replace(self, number: int, body: bytes, tag: str) -> str | None:
        """Put something else at a number, if what carries `tag` is still there; see `deletion`."""
        return self.store.compare_and_swap(version_key(self.name, number), body, tag)

    def _parse(self, body: bytes, number: int) -> ModelVersion | Tombstone:
        parsed = parse(body, self.name, number, self._where(number))
        return parsed if isinstance(parsed, Tombstone) else ModelVersion(self.name, number, digest_of(body), parsed, body)

    def _where(self, number: int) -> str:
        return f"{self.store.url}/{version_key(self.name, number)}"

    def _exists(self, number: int) -> bool:
        return number <= MAX_NUMBER and self.store.size(version_key(self.name, number)) is not None

    def _hint(self) -> int:
        """The head that the catalog knows of; one that cannot be read is no hint."""
        try:
            found = self.store.find(catalog_key(self.name), limit_bytes=LIMIT_BYTES)
        except IntegrityError:
            return 0
        try:
            number = parse_document(found[0], "hint").get("head") if found else 0
        except DistrnnError:
            number = 0
        return number if type(number) is int and 0 <= number <= MAX_NUMBER else 0


def being_deleted(version: ModelVersion, reason: str) -> bytes:
    """What stands at a version's number while it is being deleted: its manifest, byte for byte, and a mark."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "name": version.name,
        "number": version.number,
        "attempt": uuid.uuid4().hex,
        "deleting": {"reason": reason},
        "manifest": version.body.decode(),
    }
    return to_json_bytes(document, "a reason")


def _unwrapped(body: bytes, where: str) -> tuple[bytes, bool]:
    """The manifest's own bytes, and whether they carried the mark of `being_deleted`."""
    if b'"deleting"' not in body:
        return body, False
    document = parse_document(body, where)
    if not isinstance(document.get("deleting"), dict):
        return body, False
    if not isinstance(inner := document.get("manifest"), str):
        raise IntegrityError(f"{where} is damaged: expected the manifest beside the mark of its deletion. Restore it from a backup.")
    return inner.encode(), True
