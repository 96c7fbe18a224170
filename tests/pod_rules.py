"""What every pod of a document for Kubernetes must hold to, in infra/kubernetes as in what the command line writes."""

from collections.abc import Iterator
from typing import Any

import yaml

GPU = "nvidia.com/gpu"


def every(found: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Each value of a document with the path to it."""
    if isinstance(found, dict):
        for key, value in found.items():
            yield from every(value, (*path, key))
    elif isinstance(found, list):
        for number, value in enumerate(found):
            yield from every(value, (*path, number))
    else:
        yield path, found


def having(found: Any, key: str) -> Iterator[dict[str, Any]]:
    """Each mapping of a document that has a key; documents that a ConfigMap carries are looked into as well."""
    if isinstance(found, dict):
        if key in found:
            yield found
        for name, value in found.items():
            carried = str(name).endswith(".yaml") and isinstance(value, str)
            yield from having(yaml.safe_load(value) if carried else value, key)
    elif isinstance(found, list):
        for value in found:
            yield from having(value, key)


def pods(found: Any) -> Iterator[dict[str, Any]]:
    """The specs of pods in a document."""
    return having(found, "containers")


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    """All of a pod, those that run before the others too."""
    return [*pod.get("initContainers", ()), *pod["containers"]]


def violations(document: Any) -> list[str]:
    """Which pod, container or Ray cluster of a document breaks which rule."""
    found = [f"{box['name']}: {said}" for pod in pods(document) for box in containers(pod) for said in _container(pod, box)]
    found += [f"{pod['containers'][0]['name']}: {said}" for pod in pods(document) for said in _pod(pod)]
    found += [f"{box['name']}: no memory at /dev/shm" for pod in _ray_pods(document) for box in pod["containers"] if not _shm(pod, box)]
    found += [f"{box['name']}: no port named metrics" for pod in _ray_pods(document) for box in pod["containers"] if not _metrics(box)]
    found += [
        "the Ray cluster asks for no token" for one in having(document, "headGroupSpec") if one.get("authOptions") != {"mode": "token"}
    ]
    found += ["KubeRay's own submitter has no rules" for one in having(document, "entrypoint") if "submitterPodTemplate" not in one]
    options = [one["autoscalerOptions"] for one in having(document, "autoscalerOptions")]
    return found + [f"the autoscaler: {said}" for one in options for said in _unprivileged(one)]


def _ray_pods(document: Any) -> Iterator[dict[str, Any]]:
    for one in having(document, "rayStartParams"):
        yield one["template"]["spec"]


def _pod(pod: dict[str, Any]) -> Iterator[str]:
    context = pod.get("securityContext", {})
    if context.get("runAsNonRoot") is not True:
        yield "may be root"
    if context.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "no seccompProfile"


def _container(pod: dict[str, Any], container: dict[str, Any]) -> Iterator[str]:
    yield from _unprivileged(container)
    tolerated = [one["key"] for one in pod.get("tolerations", ())]
    if GPU in container.get("resources", {}).get("limits", {}) and GPU not in tolerated:
        yield "asks for GPUs and tolerates no node that has them"


def _unprivileged(container: dict[str, Any]) -> Iterator[str]:
    context, resources = container.get("securityContext", {}), container.get("resources", {})
    if context.get("allowPrivilegeEscalation") is not False:
        yield "may gain privileges"
    if context.get("capabilities") != {"drop": ["ALL"]}:
        yield "has capabilities"
    if not resources.get("limits", {}).get("memory"):
        yield "no limit of its memory"
    if not {"cpu", "memory"} <= set(resources.get("requests", {})):
        yield "asks for nothing"


def _shm(pod: dict[str, Any], container: dict[str, Any]) -> bool:
    mounted = [one["name"] for one in container.get("volumeMounts", ()) if one["mountPath"] == "/dev/shm"]
    return any(one["name"] in mounted and one.get("emptyDir", {}).get("medium") == "Memory" for one in pod.get("volumes", ()))


def _metrics(container: dict[str, Any]) -> bool:
    return any(port["name"] == "metrics" for port in container.get("ports", ()))
