"""From a workflow file (and `--set` overrides) to a validated `Workflow`, or to one error that says what to change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from distrnn.errors import WorkflowError
from distrnn.workflow import rules
from distrnn.workflow.document import override, parse_overrides, read
from distrnn.workflow.problems import Problem, from_validation
from distrnn.workflow.sections import Workflow

NOT_OF_A_RUN = frozenset(field.alias or name for name, field in Workflow.model_fields.items() if field.exclude)
"""Sections that no record of a run and no cluster is told of: a webhook's URL may hold a token."""


@dataclass(frozen=True)
class LoadedWorkflow:
    """A workflow and where it came from; relative paths in it are already absolute."""

    workflow: Workflow
    file: str

    def to_json(self) -> dict[str, Any]:
        """The resolved workflow as plain values; a file that holds them means the same."""
        return self.workflow.resolved().model_dump(mode="json", by_alias=True)


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
    document = read(Path(path))
    overridden = []
    for keys, value in parse_overrides(overrides):
        document = override(document, keys, value)
        overridden.append(".".join(keys))
    return LoadedWorkflow(validate(document, str(path), overridden), str(path))


def overrides_as_mapping(overrides: Sequence[str] | Mapping[str, Any]) -> dict[str, Any]:
    """Overrides by dotted key, to be kept and given again from any working folder.

    Raises:
        WorkflowError: a text is not KEY=VALUE, or the value is not YAML.
    """
    return {".".join(keys): value for keys, value in parse_overrides(overrides)}


def storage_root(path: str | Path, overrides: Mapping[str, Any]) -> str | None:
    """The storage root that a file and its overrides name, whatever else may be wrong or missing in them.

    Raises:
        NotFoundError: there is no such file.
        WorkflowError: it is not YAML.
    """
    document = read(Path(path))
    for keys, value in parse_overrides(overrides):
        document = override(document, keys, value)
    storage = document.get("storage")
    root = storage.get("root") if isinstance(storage, Mapping) else None
    return root if isinstance(root, str) else None


def validate(document: Mapping[str, Any], file: str, overridden: Sequence[str] = ()) -> Workflow:
    """Check a workflow document.

    Args:
        document: plain values, as YAML gives them.
        file: where they come from, for the message.
        overridden: dotted keys that came from `--set`; a message about one of them says so.
    Raises:
        WorkflowError: with one line for each wrong key; its fields are those of the first.
    """
    document = _with_default_kinds(document)
    try:
        workflow = Workflow.model_validate(document)
    except ValidationError as error:
        raise _error(from_validation(error, document), file, overridden) from None
    if problems := rules.problems(workflow):
        raise _error(problems, file, overridden)
    return workflow


def json_schema() -> dict[str, Any]:
    """The JSON schema that editors complete from; committed as `workflows/schema.json`."""
    schema = Workflow.model_json_schema(by_alias=True)
    schema["properties"]["model"].pop("discriminator", None)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _with_default_kinds(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with the keys that tell one form of a section from another written out where they may be left out."""
    document = dict(document)
    for section, key, kind in (("model", "task", "classifier"), ("train.learning_rate_schedule", "type", "step")):
        outer, _, inner = section.rpartition(".")
        holder = document.get(outer) if outer else document
        if isinstance(holder, Mapping) and isinstance(value := holder.get(inner), Mapping) and key not in value:
            filled = {**holder, inner: {key: kind, **value}}
            document = {**document, outer: filled} if outer else filled
    return document


def _error(problems: Sequence[Problem], file: str, overridden: Sequence[str]) -> WorkflowError:
    lines = [f"{_origin(problem.key, file, overridden)}: {problem}" for problem in problems]
    first = problems[0]
    return WorkflowError(
        "\n".join(lines), file=file, key=first.key, expected=first.expected, received=first.received, nearest=first.nearest
    )


def _origin(key: str, file: str, overridden: Sequence[str]) -> str:
    """The file, and that the value did not come from there but from `--set`."""
    related = any(f"{other}.".startswith(f"{key}.") or f"{key}.".startswith(f"{other}.") for other in overridden)
    return f"{file} with --set" if related else file
