"""`runs list`, `show` and `report` over records in a folder."""

import json

import pytest

from distrnn.runs import RunStore
from distrnn.storage import open_store


@pytest.fixture
def recorded(cli, tmp_path, finished_run):
    """Two runs: an older one that was stopped, and one that went well."""
    runs = RunStore(open_store(str(tmp_path / "home" / "storage")))
    state = {"workflow_file": "reviews.yaml", "resolved_workflow": {}}
    older = {"run_id": "reviews-20261120-000000-0001", "workflow": "reviews", "started_at": "2026-11-20T00:00:00+00:00"}
    runs.create(older["run_id"], {**older, **state, "status": "interrupted", "error": "interrupted by SIGTERM"})
    newer = {**finished_run, **state, "status": "finished", "started_at": "2026-11-21T01:53:00+00:00"}
    runs.create(newer["run_id"], newer)
    runs.save_report(newer["run_id"], "<html>fine</html>")
    return runs


def test_list_is_newest_first(cli, recorded):
    assert cli("runs", "list").stdout == (
        "RUN                           STATUS       STARTED                  MODEL       RESULT\n"
        "reviews-20261121-015300-ab12  finished     2026-11-21 01:53:00 UTC  reviews@v1  accuracy 0.9860\n"
        "reviews-20261120-000000-0001  interrupted  2026-11-20 00:00:00 UTC  –           –\n"
    )


def test_list_as_json_has_whole_records(cli, recorded):
    assert json.loads(cli("runs", "list", "--json").stdout) == recorded.list()


def test_no_run_yet_says_what_to_do(cli, tmp_path):
    done = cli("runs", "list")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == f"No run in {tmp_path}/home/storage yet. Start one with: distrnn run WORKFLOW\n"


def test_show_of_a_finished_run_has_its_figures(cli, recorded):
    lines = cli("runs", "show").stdout.splitlines()
    assert lines[0].split() == ["status", "finished"]
    assert "test      accuracy  0.9860" in lines
    assert "production: promoted" in lines


def test_show_of_a_stopped_run_has_error_and_log(cli, recorded, tmp_path):
    assert cli("runs", "show", "reviews-20261120-000000-0001").stdout == (
        "run            reviews-20261120-000000-0001\n"
        "workflow       reviews\n"
        "status         interrupted\n"
        "started        2026-11-20 00:00:00 UTC\n"
        "workflow file  reviews.yaml\n"
        "error          interrupted by SIGTERM\n"
        f"log            {tmp_path}/home/storage/runs/reviews-20261120-000000-0001/log.txt\n"
    )


def test_show_says_where_the_files_for_tensorboard_are(cli, recorded, tmp_path):
    run_id = "reviews-20261121-015300-ab12"
    recorded.save(run_id, {**recorded.load(run_id), "resolved_workflow": {"train": {"tensorboard": True}}})
    assert f"tensorboard    {tmp_path}/home/storage/runs/{run_id}/tensorboard" in cli("runs", "show").stdout.splitlines()


def test_report_prints_where_the_page_is(cli, recorded, tmp_path):
    expected = f"{tmp_path}/home/storage/runs/reviews-20261121-015300-ab12/report.html\n"
    assert cli("runs", "report", "last").stdout == expected


def test_report_is_copied_on_request(cli, recorded, tmp_path):
    document = json.loads(cli("runs", "report", "--dest", "page.html", "--json").stdout)
    assert document == {"run_id": "reviews-20261121-015300-ab12", "report": str(tmp_path / "page.html")}
    assert (tmp_path / "page.html").read_text() == "<html>fine</html>"


def test_report_needs_a_folder_to_go_to(cli, recorded):
    done = cli("runs", "report", "--dest", "nowhere/page.html")
    assert (done.exit_code, done.stderr) == (3, "error: no folder 'nowhere' to write the report into. Make it first.\n")


def test_run_without_a_report_says_why(cli, recorded):
    done = cli("runs", "report", "reviews-20261120-000000-0001")
    message = (
        "error: run 'reviews-20261120-000000-0001' has no report.html; its status is interrupted. "
        "See: distrnn runs show reviews-20261120-000000-0001\n"
    )
    assert (done.exit_code, done.stderr) == (3, message)


def test_run_that_does_not_exist_is_not_found(cli, recorded, tmp_path):
    done = cli("runs", "show", "other")
    assert (done.exit_code, done.stderr) == (3, f"error: no run 'other' in {tmp_path}/home/storage. See: distrnn runs list\n")


def test_storage_can_be_named(cli, recorded, tmp_path):
    (tmp_path / "home" / "storage").rename(tmp_path / "elsewhere")
    assert cli("runs", "show", "last").exit_code == 3
    assert cli("runs", "show", "last", "--storage", tmp_path / "elsewhere").exit_code == 0
