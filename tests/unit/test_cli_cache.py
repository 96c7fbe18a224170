"""`distrnn cache list`, `verify` and `prune` over a cache that `pull` has filled."""

import json
import os
from datetime import UTC, datetime, timedelta

import pytest

from distrnn import Registry

FILES = {"preprocessing.json": b"{}", "numpy/weights.npz": b"1" * 5000}


@pytest.fixture
def folder(cli, tmp_path):
    """The cache's folder, with imdb@v1 in it."""
    for path, body in FILES.items():
        (tmp_path / "model" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "model" / path).write_bytes(body)
    registry = Registry(tmp_path / "home" / "registry")
    registry.publish("imdb", tmp_path / "model", metadata={})
    registry.pull("imdb")
    return tmp_path / "home" / "cache" / "models"


def ready(folder):
    return next((folder / "folders").glob("*/*"))


def unused_for(folder, days):
    moment = (datetime.now(UTC) - timedelta(days=days)).timestamp()
    os.utime(ready(folder), (moment, moment))


def test_an_empty_cache_says_so(cli, tmp_path):
    done = cli("cache", "list")
    assert (done.exit_code, done.stderr) == (0, f"No version in {tmp_path}/home/cache/models yet.\n")
    assert json.loads(cli("cache", "list", "--json").stdout)["versions"] == []
    assert cli("cache", "verify").exit_code == cli("cache", "prune").exit_code == 0


def test_list_has_a_line_a_form(cli, folder):
    lines = cli("cache", "list").stdout.splitlines()
    assert lines[0].split()[:4] == ["VERSION", "FORM", "SIZE", "STATE"]
    assert lines[1].split()[:5] == ["imdb@v1", "numpy", "5.0", "kB", "complete"]
    assert lines[3] == f"folder   {folder}"


def test_list_as_json(cli, folder):
    document = json.loads(cli("cache", "list", "--json").stdout)
    (entry,) = document["versions"]
    assert {key: entry[key] for key in ("name", "number", "form", "state", "size_bytes", "present_bytes", "path")} == {
        "name": "imdb",
        "number": 1,
        "form": "numpy",
        "state": "complete",
        "size_bytes": 5002,
        "present_bytes": 5002,
        "path": str(ready(folder)),
    }
    assert datetime.fromisoformat(entry["used_at"]) > datetime.now(UTC) - timedelta(minutes=5)
    assert 5002 < document["size_bytes"] < 7000


def test_verify_says_that_all_is_well(cli, folder):
    done = cli("cache", "verify")
    assert (done.exit_code, done.stdout) == (0, f"Everything in {folder} is what it was when it was pulled.\n")


def test_verify_names_what_was_altered_and_removes_it(cli, folder):
    weights = ready(folder) / "numpy" / "weights.npz"
    weights.chmod(0o644)
    weights.write_bytes(b"2" * 5000)
    done = cli("cache", "verify", "--json")
    (found,) = json.loads(done.stdout)["altered"]
    assert (done.exit_code, found["version"], found["form"], found["file"], found["problem"]) == (
        5,
        "imdb@v1",
        "numpy",
        "numpy/weights.npz",
        "altered",
    )
    assert (weights.exists(), cli("cache", "verify").exit_code, cli("pull", "imdb").exit_code) == (False, 0, 0)
    assert weights.read_bytes() == FILES["numpy/weights.npz"]


def test_verify_as_text(cli, folder):
    (ready(folder) / "preprocessing.json").unlink()
    done = cli("cache", "verify")
    assert (done.exit_code, done.stderr) == (5, "What was altered was removed; pull it again to have it back.\n")
    assert done.stdout.splitlines()[1].split()[:4] == ["imdb@v1", "numpy", "preprocessing.json", "missing"]


def test_prune_asks_before_it_removes(cli, folder):
    unused_for(folder, 40)
    done = cli("cache", "prune", "--older-than", "30d")
    assert done.exit_code == 2
    assert "Remove 1 from the cache (5.0 kB)? Nobody is there to answer; say it with --yes." in done.stderr
    assert ready(folder).exists()


def test_prune_shows_what_would_go(cli, folder):
    unused_for(folder, 40)
    document = json.loads(cli("cache", "prune", "--older-than", "30d", "--dry-run", "--json").stdout)
    assert (document["dry_run"], document["freed_bytes"], [item["what"] for item in document["pruned"]]) == (True, 5002, ["imdb@v1 numpy"])
    assert cli("cache", "prune", "--older-than", "30d", "--dry-run").stdout.endswith("Would free 5.0 kB; nothing was removed.\n")
    assert ready(folder).exists()


@pytest.mark.parametrize("what", [("--older-than", "30d"), ("--max-size", "4kB"), ("--all",)])
def test_prune_removes(cli, folder, what):
    unused_for(folder, 40)
    done = cli("cache", "prune", *what, "--yes", "--json")
    document = json.loads(done.stdout)
    assert (document["dry_run"], document["freed_bytes"] > 5002, [item["kind"] for item in document["pruned"]]) == (
        False,
        True,
        ["version"],
    )
    assert json.loads(cli("cache", "list", "--json").stdout)["versions"] == []


@pytest.mark.parametrize("what", [("--older-than", "50d"), ("--max-size", "1GB"), ()])
def test_prune_leaves_what_is_not_asked_for(cli, folder, what):
    unused_for(folder, 40)
    assert cli("cache", "prune", *what, "--yes").stdout == "Nothing to remove.\n"
    assert ready(folder).exists()


@pytest.mark.parametrize("what", [("--older-than", "soon"), ("--max-size", "big"), ("--all", "--older-than", "3d")])
def test_prune_refuses_what_makes_no_sense(cli, folder, what):
    assert cli("cache", "prune", *what, "--yes").exit_code == 2
    assert ready(folder).exists()
