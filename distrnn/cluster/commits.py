"""Which commit a workflow was taken from; a submitted run is told, because the file it reads on the cluster lies in no repository."""

import os
import subprocess
from pathlib import Path

COMMIT = "DISTRNN_COMMIT"


def commit_of(folder: Path) -> str | None:
    """The commit checked out in `folder`, with `+changes` where files differ from it.

    Returns:
        What whoever submitted the run has said (DISTRNN_COMMIT); None outside of git.
    """
    if told := os.environ.get(COMMIT):
        return told
    try:
        head = _git(folder, "rev-parse", "HEAD")
        return head + ("+changes" if _git(folder, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=10).stdout.strip()
