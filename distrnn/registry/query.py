"""Which versions somebody wants to see, and in which order: pure questions to what a listing says of each.

A figure that is missing, or is no finite number, fulfils no condition (not even `!=`) and sorts last in either direction: nothing can be
said about it.
"""

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from distrnn.errors import UsageError

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
}
COLUMNS = {"name": "name", "version": "number", "created": "created_at", "size": "size_bytes"}
Row = TypeVar("Row")
_METRIC = r"[A-Za-z_][A-Za-z0-9_.-]*"
_CONDITION = re.compile(rf"\s*({_METRIC})\s*(>=|<=|==|!=|=|>|<)\s*(\S+)\s*")
_ORDER = re.compile(rf"({_METRIC})(?::(asc|desc))?")


@dataclass(frozen=True)
class Condition:
    """A comparison of one figure with a number, such as `accuracy>0.85`."""

    metric: str
    comparison: str
    number: float

    @classmethod
    def parse(cls, text: str) -> "Condition":
        """Read a condition.

        Raises:
            UsageError: it is none.
        """
        if (match := _CONDITION.fullmatch(text)) and (number := _number(match[3])) is not None:
            return cls(match[1], match[2], number)
        raise UsageError(
            f"expected a figure, one of {', '.join(COMPARISONS)}, and a number, for instance 'accuracy>0.85' (in quotes, or the shell "
            f"takes the > for itself). Received: {text!r}"
        )

    def holds(self, metrics: Mapping[str, Any] | None) -> bool:
        """Whether the figures of a version fulfil it."""
        value = figure(metrics, self.metric)
        return value is not None and COMPARISONS[self.comparison](value, self.number)


@dataclass(frozen=True)
class TagTerm:
    """A tag that must be there; `value` is None where any will do."""

    key: str
    value: str | None = None

    @classmethod
    def parse(cls, text: str) -> "TagTerm":
        """Read `key` or `key=value`.

        Raises:
            UsageError: there is no key.
        """
        key, equals, value = text.partition("=")
        if not key.strip():
            raise UsageError(f"expected a tag's key, or key=value. Received: {text!r}")
        return cls(key.strip(), value if equals else None)

    def holds(self, tags: Mapping[str, str]) -> bool:
        """Whether a version carries it."""
        return self.key in tags and self.value in (None, tags[self.key])


@dataclass(frozen=True)
class Selection:
    """What a version must carry and fulfil, all of it."""

    tags: tuple[TagTerm, ...] = ()
    conditions: tuple[Condition, ...] = ()

    @classmethod
    def parse(cls, tags: Sequence[str], conditions: Sequence[str]) -> "Selection":
        """Read the terms as they are typed.

        Raises:
            UsageError: one of them makes no sense.
        """
        return cls(tuple(map(TagTerm.parse, tags)), tuple(map(Condition.parse, conditions)))

    def __bool__(self) -> bool:
        return bool(self.tags or self.conditions)

    def keeps(self, facts: Mapping[str, Any]) -> bool:
        """Whether a version is wanted.

        Args:
            facts: what a listing says of it; `tags` and `metrics` are looked at.
        """
        tags, metrics = facts.get("tags") or {}, facts.get("metrics")
        return all(term.holds(tags) for term in self.tags) and all(condition.holds(metrics) for condition in self.conditions)


@dataclass(frozen=True)
class Order:
    """By what a listing is sorted: a column or a figure."""

    key: str
    descending: bool = False

    @classmethod
    def parse(cls, text: str) -> "Order":
        """Read `KEY`, `KEY:asc` or `KEY:desc`.

        Raises:
            UsageError: it is none of these.
        """
        if match := _ORDER.fullmatch(text):
            return cls(match[1], match[2] == "desc")
        raise UsageError(f"expected {', '.join(COLUMNS)} or a figure, then :desc for falling values. Received: {text!r}")

    def sorted(self, rows: Iterable[Row], facts: Callable[[Row], Mapping[str, Any]]) -> list[Row]:
        """The rows in this order; equals keep theirs, and what has no such value comes last.

        Args:
            rows: of a listing.
            facts: what a listing says of a row's version: `name`, `number`, `created_at`, `size_bytes`, `metrics`.
        """
        placed = [(self._value(facts(row)), row) for row in rows]
        known = [(value, row) for value, row in placed if value is not None]
        ordered = sorted(known, key=lambda pair: pair[0], reverse=self.descending)
        return [row for _, row in ordered] + [row for value, row in placed if value is None]

    def _value(self, facts: Mapping[str, Any]) -> Any:
        return facts.get(COLUMNS[self.key]) if self.key in COLUMNS else figure(facts.get("metrics"), self.key)


def figure(metrics: Mapping[str, Any] | None, metric: str) -> float | None:
    """A figure that can be compared, None where there is none."""
    value = metrics.get(metric) if isinstance(metrics, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
