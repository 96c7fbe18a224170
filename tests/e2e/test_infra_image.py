"""The Dockerfile's install lines, run in a fresh environment with what it copies, for the roles that need no TensorFlow."""

import fnmatch
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BUILT = "/opt/distrnn"


def lines(repo_root: Path) -> list[str]:
    """The instructions of the Dockerfile, continued lines joined."""
    text = (repo_root / "infra/Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def stage(repo_root: Path, number: int) -> list[str]:
    """The instructions of one stage, counted from 0, without its FROM."""
    found = lines(repo_root)
    begins = [at for at, line in enumerate(found) if line.startswith("FROM ")] + [len(found)]
    return found[begins[number] + 1 : begins[number + 1]]


def arguments(repo_root: Path) -> dict[str, str]:
    """The build arguments and what they are where nobody says."""
    return dict(line.removeprefix("ARG ").split("=", 1) for line in stage(repo_root, 0) if line.startswith("ARG "))


def install_lines(repo_root: Path) -> list[str]:
    return [line.removeprefix("RUN ") for line in stage(repo_root, 0) if line.startswith("RUN ")]


def test_image_is_of_two_stages_and_nobody_is_root(repo_root: Path) -> None:
    assert [line.split()[0] for line in lines(repo_root)].count("FROM") == 2
    assert [line for line in stage(repo_root, 1) if line.startswith("USER ")] == ["USER 1000:1000"]


def test_image_starts_from_the_python_that_is_tested(repo_root: Path) -> None:
    bases = {line.split()[1] for line in lines(repo_root) if line.startswith("FROM ")}
    assert bases == {f"python:{sys.version_info[0]}.{sys.version_info[1]}-slim-bookworm"}


def test_everything_that_is_copied_is_there_and_not_ignored(repo_root: Path) -> None:
    copied = {name for line in lines(repo_root) if line.startswith("COPY ") and "--from" not in line for name in line.split()[1:-1]}
    kept = {line.removeprefix("!") for line in (repo_root / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied == kept
    assert all((repo_root / name).exists() for name in copied)


@pytest.mark.parametrize(
    ("given", "installed"),
    [({}, ".[train]"), ({"CUDA": "yes"}, ".[train,gpu]"), ({"EXTRAS": "serve,schedule"}, ".[serve,schedule]")],
)
def test_build_arguments_choose_what_is_installed(repo_root: Path, given: dict[str, str], installed: str) -> None:
    install = install_lines(repo_root)[-1]
    said = subprocess.run(
        ["sh", "-c", f"set -- {install}; for word; do :; done; echo $word"],
        env={**os.environ, **arguments(repo_root), **given},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == installed
    assert "--constraint constraints.txt" in install


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_install_lines_make_the_light_roles(repo_root: Path, tmp_path: Path) -> None:
    context, built = tmp_path / "source", tmp_path / "built"
    context.mkdir()
    for name in {word for line in stage(repo_root, 0) if line.startswith("COPY ") for word in line.split()[1:-1]}:
        source = repo_root / name
        if source.is_dir():
            ignored = [line for line in (repo_root / ".dockerignore").read_text().splitlines() if line.startswith("**/")]
            shutil.copytree(source, context / name, symlinks=True, ignore=shutil.ignore_patterns(*(line[3:] for line in ignored)))
        else:
            shutil.copy(source, context / name)
    environment = {name: value for name, value in os.environ.items() if not fnmatch.fnmatch(name, "PYTHON*")}
    environment |= arguments(repo_root) | {"EXTRAS": "serve,schedule"}
    for command in install_lines(repo_root):
        command = command.replace(BUILT, str(built)).replace("python -m venv", f"{sys.executable} -m venv")
        done = subprocess.run(["sh", "-c", command], cwd=context, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]

    def said(*words: str) -> str:
        program = [str(built / "bin" / words[0]), *words[1:]]
        return subprocess.run(program, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True, timeout=120).stdout

    listed = said("pip", "list", "--format=freeze", "--disable-pip-version-check").lower().replace("_", "-").splitlines()
    pins = (repo_root / "constraints.txt").read_text().lower().replace("_", "-").splitlines()[1:]
    assert {line for line in listed if not re.match(r"(distrnn|pip|setuptools)(==| @)", line)} <= set(pins)
    assert not {"tensorflow", "keras"} & {line.split("==")[0] for line in listed}
    assert "--public-url" in said("distrnn", "serve", "--help")
    assert "--metrics-port" in said("distrnn", "schedule", "run", "--help")
    assert said("distrnn", "init", "mine", "--from", "imdb-lstm-weekly", "--json").startswith("{")
