"""What is submitted and under which name, what Ray's words for a job mean, and what nodes that lack something are told of."""

import json
import socket
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ray.job_submission import JobDetails
from typer.testing import Result

import distrnn
from distrnn.cluster import submission
from distrnn.cluster.commits import COMMIT
from distrnn.cluster.jobs import Job, Jobs, error_in, of_details, status_of
from distrnn.cluster.nodes import NEEDED, check_nodes, check_nodes_from_outside, differences, document_in
from distrnn.cluster.same_version import VERSION, check_version
from distrnn.cluster.submission import load_request, submission_id, submit
from distrnn.errors import ConflictError, NotFoundError, StorageError, UsageError, WorkflowError
from distrnn.registry.fences import FENCE
from distrnn.runs import RunStore
from distrnn.storage import open_store
from storage_doubles import MemoryStore

WORKFLOW = """
name: reviews
data: {source: parquet, path: "s3://bucket/reviews.parquet"}
model: {type: lstm, sequence_length: 5}
train: {epochs: 1}
storage: {root: "s3://bucket/storage"}
register: {name: reviews}
schedule: {cron: "0 3 * * 1"}
"""


@pytest.fixture
def workflow(tmp_path: Path) -> str:
    (tmp_path / "reviews.yaml").write_text(WORKFLOW)
    return str(tmp_path / "reviews.yaml")


class FakeCluster:
    """Keeps what is submitted; `status` of all jobs is what the test says."""

    address = "http://head:8265"

    def __init__(self) -> None:
        self.submitted: dict[str, dict[str, Any]] = {}
        self.packed: list[dict[str, list[str]]] = []
        self.status = "RUNNING"

    def submit(self, name: str, **what: Any) -> bool:
        environment = what["runtime_env"]
        folders = [environment["working_dir"], *environment.get("py_modules", [])]
        self.packed.append({Path(folder).name: sorted(path.name for path in Path(folder).iterdir()) for folder in folders})
        self.text = Path(environment["working_dir"], "reviews.yaml").read_text()
        return self.submitted.setdefault(name, what) is what

    def of_run(self, run_id: str) -> list[Job]:
        return sorted((self.find(name) for name in self.submitted if name.startswith(f"{run_id}.")), key=lambda job: -job.attempt)

    def find(self, name: str) -> Job:
        details = {"type": "SUBMISSION", "submission_id": name, "status": self.status, "entrypoint": "", "start_time": 1_800_000_000_000}
        found = of_details(JobDetails(**details, metadata=self.submitted[name]["metadata"]))
        assert found is not None
        return found


def request(workflow: str, *settings: str, **options: Any) -> submission.Request:
    return load_request(workflow, settings, registry="s3://bucket/registry", **options)


def test_a_run_is_submitted_with_its_resolved_workflow_and_the_code(workflow: str) -> None:
    cluster = FakeCluster()
    job, made = submit(cluster, request(workflow, "train.epochs=2"), run_id="mine")  # type: ignore[arg-type]
    assert (job.run_id, job.submission, job.attempt, job.workflow, made) == ("mine", "mine.1", 1, "reviews", True)
    told = cluster.submitted["mine.1"]
    assert told["entrypoint"] == ("exec python -m distrnn run reviews.yaml --address auto --registry s3://bucket/registry --run-id mine")
    document = yaml.safe_load(cluster.text)
    assert (document["train"]["epochs"], document["storage"]["root"]) == (2, "s3://bucket/storage")
    assert not {"schedule", "notify", "sweep"} & set(document)
    (packed,) = cluster.packed
    assert packed["workflow"] == ["reviews.yaml"]
    assert "__pycache__" not in packed["distrnn"]
    assert {"__main__.py", "cluster", "templates"} <= set(packed["distrnn"])
    assert job.resume == (
        f"distrnn submit {workflow} --address http://head:8265 --set train.epochs=2 --registry s3://bucket/registry --resume mine"
    )


