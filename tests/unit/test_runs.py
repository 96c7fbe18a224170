import json
import re
from datetime import UTC, datetime, timedelta, timezone

import pytest

from distrnn.errors import ConflictError, IntegrityError, NotFoundError, UsageError
from distrnn.runs import RunStore, check_run_id, new_run_id
from distrnn.storage import open_store

OLD, NEW = "imdb-lstm-20261120-015300-ab12", "a-20261121-015300-0001"


@pytest.fixture
def runs(tmp_path):
    return RunStore(open_store(str(tmp_path)))


def test_an_id_names_workflow_and_time_in_utc():
    now = datetime(2026, 11, 21, 2, 53, tzinfo=timezone(timedelta(hours=1)))
    assert re.fullmatch(r"imdb-lstm-20261121-015300-[0-9a-f]{4}", new_run_id("imdb-lstm", now))


def test_an_id_of_the_longest_workflow_name_is_valid():
    run_id = new_run_id("w" * 63, datetime.now(UTC))
    assert check_run_id(run_id) == run_id


@pytest.mark.parametrize("run_id", ["", "../x", "a/b", "A", ".hidden", "a" * 101, "last", "a\n"])
def test_what_may_not_name_a_run_is_refused(run_id):
    with pytest.raises(UsageError) as caught:
        check_run_id(run_id)
    assert str(caught.value) == (
        "run id must start with a lower-case letter or digit and go on with lower-case letters, digits, '.', '_' or '-' "
        f"(100 characters at most), and 'last' is reserved. Received: {run_id!r}"
    )


def test_what_is_saved_is_loaded(runs):
    runs.save(OLD, {"run_id": OLD, "status": "running", "metrics": {"accuracy": 0.8}, "labels": ["négatif"]})
    assert runs.load(OLD) == {"run_id": OLD, "status": "running", "metrics": {"accuracy": 0.8}, "labels": ["négatif"]}


def test_the_record_lies_where_the_layout_says(runs, tmp_path):
    runs.save(OLD, {"status": "running"})
    assert json.loads((tmp_path / "runs" / OLD / "run.json").read_text()) == {"status": "running"}


def test_saving_again_replaces(runs):
    runs.save(OLD, {"status": "running"})
    runs.save(OLD, {"status": "finished"})
    assert runs.load(OLD) == {"status": "finished"}


def test_a_loss_that_is_no_number_is_recorded_as_null(runs):
    runs.save(OLD, {"history": ({"loss": float("nan")}, {"loss": float("inf")}, {"loss": 0.5})})
    assert runs.load(OLD) == {"history": [{"loss": None}, {"loss": None}, {"loss": 0.5}]}


def test_an_id_is_used_once(runs):
    runs.create("mine", {"status": "running", "attempt": 1})
    with pytest.raises(ConflictError) as caught:
        runs.create("mine", {"status": "running", "attempt": 2})
    assert str(caught.value) == "there is a run 'mine' already. Choose another --run-id, or go on with it: --resume mine"
    assert runs.load("mine")["attempt"] == 1


def test_runs_are_listed_newest_first_whatever_their_names(runs):
    runs.save(NEW, {"run_id": NEW})
    runs.save(OLD, {"run_id": OLD})
    runs.save("mine", {"run_id": "mine", "started_at": "2026-11-20T12:00:00+00:00"})
    assert [document["run_id"] for document in runs.list()] == [NEW, "mine", OLD]


def test_other_files_are_no_runs(runs):
    runs.store.put(f"runs/{OLD}/report.html", b"")
    runs.store.put(f"runs/{OLD}/checkpoints/run.json", b"{}")
    assert runs.ids() == []


def test_last_is_the_newest(runs):
    runs.save(OLD, {})
    runs.save(NEW, {})
    assert runs.resolve("last") == NEW


def test_an_id_means_itself(runs):
    runs.save(OLD, {})
    runs.save(NEW, {})
    assert runs.resolve(OLD) == OLD


def test_last_of_nothing_says_how_to_start(runs):
    with pytest.raises(NotFoundError) as caught:
        runs.resolve("last")
    assert str(caught.value) == f"no run in {runs.store.url} yet. Start one with: distrnn run WORKFLOW"


@pytest.mark.parametrize("operation", ["load", "resolve"])
def test_an_unknown_run_says_where_to_look(runs, operation):
    with pytest.raises(NotFoundError) as caught:
        getattr(runs, operation)("nothing")
    assert str(caught.value) == f"no run 'nothing' in {runs.store.url}. See: distrnn runs list"


def test_a_damaged_record_is_named(runs, tmp_path):
    runs.store.put(f"runs/{OLD}/run.json", b"{half")
    with pytest.raises(IntegrityError) as caught:
        runs.load(OLD)
    assert str(caught.value) == (
        f"expected a JSON object in {tmp_path}/runs/{OLD}/run.json. Received: b'{{half'. Remove the run's folder, or restore this file."
    )


def test_a_report_is_kept_and_its_path_told(runs, tmp_path):
    place = runs.save_report(OLD, "<p>é</p>")
    assert place == str(tmp_path / "runs" / OLD / "report.html")
    assert runs.read(OLD, "report.html") == "<p>é</p>".encode()


def test_a_log_is_kept_and_its_path_told(runs, tmp_path):
    (tmp_path / "here.txt").write_text("noise")
    place = runs.save_log(OLD, tmp_path / "here.txt")
    assert place == str(tmp_path / "runs" / OLD / "log.txt")
    assert runs.read(OLD, "log.txt") == b"noise"


def test_a_run_without_a_report_says_its_status(runs):
    runs.save(OLD, {"status": "interrupted"})
    with pytest.raises(NotFoundError) as caught:
        runs.read(OLD, "report.html")
    assert str(caught.value) == f"run {OLD!r} has no report.html; its status is interrupted. See: distrnn runs show {OLD}"
