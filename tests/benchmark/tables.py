"""Figures of a benchmark as Markdown: printed, and put into the README where that is asked for."""

import os
import platform
import re
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

README = Path(__file__).resolve().parents[2] / "README.md"
WRITE = "BENCH_README"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table."""
    return [f"| {' | '.join(line)} |" for line in [columns, ["---"] * len(columns), *rows]]


def made_on(packages: Sequence[str] = (), *programs: str) -> str:
    """When, on what machine, and with which versions."""
    versions = [f"{package} {metadata.version(package)}" for package in packages]
    versions += [line for program in programs if (line := _version(program))]
    return f"{datetime.now(UTC).date().isoformat()}, {os.cpu_count()} cores, {platform.machine()}, {', '.join(versions)}"


def publish(part: str, lines: Sequence[str], *, complete: bool) -> None:
    """Print a part of the README, and with BENCH_README=1 put it there between its marks, if it is complete."""
    print("\n" + "\n".join(lines))
    if os.environ.get(WRITE) == "1" and complete:
        begin, end = f"<!-- {part}: written by {WRITE}=1 make bench -->", f"<!-- end of {part} -->"
        text = README.read_text(encoding="utf-8")
        before, after = text[: text.index(begin) + len(begin)], text[text.index(end) :]
        README.write_text(f"{before}\n" + "\n".join(lines) + f"\n{after}", encoding="utf-8")


def _version(program: str) -> str | None:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    return f"{Path(program).name} {found[0]}" if (found := re.search(r"\d+\.\d+[.\d]*", said)) else None
