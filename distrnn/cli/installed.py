"""Which of distrnn's packages are installed, read from the packages' own metadata: nothing is imported."""

import re
from functools import cache
from importlib import metadata
from typing import Any, NamedTuple

from distrnn.cli.extras import install_command

BASE = ""
FOR_DEVELOPERS = "dev"
_REQUIREMENT = re.compile(r"\s*(?P<name>[A-Za-z0-9._-]+)\s*(?:\[(?P<extras>[^\]]*)\])?[^;]*(?:;\s*(?P<condition>.*\S))?\s*")
_EXTRA = re.compile(r"""\bextra\s*==\s*["']([^"']+)["']""")


class Requirement(NamedTuple):
    """One line of a package's requirements; `extra` is the one that it belongs to, and `always` that nothing else is its condition."""

    name: str
    extras: tuple[str, ...]
    extra: str
    always: bool


def packages() -> dict[str, str | None]:
    """Version of every package that distrnn or one of its extras asks for by name; None where it is not installed."""
    names = {wanted.name for wanted in requirements("distrnn") if wanted.extra != FOR_DEVELOPERS and wanted.name != "distrnn"}
    return {name: version(name) for name in sorted(names, key=str.lower)}


def extras() -> dict[str, dict[str, Any]]:
    """For each extra: `installed`, what is `missing`, and the command to `install` it."""
    names = dict.fromkeys(wanted.extra for wanted in requirements("distrnn") if wanted.extra not in (BASE, FOR_DEVELOPERS))
    missing = {name: sorted(package for package in members(name) if version(package) is None) for name in names}
    return {name: {"installed": not missing[name], "missing": missing[name], "install": install_command(name)} for name in names}


def members(extra: str) -> set[str]:
    """Packages of an extra: those it names, those of the extras it is made of, and those that `package[extra]` adds to a package."""
    found: set[str] = set()
    for wanted in requirements("distrnn"):
        if wanted.extra != extra:
            continue
        if wanted.name == "distrnn":
            found = found.union(*(members(other) for other in wanted.extras))
            continue
        found.add(wanted.name)
        inner = requirements(wanted.name) if wanted.extras else ()
        found |= {other.name for other in inner if other.always and other.extra in wanted.extras and other.name != wanted.name}
    return found


@cache
def requirements(package: str) -> tuple[Requirement, ...]:
    """What an installed package requires; empty where it is not installed."""
    try:
        lines = metadata.requires(package) or []
    except metadata.PackageNotFoundError:
        return ()
    return tuple(parse(line) for line in lines)


def parse(line: str) -> Requirement:
    """Read a requirement: `ray[default,train]>=2.60; extra == "train"`."""
    match = _REQUIREMENT.fullmatch(line)
    if match is None:
        return Requirement(line, (), BASE, False)
    condition = match["condition"] or ""
    extra = _EXTRA.search(condition)
    wanted = tuple(name.strip() for name in (match["extras"] or "").split(",") if name.strip())
    return Requirement(match["name"], wanted, extra[1] if extra else BASE, not condition or _EXTRA.fullmatch(condition) is not None)


def version(name: str) -> str | None:
    """The installed version of a package."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
