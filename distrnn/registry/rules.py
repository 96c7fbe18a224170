"""The rules of a gate, and the slices of the evaluation set they look at: values, their one line of text, their JSON.

A rule bounds one figure (`min`, `max`) or asks that it beat the holder of an alias (`better_than`, by `min_delta` or more), on the whole
evaluation set or on a slice of its documents. A line of text has the keys of a workflow, and `Rule.parse` reads what `str` writes:

    accuracy min=0.8 better_than=production min_delta=0.005 min_tokens=401
"""

import math
import re
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol, TypeGuard

from distrnn.errors import UsageError
from distrnn.refs import check_alias

_METRIC = re.compile(r"[a-z][a-z0-9_]*")
_BOUNDS = ("min", "max", "better_than", "min_delta")
_OF_SLICE = ("min_tokens", "max_tokens", "label")
_EXAMPLE = "accuracy min=0.8 better_than=production min_delta=0.005 min_tokens=401"


class RuleLike(Protocol):
    """What a rule looks like, in a workflow or in an alias."""

    @property
    def metric(self) -> str:
        """The figure that decides."""

    @property
    def min(self) -> float | None:
        """The candidate must reach it."""

    @property
    def max(self) -> float | None:
        """The candidate must not exceed it."""

    @property
    def better_than(self) -> str | None:
        """The alias whose holder the candidate must beat."""

    @property
    def min_delta(self) -> float | None:
        """By how much at least; None or 0: by anything."""

    @property
    def min_tokens(self) -> int | None:
        """Only documents of so many words or more."""

    @property
    def max_tokens(self) -> int | None:
        """Only documents of so many words or fewer."""

    @property
    def label(self) -> str | None:
        """Only documents that truly have this label."""


