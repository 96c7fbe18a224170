"""What differs between two versions of models: figures, workflows, sizes, and what they say about the same documents."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from distrnn.registry import Manifest, ModelVersion

IntArray = npt.NDArray[np.integer[Any]]


def compare_versions(a: ModelVersion, b: ModelVersion) -> dict[str, Any]:
    """Everything that the manifests of two versions tell.

    Returns:
        `a` and `b` (which versions), `metrics`, `workflow`, `size`: plain values.
    """
    return {
        "a": _version(a),
        "b": _version(b),
        "metrics": figures(_mapping(a.metadata.get("metrics")), _mapping(b.metadata.get("metrics"))),
        "workflow": workflow_differences(_workflow(a), _workflow(b)),
        "size": sizes(a.manifest, b.manifest),
    }


def figures(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Figures side by side.

    Returns:
        `metric`, `a`, `b` and `difference` (b less a; None where one of them is missing) of each.
    """
    return [{"metric": metric, **_side_by_side(a.get(metric), b.get(metric))} for metric in dict.fromkeys([*a, *b])]


def workflow_differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The keys that two resolved workflows set differently.

    Returns:
        `key` (dotted; positions of a list are numbers), `a` and `b` of each, in the order of the workflows; None where a key is absent.
    """
    one, other = dict(_leaves(a)), dict(_leaves(b))
    keys = dict.fromkeys([*one, *other])
    return [{"key": key, "a": one.get(key), "b": other.get(key)} for key in keys if one.get(key) != other.get(key)]


def sizes(a: Manifest, b: Manifest) -> dict[str, Any]:
    """Bytes of every form (files that all forms need included) and of everything, and the number of parameters where it is known."""

    def of(manifest: Manifest, form: str) -> int | None:
        known = form == "all" or form in manifest.forms
        return sum(file.size_bytes for file in manifest.files_of(form)) if known else None

    forms = [*sorted({*a.forms, *b.forms}), "all"]
    parameters = (manifest.metadata.get("parameters") for manifest in (a, b))
    return {
        "bytes": [{"form": form, **_side_by_side(of(a, form), of(b, form))} for form in forms],
        "parameters": _side_by_side(*parameters),
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


def evaluation_set_of(version: ModelVersion) -> str | None:
    """The digest of the set that a version was evaluated on."""
    found = _mapping(version.metadata.get("lineage")).get("evaluation_set")
    return found if isinstance(found, str) else None


def _version(version: ModelVersion) -> dict[str, Any]:
    return {
        "name": version.name,
        "number": version.number,
        "digest": version.digest,
        "created_at": version.manifest.created_at,
        "task": version.metadata.get("task"),
    }


def _workflow(version: ModelVersion) -> Mapping[str, Any]:
    return _mapping(_mapping(version.metadata.get("lineage")).get("workflow"))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _side_by_side(a: Any, b: Any) -> dict[str, Any]:
    return {"a": a, "b": b, "difference": b - a if _is_number(a) and _is_number(b) else None}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _leaves(section: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    items = section.items() if isinstance(section, Mapping) else enumerate(section)
    for key, value in items:
        name = f"{prefix}.{key}" if prefix else str(key)
        if isinstance(value, Mapping | list) and value:
            yield from _leaves(value, name)
        else:
            yield name, value
