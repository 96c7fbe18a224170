"""The whole chain as an operator has it: nodes that train, a store, the registry service, Prometheus beside them, and one submitted run."""

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
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
RUN_S = 600.0
RUN_ID = "mine"
SETTINGS = ("data.source=parquet", "data.limit=2000", "train.epochs=3", "scaling.workers=2", "register.promote.min=0.6")


def fetched(url: str) -> str:
    """The answer at an address; '' where there is none."""
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return str(answer.read().decode())
    except (urllib.error.URLError, OSError):
        return ""


class Prometheus:
    """A real Prometheus on a port of its own, that scrapes and evaluates each second.

    Args:
        folder: for its configuration, its data and its log.
        configuration: as in a file, whatever its intervals.
        rules: the folder of the files that it names in `rule_files`.
    """

    def __init__(self, folder: Path, configuration: Mapping[str, Any], rules: Path) -> None:
        (port,) = free_ports(1)
        made = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(rules / name) for name in configuration["rule_files"]],
            "scrape_configs": [{**job, "scrape_interval": "1s"} for job in configuration["scrape_configs"]],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(made))
        self.url, self._log = f"http://127.0.0.1:{port}", folder / "log.txt"
        command = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
        with self._log.open("w") as log:
            self._process = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)

    def __enter__(self) -> "Prometheus":
        try:
            self.wait(lambda: fetched(f"{self.url}/-/ready"))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Labels and value of each series of an expression."""
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
    """What runs, and the run that was submitted to it.

    Attributes:
        submitted: what `distrnn submit --wait --json` ended with.
        service: the registry service.
        prometheus: what scrapes it and the nodes.
        storage: URL of the storage root.
        registry: URL of the registry behind the service.
    """

    submitted: "subprocess.CompletedProcess[str]"
    service: Serving
    prometheus: Prometheus
    storage: str
    registry: str

    @property
    def document(self) -> dict[str, Any]:
        """What `submit --json` printed."""
        assert self.submitted.returncode == 0, self.submitted.stderr
        found: dict[str, Any] = json.loads(self.submitted.stdout)
        return found

    @property
    def result(self) -> dict[str, Any]:
        """The record of the run."""
        found: dict[str, Any] = self.document["result"]
        return found


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
    """The IMDB workflow on 2,000 reviews of the store, followed to its end on a head and two workers. This process has no credentials."""
    require_server(shutil.which("prometheus") is not None, "prometheus")
    place = rgw_s3.new_url()
    storage, registry, data = f"{place}/storage", f"{place}/registry", f"{place}/data"
    with pytest.MonkeyPatch.context() as patch:
        # Ray hands figures to the endpoint every ten seconds; a test has no time for that
        patch.setenv("RAY_metrics_report_interval_ms", "1000")
        nodes: JobNodes = request.getfixturevalue("job_nodes")
        nodes.join("third")
        rgw_s3.use(patch)
        for split in ("train", "test"):
            open_store(data).put_file(f"{split}.parquet", shared_data / "imdb" / f"{split}.parquet")
    with ExitStack() as stack:
        service = serving(registry, "--metrics-age", "1", env=rgw_s3.environment)
        stack.callback(service.stop)
        folder = tmp_path_factory.mktemp("prometheus")
        infra = repo_root / "infra/prometheus"
        configuration = beside_ray(yaml.safe_load((infra / "ray.yml").read_text()), nodes_file(nodes), service.url)
        prometheus = stack.enter_context(Prometheus(folder, configuration, infra))
        settings = [word for text in (*SETTINGS, f"data.path={data}") for word in ("--set", text)]
        where = ("--address", nodes.url, "--registry", registry)
        submitted = distrnn_command(
            *("submit", str(repo_root / "workflows/imdb-lstm.yaml"), *settings, *where, "--run-id", RUN_ID, "--wait", "--json"),
            env={**rgw_s3.environment, "DISTRNN_STORAGE": storage, "RAY_AUTH_MODE": "disabled"},
            timeout_s=RUN_S,
        )
        yield Chain(submitted, service, prometheus, storage, registry)


def beside_ray(configuration: dict[str, Any], nodes: Path, service: str) -> dict[str, Any]:
    """The configuration of ray.yml with the addresses of a chain, where no scheduler runs.

    Args:
        configuration: the file's.
        nodes: where Ray writes down its nodes.
        service: URL of the registry service.
    """
    jobs = {job["job_name"]: job for job in configuration["scrape_configs"]}
    ray = {**jobs["ray"], "file_sd_configs": [{"files": [str(nodes)]}]}
    registry = {**jobs["distrnn-registry"], "static_configs": [{"targets": [service.removeprefix("http://")]}]}
    return {**configuration, "scrape_configs": [ray, registry]}


def nodes_file(nodes: JobNodes) -> Path:
    """Where the head of a cluster writes down its nodes: in the folder that it was started with."""
    option = "--temp-dir="
    words = [word for command in nodes.processes_of("head").values() for word in command.split() if word.startswith(option)]
    return Path(words[0].removeprefix(option)) / "prom_metrics_service_discovery.json"