def test_nothing_of_this_machines_credentials_travels(workflow: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden-secret")
    monkeypatch.setenv("DISTRNN_WEBHOOK_SECRET", "hidden-secret")
    cluster = FakeCluster()
    settings = [
        "train.epochs=2",
        "notify.url=https://hook.test/?token=hidden-secret",
        "schedule.jitter_s=60",
        "sweep.grid={model.units: [1, 2]}",
    ]
    job, _ = submit(cluster, request(workflow, *settings, installed=True), run_id="mine")  # type: ignore[arg-type]
    assert "hidden-secret" not in repr(cluster.submitted) + cluster.text
    assert set(cluster.submitted["mine.1"]["runtime_env"]["env_vars"]) - {COMMIT} == {
        "RAY_JOB_STOP_WAIT_TIME_S",
        "DISTRNN_RESUME",
        "DISTRNN_VERSION",
    }
    assert "py_modules" not in cluster.submitted["mine.1"]["runtime_env"]
    assert job.resume == (
        f"distrnn submit {workflow} --address http://head:8265 --set train.epochs=2 --registry s3://bucket/registry --installed "
        "--resume mine"
    )


def test_a_section_that_stays_here_stays_as_a_whole(workflow: str) -> None:
    cluster = FakeCluster()
    settings = ["notify={url: 'https://hook.test/?token=hidden-secret'}", "register.name=other"]
    job, _ = submit(cluster, request(workflow, *settings), run_id="mine")  # type: ignore[arg-type]
    assert "hidden-secret" not in repr(cluster.submitted) + cluster.text
    assert "--set register.name=other --registry" in job.resume


def test_cpus_for_the_driving_process_are_reserved_and_kept_when_the_run_goes_on(
    workflow: str, cli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = FakeCluster()
    monkeypatch.setattr("distrnn.cli.submit.open_jobs", lambda address: cluster)
    where = ("--address", cluster.address, "--registry", "s3://bucket/registry")
    done = cli("submit", workflow, *where, "--entrypoint-cpus", "0.5", "--run-id", "mine", "--json")
    assert cluster.submitted["mine.1"]["entrypoint_num_cpus"] == 0.5
    assert json.loads(done.stdout)["resume"] == (
        f"distrnn submit {workflow} --address http://head:8265 --registry s3://bucket/registry --entrypoint-cpus 0.5 --resume mine"
    )


def test_a_run_that_names_an_installed_version_says_which(workflow: str) -> None:
    sent, named = FakeCluster(), FakeCluster()
    submit(sent, request(workflow), run_id="mine")  # type: ignore[arg-type]
    submit(named, request(workflow, installed=True), run_id="mine")  # type: ignore[arg-type]
    assert VERSION not in sent.submitted["mine.1"]["runtime_env"]["env_vars"]
    assert named.submitted["mine.1"]["runtime_env"]["env_vars"][VERSION] == distrnn.__version__


def test_a_job_whose_cluster_has_another_version_is_refused_before_the_workflow_is_read(
    cli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VERSION, "9.0.0")
    done = cli("run", "written-by-9.0.0.yaml", "--address", "auto", "--run-id", "mine")
    assert (done.exit_code, done.stderr) == (
        2,
        f"error: this run was submitted by distrnn 9.0.0 with --installed, and the cluster has distrnn {distrnn.__version__}. Install "
        "distrnn 9.0.0 on every node, or leave --installed out, so that the code is sent.\n",
    )


@pytest.mark.parametrize("environment", [{}, {VERSION: ""}, {VERSION: distrnn.__version__}])
def test_the_same_version_and_code_that_was_sent_are_not_refused(environment: dict[str, str]) -> None:
    check_version(environment)


def test_the_number_of_a_schedule_travels_and_changes_nothing_about_what_is_submitted(
    workflow: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = request(workflow).digest()
    monkeypatch.setenv(FENCE, "reviews:3")
    cluster = FakeCluster()
    job, _ = submit(cluster, request(workflow), run_id="mine")  # type: ignore[arg-type]
    assert cluster.submitted["mine.1"]["runtime_env"]["env_vars"][FENCE] == "reviews:3"
    assert job.digest == before


def test_the_same_again_is_the_same_job_and_something_else_is_refused(workflow: str) -> None:
    cluster = FakeCluster()
    submit(cluster, request(workflow), run_id="mine")  # type: ignore[arg-type]
    assert submit(cluster, request(workflow), run_id="mine")[1] is False  # type: ignore[arg-type]
    assert list(cluster.submitted) == ["mine.1"]
    with pytest.raises(ConflictError) as caught:
        submit(cluster, request(workflow, "train.epochs=2"), run_id="mine")  # type: ignore[arg-type]
    assert caught.value.message == (
        "run mine was submitted with another workflow or other options. Choose another --run-id, or submit what was submitted then."
    )


@pytest.mark.parametrize(
    ("record", "words"),
    [({"status": "interrupted"}, "--resume mine"), (None, "--run-id mine")],
    ids=["it has begun", "it was stopped before it began"],
)
def test_a_run_that_was_stopped_goes_on_as_the_next_attempt(
    workflow: str, record: dict[str, str] | None, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, cluster = MemoryStore(), FakeCluster()
    monkeypatch.setattr(submission, "open_store", lambda url: store if url == "s3://bucket/storage" else open_store(url))
    monkeypatch.setattr(submission.Request, "storage_url", "s3://bucket/storage")
    submit(cluster, request(workflow), run_id="mine")  # type: ignore[arg-type]
    if record:
        RunStore(store).create("mine", {"run_id": "mine", **record})
    assert submit(cluster, request(workflow), resume="mine")[1] is False  # type: ignore[arg-type]
    cluster.status = "STOPPED"
    job, made = submit(cluster, request(workflow), resume="mine")  # type: ignore[arg-type]
    assert (job.submission, made) == (submission_id("mine", 2), True)
    assert cluster.submitted["mine.2"]["entrypoint"].endswith(words)


@pytest.mark.parametrize(
    ("record", "error", "message"),
    [
        (None, NotFoundError, "no run 'mine' in "),
        ({"status": "finished"}, UsageError, "run mine is finished; there is nothing to go on with. See: distrnn runs show mine"),
    ],
)
def test_there_must_be_something_to_go_on_with(
    workflow: str, record: dict[str, str] | None, error: type[Exception], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryStore()
    monkeypatch.setattr(submission, "open_store", lambda url: store if url == "s3://bucket/storage" else open_store(url))
    monkeypatch.setattr(submission.Request, "storage_url", "s3://bucket/storage")
    if record:
        RunStore(store).create("mine", {"run_id": "mine", **record})
    with pytest.raises(error, match=message):
        submit(FakeCluster(), request(workflow), resume="mine")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("key", "place", "offered", "other_way"),
    [
        ("data.path", "/here/reviews.parquet", False, ", or --upload-data for up to 100 MB"),
        ("data.path", "/here/reviews.parquet", None, ""),
        ("train.pseudo_labels", "{teacher: t, rows: 1, path: /here/more.parquet}", False, ", or --upload-data for up to 100 MB"),
        ("storage.root", "/here/storage", False, " or set DISTRNN_STORAGE to one"),
        ("storage.root", "/here/storage", True, " or set DISTRNN_STORAGE to one"),
    ],
)
def test_places_of_this_machine_are_refused_by_their_key(workflow: str, key: str, place: str, offered: bool | None, other_way: str) -> None:
    with pytest.raises(WorkflowError) as caught:
        request(workflow, f"{key}={place}", upload_data=offered)
    named, path = (f"{key}.path", "/here/more.parquet") if place.startswith("{") else (key, place)
    assert caught.value.message == (
        f"{workflow}: key {named!r}: expected a place that every node of the cluster reaches. Received: {path}. Use an s3:// URL"
        f"{other_way}; if all nodes share this folder, say so with --shared-filesystem."
    )
    assert "--shared-filesystem" in request(workflow, f"{key}={place}", shared_filesystem=True).arguments()


@pytest.fixture
def local_data(tmp_path: Path) -> str:
    """A `--set` text that names a local file."""
    (tmp_path / "reviews.parquet").write_text("some bytes")
    return f"data.path={tmp_path / 'reviews.parquet'}"


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    """What is behind s3://bucket/storage."""
    store = MemoryStore()
    monkeypatch.setattr(submission, "open_store", lambda url: store if url == "s3://bucket/storage" else open_store(url))
    monkeypatch.setattr(submission.Request, "storage_url", "s3://bucket/storage")
    return store


def test_local_data_is_sent_before_the_run_that_names_its_url(workflow: str, local_data: str, storage: MemoryStore) -> None:
    cluster, said = FakeCluster(), list[str]()
    job, _ = submit(cluster, request(workflow, local_data, upload_data=True), run_id="mine", say=said.append)  # type: ignore[arg-type]
    (key,) = storage.snapshot()
    assert yaml.safe_load(cluster.text)["data"]["path"] == f"s3://bucket/storage/{key}"
    assert (key.split("/")[0], storage.read(key)) == ("uploads", b"some bytes")
    assert said == [f"Uploading 1 file, 0.1 MB, to {storage.url}/uploads."]
    assert job.resume.endswith(f"--set {local_data} --registry s3://bucket/registry --upload-data --resume mine")


def test_the_same_data_again_is_the_same_job_and_other_data_is_refused(
    workflow: str, local_data: str, storage: MemoryStore, tmp_path: Path
) -> None:
    cluster = FakeCluster()
    submit(cluster, request(workflow, local_data, upload_data=True), run_id="mine")  # type: ignore[arg-type]
    assert submit(cluster, request(workflow, local_data, upload_data=True), run_id="mine")[1] is False  # type: ignore[arg-type]
    (tmp_path / "reviews.parquet").write_text("other bytes")
    with pytest.raises(ConflictError):
        submit(cluster, request(workflow, local_data, upload_data=True), run_id="mine")  # type: ignore[arg-type]
    assert len(storage.snapshot()) == 1


def test_a_run_that_goes_on_finds_data_that_was_deleted_meanwhile(workflow: str, local_data: str, storage: MemoryStore) -> None:
    cluster = FakeCluster()
    submit(cluster, request(workflow, local_data, upload_data=True), run_id="mine")  # type: ignore[arg-type]
    (key,) = storage.snapshot()
    storage.delete(key)
    cluster.status = "STOPPED"
    submit(cluster, request(workflow, local_data, upload_data=True), resume="mine")  # type: ignore[arg-type]
    assert list(storage.snapshot()) == [key]


def test_only_data_is_sent(workflow: str, local_data: str, storage: MemoryStore) -> None:
    with pytest.raises(UsageError, match=r"^--lock: expected a place"):
        request(workflow, local_data, upload_data=True, lock="/here")
    assert storage.snapshot() == {}


@pytest.mark.parametrize(
    ("option", "keys"), [("--registry", {"registry": "/here"}), ("--lock", {"registry": "s3://bb/r", "lock": "/lock"})]
)
def test_a_registry_and_a_lock_of_this_machine_are_refused(workflow: str, option: str, keys: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=f"^{option}: expected a place that every node of the cluster reaches. Received: /"):
        load_request(workflow, (), **keys)


@pytest.mark.parametrize(
    ("word", "code", "status"),
    [
        ("SUCCEEDED", 0, "finished"),
        ("FAILED", 4, "refused"),
        ("FAILED", 1, "failed"),
        ("STOPPED", 143, "stopped"),
        ("PENDING", None, "pending"),
    ],
)
def test_words_for_what_became_of_a_job(word: str, code: int | None, status: str) -> None:
    assert status_of(word, code) == status


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ("failed with exit code 3, last logs:\ntrain: started\nerror: no file\nbye", "no file"),
        ("Unexpected death\n of the driver \n", "of the driver"),
        (None, None),
    ],
)
def test_a_failure_is_told_in_its_own_words(message: str | None, error: str | None) -> None:
    assert error_in(message) == error


def test_a_killed_driver_has_the_exit_code_of_its_signal() -> None:
    told = {"distrnn_run": "a", "distrnn_workflow": "w", "distrnn_attempt": "1", "distrnn_digest": "", "distrnn_resume": ""}
    details = {"type": "SUBMISSION", "submission_id": "a.1", "status": "FAILED", "entrypoint": "", "driver_exit_code": -9}
    job = of_details(JobDetails(**details, metadata=told))
    assert job is not None
    assert (job.exit_code, job.status) == (137, "failed")
    assert of_details(JobDetails(**details, metadata={"other": "job"})) is None


@pytest.mark.parametrize("address", ["head:8265", "ftp://head", "http://:80", "http://head:port"])
def test_an_address_that_is_no_dashboard_is_refused(address: str) -> None:
    with pytest.raises(UsageError) as caught:
        Jobs(address)
    assert caught.value.message == f"--address must be the URL of a Ray dashboard, for instance http://head:8265. Received: {address!r}"


def test_a_dashboard_that_does_not_answer_is_told_of_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(StorageError) as caught:
            Jobs(address)
    assert caught.value.message == f"no Ray cluster answers at {address}: connection refused. Check --address."


def test_every_node_is_asked(local_ray: None, tmp_path: Path) -> None:
    places = {"registry": str(tmp_path / "registry"), "storage": str(tmp_path / "storage")}
    (node,) = check_nodes(places, "auto")
    assert node["problems"] == []
    assert set(node["packages"]) == {"distrnn", "ray", "tensorflow", "keras", "pyarrow", "numpy"}
    assert node["packages"]["distrnn"] == distrnn.__version__
    assert [path for path in tmp_path.rglob("*") if path.is_file() and ".locks" not in path.parts] == []


def test_a_node_that_cannot_use_a_place_says_which_and_why(local_ray: None, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (node,) = check_nodes({"registry": str(tmp_path / "registry"), "storage": str(tmp_path / "file" / "storage")}, "auto")
    assert len(node["problems"]) == 1
    assert node["problems"][0].startswith(f"storage: {tmp_path}/file/storage")


def test_versions_that_differ_from_the_heads_are_told_of() -> None:
    head = {"python": "3.11.2", "packages": dict.fromkeys(NEEDED, "1")}
    node = {"python": "3.12.1", "packages": {**head["packages"], "distrnn": "2", "keras": "2", "numpy": None}}  # type: ignore[dict-item]
    assert differences(head, node) == [
        "python is 3.12.1, on the head it is 3.11.2",
        "distrnn is 2, on the head it is 1",
        "keras is 2, on the head it is 1",
    ]


@pytest.mark.parametrize(
    ("there", "problems"),
    [("9.0.0", [f"distrnn is 9.0.0, where this was asked it is {distrnn.__version__}"]), (distrnn.__version__, [])],
)
def test_a_cluster_with_another_distrnn_than_whoever_asks_is_told_of(
    there: str, problems: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    document = {"nodes": [{"node": "10.0.0.1", "python": "3.11.2", "packages": {"distrnn": there}, "problems": []}]}
    answering = SimpleNamespace(ask=lambda submission, **what: json.dumps(document, indent=2))
    monkeypatch.setattr("distrnn.cluster.nodes.Jobs", lambda address: answering)
    (node,) = check_nodes_from_outside({}, "http://head:8265", installed=True)
    assert node["problems"] == problems


def test_the_document_is_found_among_what_a_job_prints() -> None:
    text = 'Running entrypoint\n{\n  "other": 1\n}\nnote\n{\n  "nodes": []\n}\nbye\n'
    assert document_in(text) == {"nodes": []}
    with pytest.raises(StorageError) as caught:
        document_in("Running\nsh: 1: exec: python: not found\n\n")
    assert caught.value.message == "expected a document from the cluster. Received: sh: 1: exec: python: not found"


def test_a_marked_place_that_is_another_folder_there_is_told_of(tmp_path: Path) -> None:
    from distrnn.cluster.nodes import look

    found = look({"storage": str(tmp_path)}, "_doctor/never-written")
    assert found["problems"] == [
        f"storage: {tmp_path} is another place here, without what the head wrote there. Use an s3:// URL, or mount the same folder."
    ]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
