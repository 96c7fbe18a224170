"""What differs between models: figures, workflows, sizes, time, and how many documents two of them answer differently.

Shapes: M models.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from distrnn.registry import Manifest

IntArray = npt.NDArray[np.integer[Any]]


def figures(measured: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Figures side by side.

    Args:
        measured: of M models.
    Returns:
        `metric`, `values` (M, None where it is missing) and `differences` (M - 1: each other one less the first) of each.
    """
    names = dict.fromkeys(name for of_one in measured for name in of_one)
    return [{"metric": name, **side_by_side([of_one.get(name) for of_one in measured])} for name in names]


def workflow_differences(workflows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The keys that resolved workflows set differently.

    Args:
        workflows: of M models.
    Returns:
        `key` (dotted; positions of a list are numbers) and `values` (M; None where a key is absent) of each, in the order of the workflows.
    """
    leaves = [dict(_leaves(workflow)) for workflow in workflows]
    rows = [(key, [of_one.get(key) for of_one in leaves]) for key in dict.fromkeys(key for of_one in leaves for key in of_one)]
    return [{"key": key, "values": values} for key, values in rows if any(value != values[0] for value in values[1:])]


def sizes(manifests: Sequence[Manifest | None]) -> dict[str, Any]:
    """Bytes of every form (files that all forms need included) and of everything, and the number of parameters where it is known.

    Args:
        manifests: of M models; None for one that is not published.
    """

    def of(manifest: Manifest | None, form: str) -> int | None:
        if manifest is None or (form != "all" and form not in manifest.forms):
            return None
        return sum(file.size_bytes for file in manifest.files_of(form))

    forms = [*sorted({form for manifest in manifests if manifest for form in manifest.forms}), "all"]
    parameters = [manifest.metadata.get("parameters") if manifest else None for manifest in manifests]
    return {
        "bytes": [{"form": form, **side_by_side([of(manifest, form) for manifest in manifests])} for form in forms],
        "parameters": side_by_side(parameters),
    }


def times(run: Mapping[str, Any]) -> dict[str, Any]:
    """How long a run took.

    Args:
        run: its record, empty where that is not known.
    Returns:
        `train_s`, `epochs`, `epoch_s` (the mean of all but the first, which compiles) and `total_s`; None for what is not known.
    """
    history, seconds = run.get("history"), mapping(run.get("seconds"))
    rows = history if isinstance(history, list) else []
    epochs = [float(row["seconds"]) for row in rows if is_number(mapping(row).get("seconds"))]
    stages = [float(value) for value in seconds.values() if is_number(value)]
    later = epochs[1:] or epochs
    return {
        "train_s": seconds["train"] if is_number(seconds.get("train")) else None,
        "epochs": len(rows) or None,
        "epoch_s": math.fsum(later) / len(later) if later else None,
        "total_s": math.fsum(stages) if stages else None,
    }


def churn(a: IntArray, b: IntArray, truth: IntArray) -> dict[str, Any]:
    """How many documents two models answer differently.

    Args:
        a: classes that the one predicts, int [N].
        b: classes that the other predicts, int [N].
        truth: int [N].
    Returns:
        `documents` (N), `changed` (b says something else than a), `share` (of N), `became_right` and `became_wrong` (from a to b).
    """
    changed, a_right, b_right = a != b, a == truth, b == truth
    count = int(np.count_nonzero(changed))
    return {
        "documents": len(truth),
        "changed": count,
        "share": count / len(truth),
        "became_right": int(np.count_nonzero(~a_right & b_right)),
        "became_wrong": int(np.count_nonzero(a_right & ~b_right)),
    }


def side_by_side(values: Sequence[Any]) -> dict[str, Any]:
    """`values` of M models, and the `differences` of the others to the first: None where one of the two is no number."""
    first = values[0]
    return {
        "values": list(values),
        "differences": [other - first if is_number(first) and is_number(other) else None for other in values[1:]],
    }


def mapping(value: Any) -> Mapping[str, Any]:
    """A value that should be a mapping; an empty one where it is none, because metadata of any shape is compared."""
    return value if isinstance(value, Mapping) else {}


def is_number(value: Any) -> bool:
    """Whether a value can be subtracted."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _leaves(section: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    items = section.items() if isinstance(section, Mapping) else enumerate(section)
    for key, value in items:
        name = f"{prefix}.{key}" if prefix else str(key)
        if isinstance(value, Mapping | list) and value:
            yield from _leaves(value, name)
        else:
            yield name, value
