"""A RayJob of KubeRay that runs a workflow on a cluster of its own, in pods that a restricted namespace takes.

Source: RayJobSpec of KubeRay's API ray.io/v1 (its name has at most 47 characters), Kubernetes' pod security standards.
"""

import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from distrnn.workflow import Workflow

FOLDER, WORKFLOW = "/etc/distrnn", "workflow.yaml"
CPUS, MEMORY, HEAD_CPUS, HEAD_MEMORY = 2, "8Gi", 1, "4Gi"
SHARED_MEMORY = {"head": "1Gi", "worker": "2Gi"}
SUBMITTER = {"requests": {"cpu": "100m", "memory": "512Mi"}, "limits": {"memory": "1Gi"}}
KEPT_S = 3600
LONGEST_NAME, HASH = 36, 6  # a RayCronJob puts the moment of the tick after its name
NOBODY = {"runAsNonRoot": True, "runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
NO_PRIVILEGES = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
SHM = {"name": "shm", "mountPath": "/dev/shm"}  # noqa: S108
GPU = "nvidia.com/gpu"


@dataclass(frozen=True)
class Place:
    """Where a run takes place.

    Attributes:
        image: of head and workers; has distrnn.
        registry: s3:// URL.
        storage: s3:// URL.
        secret: the Secret whose keys are the AWS variables.
        ray_version: of the image.
        kubectl_image: of the CronJob's pod, which makes RayJobs.
    """

    image: str
    registry: str
    storage: str
    secret: str
    ray_version: str
    kubectl_image: str


def ray_job(workflow: Workflow, place: Place) -> dict[str, Any]:
    """The spec of a RayJob that runs the workflow on a cluster of its own, which ends with it."""
    words = ["distrnn", "run", f"{FOLDER}/{WORKFLOW}", "--address", "auto", "--registry", place.registry]
    workers = {
        "groupName": "workers",
        "replicas": workflow.scaling.workers,
        "minReplicas": workflow.scaling.workers,
        "maxReplicas": workflow.scaling.workers,
        "rayStartParams": {},
        "template": _pod("worker", workflow, place, _worker_resources(workflow)),
    }
    head = {
        "rayStartParams": {"num-cpus": "0", "dashboard-host": "0.0.0.0"},  # noqa: S104 (the pod's network)
        "template": _pod("head", workflow, place, {"cpu": HEAD_CPUS, "memory": HEAD_MEMORY}),
    }
    cluster = {"rayVersion": place.ray_version, "authOptions": {"mode": "token"}, "headGroupSpec": head, "workerGroupSpecs": [workers]}
    return {
        "entrypoint": shlex.join(words),
        "shutdownAfterJobFinishes": True,
        "ttlSecondsAfterFinished": KEPT_S,
        "backoffLimit": 0,
        "submitterPodTemplate": _submitter(place),
        "rayClusterSpec": cluster,
    }


def volume(workflow: Workflow) -> dict[str, Any]:
    """The ConfigMap of a workflow, as a volume of a pod."""
    return {"name": "workflow", "configMap": {"name": name_of(workflow)}}


def mount() -> dict[str, Any]:
    """That volume in a container."""
    return {"name": "workflow", "mountPath": FOLDER, "readOnly": True}


def metadata(workflow: Workflow) -> dict[str, Any]:
    """Of every document of a workflow."""
    return {"name": name_of(workflow), "labels": {"app.kubernetes.io/name": "distrnn", "app.kubernetes.io/component": "retraining"}}


def name_of(workflow: Workflow) -> str:
    """A name that Kubernetes takes: ours may hold dots and underscores, and be longer; what is cut off is told apart by a hash."""
    name = f"distrnn-{workflow.name.replace('_', '-').replace('.', '-')}".rstrip("-")
    if len(name) <= LONGEST_NAME:
        return name
    return f"{name[: LONGEST_NAME - HASH - 1].rstrip('-')}-{hashlib.sha256(workflow.name.encode()).hexdigest()[:HASH]}"


def _pod(role: str, workflow: Workflow, place: Place, resources: Mapping[str, Any]) -> dict[str, Any]:
    """A pod of the Ray cluster; the label is what infra/kubernetes/podmonitor.yaml selects by."""
    container = {
        "name": f"ray-{role}",
        "image": place.image,
        "ports": [{"name": "metrics", "containerPort": 8080}],
        "env": [{"name": "DISTRNN_STORAGE", "value": place.storage}],
        "envFrom": [{"secretRef": {"name": place.secret}}],
        "resources": {"requests": dict(resources), "limits": dict(resources)},
        "securityContext": NO_PRIVILEGES,
        "volumeMounts": [mount(), SHM],
    }
    shared = {"name": SHM["name"], "emptyDir": {"medium": "Memory", "sizeLimit": SHARED_MEMORY[role]}}
    spec = {"securityContext": NOBODY, "containers": [container], "volumes": [volume(workflow), shared]}
    if GPU in resources:
        spec["tolerations"] = [{"key": GPU, "operator": "Exists", "effect": "NoSchedule"}]
    return {"metadata": {"labels": {"app": "distrnn-ray"}}, "spec": spec}


def _submitter(place: Place) -> dict[str, Any]:
    """The pod that hands the entrypoint to the cluster: KubeRay's own has no security context, which a restricted namespace refuses."""
    container = {"name": "submitter", "image": place.image, "resources": SUBMITTER, "securityContext": NO_PRIVILEGES}
    return {"spec": {"restartPolicy": "Never", "securityContext": NOBODY, "containers": [container]}}


def _worker_resources(workflow: Workflow) -> dict[str, Any]:
    scaling = workflow.scaling
    cpus = scaling.cpus_per_worker if isinstance(scaling.cpus_per_worker, int) else CPUS
    gpus = scaling.gpus_per_worker if isinstance(scaling.gpus_per_worker, int) else int(scaling.device == "gpu")
    return {"cpu": cpus, "memory": MEMORY, **({GPU: gpus} if gpus else {})}
