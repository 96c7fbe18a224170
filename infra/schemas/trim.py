"""Keep what the manifests of this project need of the Kubernetes schema, without its descriptions.

pip install kubernetes-validate==1.37.0
python infra/schemas/trim.py > infra/schemas/kubernetes.json
"""

import json
import re
import sys
from importlib import resources
from typing import Any

RELEASE = "v1.37.0"
KINDS = {
    "ConfigMap": "io.k8s.api.core.v1.ConfigMap",
    "CronJob": "io.k8s.api.batch.v1.CronJob",
    "Deployment": "io.k8s.api.apps.v1.Deployment",
    "Job": "io.k8s.api.batch.v1.Job",
    "Role": "io.k8s.api.rbac.v1.Role",
    "RoleBinding": "io.k8s.api.rbac.v1.RoleBinding",
    "Service": "io.k8s.api.core.v1.Service",
    "ServiceAccount": "io.k8s.api.core.v1.ServiceAccount",
}
PREFIX = re.compile(r"^.*#/(?:definitions|\$defs)/")


def trimmed(schema: Any, *, names: bool = False) -> Any:
    """The schema without descriptions; references point into this document. `names`: the keys are properties' names."""
    if isinstance(schema, list):
        return [trimmed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema and not names:
        return {"$ref": "#/$defs/" + PREFIX.sub("", schema["$ref"])}
    kept = {key: value for key, value in schema.items() if names or not (key == "description" or key.startswith("x-kubernetes"))}
    return {key: trimmed(value, names=not names and key == "properties") for key, value in kept.items()}


def needed(definitions: dict[str, Any], roots: list[str]) -> dict[str, Any]:
    """The definitions that the roots lead to."""
    found: dict[str, Any] = {}
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = trimmed(definitions[name])
            waiting += re.findall(r'"#/\$defs/([^"]+)"', json.dumps(found[name]))
    return dict(sorted(found.items()))


def main() -> None:
    """Write the document to stdout."""
    folder = resources.files("kubernetes_validate") / "kubernetes-json-schema" / f"{RELEASE}-local-strict"
    document = json.loads((folder / "_definitions.json").read_text(encoding="utf-8"))
    definitions = document.get("$defs") or document["definitions"]
    roots = [*KINDS.values(), "io.k8s.api.core.v1.PodTemplateSpec"]
    kinds = {kind: {"$ref": f"#/$defs/{name}"} for kind, name in KINDS.items()}
    lines = [f"{json.dumps(name)}: {json.dumps(one, sort_keys=True)}" for name, one in needed(definitions, roots).items()]
    sys.stdout.write(f'{{"kinds": {json.dumps(kinds)},\n"$defs": {{\n' + ",\n".join(lines) + "\n}}\n")


if __name__ == "__main__":
    main()
