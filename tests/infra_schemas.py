"""The schemas in infra/schemas, and what they have against a manifest for Kubernetes."""

import functools
import json
from pathlib import Path
from typing import Any

import jsonschema
from referencing import Registry
from referencing.jsonschema import DRAFT202012

FOLDER = Path(__file__).resolve().parents[1] / "infra/schemas"
BY_GROUP = {"ray.io/v1": "kuberay", "monitoring.coreos.com/v1": "prometheus-operator"}


@functools.cache
def schema_of(name: str) -> dict[str, Any]:
    """A schema by the name of its file."""
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


def complaints(manifest: dict[str, Any]) -> list[str]:
    """What the schema of its kind has against a manifest: a path and a message each."""
    names = ("kubernetes", *BY_GROUP.values())
    registry: Registry[Any] = Registry().with_resources([(f"{name}.json", DRAFT202012.create_resource(schema_of(name))) for name in names])
    schema = {"$ref": f"{BY_GROUP.get(manifest['apiVersion'], 'kubernetes')}.json#/kinds/{manifest['kind']}"}
    errors = jsonschema.Draft202012Validator(schema, registry=registry).iter_errors(manifest)
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in errors]
