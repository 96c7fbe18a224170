"""How often the gates of a registry have said yes and no, counted from the histories of its aliases.

An alias keeps every decision in its history, also where it never held anything, and nothing ever leaves that history; so the counts
outlive the service. A document that was lost or replaced by hand is counted from its beginning again, as Prometheus does with a counter
that starts anew: no count goes down.
"""

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from distrnn.errors import IntegrityError
from distrnn.registry.aliases import Move, list_aliases, parse_alias
from distrnn.registry.manifest import LIMIT_BYTES
from distrnn.storage import Entry, Store
from distrnn.storage.door import check_size

DECISIONS = {"promote": "promoted", "refuse": "refused"}
_LISTED_AT_ONCE = 8


class Decisions:
    """What was counted so far; a document that has not changed since is not read again.

    Args:
        store: the registry's.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._stamps: dict[str, str] = {}
        self._seen: dict[str, Mapping[str, int]] = {}
        self._totals: Counter[tuple[str, str]] = Counter()

    def look(self, models: Sequence[str]) -> None:
        """Count what has changed in the aliases of these models.

        Raises:
            IntegrityError: a document is damaged; the others were counted all the same.
            DistrnnError: the storage cannot be read.
        """
        problems: dict[str, IntegrityError] = {}
        with self._lock:
            for model, alias, entry, body in self._changed(models):
                try:
                    check_size(entry.size_bytes, LIMIT_BYTES, f"{self._store.url}/{entry.key}")
                    now = counted(parse_alias(body, model, alias, f"{self._store.url}/{entry.key}").history) if body is not None else {}
                except IntegrityError as error:
                    problems[model] = error
                    continue
                for decision, more in grown(self._seen.get(entry.key, {}), now).items():
                    self._totals[model, decision] += more
                self._seen[entry.key], self._stamps[entry.key] = now, entry.stamp
            # From nothing to one is an increase for Prometheus only where it has seen the nothing
            for model in set(models) - set(problems):
                self._totals.update({(model, decision): 0 for decision in DECISIONS.values()})
        if problems:
            raise next(iter(problems.values()))

    def totals(self) -> dict[tuple[str, str], int]:
        """The decisions so far, as {(model, `promoted` or `refused`): how many}; 0 for a model that was looked at and had none."""
        with self._lock:
            return dict(self._totals)

    def _changed(self, models: Sequence[str]) -> Iterator[tuple[str, str, Entry, bytes | None]]:
        """Model, alias, entry and body of each document that is another one than when it was counted; one that is too long is not read."""
        with ThreadPoolExecutor(_LISTED_AT_ONCE) as pool:
            listed = zip(models, pool.map(lambda model: list(list_aliases(self._store, model)), models), strict=True)
            found = [(model, alias, entry) for model, entries in listed for alias, entry in entries]
        changed = [(model, alias, entry) for model, alias, entry in found if self._stamps.get(entry.key) != entry.stamp]
        read = self._store.read_many([one[2].key for one in changed if one[2].size_bytes <= LIMIT_BYTES], limit_bytes=LIMIT_BYTES)
        for model, alias, entry in changed:
            yield model, alias, entry, next(read)[1] if entry.size_bytes <= LIMIT_BYTES else None


def counted(history: Iterable[Move]) -> dict[str, int]:
    """How many decisions there are in a history, by what was decided; a promotion that overruled the rules is one, too."""
    return dict(Counter(DECISIONS[move.action] for move in history if move.action in DECISIONS))


def grown(before: Mapping[str, int], now: Mapping[str, int]) -> dict[str, int]:
    """How much each count has grown; one that is smaller than before has started anew."""
    return {key: count - before.get(key, 0) if count >= before.get(key, 0) else count for key, count in now.items()}
