"""The whole chain as an operator has it: nodes that train, a store, the registry service, Prometheus beside them, and one submitted run."""

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from distrnn.storage import open_store
from fixtures_s3 import S3Server, free_ports
from fixtures_service import Serving
from fixtures_training_jobs import JobNodes

PATIENCE_S = 60.0
RUN_S = 400.0
RUN_ID = "weekly"
SETTINGS = ("data.source=parquet", "data.limit=2000", "train.epochs=2", "scaling.workers=2", "register.promote.min=0.6")


def fetched(url: str) -> str:
    """The answer at an address; '' where there is none."""
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return str(answer.read().decode())
    except (urllib.error.URLError, OSError):
        return ""


class Prometheus:
    """A real Prometheus as `infra/prometheus/ray.yml` says, but each second, and with the addresses of this chain.

    Args:
        folder: for its configuration, its data and its log.
        infra: the folder of ray.yml and of the rules that it names.
        nodes: the file in which Ray writes down where its nodes serve metrics.
        service: URL of the registry service.
    """

    def __init__(self, folder: Path, infra: Path, nodes: Path, service: str) -> None:
        (port,) = free_ports(1)
        configuration = yaml.safe_load((infra / "ray.yml").read_text())
        configuration["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        configuration["rule_files"] = [str(infra / name) for name in configuration["rule_files"]]
        jobs = {job["job_name"]: job for job in configuration["scrape_configs"]}
        jobs["ray"] |= {"scrape_interval": "1s", "file_sd_configs": [{"files": [str(nodes)]}]}
        jobs["distrnn-registry"]["static_configs"] = [{"targets": [service.removeprefix("http://")]}]
        configuration["scrape_configs"] = [jobs["ray"], jobs["distrnn-registry"]]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
        self.url, self._log = f"http://127.0.0.1:{port}", folder / "log.txt"
        command = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
        with self._log.open("w") as log:
            self._process = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)

    def __enter__(self) -> "Prometheus":
        self.wait(lambda: fetched(f"{self.url}/-/ready"))
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Labels and value of each series that the expression has."""
        answer = fetched(f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
        found = json.loads(answer)["data"]["result"] if answer else []
        return [(series["metric"], float(series["value"][1])) for series in found]

    def wait(self, ready: Callable[[], Any]) -> Any:
        """Wait until something is so, for as long as it lives."""
        until = time.monotonic() + PATIENCE_S
        while not (found := ready()):
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < until, self._log.read_text()
            time.sleep(0.3)
        return found


@dataclass(frozen=True)
class Chain:
    """What was started, and what `distrnn submit --wait --json` said.

    Attributes:
        submitted: the process that waited for the run.
        service: the registry service.
        prometheus: what scraped it and the nodes.
        store: URL of the storage root.
    """

    submitted: "subprocess.CompletedProcess[str]"
    service: Serving
    prometheus: Prometheus
    store: str

    @property
    def result(self) -> dict[str, Any]:
        """The document of the run."""
        document: dict[str, Any] = json.loads(self.submitted.stdout)["result"]
        return document


@pytest.fixture(scope="module")
def chain(
    request: pytest.FixtureRequest,
    shared_data: Path,
    repo_root: Path,
    rgw_s3: S3Server,
    serving: Callable[..., Serving],
    distrnn_command: Callable[..., "subprocess.CompletedProcess[str]"],
    require_server: Callable[..., None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Chain]:
    """The IMDB workflow on 2,000 reviews, submitted to a head and two workers; this process itself gets no credentials."""
    require_server(shutil.which("prometheus") is not None, "prometheus")
    place = rgw_s3.new_url()
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            # Ray hands figures to the endpoint every ten seconds; a test has no time for that
            patch.setenv("RAY_metrics_report_interval_ms", "1000")
            rgw_s3.use(patch)
            nodes: JobNodes = request.getfixturevalue("job_nodes")
            nodes.join("third")
            for split in ("train", "test"):
                open_store(f"{place}/data").put_file(f"{split}.parquet", shared_data / "imdb" / f"{split}.parquet")
        running = serving(f"{place}/registry", env=rgw_s3.environment)
        stack.callback(running.stop)
        found = nodes_file(nodes)
        prometheus = stack.enter_context(Prometheus(tmp_path_factory.mktemp("prometheus"), repo_root / "infra/prometheus", found, running.url))
        settings = [word for text in (*SETTINGS, f"data.path={place}/data") for word in ("--set", text)]
        begun = time.monotonic()
        submitted = distrnn_command(
            *("submit", str(repo_root / "workflows/imdb-lstm.yaml"), *settings, "--address", nodes.url, "--registry", f"{place}/registry"),
            *("--run-id", RUN_ID, "--wait", "--json"),
            env={**rgw_s3.environment, "DISTRNN_STORAGE": f"{place}/storage", "RAY_AUTH_MODE": "disabled"},
            timeout_s=RUN_S,
        )
        print("submit", time.monotonic() - begun, file=sys.stderr)
        print(submitted.stdout, submitted.stderr, file=sys.stderr)
        print(prometheus.query('last_over_time({__name__=~"distrnn.*"}[1h])'))
        print(prometheus.query("up"))
        print(os.listdir(found.parent))
        yield Chain(submitted, running, prometheus, f"{place}/storage")


def nodes_file(nodes: JobNodes) -> Path:
    """Where the head writes down its nodes: in the folder that it was started with."""
    words = next(command for command in nodes.processes_of("head").values() if "--temp-dir=" in command).split()
    (folder,) = {word.removeprefix("--temp-dir=") for word in words if word.startswith("--temp-dir=")}
    return Path(folder) / "prom_metrics_service_discovery.json"
