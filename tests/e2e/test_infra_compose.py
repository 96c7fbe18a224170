"""The compose file's commands as processes of one machine: store, bucket, Ray, registry service, scheduler, and Prometheus beside them."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures_operating import Prometheus, fetched
from fixtures_processes import environment as environment_of
from fixtures_processes import processes
from fixtures_ray import asks
from fixtures_s3 import free_ports

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

GIVEN = {
    "AWS_ACCESS_KEY_ID": "compose",
    "AWS_SECRET_ACCESS_KEY": "composed-for-a-test",
    "RAY_AUTH_TOKEN": "a-token-of-a-test",
    "GRAFANA_PASSWORD": "unused",
    "REVIEWS": "s3://distrnn/data/imdb",
}
WORKER_METRICS = "8090 of ray-worker"
PORTS = ("7480", "8080", "9108", "17301", "8265", "6379", "8090", WORKER_METRICS)
RAY_OWN = {"head": ("--ray-client-server-port", "--dashboard-agent-listen-port"), "worker": ("--dashboard-agent-listen-port",)}
CEPH = ("ceph", "ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "monmaptool")
PATIENCE_S = 240.0
_VARIABLE = re.compile(r"\$\{(\w+)(?::([?-])([^}]*))?\}")


def filled(text: str) -> str:
    """A text with its variables replaced, as Compose does it."""

    def value(match: re.Match[str]) -> str:
        if match[2] == "-":
            return GIVEN.get(match[1]) or match[3]
        return GIVEN[match[1]]

    return _VARIABLE.sub(value, text)


@dataclass
class Stack:
    """The services that run, on ports of their own."""

    repo_root: Path
    folder: Path
    temporary: Path
    ports: dict[str, str]
    running: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def local(self, text: str, name: str = "") -> str:
        """The same on this machine: names of containers, the image's workflows, ports; a second service's port of one number is another."""
        text = filled(str(text)).replace("/opt/distrnn/workflows", str(self.repo_root / "workflows"))
        text = text.replace("0.0.0.0", "127.0.0.1")  # noqa: S104
        text = re.sub(r"(//|--address=)(store|registry|ray-head)\b", r"\g<1>127.0.0.1", text)
        return re.sub(r"\b(\d{4,5})\b", lambda match: self.port(match[1], name), text)

    def port(self, number: str, name: str = "") -> str:
        """Which port of this machine stands for one of the compose file."""
        return self.ports.get(f"{number} of {name}", self.ports.get(number, number))

    def service(self, name: str) -> dict[str, Any]:
        """What the compose file says of a service."""
        found: dict[str, Any] = yaml.safe_load((self.repo_root / "infra/compose.yaml").read_text())["services"][name]
        return found

    def environment(self, name: str) -> dict[str, str]:
        """A service's environment, with a home of its own."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "DISTRNN_", "RAY_"))}
        said = {key: self.local(value) for key, value in self.service(name)["environment"].items()}
        return {**kept, **said, "DISTRNN_HOME": str(self.folder / name), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def start(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        """Start a process; its output is in a file of its name."""
        with (self.folder / f"{name}.txt").open("ab") as log:
            self.running[name] = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)

    def stop(self, name: str) -> int:
        """SIGTERM, as `docker stop` sends it; what a container would have held and takes down with it is then killed."""
        process = self.running.pop(name)
        process.terminate()
        code = process.wait(60)
        mark = f"DISTRNN_HOME={self.folder / name}\0".encode()
        for pid in [pid for pid in processes() if mark in environment_of(pid)]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return code

    def stop_all(self) -> None:
        """What still runs at the end, the newest first."""
        for name in reversed(list(self.running)):
            self.stop(name)

    def said(self, name: str) -> str:
        """What a process has printed."""
        return (self.folder / f"{name}.txt").read_text(errors="replace")

    def wait(self, name: str, ready: Callable[[], Any]) -> Any:
        """Wait until something is so, for as long as the process lives."""
        until = time.monotonic() + PATIENCE_S
        while not (found := ready()):
            assert self.running[name].poll() is None, self.said(name)[-3000:]
            assert time.monotonic() < until, self.said(name)[-3000:]
            time.sleep(0.3)
        return found

    def get(self, port: str, path: str) -> str:
        """The answer of a service at a port of the compose file; '' where there is none."""
        return fetched(f"http://127.0.0.1:{self.ports[port]}{path}")

    def start_store(self) -> None:
        """The store's container has one command, of its Dockerfile."""
        (self.folder / "store.txt").write_text("")
        own = {"STORE_FOLDER": str(self.folder / "store"), "STORE_ADDRESS": "127.0.0.1", "STORE_BYTES": str(4 << 30)}
        own |= {"STORE_PORT": self.ports["7480"], "STORE_MONITOR_PORT": self.ports["17301"]}
        self.start("store", ["bash", str(self.repo_root / "infra/store/start.sh")], {**self.environment("store"), **own})
        self.wait("store", lambda: "the store answers at" in self.said("store"))

    def start_ray(self, role: str) -> None:
        """A node's command, and the ports and the folder that it would have to itself in its container."""
        name = f"ray-{role}"
        command = [self.local(word, name) for word in self.service(name)["command"]]
        own = dict(zip(RAY_OWN[role], map(str, free_ports(len(RAY_OWN[role]))), strict=True))
        own |= {"--port": self.ports["6379"]} if role == "head" else {}
        own |= {"--node-ip-address": "127.0.0.1", "--temp-dir": str(self.temporary / role)}
        program = str(Path(sys.executable).with_name("ray"))
        alone = asks(f"http://127.0.0.1:{self.ports['8265']}") | {"RAY_USAGE_STATS_ENABLED": "0", "RAY_raylet_start_wait_time_s": "150"}
        self.start(name, [program, *command[1:], *(f"{key}={value}" for key, value in own.items())], {**self.environment(name), **alone})
        self.wait(name, lambda: "Ray runtime started" in self.said(name))

    def run(self, *words: str, where: str = "registry", **changes: str) -> Any:
        """`distrnn … --json` in the environment of a service, perhaps with something in it changed."""
        done = subprocess.run(
            [sys.executable, "-m", "distrnn", *words, "--json"],
            env={**self.environment(where), **changes},
            capture_output=True,
            text=True,
            check=False,
        )
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def stack(repo_root: Path, tmp_path_factory: pytest.TempPathFactory, require_server: Callable[..., None]) -> Iterator[Stack]:
    """Store, bucket, Ray, registry service and scheduler, started in the order in which the compose file lets them wait."""
    require_server(not [program for program in CEPH if shutil.which(program) is None], "Ceph RGW")
    folder = tmp_path_factory.mktemp("compose")
    ports = free_ports(len(PORTS))
    with ExitStack() as cleanup:
        temporary = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True)))
        made = Stack(repo_root, folder, temporary, dict(zip(PORTS, map(str, ports), strict=True)))
        cleanup.callback(made.stop_all)
        made.start_store()
        for _ in range(2):  # the second time it is there
            command = [made.local(word) for word in made.service("bucket")["command"]]
            done = subprocess.run(
                [sys.executable, *command[1:]], env=made.environment("bucket"), capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
        for role in ("head", "worker"):
            made.start_ray(role)
        for name in ("registry", "scheduler"):
            command = [made.local(word) for word in made.service(name)["command"]]
            made.start(name, [sys.executable, "-m", *command], made.environment(name))
        made.wait("registry", lambda: made.get("8080", "/readyz"))
        made.wait("scheduler", lambda: "Scheduling" in made.said("scheduler"))
        yield made


@pytest.mark.parametrize("name", ["registry", "scheduler", "ray-head"])
def test_health_checks_succeed(stack: Stack, name: str) -> None:
    test = [stack.local(word) for word in stack.service(name)["healthcheck"]["test"][1:]]
    stack.wait(name, lambda: not subprocess.run([sys.executable, *test[1:]], env=stack.environment(name), capture_output=True).returncode)


def test_store_lets_one_of_several_writers_win(stack: Stack) -> None:
    place = stack.run("doctor", "--registry", "s3://distrnn/models", "--storage", "s3://distrnn/storage")["places"]["registry"]
    assert (place["usable"], place["create_if_absent"], place["compare_and_swap"]) == (True, True, True)


def test_scheduler_schedules_what_the_file_says_and_tells_the_registry(stack: Stack) -> None:
    assert "Scheduling imdb-lstm-weekly in s3://distrnn/models" in stack.said("scheduler")
    (found,) = stack.wait("scheduler", lambda: stack.run("schedule", "list"))
    assert (found["workflow"], found["cron"], found["timezone"]) == ("imdb-lstm-weekly", "0 3 * * 1", "Europe/Berlin")


def test_scheduler_may_speak_to_the_cluster_and_who_has_another_token_may_not(stack: Stack) -> None:
    words = ("jobs", "list", "--address", stack.local("http://ray-head:8265"))
    assert stack.run(*words, where="scheduler") == []
    assert stack.run(*words, where="scheduler", RAY_AUTH_TOKEN="another")["error"] == "Access"


def test_every_node_reaches_the_store(stack: Stack) -> None:
    found = stack.run("doctor", "--address", stack.local("http://ray-head:8265"), "--installed", where="scheduler")
    assert [node["problems"] for node in found["nodes"]] == [[], []]


def static(job: dict[str, Any], stack: Stack) -> dict[str, Any]:
    """A job whose containers Docker's DNS finds, with their ports on this machine; other jobs as they are."""
    if "dns_sd_configs" not in job:
        return job
    (asked,) = job["dns_sd_configs"]
    targets = [f"127.0.0.1:{stack.port(str(asked['port']), name)}" for name in asked["names"]]
    return {**{key: value for key, value in job.items() if key != "dns_sd_configs"}, "static_configs": [{"targets": targets}]}


@pytest.mark.parametrize(
    ("file", "nodes"), [("prometheus.yml", ["8090"]), ("compose.yml", ["8090", WORKER_METRICS])], ids=["prometheus.yml", "compose.yml"]
)
def test_prometheus_has_all(stack: Stack, require_server: Callable[..., None], tmp_path: Path, file: str, nodes: list[str]) -> None:
    require_server(shutil.which("prometheus") is not None, "prometheus")
    infra = stack.repo_root / "infra/prometheus"
    configuration = yaml.safe_load((infra / file).read_text())
    configuration["scrape_configs"] = [static(job, stack) for job in configuration["scrape_configs"]]
    configuration = yaml.safe_load(stack.local(yaml.safe_dump(configuration).replace("registry:8080", "127.0.0.1:8080")))
    expected = {"distrnn-registry": ["8080"], "distrnn-schedule": ["9108"], "ray": nodes}
    with Prometheus(tmp_path, configuration, infra) as prometheus:
        prometheus.wait(lambda: prometheus.query("distrnn_registry_models"))
        for job, ports in expected.items():
            targets = {f"127.0.0.1:{stack.ports[port]}": 1.0 for port in ports}
            prometheus.wait(
                lambda job=job, targets=targets: (
                    targets == {labels["instance"]: value for labels, value in prometheus.query(f'up{{job="{job}"}}')}
                )
            )
        groups = json.loads(fetched(f"{prometheus.url}/api/v1/rules"))["data"]["groups"]
    wrong = [rule["name"] for group in groups for rule in group["rules"] if rule["health"] == "err"]
    assert (len(groups), wrong) == (4, [])


def test_what_was_stored_is_there_after_the_store_was_started_again(stack: Stack) -> None:
    before = stack.run("schedule", "list")
    assert stack.stop("store") == 0
    stack.start_store()
    stack.wait("registry", lambda: stack.get("8080", "/readyz"))
    assert [found["workflow"] for found in stack.run("schedule", "list")] == [found["workflow"] for found in before]


def test_services_end_in_good_order(stack: Stack) -> None:
    assert stack.stop("registry") == 0
    assert stack.stop("scheduler") in (0, 143)
