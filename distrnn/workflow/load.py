"""From a workflow file (and `--set` overrides) to a validated `Workflow`, or to one error that says what to change."""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from distrnn.errors import NotFoundError, WorkflowError
from distrnn.workflow import rules
from distrnn.workflow.sections import ClassifierModel, LanguageModel, Workflow

PATH_KEYS = (("data", "path"), ("data", "test_path"), ("storage", "root"))


@dataclass(frozen=True)
class LoadedWorkflow:
    """A workflow and where it came from; relative paths in it are already absolute."""

    workflow: Workflow
    file: str

    def to_json(self) -> dict[str, Any]:
        """The resolved workflow as plain values."""
        return self.workflow.model_dump(mode="json", by_alias=True)


def load_workflow(path: str | Path, overrides: Sequence[str] | Mapping[str, Any] = ()) -> LoadedWorkflow:
    """Read, override and validate a workflow file.

    Args:
        path: the YAML file; its relative paths are relative to its folder.
        overrides: `key=value` texts (values are YAML) or a mapping from dotted key to value; their relative paths are relative
            to the working folder.
    Raises:
        NotFoundError: there is no such file.
        WorkflowError: it is not YAML, or a key is wrong; the message names file, key, expected, received and the nearest key.
    """
    file = Path(path)
    document = _read(file)
    _anchor(document, file.resolve().parent)
    for key, value in _parse_overrides(overrides):
        _set(document, key, value)
    return LoadedWorkflow(validate(document, str(path)), str(path))


def validate(document: Mapping[str, Any], file: str) -> Workflow:
    """Check a workflow document.

    Raises:
        WorkflowError: with one line for each wrong key.
    """
    document = _with_default_task(document)
    try:
        workflow = Workflow.model_validate(document)
    except ValidationError as error:
        raise _workflow_error(error, document, file) from None
    if problem := rules.first_problem(workflow):
        raise _error(file, [problem])
    return workflow


def json_schema() -> dict[str, Any]:
    """The JSON schema that editors complete from; committed as `workflows/schema.json`."""
    schema = Workflow.model_json_schema(by_alias=True)
    for section in ("ClassifierModel", "LanguageModel"):
        schema["$defs"][section].setdefault("required", [])
    schema["properties"]["model"].pop("discriminator", None)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _read(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError):
        raise NotFoundError(f"no workflow file at {str(file)!r}. Write one with: distrnn init NAME") from None
    except (OSError, UnicodeDecodeError) as error:
        raise WorkflowError(f"{file}: expected a readable UTF-8 file. Received: {error}", file=str(file)) from None
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise WorkflowError(f"{file}: expected YAML. Received: {' '.join(str(error).split())}", file=str(file)) from None
    if not isinstance(document, dict):
        raise WorkflowError(f"{file}: expected a mapping of keys. Received: {type(document).__name__}", file=str(file))
    return document


def _anchor(document: dict[str, Any], folder: Path) -> None:
    for section, key in PATH_KEYS:
        values = document.get(section)
        if isinstance(values, dict) and isinstance(values.get(key), str):
            values[key] = absolute(values[key], folder)


def absolute(path: str, folder: Path) -> str:
    """`path` seen from `folder`; URLs and absolute paths stay as they are."""
    return path if "://" in path else str((folder / Path(path).expanduser()).resolve())


def _parse_overrides(overrides: Sequence[str] | Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    if isinstance(overrides, Mapping):
        yield from ((key, _anchored(key, value)) for key, value in overrides.items())
        return
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key:
            raise WorkflowError(f"--set must be KEY=VALUE, for instance train.epochs=3. Received: {override!r}", key=key)
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            raise WorkflowError(f"--set {key}: expected a YAML value. Received: {text!r}", key=key, received=text) from None
        yield key, _anchored(key, value)


def _anchored(key: str, value: Any) -> Any:
    is_path = tuple(key.split(".")) in PATH_KEYS and isinstance(value, str)
    return absolute(value, Path.cwd()) if is_path else value


def _set(document: dict[str, Any], key: str, value: Any) -> None:
    *sections, last = key.split(".")
    for section in sections:
        if document.get(section) is None:
            document[section] = {}
        document = document[section]
        if not isinstance(document, dict):
            raise WorkflowError(f"--set {key}: {section!r} is a value, not a section", key=key)
    document[last] = value


def _with_default_task(document: Mapping[str, Any]) -> dict[str, Any]:
    model = document.get("model")
    if isinstance(model, Mapping) and "task" not in model:
        return {**document, "model": {"task": "classifier", **model}}
    return dict(document)


def _workflow_error(error: ValidationError, document: Mapping[str, Any], file: str) -> WorkflowError:
    return _error(file, [_problem(item, document) for item in error.errors(include_url=False)])


def _error(file: str, problems: Sequence[rules.Problem]) -> WorkflowError:
    lines = [f"{file}: {problem}" for problem in problems]
    first = problems[0]
    return WorkflowError(
        "\n".join(lines), file=file, key=first.key, expected=first.expected, received=first.received, nearest=first.nearest
    )


def _problem(item: Any, document: Mapping[str, Any]) -> rules.Problem:
    parts = [part for part in item["loc"] if part not in ("classifier", "language-model", "int", "float") and not _is_type_tag(part)]
    key = ".".join(str(part) for part in parts)
    if item["type"] == "extra_forbidden":
        known = valid_keys(parts[:-1], document)
        nearest = difflib.get_close_matches(str(parts[-1]), known, n=1, cutoff=0.5)
        prefix = ".".join(str(part) for part in parts[:-1])
        return rules.Problem(
            key, f"one of {', '.join(known)}", str(parts[-1]), nearest=".".join(filter(None, [prefix, *nearest])) if nearest else None, unknown=True
        )
    if item["type"] == "missing":
        return rules.Problem(key, "a value, the key is required", "nothing")
    expected = item["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return rules.Problem(key, expected, json.dumps(item["input"], default=str, ensure_ascii=False))


def _is_type_tag(part: object) -> bool:
    return isinstance(part, str) and (part.startswith(("literal[", "constrained-", "function-")) or "Literal" in part)


def valid_keys(section: Sequence[Any], document: Mapping[str, Any]) -> list[str]:
    """The keys that may stand in a section, given which model the document asks for."""
    kind: type[BaseModel] = Workflow
    for part in section:
        if part == "model":
            is_language = document["model"].get("task") == "language-model"
            kind = LanguageModel if is_language else ClassifierModel
            continue
        for name, field in kind.model_fields.items():
            if (field.alias or name) == part:
                kind = next(candidate for candidate in _models_in(field.annotation))
    return [field.alias or name for name, field in kind.model_fields.items()]


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _models_in(argument)
