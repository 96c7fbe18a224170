"""A schedule that Kubernetes keeps instead of `distrnn schedule run`: a RayCronJob of KubeRay, or a CronJob that makes RayJobs.

Kubernetes knows the time and nothing of what has changed, so each tick trains; the registry keeps unchanged models once all the same.

A CronJob's pod has kubectl and no shell (the image of registry.k8s.io holds nothing else), so a tick is a list of kubectl's verbs. A RayJob
is removed by a label alone, which it is given once its status has an end: a run that is at work is removed by nobody, not even where the
pod that waited for it was lost; the next tick's `apply` then finds it there, and that tick waits for it.

Source: RayCronJobSpec and RayJobSpec of KubeRay's API ray.io/v1 (a RayCronJob has schedule, timeZone, suspend and jobTemplate, and no
concurrency policy; it needs the feature gate RayCronJob, timeZone KubeRay 1.7; `status.endTime` is written together with the last
`jobStatus`), CronJobSpec of Kubernetes' batch/v1.
"""

from collections.abc import Mapping
from typing import Any, Literal

import yaml

from distrnn.retraining.ray_jobs import FOLDER, NO_PRIVILEGES, NOBODY, WORKFLOW, Place, metadata, mount, name_of, ray_job, volume
from distrnn.workflow import Workflow
from distrnn.workflow.schedule_sections import Schedule

Format = Literal["kuberay", "cronjob"]
RAYJOB = "rayjob.yaml"
SMALL = {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}}
LONGEST, AT_ONCE = "168h", "30s"
ENDED = "distrnn.ended"
CRON_JOB = (
    "Needs KubeRay. A tick that comes while a run is at work is skipped (concurrencyPolicy: Forbid).",
    "The Job ends as its RayJob does: it fails where the run failed, and where the gate refused (exit code 4; the version is published).",
    f"A run that takes longer than {LONGEST}, or whose waiting pod was lost, fails the Job and goes on; nobody removes it before its end:",
    "the next tick waits for that run in place of one of its own.",
)
__all__ = ["Format", "Place", "manifests"]


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
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(workflow), "data": {WORKFLOW: text}}
    job = ray_job(workflow, place)
    if form == "kuberay":
        what = "Needs KubeRay 1.7 with the feature gate RayCronJob. It has no concurrency policy: leave runs the time to end between ticks."
        documents = [config, ray_cron_job(workflow, schedule, job)]
    else:
        what = "\n# ".join(CRON_JOB)
        config["data"] = {WORKFLOW: text, RAYJOB: _dump(_named_ray_job(workflow, job))}
        documents = [config, *_may_make_ray_jobs(workflow), cron_job(workflow, schedule, place)]
    why = "Every tick trains: only `distrnn schedule run` looks whether anything has changed."
    head = f"# Written by `distrnn schedule manifests`. {what}\n# {why}\n"
    return head + "---\n".join(_dump(document) for document in documents)


def ray_cron_job(workflow: Workflow, schedule: Schedule, job: Mapping[str, Any]) -> dict[str, Any]:
    """KubeRay's own schedule."""
    spec = {"schedule": schedule.cron, "timeZone": _zone(schedule), "suspend": False, "jobTemplate": dict(job)}
    return {"apiVersion": "ray.io/v1", "kind": "RayCronJob", "metadata": metadata(workflow), "spec": spec}


def cron_job(workflow: Workflow, schedule: Schedule, place: Place) -> dict[str, Any]:
    """Kubernetes' own schedule: its pod makes the RayJob anew and ends as that has ended, so that `Forbid` counts the whole run."""
    steps = [_step(name, words, place) for name, words in tick(name_of(workflow)).items()]
    pod = {
        "serviceAccountName": name_of(workflow),
        "restartPolicy": "Never",
        "securityContext": NOBODY,
        "initContainers": steps[:-1],
        "containers": steps[-1:],
        "volumes": [volume(workflow), {"name": "tmp", "emptyDir": {}}],
    }
    job = {"spec": {"backoffLimit": 0, "template": {"spec": pod}}}
    spec = {"schedule": schedule.cron, "timeZone": _zone(schedule), "suspend": False, "concurrencyPolicy": "Forbid", "jobTemplate": job}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata(workflow), "spec": spec}


def tick(name: str) -> dict[str, list[str]]:
    """What a tick of a CronJob does, in this order, by the names of its steps; the first that fails ends it.

    Args:
        name: of the RayJob.
    """
    job = f"rayjob/{name}"
    return {
        "remove-last": ["delete", "rayjob", f"--selector={ENDED}={name}"],
        "make": ["apply", "-f", f"{FOLDER}/{RAYJOB}"],
        "wait": ["wait", job, "--for=jsonpath={.status.endTime}", f"--timeout={LONGEST}"],
        "note-end": ["label", job, f"{ENDED}={name}", "--overwrite"],
        "judge": ["wait", job, "--for=jsonpath={.status.jobStatus}=SUCCEEDED", f"--timeout={AT_ONCE}"],
    }


def _step(name: str, words: list[str], place: Place) -> dict[str, Any]:
    return {
        "name": name,
        "image": place.kubectl_image,
        "command": ["kubectl", *words],
        "env": [{"name": "HOME", "value": "/tmp"}],  # noqa: S108 (of the pod; kubectl keeps what the server can do there)
        "resources": SMALL,
        "securityContext": {**NO_PRIVILEGES, "readOnlyRootFilesystem": True},
        "volumeMounts": [mount(), {"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108
    }


def _named_ray_job(workflow: Workflow, job: Mapping[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "ray.io/v1", "kind": "RayJob", "metadata": metadata(workflow), "spec": dict(job)}


def _may_make_ray_jobs(workflow: Workflow) -> list[dict[str, Any]]:
    """An account for the CronJob's pod that may do this and nothing else."""
    name, group = name_of(workflow), "rbac.authorization.k8s.io"
    rule = {"apiGroups": ["ray.io"], "resources": ["rayjobs"], "verbs": ["create", "delete", "get", "list", "patch", "watch"]}
    subject = {"kind": "ServiceAccount", "name": name}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata(workflow)},
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": metadata(workflow), "rules": [rule]},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": metadata(workflow),
            "subjects": [subject],
            "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
        },
    ]


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
