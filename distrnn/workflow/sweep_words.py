"""How the combinations of a sweep are named wherever they are shown."""

from collections.abc import Mapping, Sequence
from typing import Any

from distrnn.workflow.problems import show


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """The shortest endings of dotted keys that tell them apart: `units` for `model.units`."""
    names = {}
    for key in keys:
        parts = key.split(".")
        endings = [".".join(parts[-count:]) for count in range(1, len(parts) + 1)]
        names[key] = next(end for end in endings if sum(f".{other}".endswith(f".{end}") for other in keys) == 1)
    return names


def varied(grid: Mapping[str, Sequence[Any]]) -> list[str]:
    """The keys that tell combinations apart; all of them where there is one combination only."""
    return [key for key, values in grid.items() if len(values) > 1] or list(grid)


def label(values: Mapping[str, Any], grid: Mapping[str, Sequence[Any]]) -> str:
    """A combination of a grid in one line, for instance `units=5, activation=relu`."""
    names = short_names(varied(grid))
    return ", ".join(f"{name}={shown(values[key])}" for key, name in names.items())


def shown(value: Any) -> str:
    """A value of the grid as it is written in a workflow, a section by its values; none means the default."""
    if isinstance(value, Mapping):
        return " ".join(map(shown, value.values()))
    return value if isinstance(value, str) else "default" if value is None else show(value)
