"""As much of Kubernetes' API as kubectl needs to make, label, wait for and remove RayJobs; whoever tests says how the runs go on."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

GROUP, KIND = "ray.io", "RayJob"
JOBS = f"/apis/{GROUP}/v1/namespaces/default/rayjobs"
VERBS = ["create", "delete", "get", "list", "patch", "watch"]
_NAMED = {"name": "rayjobs", "singularName": "rayjob", "namespaced": True, "kind": KIND, "verbs": VERBS}
_CHECKED = {
    "parameters": [{"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}],
    "x-kubernetes-group-version-kind": {"group": GROUP, "version": "v1", "kind": KIND},
    "responses": {},
}
_ABOUT = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": []},
    "/apis": {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [{"name": GROUP, "versions": [{"groupVersion": f"{GROUP}/v1", "version": "v1"}]}],
    },
    f"/apis/{GROUP}/v1": {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": f"{GROUP}/v1", "resources": [_NAMED]},
    "/openapi/v3": {"paths": {f"apis/{GROUP}/v1": {"serverRelativeURL": f"/openapi/v3/apis/{GROUP}/v1"}}},
    f"/openapi/v3/apis/{GROUP}/v1": {
        "openapi": "3.0.0",
        "info": {"title": "x", "version": "1"},
        "paths": {f"{JOBS}/{{name}}": {"patch": _CHECKED}},
    },
}


class Cluster:
    """What the API answers from.

    Attributes:
        url: where.
        jobs: the RayJobs by their names.
        removed: what was removed, as it was then.
        ends: the status that a RayJob has as soon as it is made; empty: it works until `end`.
    """

    def __init__(self, url: str) -> None:
        self.url, self.ends = url, dict[str, str]()
        self.jobs: dict[str, dict[str, Any]] = {}
        self.removed: list[dict[str, Any]] = []
        self.made = 0

    def end(self, job_status: str) -> None:
        """Let every run that is at work end, as KubeRay writes it."""
        for job in self.jobs.values():
            job["status"] = ended(job_status)

    def make(self, job: dict[str, Any]) -> dict[str, Any]:
        """Take a RayJob."""
        self.made += 1
        job["metadata"] |= {"uid": str(self.made), "resourceVersion": str(self.made), "namespace": "default"}
        self.jobs[job["metadata"]["name"]] = {**job, "status": dict(self.ends)}
        return job

    def remove(self, name: str) -> dict[str, Any]:
        """Remove a RayJob."""
        self.removed.append(self.jobs.pop(name))
        return self.removed[-1]

    def chosen(self, query: dict[str, list[str]]) -> list[dict[str, Any]]:
        """The RayJobs that a request is about."""
        named = [text.partition("=")[2] for text in query.get("fieldSelector", ())]
        labels = [text.partition("=")[::2] for text in query.get("labelSelector", ())]
        found = [job for name, job in self.jobs.items() if not named or name in named]
        return [job for job in found if all(job["metadata"].get("labels", {}).get(key) == value for key, value in labels)]


def ended(job_status: str) -> dict[str, str]:
    """The status of a RayJob that has ended."""
    deployment = "Complete" if job_status == "SUCCEEDED" else "Failed"
    return {"jobStatus": job_status, "jobDeploymentStatus": deployment, "endTime": "2026-11-27T03:00:00Z"}


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A cluster without a RayJob."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            at = urlsplit(self.path)
            query = parse_qs(at.query)
            if at.path in _ABOUT:
                self.answer(_ABOUT[at.path])
            elif at.path == JOBS and "watch" in query:
                self.watch(query)
            elif at.path == JOBS:
                items = made.chosen(query)
                self.answer({"apiVersion": f"{GROUP}/v1", "kind": f"{KIND}List", "metadata": {"resourceVersion": "1"}, "items": items})
            else:
                self.answer(made.jobs.get(at.path.removeprefix(f"{JOBS}/")))

        def do_POST(self) -> None:
            self.answer(made.make(self.body()), 201)

        def do_PATCH(self) -> None:
            job = made.jobs[urlsplit(self.path).path.removeprefix(f"{JOBS}/")]
            merge(job, self.body())
            self.answer(job)

        def do_DELETE(self) -> None:
            self.answer(made.remove(urlsplit(self.path).path.removeprefix(f"{JOBS}/")))

        def watch(self, query: dict[str, list[str]]) -> None:
            self.answer({"type": "MODIFIED", "object": made.chosen(query)[0]})

        def body(self) -> Any:
            return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

        def answer(self, document: Any, status: int = 200) -> None:
            if document is None:
                status, document = 404, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made = Cluster(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()


def merge(document: dict[str, Any], patch: dict[str, Any]) -> None:
    """Apply a merge patch (RFC 7386)."""
    for key, value in patch.items():
        if isinstance(value, dict):
            merge(document.setdefault(key, {}), value)
        elif value is None:
            document.pop(key, None)
        else:
            document[key] = value
