"""What a sweep will try: the grid, every combination as a validated workflow, the metric that ranks. Pure; neither Ray nor TensorFlow."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from distrnn.errors import UsageError, WorkflowError
from distrnn.workflow import LoadedWorkflow, validate
from distrnn.workflow.document import anchored, override, parse, parse_overrides, read
from distrnn.workflow.problems import show
from distrnn.workflow.sweep_words import label

Overrides = Sequence[str] | Mapping[str, Any]
Grid = dict[str, list[Any]]


@dataclass(frozen=True)
class Trial:
    """One combination.

    Attributes:
        values: of each key of the grid.
        label: the same in one line, without what all trials share.
        loaded: the workflow that they make.
    """

    values: dict[str, Any]
    label: str
    loaded: LoadedWorkflow


@dataclass(frozen=True)
class SweepPlan:
    """All that a sweep will do.

    Attributes:
        base: the workflow itself.
        grid: the values of each key, in the order of the table's columns.
        metric: `accuracy` or `loss`, of the validation split.
        trials: every combination, the last key changing fastest.
    """

    base: LoadedWorkflow
    grid: Grid
    metric: str
    trials: list[Trial]


def make_plan(
    workflow_path: str | Path, overrides: Overrides = (), grid: Sequence[str] | Mapping[str, list[Any]] = (), metric: str | None = None
) -> SweepPlan:
    """Read a workflow and validate every combination.

    Args:
        workflow_path: the YAML file; its `sweep` section says what to try.
        overrides: as of `load_workflow`.
        grid: `KEY=V1,V2` texts, or values by key, each in place of that key of the section.
        metric: in place of the section's.
    Raises:
        NotFoundError: there is no such file.
        UsageError: nothing is to be tried.
        WorkflowError: the workflow or a combination of values is wrong; the message names them.
    """
    document = read(Path(workflow_path))
    overridden = []
    for keys, value in parse_overrides(overrides):
        document = override(document, keys, value)
        overridden.append(".".join(keys))
    document = _with_sweep(
        document, Path(workflow_path).resolve().parent, dict(grid) if isinstance(grid, Mapping) else parse_grid(grid), metric
    )
    base = validate(document, f"{workflow_path} with --grid" if grid else str(workflow_path), overridden)
    if base.sweep is None:
        raise UsageError(
            "nothing to try: give --grid KEY=V1,V2, for instance --grid model.units=5,16,32, or a sweep section in the workflow."
        )
    if base.scaling.workers != 1:
        raise _error(str(workflow_path), "scaling.workers", "1 for a sweep, whose trials have one worker each", str(base.scaling.workers))
    plain = {key: value for key, value in document.items() if key != "sweep"}
    tried = base.sweep.grid
    combinations = [dict(zip(tried, values, strict=True)) for values in product(*tried.values())]
    trials = [Trial(values, label(values, tried), _combined(plain, values, str(workflow_path))) for values in combinations]
    _refuse_equal(trials, str(workflow_path))
    default = "accuracy" if base.model.task == "classifier" else "loss"
    return SweepPlan(LoadedWorkflow(base, str(workflow_path)), tried, base.sweep.metric or default, trials)


def parse_grid(texts: Sequence[str]) -> Grid:
    """`KEY=V1,V2` texts by key; each value is YAML.

    Raises:
        UsageError: a text is something else, or a key is given twice.
    """
    grid: Grid = {}
    for text in texts:
        key, equals, values = text.partition("=")
        key = key.strip()
        try:
            parsed = parse(f"[{values}]") if equals and key and values.strip() else None
        except yaml.YAMLError:
            parsed = None
        if not isinstance(parsed, list):
            raise UsageError(f"--grid must be KEY=V1,V2, for instance model.units=5,16,32; values are YAML. Received: {text!r}")
        if key in grid:
            raise UsageError(f"--grid {key} is given twice; give all of its values at once: --grid {key}=V1,V2")
        grid[key] = parsed
    return grid


def _with_sweep(document: dict[str, Any], folder: Path, grid: Grid, metric: str | None) -> dict[str, Any]:
    """The document with what the command line says in its `sweep` section; paths of the file are seen from its folder, others from here."""
    section = document.get("sweep") or {}
    tried = section.get("grid", {}) if isinstance(section, Mapping) else None
    if not isinstance(tried, Mapping):
        return document
    tried = {**_absolute(tried, folder), **_absolute(grid, Path.cwd())}
    if not tried:
        return document
    return {**document, "sweep": {**section, "grid": tried, **({"metric": metric} if metric else {})}}


def _absolute(grid: Mapping[str, Any], folder: Path) -> Grid:
    def at(key: str, value: Any) -> Any:
        return anchored(str(key).split("."), value, folder)

    return {key: [at(key, value) for value in values] if isinstance(values, list) else values for key, values in grid.items()}


def _combined(document: dict[str, Any], values: dict[str, Any], file: str) -> LoadedWorkflow:
    try:
        for keys, value in parse_overrides(values):
            document = override(document, keys, value)
        loaded = LoadedWorkflow(validate(document, file), file)
    except WorkflowError as error:
        problem = error.message.replace(f"{file}: ", "")
        raise WorkflowError(f"{file}: the sweep's {_dotted(values)}: {problem}", **{**error.fields, "file": file}) from None
    if loaded.workflow.validation_fraction == 0.0:
        expected = "a number above 0: a sweep ranks its trials by the validation split and leaves the test split alone"
        raise _error(file, "data.validation_fraction", expected, f"0, with {_dotted(values)}")
    return loaded


def _refuse_equal(trials: Sequence[Trial], file: str) -> None:
    seen: dict[str, Trial] = {}
    for trial in trials:
        earlier = seen.setdefault(json.dumps(trial.loaded.to_json(), sort_keys=True), trial)
        if earlier is not trial:
            raise WorkflowError(
                f"{file}: expected combinations that differ. Received: {_dotted(earlier.values)}, and {_dotted(trial.values)}, "
                "which mean the same workflow. Leave one of these values out.",
                file=file,
            )


def _dotted(values: Mapping[str, Any]) -> str:
    return " ".join(f"{key}={value if isinstance(value, str) else show(value)}" for key, value in values.items())


def _error(file: str, key: str, expected: str, received: str) -> WorkflowError:
    return WorkflowError(f"{file}: key {key!r}: expected {expected}. Received: {received}", file=file, key=key, expected=expected)
