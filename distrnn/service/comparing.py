"""Two versions side by side: figures, settings, files, and where they came from. Pure functions over their documents."""

from collections.abc import Iterator, Mapping
from typing import Any

from distrnn.registry.promotion import SMALLER_IS_BETTER
from distrnn.registry.query import figure

COUNTS = frozenset({"examples", "tokens"})


def figures(left: Mapping[str, Any] | None, right: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The figures of two versions.

    Args:
        left: metrics of the one.
        right: metrics of the other.
    Returns:
        one entry a figure: `metric`, `left`, `right`, `change` (right minus left, None where one is missing) and `better`: whether
        the right one is better, None where nobody can say.
    """
    names = dict.fromkeys([*(left or {}), *(right or {})])
    return [_figure(name, figure(left, name), figure(right, name)) for name in names]


def settings(left: Mapping[str, Any], right: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """The keys of two workflows that differ, with both values; None where one has no such key."""
    ours, theirs = dict(leaves(left)), dict(leaves(right))
    return [(key, ours.get(key), theirs.get(key)) for key in dict.fromkeys([*ours, *theirs]) if ours.get(key) != theirs.get(key)]


def files(left: list[dict[str, Any]], right: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The files of two versions: `path`, both sizes (None where one has no such file) and whether their bytes are the same."""
    ours, theirs = ({file["path"]: file for file in some} for some in (left, right))
    return [
        {
            "path": path,
            "left": ours[path]["size_bytes"] if path in ours else None,
            "right": theirs[path]["size_bytes"] if path in theirs else None,
            "same": path in ours and path in theirs and ours[path]["sha256"] == theirs[path]["sha256"],
        }
        for path in dict.fromkeys([*ours, *theirs])
    ]


def leaves(document: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a nested document with its dotted key; a list is one value."""
    if isinstance(document, Mapping) and document:
        for key, value in document.items():
            yield from leaves(value, f"{prefix}.{key}" if prefix else str(key))
    elif prefix:
        yield prefix, document


def _figure(name: str, left: float | None, right: float | None) -> dict[str, Any]:
    change = right - left if left is not None and right is not None else None
    better = None
    if change and name not in COUNTS:
        better = (change < 0) == (name in SMALLER_IS_BETTER)
    return {"metric": name, "left": left, "right": right, "change": change, "better": better}
