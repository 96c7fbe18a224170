"""From the text of a workflow file and its `--set` overrides to one plain document, before anything is checked."""

import os
import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from distrnn.errors import NotFoundError, WorkflowError

PATH_KEYS = (
    ("data", "path"),
    ("data", "test_path"),
    ("model", "pretrained", "path"),
    ("storage", "root"),
    ("train", "pseudo_labels", "path"),
)
_TYPE_NAMES = {list: "a list", str: "a text", int: "a number", float: "a number", bool: "true or false", type(None): "nothing"}


class _Loader(yaml.SafeLoader):
    """YAML 1.1 as PyYAML reads it, with two differences: `1e-3` is a number, and a key given twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """A mapping whose keys differ."""
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge" or not isinstance(key_node, yaml.ScalarNode):
                continue
            if key_node.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key_node.value!r} is given twice", key_node.start_mark)
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(?:\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789"))


def read(file: Path) -> dict[str, Any]:
    """The document of a workflow file, its relative paths made absolute from the file's folder.

    Raises:
        NotFoundError: there is no such file.
        WorkflowError: it cannot be read, is not YAML, or is no mapping.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise NotFoundError(f"no workflow file at {str(file)!r}. Write one with: distrnn init NAME", file=str(file)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise WorkflowError(f"{file}: expected a readable UTF-8 file. Received: {error}", file=str(file)) from None
    try:
        document = parse(text)
    except yaml.YAMLError as error:
        raise WorkflowError(f"{file}: expected YAML. Received: {_yaml_problem(error)}", file=str(file)) from None
    if not isinstance(document, dict):
        received = _TYPE_NAMES.get(type(document), type(document).__name__)
        raise WorkflowError(f"{file}: expected a mapping with the keys name, data, model, train. Received: {received}", file=str(file))
    made: dict[str, Any] = anchored((), document, file.resolve().parent)
    return made


def parse(text: str) -> Any:
    """The value of a YAML text, with plain types only."""
    return yaml.load(text, Loader=_Loader)  # noqa: S506 (a SafeLoader)


def override(document: Mapping[str, Any], keys: Sequence[str], value: Any) -> dict[str, Any]:
    """A copy of `document` with one value replaced; sections that are missing are made.

    Args:
        document: a document or a section of one.
        keys: the path to the value, for instance ("train", "epochs").
        value: what stands there afterwards; a relative path is taken from the working folder.
    Raises:
        WorkflowError: a key on the way is a value, not a section.
    """
    return _replace(document, keys, value, ".".join(keys))


def parse_overrides(overrides: Sequence[str] | Mapping[str, Any]) -> Iterator[tuple[list[str], Any]]:
    """The keys and values of `--set` texts (or of a mapping from dotted keys to values); relative paths as seen from the working folder.

    Raises:
        WorkflowError: a text is not KEY=VALUE, or the value is not YAML.
    """
    if isinstance(overrides, Mapping):
        yield from (_from_here(_split(key, key), value) for key, value in overrides.items())
        return
    for text in overrides:
        key, equals, value = text.partition("=")
        keys = _split(key if equals else "", text)
        try:
            yield _from_here(keys, parse(value))
        except yaml.YAMLError:
            raise WorkflowError(f"--set {key}: expected a YAML value. Received: {value!r}", key=key, received=value) from None


def _from_here(keys: list[str], value: Any) -> tuple[list[str], Any]:
    return keys, anchored(keys, value, Path.cwd())


def anchored(keys: Sequence[str], value: Any, folder: Path) -> Any:
    """The value of a key, a section or a value, with the paths in it as seen from `folder`."""
    for path_keys in PATH_KEYS:
        if path_keys[: len(keys)] == tuple(keys):
            value = _anchored_at(value, path_keys[len(keys) :], folder)
    return value


def absolute(path: str, folder: Path) -> str:
    """`path` seen from `folder`; URLs and absolute paths stay as they are."""
    return path if "://" in path else str((folder / os.path.expanduser(path)).resolve())


def local_paths(document: Mapping[str, Any]) -> dict[str, str]:
    """The paths in a workflow document that lie in no object store, by their dotted keys."""
    found = {".".join(keys): _value(document, keys) for keys in PATH_KEYS}
    return {key: path for key, path in found.items() if isinstance(path, str) and not path.startswith("s3://")}


def _value(document: Any, keys: Sequence[str]) -> Any:
    for key in keys:
        document = document.get(key) if isinstance(document, Mapping) else None
    return document


def _split(key: str, text: str) -> list[str]:
    keys = key.strip().split(".")
    if not all(keys):
        raise WorkflowError(f"--set must be KEY=VALUE, for instance train.epochs=3. Received: {text!r}", key=key, received=text)
    return keys


def _anchored_at(value: Any, keys: Sequence[str], folder: Path) -> Any:
    """`value` with the path that stands at `keys` within it, if any does, made absolute."""
    if not keys:
        return absolute(value, folder) if isinstance(value, str) else value
    if not isinstance(value, dict) or keys[0] not in value:
        return value
    return {**value, keys[0]: _anchored_at(value[keys[0]], keys[1:], folder)}


def _replace(section: Any, keys: Sequence[str], value: Any, dotted: str) -> dict[str, Any]:
    name, *rest = keys
    if not rest:
        return {**section, name: value}
    below = {} if section.get(name) is None else section[name]
    if not isinstance(below, Mapping):
        raise WorkflowError(f"--set {dotted}: expected {name!r} to be a section. Received: {below!r}, a value", key=dotted)
    return {**section, name: _replace(below, rest, value, dotted)}


def _yaml_problem(error: yaml.YAMLError) -> str:
    """The parser's words without its drawing of the line."""
    mark = getattr(error, "problem_mark", None)
    place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or " ".join(str(error).split())
    return f"{problem}{place}"
