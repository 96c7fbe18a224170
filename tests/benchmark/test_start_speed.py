"""How long `distrnn --help` takes, beside a Python that only loads the two terminal libraries."""

import resource
import statistics
import subprocess
import sys

import pytest

pytestmark = pytest.mark.bench
ROUNDS = 9


def processor_seconds(*arguments: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_help_is_there_at_once() -> None:
    rounds = [
        (processor_seconds("-m", "distrnn", "--help"), processor_seconds("-c", "import typer, typer.core, rich.console"))
        for _ in range(ROUNDS)
    ]
    ours, peer = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(f"\ndistrnn --help {ours:.2f} s of the processor, importing typer and rich {peer:.2f} s, ratio {ours / peer:.2f}")
    assert ours < 0.5
