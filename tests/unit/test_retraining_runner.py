"""The command line of a run, what its end means, and the number that it must still have when it publishes."""

import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from distrnn.errors import AccessError, ConflictError, IntegrityError, UsageError
from distrnn.registry.fences import FENCE, check_fence, fence_of
from distrnn.registry.layout import schedule_key
from distrnn.retraining import runner
from distrnn.retraining.runner import Ended, Finished, NotStarted, Order, Process, Processes, ended
from distrnn.runs import RunStore
from distrnn.storage import open_store
from storage_doubles import MemoryStore


def order(storage, *, again=False):
    return Order("w.yaml", "reviews", "reviews-1", 3, again, ("train.epochs=2",), str(storage), "registry")


def test_a_run_here_and_a_run_on_a_cluster():
    tail = ["w.yaml", "--json", "--registry", "registry", "--set", "train.epochs=2"]
    assert Processes().words(order("s"), recorded=False) == ["run", *tail, "--run-id", "reviews-1"]
    assert Processes().words(order("s"), recorded=True) == ["run", *tail, "--resume", "reviews-1"]
    assert Processes("http://head:8265", ["--installed"]).words(order("s"), recorded=False) == [
        *("submit", "--wait", "--address", "http://head:8265", "--installed"),
        *(*tail, "--run-id", "reviews-1"),
    ]


def test_a_run_that_is_finished_is_not_run_again(tmp_path):
    record = {"run_id": "reviews-1", "status": "finished", "promotion": {"decision": "refused"}}
    RunStore(open_store(str(tmp_path))).create("reviews-1", record)
    run = Processes().start(order(tmp_path))
    assert isinstance(run, Finished)
    assert run.poll() == Ended(4, record, None)


def test_a_damaged_record_of_a_run_is_an_error(tmp_path):
    store = open_store(str(tmp_path))
    store.put("runs/reviews-1/run.json", b"[")
    with pytest.raises(IntegrityError, match=r"expected a JSON object in .*run\.json"):
        Processes().start(order(tmp_path))


def test_a_run_that_could_not_be_started_has_ended():
    assert NotStarted(AccessError("access denied")).poll() == Ended(7, None, "the run could not be started: access denied")


@pytest.fixture
def unreadable(monkeypatch):
    """Storage that may not be read, and the commands that were started all the same."""
    commands = []

    def fail(*_):
        raise AccessError("access denied to s3://bucket")

    monkeypatch.setattr(RunStore, "load", fail)
    monkeypatch.setattr(runner, "Process", lambda command, _environment: commands.append(command[3:]))
    return commands


def test_who_submits_need_not_be_allowed_to_read_the_storage(unreadable, tmp_path):
    Processes("http://head:8265").start(order(tmp_path))
    assert unreadable == [Processes("http://head:8265").words(order(tmp_path), recorded=False)]


def test_who_runs_it_here_must_be_allowed_to_read_the_storage(unreadable, tmp_path):
    with pytest.raises(AccessError, match="access denied to s3://bucket"):
        Processes().start(order(tmp_path))
    assert unreadable == []


@pytest.mark.parametrize("jobs", [[], ["reviews-1.1"]])
def test_another_attempt_goes_on_with_what_has_come_as_far_as_the_cluster(unreadable, monkeypatch, tmp_path, jobs):
    cluster = SimpleNamespace(of_run=lambda run_id: jobs if run_id == "reviews-1" else [])
    monkeypatch.setitem(sys.modules, "distrnn.cluster.jobs", SimpleNamespace(Jobs=lambda _address: cluster))
    Processes("http://head:8265").start(order(tmp_path, again=True))
    assert unreadable == [Processes("http://head:8265").words(order(tmp_path), recorded=bool(jobs))]


@pytest.mark.parametrize(
    ("code", "document", "expected"),
    [
        (0, {"run_id": "a"}, Ended(0, {"run_id": "a"}, None)),
        (2, {"error": "Workflow", "message": "wrong key", "code": 2}, Ended(2, None, "wrong key")),
        (0, {"submission": "a.1", "error": None, "result": {"run_id": "a"}}, Ended(0, {"run_id": "a"}, None)),
        (1, {"submission": "a.1", "error": "no space", "result": None}, Ended(1, None, "no space")),
        (-9, None, Ended(-9, None, "the run's process was killed by signal 9 and said nothing")),
        (1, None, Ended(1, None, "the run's process ended with exit code 1 and said nothing")),
    ],
)
def test_what_a_process_has_said_is_how_it_ended(code, document, expected):
    assert ended(code, document) == expected


def wait(process):
    deadline = time.monotonic() + 30
    while (found := process.poll()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def test_a_process_is_told_its_number_and_its_document_is_read():
    code = f"import json, os; print(json.dumps({{'run_id': os.environ['{FENCE}']}}))"
    process = Process([sys.executable, "-c", code], {FENCE: fence_of("reviews", 3)})
    assert wait(process) == Ended(0, {"run_id": "reviews:3"}, None)
    assert process.poll() == Ended(0, {"run_id": "reviews:3"}, None)


def test_a_process_that_is_stopped_may_tidy_up():
    code = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(143)); print('{}', flush=True); time.sleep(60)"
    process = Process([sys.executable, "-c", code], {})
    time.sleep(0.5)
    process.stop()
    assert wait(process).exit_code in (143, -15)


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not installed")
def test_a_process_ends_when_its_scheduler_is_killed(tmp_path):
    child = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    parent = (
        "import os, sys, time\nfrom pathlib import Path\nfrom distrnn.retraining.runner import Process\n"
        f"Process([sys.executable, '-c', {child!r}], {{}})\nfile = Path({str(tmp_path / 'pid')!r})\n"
        "while not (file.exists() and file.read_text()):\n    time.sleep(0.02)\nos.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", parent], timeout=60).returncode == -9
    pid, deadline = int((tmp_path / "pid").read_text()), time.monotonic() + 30
    while _runs(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def store():
    found = MemoryStore()
    found.put(schedule_key("reviews"), b'{"schema_version": 1, "fence": 4}')
    return found


def test_the_newest_number_publishes_and_so_does_a_run_of_no_schedule(store):
    check_fence(store, {FENCE: fence_of("reviews", 4)})
    check_fence(store, {})


def test_an_older_number_does_not(store):
    with pytest.raises(ConflictError) as caught:
        check_fence(store, {FENCE: fence_of("reviews", 3)})
    assert caught.value.message == (
        "the schedule of reviews has given up this run (its number is 3, the newest one 4), so nothing is published. "
        "See: distrnn schedule history reviews"
    )


def test_a_schedule_that_is_gone_publishes_nothing(store):
    with pytest.raises(ConflictError, match="the newest one None"):
        check_fence(store, {FENCE: fence_of("other", 1)})


@pytest.mark.parametrize("told", ["reviews", "reviews:x", ":3"])
def test_a_number_that_is_none_is_an_error(store, told):
    with pytest.raises(UsageError) as caught:
        check_fence(store, {FENCE: told})
    assert caught.value.message == f"DISTRNN_FENCE is set by `distrnn schedule run` to WORKFLOW:NUMBER. Received: {told!r}"
