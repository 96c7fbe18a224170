"""The Dockerfile's install lines with what it copies: run in a fresh environment for the roles without TensorFlow, else resolved."""

import fnmatch
import json
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
    (base,) = {line.split()[1] for line in lines(repo_root) if line.startswith("FROM ")}
    assert re.fullmatch(rf"python:{sys.version_info[0]}\.{sys.version_info[1]}\.\d+-slim-bookworm", base)


def test_store_starts_from_a_point_release(repo_root: Path) -> None:
    text = (repo_root / "infra/store/Dockerfile").read_text(encoding="utf-8")
    assert [re.sub(r"\d+", "N", line) for line in text.splitlines() if line.startswith("FROM ")] == ["FROM debian:N.N-slim"]


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


def copied_to(folder: Path, repo_root: Path) -> Path:
    """What the first stage copies."""
    folder.mkdir()
    for name in {word for line in stage(repo_root, 0) if line.startswith("COPY ") for word in line.split()[1:-1]}:
        source = repo_root / name
        if source.is_dir():
            ignored = [line for line in (repo_root / ".dockerignore").read_text().splitlines() if line.startswith("**/")]
            shutil.copytree(source, folder / name, symlinks=True, ignore=shutil.ignore_patterns(*(line[3:] for line in ignored)))
        else:
            shutil.copy(source, folder / name)
    return folder


def pins_of(repo_root: Path) -> dict[str, str]:
    """The versions that are tested, by normalised names."""
    lines = (repo_root / "constraints.txt").read_text().lower().replace("_", "-").splitlines()[1:]
    return dict(line.split("==") for line in lines)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_install_line_of_the_image_for_gpus_resolves(repo_root: Path, tmp_path: Path) -> None:
    """It asks for all that the image without CUDA asks for, and for more."""
    dry = f"{sys.executable} -m pip install --dry-run --ignore-installed --quiet"
    asked = subprocess.run(
        f"{dry} --no-deps --retries 0 --timeout 20 nvidia-nccl-cu12".split(), capture_output=True, text=True, check=False
    )
    if asked.returncode:
        pytest.skip(f"the package index does not answer: {asked.stderr.strip().splitlines()[-1]}")
    command = install_lines(repo_root)[-1].replace(f"{BUILT}/bin/pip install", f"{dry} --report {tmp_path}/report.json")
    environment = {**os.environ, **arguments(repo_root), "CUDA": "yes"}
    context = copied_to(tmp_path / "source", repo_root)
    done = subprocess.run(["sh", "-c", command], cwd=context, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = [one["metadata"] for one in json.loads((tmp_path / "report.json").read_text())["install"]]
    versions = {one["name"].lower().replace("_", "-"): one["version"] for one in found}
    pins = pins_of(repo_root)
    assert {"tensorflow", "keras", "ray", "pyarrow"} <= set(versions)
    assert {name: version for name, version in versions.items() if pins.get(name, version) != version} == {}
    cuda = {name for name in versions if name.startswith("nvidia-")}
    assert set(versions) - set(pins) == {"distrnn", "setuptools", "wheel", *cuda}
    assert "nvidia-cudnn-cu12" in cuda


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_install_lines_make_the_light_roles(repo_root: Path, tmp_path: Path) -> None:
    context, built = copied_to(tmp_path / "source", repo_root), tmp_path / "built"
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
