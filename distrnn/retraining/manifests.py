"""A schedule that Kubernetes keeps instead of `distrnn schedule run`: a RayCronJob of KubeRay, or a CronJob that makes RayJobs.

Kubernetes knows the time and nothing of what has changed, so each tick trains; the registry keeps unchanged models once all the same.

Source: RayCronJobSpec and RayJobSpec of KubeRay's API ray.io/v1 (a RayCronJob has schedule, timeZone, suspend and jobTemplate, and no
concurrency policy; it needs the feature gate RayCronJob, timeZone KubeRay 1.7), CronJobSpec of Kubernetes' batch/v1.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import yaml

from distrnn.workflow import Workflow
from distrnn.workflow.schedule_sections import Schedule

Format = Literal["kuberay", "cronjob"]
FOLDER, WORKFLOW, RAYJOB = "/etc/distrnn", "workflow.yaml", "rayjob.yaml"
CPUS, MEMORY, HEAD_CPUS, HEAD_MEMORY = 2, "8Gi", 1, "4Gi"
KEPT_S = 3600
LONGEST = "24h"


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


def manifests(form: Format, workflow: Workflow, schedule: Schedule, document: Mapping[str, Any], place: Place) -> str:
    """The documents, as YAML.

    Args:
        form: kuberay or cronjob.
        workflow: what is run.
        schedule: when.
        document: the workflow as it is resolved, which is what the cluster reads.
        place: where.
    """
    text = yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True)
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _metadata(workflow), "data": {WORKFLOW: text}}
    job = ray_job(workflow, place)
    if form == "kuberay":
        what = "Needs KubeRay 1.7 with the feature gate RayCronJob. It has no concurrency policy: leave runs the time to end between ticks."
        documents = [config, ray_cron_job(workflow, schedule, job)]
    else:
        what = "Needs KubeRay. A tick that comes while a run is at work is skipped (concurrencyPolicy: Forbid)."
        config["data"] = {WORKFLOW: text, RAYJOB: _dump(_named_ray_job(workflow, job))}
        documents = [config, *_may_make_ray_jobs(workflow), cron_job(workflow, schedule, place)]
    why = "Every tick trains: only `distrnn schedule run` looks whether anything has changed."
    head = f"# Written by `distrnn schedule manifests`. {what}\n# {why}\n"
    return head + "---\n".join(_dump(document) for document in documents)


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
    return {
        "entrypoint": shlex.join(words),
        "shutdownAfterJobFinishes": True,
        "ttlSecondsAfterFinished": KEPT_S,
        "rayClusterSpec": {"rayVersion": place.ray_version, "headGroupSpec": head, "workerGroupSpecs": [workers]},
    }


def ray_cron_job(workflow: Workflow, schedule: Schedule, job: Mapping[str, Any]) -> dict[str, Any]:
    """KubeRay's own schedule."""
    spec = {"schedule": schedule.cron, "timeZone": _zone(schedule), "suspend": False, "jobTemplate": dict(job)}
    return {"apiVersion": "ray.io/v1", "kind": "RayCronJob", "metadata": _metadata(workflow), "spec": spec}


def cron_job(workflow: Workflow, schedule: Schedule, place: Place) -> dict[str, Any]:
    """Kubernetes' own schedule: its pod makes the RayJob anew and ends when that has ended, so that `Forbid` counts the whole run."""
    name = _name(workflow)

    def step(step_name: str, *words: str) -> dict[str, Any]:
        mount = {"name": "workflow", "mountPath": FOLDER, "readOnly": True}
        return {"name": step_name, "image": place.kubectl_image, "command": ["kubectl", *words], "volumeMounts": [mount]}

    pod = {
        "serviceAccountName": name,
        "restartPolicy": "Never",
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000},
        "initContainers": [
            step("remove-last", "delete", f"rayjob/{name}", "--ignore-not-found"),
            step("make", "create", "-f", f"{FOLDER}/{RAYJOB}"),
        ],
        "containers": [step("wait", "wait", f"rayjob/{name}", "--for=jsonpath={.status.endTime}", f"--timeout={LONGEST}")],
        "volumes": [_volume(workflow)],
    }
    job = {"spec": {"backoffLimit": 0, "template": {"spec": pod}}}
    spec = {"schedule": schedule.cron, "timeZone": _zone(schedule), "suspend": False, "concurrencyPolicy": "Forbid", "jobTemplate": job}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": _metadata(workflow), "spec": spec}


def _named_ray_job(workflow: Workflow, job: Mapping[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "ray.io/v1", "kind": "RayJob", "metadata": _metadata(workflow), "spec": dict(job)}


def _may_make_ray_jobs(workflow: Workflow) -> list[dict[str, Any]]:
    """An account for the CronJob's pod that may do this and nothing else."""
    name, group = _name(workflow), "rbac.authorization.k8s.io"
    rule = {"apiGroups": ["ray.io"], "resources": ["rayjobs"], "verbs": ["create", "delete", "get", "list", "watch"]}
    subject = {"kind": "ServiceAccount", "name": name}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _metadata(workflow)},
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": _metadata(workflow), "rules": [rule]},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": _metadata(workflow),
            "subjects": [subject],
            "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
        },
    ]


def _pod(role: str, workflow: Workflow, place: Place, resources: Mapping[str, Any]) -> dict[str, Any]:
    container = {
        "name": f"ray-{role}",
        "image": place.image,
        "env": [{"name": "DISTRNN_STORAGE", "value": place.storage}],
        "envFrom": [{"secretRef": {"name": place.secret}}],
        "resources": {"requests": dict(resources), "limits": dict(resources)},
        "volumeMounts": [{"name": "workflow", "mountPath": FOLDER, "readOnly": True}],
    }
    return {"spec": {"containers": [container], "volumes": [_volume(workflow)]}}


def _worker_resources(workflow: Workflow) -> dict[str, Any]:
    scaling = workflow.scaling
    cpus = scaling.cpus_per_worker if isinstance(scaling.cpus_per_worker, int) else CPUS
    gpus = scaling.gpus_per_worker if isinstance(scaling.gpus_per_worker, int) else int(scaling.device == "gpu")
    return {"cpu": cpus, "memory": MEMORY, **({"nvidia.com/gpu": gpus} if gpus else {})}


def _volume(workflow: Workflow) -> dict[str, Any]:
    return {"name": "workflow", "configMap": {"name": _name(workflow)}}


def _metadata(workflow: Workflow) -> dict[str, Any]:
    return {"name": _name(workflow), "labels": {"app.kubernetes.io/name": "distrnn", "app.kubernetes.io/component": "retraining"}}


def _name(workflow: Workflow) -> str:
    """A name that Kubernetes takes: ours may hold dots and underscores, and be longer than a CronJob's may be."""
    return f"distrnn-{workflow.name.replace('_', '-').replace('.', '-')}"[:52].rstrip("-")


def _zone(schedule: Schedule) -> str:
    """Kubernetes takes IANA names, but for UTC the one with a folder."""
    return "Etc/UTC" if schedule.timezone == "UTC" else schedule.timezone


def _dump(document: Mapping[str, Any]) -> str:
    text: str = yaml.dump(dict(document), Dumper=_Plain, sort_keys=False, allow_unicode=True, width=1000)
    return text


class _Plain(yaml.SafeDumper):
    """Texts of several lines as blocks, and no references: a mapping that is used twice is written twice."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write everything out."""
        return True


def _block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Plain.add_representer(str, _block)