@dataclass(frozen=True)
class Slice:
    """Some documents of an evaluation set, the same ones for every model: lengths are counted in words of the raw text.

    Attributes:
        min_tokens: so many words or more.
        max_tokens: so many words or fewer.
        label: the name of their true label.
    Raises:
        UsageError: it bounds nothing, or nothing can be in it.
    """

    min_tokens: int | None = None
    max_tokens: int | None = None
    label: str | None = None

    def __post_init__(self) -> None:
        if all(getattr(self, key) is None for key in _OF_SLICE):
            raise UsageError("a slice needs min_tokens, max_tokens or label. Received: none of them")
        for key in ("min_tokens", "max_tokens"):
            value = getattr(self, key)
            if value is not None and (type(value) is not int or value < 1):
                raise UsageError(f"{key} must be a whole number of at least 1. Received: {value!r}")
        if self.min_tokens is not None and self.max_tokens is not None and self.min_tokens > self.max_tokens:
            raise UsageError(f"min_tokens must be at most max_tokens ({self.max_tokens}). Received: {self.min_tokens}")
        if self.label is not None and not (isinstance(self.label, str) and self.label):
            raise UsageError(f"label must be the name of a label. Received: {self.label!r}")

    def __str__(self) -> str:
        return " ".join(_word(key, getattr(self, key)) for key in _OF_SLICE if getattr(self, key) is not None)

    @property
    def words(self) -> str:
        """As a person reads it: `401 tokens or more, label positive`."""
        low, high = self.min_tokens, self.max_tokens
        parts = []
        if low is not None and high is not None:
            parts.append(f"{low} to {high} tokens")
        elif low is not None:
            parts.append(f"{low} tokens or more")
        elif high is not None:
            parts.append(f"{high} tokens or fewer")
        return ", ".join([*parts, *([f"label {self.label}"] if self.label is not None else [])])

    def to_json(self) -> dict[str, Any]:
        """The slice as it stands in an alias and in a decision."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Slice":
        """Read what `to_json` gave.

        Raises:
            UsageError: it is no slice.
        """
        return cls(*(document.get(key) for key in _OF_SLICE))


@dataclass(frozen=True)
class Rule:
    """A rule as an alias keeps it; see `RuleLike` for its keys. `slice` is None for the whole evaluation set.

    Raises:
        UsageError: it makes no sense.
    """

    metric: str
    min: float | None = None
    max: float | None = None
    better_than: str | None = None
    min_delta: float | None = None
    slice: Slice | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.metric, str) or not _METRIC.fullmatch(self.metric):
            raise UsageError(f"a rule must begin with the name of a figure, for instance accuracy. Received: {self.metric!r}")
        for key in ("min", "max", "min_delta"):
            if (value := getattr(self, key)) is not None and not is_number(value):
                raise UsageError(f"{key} of a rule must be a number. Received: {value!r}")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise UsageError(f"min of a rule must be at most its max ({self.max:g}). Received: {self.min:g}")
        if self.better_than is not None:
            check_alias(self.better_than)
        if self.min_delta is not None and self.better_than is None:
            raise UsageError(f"min_delta says how much better than the holder of an alias, so it needs better_than. Received: {self}")
        if self.min_delta is not None and self.min_delta < 0:
            raise UsageError(f"min_delta must be 0 or more. Received: {self.min_delta:g}")

    @property
    def min_tokens(self) -> int | None:
        """See `Slice`."""
        return self.slice.min_tokens if self.slice else None

    @property
    def max_tokens(self) -> int | None:
        """See `Slice`."""
        return self.slice.max_tokens if self.slice else None

    @property
    def label(self) -> str | None:
        """See `Slice`."""
        return self.slice.label if self.slice else None

    def __str__(self) -> str:
        given = [_word(key, getattr(self, key)) for key in _BOUNDS if getattr(self, key) is not None]
        return " ".join([self.metric, *given, *([str(self.slice)] if self.slice else [])])

    @classmethod
    def of(cls, rule: RuleLike) -> "Rule":
        """The same rule, from a workflow."""
        keys = (rule.min_tokens, rule.max_tokens, rule.label)
        part = Slice(*keys) if any(key is not None for key in keys) else None
        return cls(rule.metric, rule.min, rule.max, rule.better_than, rule.min_delta, part)

    @classmethod
    def parse(cls, text: str) -> "Rule":
        """Read a rule from one line; a label with blanks is quoted as in a shell.

        Raises:
            UsageError: it is none.
        """
        try:
            metric, *pairs = shlex.split(text)
        except ValueError:
            raise UsageError(f"a rule must be METRIC KEY=VALUE …, for instance: {_EXAMPLE}. Received: {text!r}") from None
        given: dict[str, Any] = {}
        for pair in pairs:
            key, equals, value = pair.partition("=")
            if key not in (*_BOUNDS, *_OF_SLICE) or not equals or key in given:
                what = "each key once" if key in given else f"one of {', '.join((*_BOUNDS, *_OF_SLICE))}, as KEY=VALUE"
                raise UsageError(f"rule {text!r}: expected {what}. Received: {pair!r}")
            given[key] = _value(text, key, value)
        part = {key: given.pop(key) for key in _OF_SLICE if key in given}
        given["slice"] = Slice(**part) if part else None
        return cls(metric, **given)

    def to_json(self) -> dict[str, Any]:
        """The rule as it stands in an alias."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Rule":
        """Read what `to_json` gave, also before rules had `min_delta` and `slice`.

        Raises:
            ValueError: it is no rule.
        """
        try:
            part = document.get("slice")
            bounds = {key: document.get(key) for key in _BOUNDS}
            return cls(document["metric"], **bounds, slice=None if part is None else Slice.from_json(part))
        except (AttributeError, KeyError, TypeError, UsageError) as error:
            raise ValueError(f"no rule: {document!r}") from error


def is_number(value: object) -> TypeGuard[float]:
    """Whether a figure or a bound is a finite number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _value(text: str, key: str, value: str) -> str | float | int:
    if key in ("better_than", "label"):
        return value
    try:
        return int(value) if key in _OF_SLICE else float(value)
    except ValueError:
        kind = "a whole number" if key in _OF_SLICE else "a number"
        raise UsageError(f"rule {text!r}: expected {kind} for {key}. Received: {value!r}") from None


def _word(key: str, value: str | float) -> str:
    return f"{key}={shlex.quote(value) if isinstance(value, str) else repr(value)}"
