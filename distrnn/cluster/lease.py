"""Who may write which key, and until when: the book that the lock's actor keeps.

A lease that its owner does not renew ends by itself, so a holder that dies keeps nobody waiting for long. A book that was lost with its
actor is begun anew, and then nothing is handed out until every lease of the old one has ended.
"""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Leases:
    """Leases of keys; `now` counts seconds and never goes back."""

    now: Callable[[], float]
    closed_until: float = 0.0
    _held: dict[str, tuple[str, float]] = field(default_factory=dict)

    def acquire(self, key: str, owner: str, lease_s: float) -> bool:
        """Lease `key` to `owner`, or renew it; False while somebody else has it."""
        now = self.now()
        held = self._held.get(key)
        if now < self.closed_until or (held is not None and held[0] != owner and now < held[1]):
            return False
        self._held[key] = owner, now + lease_s
        return True

    def renew(self, key: str, owner: str, lease_s: float) -> bool:
        """Lengthen the lease of its owner; False if it is not his, or has ended."""
        if not self._is_held(key, owner):
            return False
        self._held[key] = owner, self.now() + lease_s
        return True

    def release(self, key: str, owner: str) -> bool:
        """End the lease of its owner; False if it was not his until now."""
        held = self._is_held(key, owner)
        if key in self._held and self._held[key][0] == owner:
            del self._held[key]
        return held

    def _is_held(self, key: str, owner: str) -> bool:
        held = self._held.get(key)
        return held is not None and held[0] == owner and self.now() < held[1]
