"""A machine of somebody who only downloads models: Python with distrnn's base install, without TensorFlow, Keras, Ray and pyarrow."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

REPO = Path(__file__).resolve().parents[1]
HEAVY = ("tensorflow", "keras", "ray", "pyarrow")


def base_distributions() -> set[str]:
    """The distributions that `pip install distrnn` brings: the closure of its requirements without extras, as installed here."""
    found: set[str] = set()
    wanted = ["distrnn"]
    while wanted:
        name = wanted.pop()
        if name in found:
            continue
        found.add(name)
        for requirement in metadata.requires(name) or []:
            if "extra ==" in requirement:
                continue
            match = re.match(r"[A-Za-z0-9._-]+", requirement)
            assert match
            try:
                metadata.distribution(match[0])
            except metadata.PackageNotFoundError:  # asked for on another platform only
                continue
            wanted.append(metadata.distribution(match[0]).metadata["Name"])
    return found - {"distrnn"}


@pytest.fixture(scope="session")
def base_site_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with links to the base install's packages and to distrnn, and to nothing else."""
    site = tmp_path_factory.mktemp("site-packages")
    (site / "distrnn").symlink_to(REPO / "distrnn")
    for name in base_distributions():
        files = metadata.distribution(name).files or []
        for top in {file.parts[0] for file in files if file.parts[0] not in ("..", "__pycache__")}:
            source = Path(str(metadata.distribution(name).locate_file(top)))
            if source.exists() and not (site / top).exists():
                (site / top).symlink_to(source)
    return site


@pytest.fixture(scope="session")
def client(base_site_packages: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run Python code, or `-m distrnn …`, on that machine; `env` is added to the test's environment."""

    def run(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        # -S: no site-packages of this Python; what is not linked above cannot be imported
        command = [sys.executable, "-S", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(base_site_packages), **(env or {})}
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=120)

    absent = f"import importlib.util as u; assert not [n for n in {HEAVY!r} if u.find_spec(n)]"
    done = run("-c", absent)
    assert done.returncode == 0, done.stderr
    return run


@pytest.fixture(scope="session")
def distrnn_command() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `distrnn …` with the full install; `env` is added to the test's environment."""

    def run(*arguments: str, env: dict[str, str] | None = None, timeout_s: float = 240) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "distrnn", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **(env or {})}, check=False, timeout=timeout_s)

    return run


def result_of(done: subprocess.CompletedProcess[str]) -> Any:
    """The JSON document on stdout of a command that succeeded."""
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)
