"""The code of this machine's distrnn, as a folder that Ray sends to a cluster."""

import shutil
from pathlib import Path

import distrnn

LEFT_OUT = ("__pycache__", "*.pyc")


def copy_of_package(folder: Path) -> str:
    """Copy the package into `folder`, links followed and caches left out; returns the copy's path."""
    target = folder / "distrnn"
    shutil.copytree(Path(distrnn.__file__).parent, target, ignore=shutil.ignore_patterns(*LEFT_OUT))
    return str(target)
