"""What is wrong with a workflow, said in one line for each key.

The validator knows that a value failed one of its checks; a person wants to know what the key takes. So every message is made
from the schema of the key, not from the check that failed: `an integer of at least 1, or auto`, whichever half was missed.
"""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import ValidationError

from distrnn.refs import NAME_PATTERN
from distrnn.workflow.sections import Workflow

Schema = dict[str, Any]
Kinds = Mapping[str, Any]
RECEIVED_CHARACTERS = 100
REFERENCE = "NAME, NAME@ALIAS, NAME@v3 or NAME@sha256:…, in lower case,"
_KINDS = {"boolean": "true or false", "integer": "an integer", "number": "a number", "string": "a text"}
_BOUNDS = {"minimum": "of at least", "exclusiveMinimum": "above", "maximum": "of at most", "exclusiveMaximum": "below"}


@dataclass(frozen=True)
class Problem:
    """One wrong key."""

    key: str
    expected: str
    received: str
    nearest: str | None = None
    unknown: bool = False

    def __str__(self) -> str:
        if self.unknown:
            hint = f" Did you mean {self.nearest!r}?" if self.nearest else ""
            return f"unknown key {self.key!r}.{hint} Expected {self.expected}."
        return f"key {self.key!r}: expected {self.expected}. Received: {self.received}"


def with_article(task: str) -> str:
    """A task with its article."""
    return f"an {task}" if task == "embedding" else f"a {task}"


def show(value: Any) -> str:
    """A value as a message shows it: JSON, so that "3" and 3 differ, and not longer than a line."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= RECEIVED_CHARACTERS else text[: RECEIVED_CHARACTERS - 1] + "…"


def from_validation(error: ValidationError, document: Mapping[str, Any]) -> list[Problem]:
    """The problems behind pydantic's errors, one for each key, in the order of the sections."""
    kinds = _kinds(document)
    problems = (_problem(item, kinds) for item in error.errors(include_url=False))
    return list({problem.key: problem for problem in problems}.values())


def _kinds(document: Mapping[str, Any]) -> Kinds:
    """What the document says where a section has several forms: by the name of the key that tells them apart."""
    model, train = document.get("model"), document.get("train")
    schedule = train.get("learning_rate_schedule") if isinstance(train, Mapping) else None
    return {
        "task": model.get("task") if isinstance(model, Mapping) else None,
        "type": schedule.get("type") if isinstance(schedule, Mapping) else None,
    }


def _problem(item: Any, kinds: Kinds) -> Problem:
    parts, node = _follow(item["loc"], kinds)
    kind, received = item["type"], show(item["input"])
    if kind in ("extra_forbidden", "invalid_key"):
        return _unknown([*parts, item["loc"][-1]], node, kinds)
    if kind == "union_tag_invalid":
        told_by = _told_by(node) or ""
        forms = [known for variant in _variants(node) for known in _choices(variant.get("properties", {}).get(told_by, {}))]
        return Problem(_dotted([*parts, told_by]), _one_of(forms), show(kinds[told_by]))
    if kind == "missing":
        return Problem(_dotted(parts), f"{describe(node, kinds)}; the key is required", "nothing")
    return Problem(_dotted(parts), describe(node, kinds), received)


def _unknown(parts: Sequence[Any], section: Schema, kinds: Kinds) -> Problem:
    known = list(_properties(section, kinds))
    return Problem(_dotted(parts), _one_of(known), str(parts[-1]), nearest=_nearest(parts, known, kinds), unknown=True)


def _nearest(parts: Sequence[Any], known: Sequence[str], kinds: Kinds) -> str | None:
    """A key of the same name that stands elsewhere, or the most similar one of the same section."""
    *section, name = (str(part) for part in parts)
    elsewhere = [path for path in _all_keys(_root(), kinds) if path[-1] == name]
    similar = [[*section, match] for match in difflib.get_close_matches(name, known, n=1, cutoff=0.5)]
    return next((_dotted(path) for path in [*elsewhere[:1], *similar]), None)


def describe(node: Schema, kinds: Kinds) -> str:
    """What a key takes, in words.

    Args:
        node: the key's JSON schema.
        kinds: which form a section has that comes in several, by the key that tells them apart.
    """
    variants = [variant for variant in _variants(node) if variant.get("type") != "null"]
    if any("properties" in variant for variant in variants):
        return f"a section with the keys {', '.join(_properties(node, kinds))}"
    return ", or ".join(_describe(variant) for variant in variants)


def _describe(variant: Schema) -> str:
    if choices := _choices(variant):
        return _one_of(choices)
    if "pattern" in variant:
        name = variant["pattern"] == f"^{NAME_PATTERN}$"
        rule = "lower-case letters, digits, '.', '_' or '-', the first a letter or digit, 63 at most"
        return f"a name of {rule}" if name else f"a text that matches {variant['pattern']}"
    if variant["type"] == "array":
        return f"a list of {variant.get('minItems', 0)} or more, each {describe(variant['items'], {})}"
    if variant["type"] == "object":
        return f"a mapping from values to {describe(variant['additionalProperties'], {})}"
    bounds = [f"{words} {show(variant[key]).removesuffix('.0')}" for key, words in _BOUNDS.items() if key in variant]
    return " ".join([_KINDS[variant["type"]], " and ".join(bounds)]).strip()


def _choices(variant: Schema) -> list[str]:
    return [str(choice) for choice in variant.get("enum", [variant["const"]] if "const" in variant else [])]


def _one_of(choices: Sequence[str]) -> str:
    return f"one of {', '.join(choices)}" if len(choices) > 1 else choices[0]


def _dotted(parts: Sequence[Any]) -> str:
    return ".".join(str(part) for part in parts)


@cache
def _root() -> Schema:
    return Workflow.model_json_schema(by_alias=True)


def _variants(node: Schema) -> Iterator[Schema]:
    """The alternatives of a schema, references followed."""
    if "$ref" in node:
        yield from _variants(_root()["$defs"][node["$ref"].rpartition("/")[2]])
        return
    alternatives = node.get("anyOf", node.get("oneOf"))
    if alternatives is None:
        yield node
    for alternative in alternatives or ():
        yield from _variants(alternative)


def _told_by(node: Schema) -> str | None:
    """The key that tells the forms of a section from each other; None where it has one form."""
    if "$ref" in node:
        return _told_by(_root()["$defs"][node["$ref"].rpartition("/")[2]])
    if "discriminator" in node:
        return str(node["discriminator"]["propertyName"])
    return next((name for alternative in node.get("anyOf", ()) if (name := _told_by(alternative))), None)


def _properties(node: Schema, kinds: Kinds) -> dict[str, Schema]:
    """The keys of a section; of several forms those of the one that `kinds` names, else of the first."""
    sections = [variant["properties"] for variant in _variants(node) if "properties" in variant]
    told_by = _told_by(node)
    wanted = [section for section in sections if told_by and section[told_by].get("const") == kinds.get(told_by)]
    return next(iter(wanted or sections), {})


def _follow(location: Sequence[Any], kinds: Kinds) -> tuple[list[Any], Schema]:
    """The keys of a pydantic location and the schema at their end; the names of a union's members are left out."""
    parts: list[Any] = []
    node = _root()
    for part in location:
        below = _properties(node, kinds).get(part) or next(
            (v["items"] for v in _variants(node) if isinstance(part, int) and "items" in v), None
        )
        if below is not None:
            parts.append(part)
            node = below
    return parts, node


def _all_keys(node: Schema, kinds: Kinds, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, below in _properties(node, kinds).items():
        yield (*above, name)
        yield from _all_keys(below, kinds, (*above, name))
