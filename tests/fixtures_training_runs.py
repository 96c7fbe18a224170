"""Small runs that take some seconds of steps, so that tests can stop, kill and damage them, and what is left of them afterwards."""

import contextlib
import hashlib
import io
import json
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from distrnn.storage import open_store
from fixtures_processes import Command, environment, processes

EVERY_S = 0.5
END_S = 280.0
RUN = "mine"
WORKFLOWS = {
    "reviews": """
name: reviews
data: {source: synthetic-reviews, limit: 2000}
model: {type: lstm, sequence_length: 80, embedding_dim: 16, units: 64, dropout: 0.2}
train: {epochs: 5, global_batch_size: 8, steps_per_call: 1, checkpoint_every_s: 0.5, checkpoints_kept: 1000, max_failures: 6}
scaling: {device: cpu}
register: {name: reviews}
""",
    "stream": """
name: stream
data: {source: text, path: corpus.txt, tokenizer: {level: char}, test_fraction: 0}
model: {task: language-model, type: lstm, window: 20, embedding_dim: 16, units: 192}
train: {epochs: 5, global_batch_size: 8, steps_per_call: 1, checkpoint_every_s: 0.5, checkpoints_kept: 1000, max_failures: 6}
scaling: {device: cpu}
register: {name: stream}
""",
}
WORDS = "the a film plot was is good bad not great dull actor scene never again".split()


@dataclass(frozen=True, order=True)
class Saved:
    """A checkpoint on the disk: its place in training, when it was written, its folder."""

    epoch: int
    step: int
    written_at: float
    folder: Path

    @property
    def place(self) -> tuple[int, int]:
        return self.epoch, self.step


def run_folder(home: Path) -> Path:
    return home / "storage/runs" / RUN


def log_of(home: Path) -> str:
    """What the run's libraries and workers printed."""
    return (run_folder(home) / "log.txt").read_text(errors="replace")


def said(command: Command) -> str:
    """What the run said: on its terminal and in its log."""
    return command.stderr + log_of(command.home)


def checkpoints(home: Path) -> list[Saved]:
    """Those of a run in a folder, in the order of training."""
    found = []
    for position in (run_folder(home) / "checkpoints").glob("epoch-*/position.json"):
        _, epoch, _, step, _ = position.parent.name.split("-")
        found.append(Saved(int(epoch), int(step), position.stat().st_mtime, position.parent))
    return sorted(found)


def wait_for_checkpoint(command: Command, place: tuple[int, int] = (1, 1), *, after: float = 0.0) -> Saved:
    """Wait until the run has a checkpoint at `place` in training or later, written after a moment."""
    deadline = time.monotonic() + 240.0
    while not (fitting := [saved for saved in checkpoints(command.home) if saved.place >= place and saved.written_at > after]):
        assert command.process.poll() is None, f"ended with {command.process.returncode} before {place}:\n{said(command)}"
        assert time.monotonic() < deadline, f"no checkpoint at {place}:\n{said(command)}"
        time.sleep(0.02)
    return fitting[0]


def running(command: Command) -> dict[int, str]:
    """Process ids and names of everything that carries the command's home in its environment."""
    mark = f"DISTRNN_HOME={command.home}\0".encode()
    return {pid: name for pid, name in processes().items() if mark in environment(pid)}


def kill_worker(command: Command) -> float:
    """SIGKILL; returns when."""
    os.kill(command.worker(), signal.SIGKILL)
    return time.time()


def published(registry: str | Path, name: str) -> bytes:
    """The file of the first version's weights, from a registry wherever it is."""
    store = open_store(str(registry))
    manifest = json.loads(store.read(f"{name}/versions/0000000001.json"))
    (digest,) = [file["sha256"] for file in manifest["files"] if file["path"] == "numpy/weights.npz"]
    return store.read(f"{name}/blobs/sha256/{digest[:2]}/{digest}")


def weights(registry: str | Path, name: str) -> str:
    """SHA-256 of the first version's weights."""
    return hashlib.sha256(published(registry, name)).hexdigest()


def arrays(registry: str | Path, name: str) -> dict[str, np.ndarray]:
    """The first version's weights."""
    with np.load(io.BytesIO(published(registry, name))) as file:
        return {key: file[key] for key in file.files}


def cut_in_half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def largest_arrays(checkpoint: Path) -> Path:
    return max(checkpoint.glob("*.npz"), key=lambda path: path.stat().st_size)


@contextlib.contextmanager
def only_the_home() -> Iterator[None]:
    """Whatever a test has set, what is started inside keeps everything in its home."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DISTRNN_STORAGE", "DISTRNN_REGISTRY"):
            patch.delenv(name, raising=False)
        yield


def end_of(command: Command) -> int:
    return command.process.wait(END_S)


@pytest.fixture(scope="session")
def training_workflows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Paths of the workflow files, by name."""
    folder = tmp_path_factory.mktemp("training-workflows")
    dice = random.Random(0)
    (folder / "corpus.txt").write_text(" ".join(dice.choice(WORDS) for _ in range(10_000)))
    for name, text in WORKFLOWS.items():
        (folder / f"{name}.yaml").write_text(text)
    return {name: str(folder / f"{name}.yaml") for name in WORKFLOWS}


@pytest.fixture(scope="session")
def undisturbed(training_workflows: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The home of a run that nothing happened to, by the workflow's name; each is made once."""
    homes: dict[str, Path] = {}

    def home_of(name: str) -> Path:
        if name not in homes:
            home = tmp_path_factory.mktemp("undisturbed") / "home"
            with only_the_home():
                command = Command(home, ("run", training_workflows[name], "--run-id", RUN))
            assert end_of(command) == 0, command.stderr
            homes[name] = home
        return homes[name]

    return home_of


@pytest.fixture(scope="session")
def interrupted(training_workflows: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Path], Path]:
    """A function that copies the home of a run that was interrupted with some checkpoints behind it, by the workflow's name."""
    homes: dict[str, Path] = {}

    def copy(name: str, target: Path) -> Path:
        if name not in homes:
            home = tmp_path_factory.mktemp("interrupted") / "home"
            with only_the_home():
                command = Command(home, ("run", training_workflows[name], "--run-id", RUN))
            wait_for_checkpoint(command, (2, 20))
            command.interrupt()
            assert end_of(command) == 130, command.stderr
            homes[name] = home
        shutil.copytree(homes[name], target)
        return target

    return copy
