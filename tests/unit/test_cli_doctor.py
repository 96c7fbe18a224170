"""`doctor`: versions, extras and places, without importing anything heavy."""

import json

import pytest

from distrnn.cli import doctor, installed
from distrnn.cli.installed import Requirement
from distrnn.errors import AccessError
from distrnn.storage.capability import Capabilities

REQUIRES = {
    "distrnn": [
        "numpy<3,>=2.0",
        "typer>=0.29",
        'keras<4,>=3.15; extra == "train"',
        'ray[default,train]<3,>=2.60; extra == "train"',
        'distrnn[train]; extra == "gpu"',
        'tensorflow[and-cuda]>=2.21; extra == "gpu"',
        'pytest>=9; extra == "dev"',
    ],
    "ray": [
        "click>=7",
        'aiohttp; extra == "default"',
        'py-spy; python_version < "3.12" and extra == "default"',
        'dm-tree; extra == "rllib"',
    ],
    "tensorflow": ['nvidia-cudnn-cu12>=9; extra == "and-cuda"'],
}
VERSIONS = {"numpy": "2.4.6", "keras": "3.15.1", "ray": "2.60.0", "aiohttp": "3.14.5"}


@pytest.fixture
def machine(monkeypatch):
    """A machine with some of the packages."""
    lines = {name: tuple(map(installed.parse, found)) for name, found in REQUIRES.items()}
    monkeypatch.setattr(installed, "requirements", lambda package: lines.get(package, ()))
    monkeypatch.setattr(installed, "version", VERSIONS.get)


def test_packages_are_those_that_distrnn_names(machine):
    assert installed.packages() == {"keras": "3.15.1", "numpy": "2.4.6", "ray": "2.60.0", "tensorflow": None, "typer": None}


def test_extras_tell_what_is_missing_and_how_to_get_it(machine):
    assert installed.extras() == {
        "train": {"installed": True, "missing": [], "install": "pip install 'distrnn[train]'"},
        "gpu": {"installed": False, "missing": ["nvidia-cudnn-cu12", "tensorflow"], "install": "pip install 'distrnn[gpu]'"},
    }


@pytest.mark.parametrize(
    ("line", "requirement"),
    [
        ("numpy<3,>=2.0", Requirement("numpy", (), "", True)),
        ('ray[default, train]>=2.60; extra == "train"', Requirement("ray", ("default", "train"), "train", True)),
        ("py-spy>=0.4 ; (python_version < '3.12') and extra == 'x'", Requirement("py-spy", (), "x", False)),
        ("s3fs (>=2025.3)", Requirement("s3fs", (), "", True)),
    ],
)
def test_requirement_lines(line, requirement):
    assert installed.parse(line) == requirement


def test_package_that_is_not_there_requires_nothing():
    assert installed.requirements("no-such-package") == ()
    assert installed.version("no-such-package") is None


def test_healthy_machine(cli, tmp_path):
    done = cli("doctor", "--json")
    document = json.loads(done.stdout)
    assert done.exit_code == 0
    assert {"numpy", "typer", "tensorflow", "ray"} <= set(document["packages"])
    assert document["extras"]["train"]["install"] == "pip install 'distrnn[train]'"
    assert document["places"]["registry"] == {
        "url": str(tmp_path / "home" / "registry"),
        "setting": "DISTRNN_REGISTRY",
        "usable": True,
        "endpoint": None,
        "create_if_absent": True,
        "compare_and_swap": True,
        "probed_at": None,
        "problem": None,
    }


def test_looking_leaves_nothing_behind(cli, tmp_path):
    cli("doctor")
    assert list(tmp_path.iterdir()) == []


def test_text_has_the_same_facts(cli, tmp_path):
    lines = cli("doctor").stdout.splitlines()
    assert ["EXTRA", "INSTALLED", "TO", "INSTALL"] in [line.split() for line in lines]
    assert ["home", str(tmp_path / "home"), "yes", "yes", "DISTRNN_HOME"] in [line.split() for line in lines]


def test_place_that_cannot_be_written_is_named_and_exits_1(cli, tmp_path):
    (tmp_path / "file").write_text("")
    done = cli("doctor", "--registry", tmp_path / "file" / "registry", "--json")
    found = json.loads(done.stdout)["places"]["registry"]
    assert (done.exit_code, found["usable"]) == (1, False)
    assert found["problem"] == f"{tmp_path}/file/registry cannot be written: not a directory. Choose another place with DISTRNN_REGISTRY."


REFUSED = "s3://bb/a cannot decide a race of writers, so models can be published there only with a lock (DISTRNN_LOCK, --lock URL)."
GOOD, BAD = (Capabilities("s3://bb/a", won, True, "2026-01-02T03:04:05+00:00") for won in (True, False))


@pytest.mark.parametrize(
    ("verdict", "lock", "usable", "problem"), [(GOOD, None, True, None), (BAD, None, False, REFUSED), (BAD, "/srv/lock", True, None)]
)
def test_server_is_raced(monkeypatch, verdict, lock, usable, problem):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://store:9000")
    monkeypatch.setattr("distrnn.storage.capability.probe_anew", lambda _store, _home: verdict)
    assert doctor.place("s3://bb/a", "DISTRNN_REGISTRY", lock=lock) == {
        "url": "s3://bb/a",
        "setting": "DISTRNN_REGISTRY",
        "usable": usable,
        "endpoint": "http://store:9000",
        "create_if_absent": verdict.create_if_absent,
        "compare_and_swap": True,
        "probed_at": "2026-01-02T03:04:05+00:00",
        "problem": problem,
    }


def test_server_is_shown_with_what_was_found_out_and_when(cli, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://store:9000")
    monkeypatch.setattr("distrnn.storage.capability.probe_anew", lambda _store, _home: BAD)
    done = cli("doctor", "--registry", "s3://bb/a")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["registry", "s3://bb/a", "no", "no", "DISTRNN_REGISTRY"] in lines
    assert ["registry", "http://store:9000", "no", "yes", "2026-01-02T03:04:05+00:00"] in lines
    assert (done.exit_code, REFUSED in done.stdout) == (1, True)
    monkeypatch.setenv("DISTRNN_LOCK", "/srv/lock")
    assert cli("doctor", "--registry", "s3://bb/a").exit_code == 0


def test_server_that_denies_access_is_a_finding(monkeypatch):
    def deny(_store, _home):
        raise AccessError("s3://bucket: access denied")

    monkeypatch.setattr("distrnn.storage.capability.probe_anew", deny)
    found = doctor.place("s3://bucket/a", "DISTRNN_REGISTRY")
    assert (found["usable"], found["problem"]) == (False, "s3://bucket: access denied")
