"""`distrnn schedule`: what it shows of ticks, states and decisions, what it writes for Kubernetes, and what it refuses."""

import json
import shlex
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import typer.main
import yaml

from distrnn.cli.main import app
from distrnn.errors import UsageError
from distrnn.retraining.book import Book
from distrnn.retraining.state import Entry, Inputs, State, Turn
from distrnn.storage import open_store
from distrnn.workflow import load_workflow

AT = datetime(2026, 11, 2, 3, tzinfo=UTC)


@pytest.fixture
def scheduled_file(tmp_path, classifier):
    """A workflow that is due each Monday in Berlin."""
    file = tmp_path / "reviews.yaml"
    file.write_text(json.dumps({**classifier, "schedule": {"cron": "0 3 * * 1", "timezone": "Europe/Berlin"}}))
    return file


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A registry in which one tick was promoted and one is being tried again."""
    monkeypatch.setenv("DISTRNN_REGISTRY", str(tmp_path / "registry"))
    book = Book(open_store(str(tmp_path / "registry")))
    kept = {"workflow": "reviews", "began_at": AT, "ended_at": AT + timedelta(minutes=2), "scheduler": "one", "reason": "the first run"}
    version = {"name": "reviews", "number": 3, "digest": "sha256:33"}
    book.decide(Entry(number=1, tick=AT, missed=2, attempt=1, outcome="promoted", run_id="reviews-1", version=version, **kept))
    book.decide(Entry(number=2, tick=AT + timedelta(days=7), missed=0, attempt=1, outcome="failed", error="no space", exit_code=1, **kept))
    turn = Turn(tick=AT, missed=0, attempt=2, run_id="reviews-2", began_at=AT, not_before=AT + timedelta(minutes=9))
    inputs = Inputs(data={"source": {"sha256": "hidden"}}, workflow={}, code="1")
    counts = {"promoted": 1, "failed": 1}
    state = State(workflow="reviews", cron="0 3 * * 1", timezone="UTC", since=AT, fence=2, turn=turn, inputs=inputs, counts=counts)
    book.swap(state.model_copy(update={"last_outcome": "failed", "last_check_at": AT, "last_success_at": AT}), None)
    return book


def test_next_ticks_are_told_in_the_schedules_zone_and_in_utc(cli, scheduled_file):
    done = cli("schedule", "next", scheduled_file, "--count", "3")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == ["TICK", "(EUROPE/BERLIN)", "BEGINS"]
    assert [line[1] for line in lines[1:]] == ["03:00"] * 3
    document = json.loads(cli("schedule", "next", scheduled_file, "--count", "3", "--json").stdout)
    moments = [datetime.fromisoformat(tick["tick"]) for tick in document]
    assert [moment.weekday() for moment in moments] == [0, 0, 0]
    assert [tick["begins_at"] for tick in document] == [tick["tick"] for tick in document]


def test_list_tells_where_each_schedule_stands(cli, book):
    done = cli("schedule", "list")
    assert "tries reviews-2 again at 2026-11-02 03:09:00 UTC" in done.stdout
    (document,) = json.loads(cli("schedule", "list", "--json").stdout)
    assert (document["workflow"], document["last_outcome"], document["counts"]) == ("reviews", "failed", {"promoted": 1, "failed": 1})
    assert document["turn"]["run_id"] == "reviews-2"
    assert "hidden" not in json.dumps(document)


def test_list_of_nothing(cli, tmp_path):
    done = cli("schedule", "list", "--registry", tmp_path / "empty")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == f"Nothing is scheduled in {tmp_path}/empty yet. Start with: distrnn schedule run WORKFLOW\n"


def test_list_tells_of_a_damaged_record_beside_the_others(cli, book, tmp_path):
    (tmp_path / "registry/_schedules/bad").mkdir()
    (tmp_path / "registry/_schedules/bad/state.json").write_text('{"schema_version": 1, "workflow": "bad", "cron": "every day"}')
    done = cli("schedule", "list", "--json")
    assert (done.exit_code, [state["workflow"] for state in json.loads(done.stdout)]) == (0, ["reviews"])
    assert done.stderr == (
        f"{tmp_path}/registry/_schedules/bad/state.json is damaged: expected cron to be valid. Received: value error, expected five fields "
        "of a crontab. Restore it from a backup, or remove it.\n"
    )


@pytest.mark.parametrize("keys", [{"cron": "0 0 30 2 *"}, {"timezone": "No/Where"}])
def test_list_shows_a_schedule_that_never_comes_true(cli, book, keys):
    book.swap(State(**{"workflow": "never", "cron": "0 3 * * 1", "timezone": "UTC", "since": AT, **keys}), None)
    done = cli("schedule", "list", "--json")
    assert (done.exit_code, [state["next"] is None for state in json.loads(done.stdout)]) == (0, [True, False])
    assert cli("schedule", "list").exit_code == 0


def test_history_tells_of_a_damaged_decision_beside_the_others(cli, book, tmp_path):
    (tmp_path / "registry/_schedules/reviews/history/0000000003.json").write_text('{"schema_version": 1}')
    done = cli("schedule", "history", "reviews", "--json")
    assert (done.exit_code, [entry["number"] for entry in json.loads(done.stdout)]) == (0, [2, 1])
    assert done.stderr == (
        f"{tmp_path}/registry/_schedules/reviews/history/0000000003.json is damaged: expected number to be valid. "
        "Received: field required. Restore it from a backup, or remove it.\n"
    )


@pytest.mark.parametrize("words", [("list",), ("history", "reviews")])
def test_a_service_hands_no_schedules_out(cli, words):
    done = cli("schedule", *words, "--registry", "http://127.0.0.1:1/")
    assert (done.exit_code, done.stderr) == (
        2,
        "error: a service does not hand out schedules; name the registry itself, a folder or s3:// URL. Received: http://127.0.0.1:1\n",
    )


@pytest.mark.parametrize("by_file", [False, True])
def test_history_tells_the_story_newest_first(cli, book, scheduled_file, by_file):
    scheduled_file.write_text(scheduled_file.read_text().replace(load_workflow(scheduled_file).workflow.name, "reviews"))
    done = cli("schedule", "history", scheduled_file if by_file else "reviews")
    assert done.exit_code == 0, done.stderr
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["TICK", "ATTEMPT", "OUTCOME", "MODEL", "RUN", "TOOK", "WHY"],
        [*"2026-11-09 03:00:00 UTC 1 failed – – 120 s the first run; no space".split()],
        [*"2026-11-02 03:00:00 UTC (and 2 before) 1 promoted reviews@v3 reviews-1 120 s the first run".split()],
    ]
    assert [entry["number"] for entry in json.loads(cli("schedule", "history", "reviews", "--limit", "1", "--json").stdout)] == [2]


def test_history_of_a_workflow_that_is_not_scheduled(cli, book, tmp_path):
    done = cli("schedule", "history", "other")
    assert (done.exit_code, done.stderr) == (
        3,
        f"error: no workflow 'other' is scheduled in {tmp_path}/registry. See: distrnn schedule list\n",
    )


def test_a_workflow_without_a_schedule_is_refused(cli, workflow_file):
    done = cli("schedule", "run", workflow_file)
    assert (done.exit_code, done.stderr) == (
        2,
        f"error: {workflow_file}: expected a section schedule, for instance "
        'schedule: {cron: "0 3 * * 1", timezone: UTC}. Received: none\n',
    )


def test_two_workflows_of_one_name_are_refused(cli, scheduled_file):
    done = cli("schedule", "run", scheduled_file, scheduled_file)
    assert (done.exit_code, done.stderr) == (
        2,
        "error: two of these files are workflows of one name, and records are kept by name. Give one of them another name.\n",
    )


@pytest.mark.parametrize(
    ("option", "value"), [("--installed", ()), ("--shared-filesystem", ()), ("--upload-data", ()), ("--entrypoint-cpus", ("1",))]
)
def test_options_of_a_cluster_need_one(cli, scheduled_file, option, value):
    done = cli("schedule", "run", scheduled_file, option, *value)
    assert (done.exit_code, done.stderr) == (2, f"error: {option} is for runs on a cluster; name it with --address URL.\n")


@pytest.fixture
def on_s3(monkeypatch):
    monkeypatch.setenv("DISTRNN_STORAGE", "s3://bucket/storage")
    monkeypatch.setenv("DISTRNN_REGISTRY", "s3://bucket/registry")


def test_options_of_a_cluster_are_those_of_submit(cli, scheduled_file, monkeypatch, on_s3):
    given = []

    @contextmanager
    def around(*arguments):
        given.append(arguments[3])
        raise UsageError("that will do")
        yield

    monkeypatch.setattr("distrnn.cli.schedule.open_jobs", given.append)
    monkeypatch.setattr("distrnn.cli.schedule._around", around)
    cli("schedule", "run", scheduled_file, "--address", "http://head:8265", "--upload-data", "--installed", "--entrypoint-cpus", "0.5")
    assert given == ["http://head:8265", ["--installed", "--upload-data", "--entrypoint-cpus", "0.5"]]


@pytest.mark.parametrize(
    ("places", "options", "code", "message"),
    [
        ({}, (), 2, "key 'storage.root': expected a place that every node of the cluster reaches."),
        ({"DISTRNN_STORAGE": "s3://bucket/storage"}, (), 2, "--registry: expected a place that every node of the cluster reaches."),
        ({}, ("--shared-filesystem", "--upload-data"), 2, "--upload-data sends local data to the cluster and --shared-filesystem says"),
        ({}, ("--shared-filesystem",), 1, "no Ray cluster answers at http://127.0.0.1:1: connection refused. Check --address."),
    ],
)
def test_what_submit_refuses_is_refused_before_anything_is_scheduled(
    cli, scheduled_file, classifier, monkeypatch, places, options, code, message
):
    document = {**classifier, "register": {"name": "reviews"}, "schedule": {"cron": "0 3 * * 1"}}
    scheduled_file.write_text(json.dumps(document))
    for name, url in places.items():
        monkeypatch.setenv(name, url)
    done = cli("schedule", "run", scheduled_file, "--address", "http://127.0.0.1:1", *options)
    submitted = cli("submit", scheduled_file, "--address", "http://127.0.0.1:1", *options)
    assert (done.exit_code, done.stderr) == (submitted.exit_code, submitted.stderr)
    assert (done.exit_code, message in done.stderr) == (code, True), done.stderr


def parsed(command):
    """A `distrnn …` command as the command line takes it."""
    words = shlex.split(command)
    assert words[0] == "distrnn"
    run = typer.main.get_command(app).commands[words[1]]
    return run.make_context(words[1], words[2:]).params


def test_kuberay_gets_a_ray_cron_job_with_the_fields_that_it_has(cli, on_s3, scheduled_file, tmp_path):
    done = cli("schedule", "manifests", scheduled_file, "--image", "registry.example/distrnn:1")
    config, schedule = yaml.safe_load_all(done.stdout)
    assert (schedule["apiVersion"], schedule["kind"]) == ("ray.io/v1", "RayCronJob")
    assert set(schedule["spec"]) == {"schedule", "timeZone", "suspend", "jobTemplate"}
    assert (schedule["spec"]["schedule"], schedule["spec"]["timeZone"]) == ("0 3 * * 1", "Europe/Berlin")
    job = schedule["spec"]["jobTemplate"]
    words = parsed(job["entrypoint"])
    assert (words["workflow"], words["address"], words["registry"]) == ("/etc/distrnn/workflow.yaml", "auto", "s3://bucket/registry")
    (tmp_path / "again.yaml").write_text(config["data"]["workflow.yaml"])
    assert load_workflow(tmp_path / "again.yaml").to_json() == load_workflow(scheduled_file).to_json()
    pods = [job["rayClusterSpec"]["headGroupSpec"], *job["rayClusterSpec"]["workerGroupSpecs"]]
    containers = [container for group in pods for container in group["template"]["spec"]["containers"]]
    assert {container["image"] for container in containers} == {"registry.example/distrnn:1"}
    assert [container["envFrom"] for container in containers] == [[{"secretRef": {"name": "distrnn-s3"}}]] * 2
    assert json.loads(cli("schedule", "manifests", scheduled_file, "--image", "registry.example/distrnn:1", "--json").stdout) == [
        config,
        schedule,
    ]


def test_kubernetes_gets_a_cron_job_that_makes_one_ray_job_at_a_time(cli, on_s3, scheduled_file):
    documents = list(yaml.safe_load_all(cli("schedule", "manifests", scheduled_file, "--format", "cronjob").stdout))
    assert [document["kind"] for document in documents] == ["ConfigMap", "ServiceAccount", "Role", "RoleBinding", "CronJob"]
    config, cron = documents[0], documents[-1]
    assert cron["spec"]["concurrencyPolicy"] == "Forbid"
    pod = cron["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    job = yaml.safe_load(config["data"]["rayjob.yaml"])
    assert job["kind"] == "RayJob"
    assert {f"rayjob/{job['metadata']['name']}"} == {
        word for step in (*pod["initContainers"], *pod["containers"]) for word in step["command"] if word.startswith("rayjob/")
    }
    assert parsed(job["spec"]["entrypoint"])["workflow"] == "/etc/distrnn/workflow.yaml"


def test_workers_with_gpus_ask_for_them(cli, on_s3, scheduled_file):
    gpus = ("--set", "scaling.device=gpu", "--set", "scaling.gpus_per_worker=4", "--set", "scaling.workers=2")
    _, schedule = yaml.safe_load_all(cli("schedule", "manifests", scheduled_file, *gpus).stdout)
    (group,) = schedule["spec"]["jobTemplate"]["rayClusterSpec"]["workerGroupSpecs"]
    assert group["replicas"] == 2
    assert group["template"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 4


def test_manifests_need_places_that_every_node_reaches(cli, scheduled_file):
    done = cli("schedule", "manifests", scheduled_file)
    assert done.exit_code == 2
    assert "key 'storage.root': expected a place that every node of the cluster reaches" in done.stderr
    assert cli("schedule", "manifests", scheduled_file, "--format", "helm").stderr == (
        "error: --format must be one of kuberay, cronjob. Received: 'helm'\n"
    )
