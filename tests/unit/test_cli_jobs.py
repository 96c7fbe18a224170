"""`distrnn submit` and `jobs`: what they refuse before they speak to anybody, and what they show."""

import json
from types import SimpleNamespace

import pytest

from distrnn.cli import jobs

FACTS = {
    "run_id": "mine",
    "workflow": "reviews",
    "attempt": 1,
    "submission": "mine.1",
    "status": "running",
    "exit_code": None,
    "started_at": "2026-11-27T02:00:00Z",
    "ended_at": None,
    "error": None,
    "resume": "distrnn submit w.yaml --address http://head:8265 --resume mine",
}


def job(**facts):
    kept = {**FACTS, **facts}
    return SimpleNamespace(**kept, ended=kept["status"] not in ("running", "pending"), to_json=lambda: kept)


@pytest.fixture
def cluster(monkeypatch):
    """A cluster with one job; stopping it gives `stopped`."""
    found = SimpleNamespace(
        address="http://head:8265", jobs=[job()], said="line one\nline two\n", stopped=job(status="stopped", exit_code=143)
    )
    found.all = lambda: found.jobs
    found.find = lambda _text: found.jobs[0]
    found.logs = lambda _job: found.said
    found.stop = lambda _job: found.stopped
    found.follow = lambda _job, write: write(found.said)
    monkeypatch.setattr(jobs, "open_jobs", lambda _address: found)
    return found


def test_list_names_runs_and_workflows(cli, cluster):
    done = cli("jobs", "list")
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["RUN", "WORKFLOW", "ATTEMPT", "STATUS", "EXIT", "CODE", "SUBMITTED"],
        ["mine", "reviews", "1", "running", "–", "2026-11-27", "02:00:00", "UTC"],
    ]
    assert json.loads(cli("jobs", "list", "--json").stdout) == [FACTS]


def test_list_of_nothing_says_what_to_do(cli, cluster):
    cluster.jobs = []
    done = cli("jobs", "list")
    assert (done.stdout, done.stderr) == (
        "",
        "No run was submitted to http://head:8265 yet. Submit one with: distrnn submit WORKFLOW --address http://head:8265\n",
    )


def test_status_says_how_to_go_on_only_where_one_can(cli, cluster):
    assert "go on with" not in cli("jobs", "status", "mine").stdout
    cluster.jobs = [job(status="failed", exit_code=1, error="no space")]
    lines = cli("jobs", "status", "mine").stdout.splitlines()
    assert "error       no space" in lines
    assert f"go on with  {FACTS['resume']}" in lines


def test_logs(cli, cluster):
    assert cli("jobs", "logs", "mine").stdout == cli("jobs", "logs", "-f", "mine").stdout == cluster.said
    assert json.loads(cli("jobs", "logs", "mine", "--json").stdout) == {"run_id": "mine", "submission": "mine.1", "logs": cluster.said}


def test_logs_are_followed_or_one_document(cli, cluster):
    done = cli("jobs", "logs", "-f", "mine", "--json")
    assert json.loads(done.stdout)["message"] == "--follow shows lines as they come and --json one document; give one of them."
    assert done.exit_code == 2


def test_stop_says_how_to_go_on(cli, cluster):
    assert cli("jobs", "stop", "mine").stderr == f"What is done is kept. Go on with: {FACTS['resume']}\n"


def test_stop_that_came_too_late_says_what_became_of_the_run(cli, cluster):
    cluster.stopped = job(status="finished", exit_code=0)
    done = cli("jobs", "stop", "mine", "--json")
    assert (json.loads(done.stdout)["status"], done.stderr) == ("finished", "")


@pytest.mark.parametrize("verb", [("jobs", "list"), ("jobs", "status", "a"), ("jobs", "logs", "a"), ("jobs", "stop", "a")])
def test_a_cluster_must_be_named(cli, verb):
    done = cli(*verb)
    assert (done.exit_code, done.stderr) == (
        2,
        "error: which cluster? Say it with --address URL or RAY_API_SERVER_ADDRESS, for instance http://head:8265.\n",
    )


def test_a_new_run_is_named_or_an_old_one_goes_on(cli, workflow_file):
    done = cli("submit", workflow_file, "--run-id", "a", "--resume", "b")
    assert (done.exit_code, done.stderr) == (2, "error: --run-id names a new run and --resume goes on with one; give one of them.\n")


def test_data_is_sent_or_shared(cli, workflow_file):
    done = cli("submit", workflow_file, "--upload-data", "--shared-filesystem")
    assert (done.exit_code, done.stderr) == (
        2,
        "error: --upload-data sends local data to the cluster and --shared-filesystem says that it is there; give one of them.\n",
    )


def test_doctor_asks_nodes_only_where_there_are_any(cli):
    done = cli("doctor", "--installed")
    assert (done.exit_code, done.stderr) == (
        2,
        "error: --installed says what a cluster's nodes have; give --address, the URL of its dashboard, too.\n",
    )
