"""What the demo does around its commands; the commands themselves are tested where they live."""

from pathlib import Path

import pytest

from distrnn.cli import demo
from distrnn.runs import RunStore
from distrnn.storage import open_store


def test_everything_stays_in_a_folder_of_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISTRNN_HOME")
    monkeypatch.setenv("DISTRNN_REGISTRY", "s3://somebody/elses")
    monkeypatch.setenv("DISTRNN_STORAGE", "s3://somebody/elses")
    assert demo.prepare_home() == tmp_path / ".demo"
    assert {name: demo.os.environ[f"DISTRNN_{name}"] for name in ("HOME", "REGISTRY", "STORAGE")} == {
        "HOME": f"{tmp_path}/.demo",
        "REGISTRY": f"{tmp_path}/.demo/registry",
        "STORAGE": f"{tmp_path}/.demo/storage",
    }


def test_workflows_are_those_of_the_checkout_or_the_package(tmp_path, repo_root, monkeypatch):
    monkeypatch.chdir(repo_root)
    assert demo.workflow(demo.DOCS) == "workflows/quickstart-docs.yaml"
    monkeypatch.chdir(tmp_path)
    assert Path(demo.workflow(demo.DOCS)).resolve() == repo_root / "workflows" / "quickstart-docs.yaml"


def test_command_is_shown_and_run(cli, capsys):
    demo.command("init", "mine", "--from", demo.DOCS)
    assert capsys.readouterr().out == f"$ distrnn init mine --from {demo.DOCS}\nWrote mine.yaml, from {demo.DOCS}.\n"


def test_command_that_fails_ends_the_demo_with_its_code(cli, capsys):
    with pytest.raises(SystemExit, match="3"):
        demo.command("predict", "nothing", "a text")
    captured = capsys.readouterr()
    assert captured.out == '$ distrnn predict nothing "a text"\n'
    assert captured.err.endswith("\nThe demo ends here: distrnn predict failed.\n")


def test_farewell_names_the_newest_reports(tmp_path, monkeypatch):
    runs = RunStore(open_store(str(tmp_path / "storage")))
    for number, name in enumerate((demo.REVIEWS, demo.DOCS, demo.REVIEWS)):
        run_id = f"{name}-2026112{number}-000000-0000"
        runs.create(run_id, {"run_id": run_id, "workflow": name})
    lines = demo.farewell(tmp_path)
    assert lines[1:3] == [
        f"  {tmp_path}/storage/runs/quickstart-reviews-20261122-000000-0000/report.html",
        f"  {tmp_path}/storage/runs/quickstart-docs-20261121-000000-0000/report.html",
    ]
    assert f"  export DISTRNN_HOME={tmp_path}" in lines


def test_no_style_where_there_is_no_terminal():
    assert demo.mark("title", "1") == "title"
