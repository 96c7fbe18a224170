"""Commands in processes of their own that tests signal and kill, and the proof that they leave nothing running."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

WAIT_S = 120.0


class Command:
    """`distrnn …` in a process group of its own, with a home of its own."""

    def __init__(self, home: Path, arguments: tuple[str, ...]) -> None:
        self.home, self.log = home, home / "stderr.txt"
        home.mkdir(parents=True, exist_ok=True)
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "distrnn", *arguments],
                stdout=subprocess.DEVNULL,
                stderr=log,
                env={**os.environ, "DISTRNN_HOME": str(home)},
                start_new_session=True,
            )

    @property
    def stderr(self) -> str:
        """What it said so far."""
        return self.log.read_text()

    def wait_for(self, text: str) -> None:
        """Wait until it says `text`."""
        deadline = time.monotonic() + WAIT_S
        while text not in self.stderr:
            assert self.process.poll() is None, f"ended with {self.process.returncode} before it said {text!r}:\n{self.stderr}"
            assert time.monotonic() < deadline, f"did not say {text!r}:\n{self.stderr}"
            time.sleep(0.05)

    def interrupt(self) -> None:
        """Ctrl-C: SIGINT to the whole process group, as a terminal sends it."""
        os.killpg(self.process.pid, signal.SIGINT)

    def terminate(self) -> None:
        """SIGTERM to the process, as `kill` and Kubernetes send it."""
        os.kill(self.process.pid, signal.SIGTERM)

    def terminate_group(self) -> None:
        """SIGTERM to the process and to all that it started, as systemd sends it."""
        os.killpg(self.process.pid, signal.SIGTERM)

    def end(self) -> int:
        """Wait for its exit code."""
        return self.process.wait(WAIT_S)

    def left_running(self) -> list[str]:
        """Processes that carry this home in their environment, given a moment to end."""
        deadline = time.monotonic() + 15.0
        while (left := self._alive()) and time.monotonic() < deadline:
            time.sleep(0.2)
        return left

    def _alive(self) -> list[str]:
        mark = f"DISTRNN_HOME={self.home}\0".encode()
        return [name for pid, name in processes().items() if mark in environment(pid)]

    def worker(self) -> int:
        """The process id of the Ray Train worker."""
        mark = f"DISTRNN_HOME={self.home}\0".encode()
        return next(pid for pid, name in processes().items() if "RayTrainWorker" in name and mark in environment(pid))


def processes() -> dict[int, str]:
    """Process ids and command lines of this machine."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            except OSError:
                continue
    return {pid: name for pid, name in found.items() if name}


def environment(pid: int) -> bytes:
    """The environment a process was started with."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes() + b"\0"
    except OSError:
        return b""


def session_of(pid: int) -> int | None:
    """The session of a process; None where it has ended."""
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


@pytest.fixture
def start_command(tmp_path: Path) -> Iterator[Callable[..., Command]]:
    """Start `distrnn …`; what still runs at the end of the test is killed."""
    started: list[Command] = []

    def start(*arguments: str, home: str = "home") -> Command:
        started.append(Command(tmp_path / home, arguments))
        return started[-1]

    yield start
    for command in started:
        if command.process.poll() is None:
            os.killpg(command.process.pid, 9)
            command.process.wait()
