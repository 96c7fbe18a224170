"""Which versions a model need not keep: a pure decision over what is known of them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from distrnn.registry.aliases import STILL, AliasRecord
from distrnn.registry.layout import moment_of

RECENT = timedelta(days=30)


@dataclass(frozen=True)
class Retention:
    """What to keep; a version that any of these keeps stays. Both None: every version stays.

    Attributes:
        newest: so many of the highest live numbers.
        younger_than: versions published since then.
        held_within: versions that an alias holds, or held within this time.
    """

    newest: int | None = None
    younger_than: timedelta | None = None
    held_within: timedelta = RECENT

    @property
    def keeps_everything(self) -> bool:
        """Whether nobody asked for anything to go."""
        return self.newest is None and self.younger_than is None


def beyond(retention: Retention, versions: Sequence[tuple[int, str]], aliases: Collection[AliasRecord], now: datetime) -> tuple[int, ...]:
    """The numbers of the versions that may go, ascending.

    Args:
        retention: what to keep.
        versions: number and creation time of every live version, in any order.
        aliases: every alias the model ever had.
        now: the moment of the decision.
    """
    if retention.keeps_everything:
        return ()
    numbers = sorted((number for number, _ in versions), reverse=True)
    kept = set(numbers[: retention.newest or 0]) | held(aliases, retention.held_within, now)
    if retention.younger_than is not None:
        since = now - retention.younger_than
        kept |= {number for number, created_at in versions if (moment_of(created_at) or now) >= since}
    return tuple(sorted(number for number in numbers if number not in kept))


def held(aliases: Collection[AliasRecord], within: timedelta, now: datetime) -> set[int]:
    """The versions that an alias holds, or held at some moment within a time."""
    found: set[int] = set()
    for record in aliases:
        if record.number is not None:
            found.add(record.number)
        for move in record.history:
            if move.action not in STILL and move.from_number is not None and (moment_of(move.at) or now) >= now - within:
                found.add(move.from_number)
    return found
